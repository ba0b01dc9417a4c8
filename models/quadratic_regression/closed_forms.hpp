#pragma once
/// \file
/// Closed forms and reference values of docs/theory/quadratic-regression.md that theory and simulation must reproduce.
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace edgewise::models::quadratic_regression {

/// Instance F of docs/theory/quadratic-regression.md, section 2: D = 2, P = 3.
QuadraticInstance fixed_instance();

/// Trajectories of F under every rule of section 0, then sections 2 to 5.
std::vector<ClosedForm> quadratic_closed_forms();

}  // namespace edgewise::models::quadratic_regression
