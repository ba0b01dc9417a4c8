#pragma once
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::least_squares {

/// Invariants and reference values of the linear family (notes two-phase 9, 10; least-squares-sgd 13).
std::vector<ClosedForm> linear_closed_forms();

}  // namespace edgewise::models::least_squares
