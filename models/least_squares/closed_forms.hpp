#pragma once
/// \file
/// Closed forms of streaming SGD on least squares (docs/theory/least-squares-sgd.md, sections 1.4, 4, 7, 13).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::least_squares {

std::vector<ClosedForm> least_squares_closed_forms();

}  // namespace edgewise::models::least_squares
