#pragma once
/// \file
/// Closed forms of the size-p model and of reduced noise models (docs/theory/schedules-and-collapse.md, sections 4 and 5).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::least_squares {

std::vector<ClosedForm> collapse_closed_forms();

}  // namespace edgewise::models::least_squares
