#pragma once
/// \file
/// What a rate multiplies: base updates, which turn the gradient of every step into what is moved along
/// (docs/theory/curvature-dynamics.md, section 3.1).
#include <cstddef>
#include <span>
#include <vector>

#include "models/ingredients/rate_rules.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

/// heavy ball     m <- momentum m + g, along m; the gradient itself at momentum = 0
/// adaptive       P^-1 m, P = sqrt(v) + epsilon; m, v averages of g and g^2 with 1 - beta1, 1 - beta2 of the newest, over
///                1 - beta^(k+1): RMSProp at beta1 = 0, Adam
struct BaseUpdate {
  bool adaptive = false;
  double momentum = 0;
  double beta1 = 0, beta2 = 0, epsilon = 0;  ///< of adaptive

  /// Whether it is the gradient itself.
  bool plain() const { return !adaptive && momentum == 0; }
  /// What eta times the largest eigenvalue of P^-1 H (of H, unless adaptive) may be at the edge, over 2.
  double edge_factor() const { return adaptive ? (1 + beta1) / (1 - beta1) : 1 + momentum; }
};

/// A base update and its memory along one run.
class BaseRun {
 public:
  BaseRun(const BaseUpdate& base, std::size_t parameters);
  /// The gradient of a step becomes what it moves along; to be called once a step.
  void turn(std::span<double> along);
  /// P of the last step of an adaptive base, by parameter; empty before the first and of others.
  std::span<const double> preconditioner() const { return scale_; }

 private:
  BaseUpdate base_;
  std::vector<double> mean_, squares_, scale_;
  double mean_weight_ = 1, square_weight_ = 1;  ///< beta1^k, beta2^k
};

settings::Parameter momentum_parameter();
/// The optimizer rmsprop, or adam where there is an average of gradients: `rate`, beta1, beta2, epsilon, `batch`.
settings::Description adaptive_optimizer(bool averaged, settings::Parameter rate, settings::Parameter batch);
/// The base that an optimizer's keys ask for: adaptive where they know beta2.
BaseUpdate read_base_update(const settings::Values& optimizer);
/// Rules that know the step itself (RateNeeds::own_loss) go with any base, others with gradients alone.
/// \throws settings::Error of key "rate"
void check_base_of_rate(const settings::Table& experiment, const RateRule* rate, const BaseUpdate& base);

}  // namespace edgewise::models::ingredients
