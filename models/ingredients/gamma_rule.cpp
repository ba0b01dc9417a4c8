#include "models/ingredients/gamma_rule.hpp"

#include <algorithm>
#include <cmath>

namespace edgewise::models::ingredients {

namespace {

// u - (e^u - 1), which is -u^2/2 for small u.
double exponent(double u) {
  if (std::abs(u) > 0.3) return u - std::expm1(u);
  double sum = 0;
  for (int k = 17; k >= 2; --k) sum = (1 + sum) * u / k;  // (e^u - 1 - u)/u
  return -sum * u;
}

}  // namespace

std::vector<GammaNode> log_gamma_rule(double shape, double left, double right, double first) {
  shape = std::min(shape, 1e30);
  // The Fourier transform of the density in u falls to rounding at 2 pi/step.
  const double step = std::min(0.15, 0.5 / std::sqrt(shape));
  constexpr double enough = 55;  // e-folds
  std::vector<GammaNode> rule;
  const auto weigh = [&](double u) { return std::exp(shape * exponent(u)); };
  double u = 0;
  for (; u >= first && shape * exponent(u) - left * u > -enough; u -= step) rule.push_back({u, weigh(u)});
  // The rest is a geometric series, in the probabilities and in what they multiply.
  const auto series = [step](double rate) { return -1 / std::expm1(-std::max(rate * step, 1e-300)); };
  const double farther = left > 0 ? std::log(series(shape - left) / series(shape)) / left : 0;
  rule.push_back({u - farther, weigh(u) * series(shape)});
  std::ranges::reverse(rule);
  for (u = step; shape * exponent(u) + right * u > -enough; u += step) rule.push_back({u, weigh(u)});
  double total = 0;
  for (const GammaNode& node : rule) total += node.probability;
  for (GammaNode& node : rule) node.probability /= total;
  return rule;
}

}  // namespace edgewise::models::ingredients
