#pragma once
/// \file
/// Both parts of the Hessian H = GGN + NME of second-order regression along a run, GGN = J'J and NME = sum_a z_a Q_a, of
/// the loss |z|^2/2 on all outputs (docs/theory/curvature-dynamics.md, sections 5 and 6).
#include <optional>
#include <span>
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace edgewise::models::quadratic_regression {

class CurvatureRecord {
 public:
  explicit CurvatureRecord(const QuadraticRule& rule) : rule_(rule) {}
  /// Writes what curvature_observables() names. \param noise  P standard normal numbers, of a rule with a deviation
  void write(const QuadraticState& state, std::span<const double> noise, std::span<double> out) const;

 private:
  QuadraticRule rule_;
  mutable std::optional<CurvatureTensor::Invariants> invariants_;
  mutable std::vector<double> scratch_;
};

/// gradient_norm, hessian_trace, ggn_trace, nme_trace, logit_share, functional_share, delta_func; of SAM and its paths
/// sam_residual, of a rule with a deviation noisy_loss and loss_at_noise.
std::vector<Observable> curvature_observables(const QuadraticRule& rule);

}  // namespace edgewise::models::quadratic_regression
