#pragma once
/// \file
/// The central flow of one instance: the mean path of gradient descent once it oscillates at its edge
/// (docs/theory/curvature-dynamics.md, section 8).
#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

/// Time averages of loss (per output) and parameter_power, and their means between recorded steps; see
/// ingredients::follow_central_flow. \throws std::invalid_argument unless all replicas run on one instance by GD at a
/// constant rate on all outputs, from below the edge.
Trajectory solve_central_flow(const QuadraticProblem& problem);

}  // namespace edgewise::models::quadratic_regression
