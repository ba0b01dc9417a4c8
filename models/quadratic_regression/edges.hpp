#pragma once
/// \file
/// What `edgewise stability` and `edgewise modes` say of second-order regression: the edges of stability of the initial
/// kernel, the thresholds of the limit, and the early sharpening of every eigenvalue.
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

/// The initial kernel is that of the given instance, or of replica 0.
std::vector<Finding> quadratic_stability(const QuadraticProblem& problem);

/// Conservative sharpening, eigenvalue by eigenvalue of the initial kernel, averaged over curvature, batches and, where
/// they are drawn for every replica, residuals (docs/theory/quadratic-regression.md, section 2). \throws
/// std::invalid_argument for a given instance and for SAM.
std::vector<ModeColumn> quadratic_modes(const QuadraticProblem& problem);

}  // namespace edgewise::models::quadratic_regression
