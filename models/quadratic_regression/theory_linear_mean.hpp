#pragma once
/// \file
/// The linear model, curvature 0, exactly at finite D and P: the mean of the residual under GD, SGD and SAM on a frozen
/// kernel, and the mean loss (docs/theory/quadratic-regression.md, sections 4 and 5).
#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

/// Columns: residual_overlap, E z_t = prod (I - eta_t b K [I + rho (beta K + (1 - beta) diag K)]) z0 along z0; loss,
/// for mini-batches by the operator of the second moment, O(D^3) a step; ntk_mean. Averages are over batches and, where
/// they are drawn, over residuals, whose direction is uniform. \throws std::invalid_argument for a curvature that is
/// not 0, a Jacobian that differs between replicas, and normalised SAM.
Trajectory solve_linear_mean(const QuadraticProblem& problem);

}  // namespace edgewise::models::quadratic_regression
