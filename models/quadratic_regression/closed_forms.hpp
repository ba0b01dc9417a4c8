#pragma once
/// \file
/// Known trajectories of second-order regression that the simulation's steps must reproduce.
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/instance.hpp"

namespace edgewise::models::quadratic_regression {

/// Instance F of docs/theory/quadratic-regression.md, section 2: D = 2, P = 3.
QuadraticInstance fixed_instance();

/// Trajectories of F under every rule of section 0.
std::vector<ClosedForm> quadratic_simulation_closed_forms();

}  // namespace edgewise::models::quadratic_regression
