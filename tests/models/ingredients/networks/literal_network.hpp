#pragma once
// A second rendering of small networks and their losses, number by number as they are defined.
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "models/ingredients/networks/network_objective.hpp"

namespace edgewise::literal {

namespace nets = models::ingredients::networks;

inline double activation(const nets::Activation& a, double s) {
  const auto phi = [](double t) { return 0.5 * (1 + std::erf(t / std::sqrt(2.0))); };
  switch (a.kind) {
    case nets::ActivationKind::identity:
      return s;
    case nets::ActivationKind::tanh:
      return (std::exp(s) - std::exp(-s)) / (std::exp(s) + std::exp(-s));
    case nets::ActivationKind::erf:
      return 2 * phi(s) - 1;
    case nets::ActivationKind::relu:
      return std::max(0.0, s);
    case nets::ActivationKind::gelu:
      return s * phi(s);
    case nets::ActivationKind::beta_gelu:
      return s * phi(a.beta * s);
  }
  return 0;
}

/// The outputs for one input.
inline std::vector<double> outputs(const nets::Architecture& a, std::span<const double> theta,
                                   std::span<const double> input) {
  std::vector<double> h(input.begin(), input.end());
  std::size_t at = 0;
  for (std::size_t l = 0; l < a.layers.size(); ++l) {
    const auto fan = static_cast<double>(h.size());
    double m = 1;
    if (a.parametrisation != nets::Parametrisation::standard) m = 1 / std::sqrt(fan);
    if (a.parametrisation == nets::Parametrisation::mean_field && l + 1 == a.layers.size()) m = 1 / fan;
    std::vector<double> z(a.layers[l].width);
    for (const double x : h)
      for (double& zj : z) zj += m * theta[at++] * x;
    if (a.layers[l].bias)
      for (double& zj : z) zj += theta[at++];
    for (double& zj : z) zj = activation(a.layers[l].activation, zj);
    h = z;
  }
  return h;
}

inline double loss_of(const nets::Loss& loss, std::span<const double> f, std::span<const double> y) {
  double sum = 0;
  if (loss.kind == nets::LossKind::squared) {
    for (std::size_t c = 0; c < f.size(); ++c) sum += (f[c] - y[c]) * (f[c] - y[c]) / 2;
    return sum;
  }
  const double beta = loss.inverse_temperature;
  if (f.size() == 1) return std::log(1 + std::exp(-beta * y[0] * f[0]));
  double all = 0;
  for (const double x : f) all += std::exp(beta * x);
  for (std::size_t c = 0; c < f.size(); ++c) sum -= y[c] * std::log(std::exp(beta * f[c]) / all);
  return sum;
}

inline double mean_loss(const nets::Architecture& a, const nets::Loss& loss, const nets::Examples& examples,
                        std::span<const double> theta) {
  double sum = 0;
  for (std::size_t i = 0; i < examples.size(); ++i)
    sum += loss_of(loss, outputs(a, theta, examples.inputs.column(i)), examples.targets.column(i));
  return sum / static_cast<double>(examples.size());
}

}  // namespace edgewise::literal
