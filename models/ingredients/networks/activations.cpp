#include "models/ingredients/networks/activations.hpp"

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "numerics/constants.hpp"

namespace edgewise::models::ingredients::networks {

namespace {

/// Beyond it the normal density is 0 in double precision, whatever it is multiplied by.
constexpr double no_density = 40;

double normal_density(double s) {
  return !(std::abs(s) >= no_density) ? std::exp(-0.5 * s * s) / std::sqrt(2 * pi) : 0.0;
}

ActivationValues smooth_step_times(double beta, double s) {
  const double t = beta * s, density = normal_density(t), below = 0.5 * std::erfc(-t / std::numbers::sqrt2);
  if (density == 0 && !std::isnan(t)) return {t > 0 ? s : 0.0, t > 0 ? 1.0 : 0.0, 0};
  return {s * below, below + t * density, beta * density * (2 - t * t)};
}

}  // namespace

const std::vector<std::string>& activation_names() {
  static const std::vector<std::string> names{"identity", "tanh", "erf", "relu", "gelu", "beta-gelu"};
  return names;
}

ActivationValues evaluate(const Activation& activation, double s) {
  switch (activation.kind) {
    case ActivationKind::identity:
      return {s, 1, 0};
    case ActivationKind::tanh: {
      const double value = std::tanh(s), first = 1 - value * value;
      return {value, first, -2 * value * first};
    }
    case ActivationKind::erf: {
      const double first = 2 * normal_density(s);
      return {std::erf(s / std::numbers::sqrt2), first, first == 0 ? 0.0 : -s * first};
    }
    case ActivationKind::relu:
      return {s > 0 ? s : 0 * s, s > 0 ? 1.0 : 0.0,  // 0 * s: what is no number stays none
              activation.synthetic_beta > 0 ? smooth_step_times(activation.synthetic_beta, s).second : 0};
    case ActivationKind::gelu:
      return smooth_step_times(1, s);
    case ActivationKind::beta_gelu:
      return smooth_step_times(activation.beta, s);
  }
  throw std::logic_error("unknown activation");
}

double largest_second(const Activation& activation) {
  if (activation.piecewise_linear()) return 0;
  if (activation.kind == ActivationKind::tanh) return 4 / (3 * std::sqrt(3.0));              // at tanh^2 = 1/3
  if (activation.kind == ActivationKind::erf) return std::sqrt(2 / (pi * std::numbers::e));  // at 1
  const bool relu = activation.kind == ActivationKind::relu, gelu = activation.kind == ActivationKind::gelu;
  return (relu ? activation.synthetic_beta : gelu ? 1 : activation.beta) * std::sqrt(2 / pi);  // at 0
}

}  // namespace edgewise::models::ingredients::networks
