#pragma once
/// \file
/// Reference values and identities of second-order regression's theory (docs/theory/quadratic-regression.md, sections 2
/// to 5).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::quadratic_regression {

/// The memory recursion and its linear limits, early-time formulas, kernel norms and critical learning rates, SAM.
std::vector<ClosedForm> quadratic_closed_forms();

}  // namespace edgewise::models::quadratic_regression
