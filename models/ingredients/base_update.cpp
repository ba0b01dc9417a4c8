#include "models/ingredients/base_update.hpp"

#include <cmath>
#include <utility>

namespace edgewise::models::ingredients {

BaseRun::BaseRun(const BaseUpdate& base, std::size_t parameters)
    : base_(base), mean_(base.plain() ? 0 : parameters), squares_(base.adaptive ? parameters : 0) {}

void BaseRun::turn(std::span<double> along) {
  if (base_.plain()) return;
  if (!base_.adaptive) {
    for (std::size_t k = 0; k < along.size(); ++k) along[k] = mean_[k] = base_.momentum * mean_[k] + along[k];
    return;
  }
  mean_weight_ *= base_.beta1;
  square_weight_ *= base_.beta2;
  scale_.resize(along.size());
  for (std::size_t k = 0; k < along.size(); ++k) {
    const double g = along[k];
    mean_[k] = base_.beta1 * mean_[k] + (1 - base_.beta1) * g;
    squares_[k] = base_.beta2 * squares_[k] + (1 - base_.beta2) * g * g;
    scale_[k] = std::sqrt(squares_[k] / (1 - square_weight_)) + base_.epsilon;
    along[k] = mean_[k] == 0 ? 0 : mean_[k] / (1 - mean_weight_) / scale_[k];
  }
}

settings::Parameter momentum_parameter() {
  return settings::number("momentum", "m <- momentum m + gradient, theta' = theta - eta m")
      .at_least(0)
      .below(1)
      .otherwise(0.0);
}

settings::Description adaptive_optimizer(bool averaged, settings::Parameter rate, settings::Parameter batch) {
  std::vector<settings::Parameter> keys{std::move(rate)};
  if (averaged)
    keys.push_back(settings::number("beta1", "of the average of gradients").at_least(0).below(1).otherwise(0.9));
  keys.push_back(settings::number("beta2", "of the average of squares").at_least(0).below(1).otherwise(0.999));
  keys.push_back(settings::number("epsilon", "added to the root").in("gradient").above(0).otherwise(1e-8));
  keys.push_back(std::move(batch));
  constexpr const char* source = "docs/theory/curvature-dynamics.md, section 3.1";
  if (averaged)
    return {"adam", "Adam: RMSProp along an average of gradients",
            "theta' = theta - eta P^-1 m/(1 - beta1^(k+1)); edge at eta lambda_max(P^-1 H) = 2 (1 + beta1)/(1 - beta1)",
            source, std::move(keys)};
  return {"rmsprop", "every coordinate's gradient over the root of its mean square",
          "theta' = theta - eta P^-1 g, P = sqrt(v/(1 - beta2^(k+1))) + epsilon; edge at eta lambda_max(P^-1 H) = 2",
          source, std::move(keys)};
}

BaseUpdate read_base_update(const settings::Values& optimizer) {
  BaseUpdate base;
  if (optimizer.has("momentum")) base.momentum = optimizer.number("momentum");
  if (!optimizer.has("beta2")) return base;
  base.adaptive = true;
  if (optimizer.has("beta1")) base.beta1 = optimizer.number("beta1");
  base.beta2 = optimizer.number("beta2");
  base.epsilon = optimizer.number("epsilon");
  return base;
}

void check_base_of_rate(const settings::Table& experiment, const RateRule* rate, const BaseUpdate& base) {
  if (!rate || base.plain() || rate->needs().own_loss) return;
  throw experiment.error("rate",
                         "this rule sets the rate of steps along gradients; leave out optimizer.momentum, rmsprop and "
                         "adam, or take cdat, armijo or inverse-sharpness");
}

}  // namespace edgewise::models::ingredients
