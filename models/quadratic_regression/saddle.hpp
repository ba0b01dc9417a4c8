#pragma once
/// \file
/// What an ascent or a penalty makes of critical points of second-order regression: near one with Hessian H, d' = (I -
/// eta (I + rho A) H) d (docs/theory/curvature-dynamics.md, section 5.2).
#include <optional>
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

/// One output and one parameter on all outputs, L = (c + Q v^2/2)^2/2 of v = theta + J0/Q, with c Q < 0: a critical point
/// of curvature q = c Q at v = 0, minima of curvature -2 c Q on both sides.
struct ScalarSaddle {
  double centre = 0;  ///< theta of the saddle
  double scale = 0;   ///< |v| of the minima
  double curvature = 0;
  /// |v| below which a penalty by H (NME) leads to the saddle: 1 + rho A = 0 there, v^2 = (2/3) (2) (|q| - 1/rho)/Q^2. Empty where it traps nothing.
  std::optional<double> basin;
  bool trapped = false;       ///< the start, theta = 0, is within
  std::optional<double> end;  ///< theta in the end, where steps are short enough to be monotone
};
/// Of a given instance and a gradient penalty or functional SAM at a constant rate; empty of others.
std::optional<ScalarSaddle> scalar_saddle(const QuadraticProblem& problem);

/// Findings of H and its parts at theta = 0 of replica 0, for optimizers that go by them; of large tensors none.
void add_curvature_at_start(const QuadraticProblem& problem, std::vector<Finding>& out);

}  // namespace edgewise::models::quadratic_regression
