#include "models/nonlinear/mode_system.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "numerics/sums.hpp"

namespace edgewise::models::nonlinear {

double ModeSystem::excess_mse() const {
  return numerics::dot_in_order(kappa, initial);
}

DriftPowers drift_powers(std::span<const double> kappa, std::span<const double> M) {
  DriftPowers out;
  for (std::size_t i = 0; i < kappa.size(); ++i) {
    const double part = kappa[i] * kappa[i] * M[i];
    out.Q += part;
    out.T += kappa[i] * part;
  }
  return out;
}

double ModeSystem::noise_trace() const {
  return numerics::dot_in_order(kappa, s);
}

double ModeSystem::noise_power() const {
  return std::accumulate(s.begin(), s.end(), 0.0);
}

double ModeSystem::largest() const {
  return kappa.empty() ? 0 : *std::max_element(kappa.begin(), kappa.end());
}

linear_algebra::Matrix SignCoordinates::mode_noise() const {
  return linear_algebra::product(rotation, linear_algebra::product(noise, rotation), linear_algebra::Transposed::yes);
}

ModeSystem merged(const ModeSystem& modes, bool apart) {
  std::vector<std::size_t> order(modes.kappa.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  ModeSystem out;
  out.coordinates = modes.coordinates;
  const auto key = [&](std::size_t i) { return std::pair(modes.kappa[i], apart ? modes.initial[i] : 0.0); };
  if (!modes.coordinates)
    std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return key(i) > key(j); });
  std::pair<double, double> last;
  for (const std::size_t i : order) {
    if (modes.kappa[i] == 0) continue;
    if (out.kappa.empty() || modes.coordinates || key(i) != last) {
      last = key(i);
      out.kappa.push_back(modes.kappa[i]);
      out.s.push_back(0);
      out.initial.push_back(0);
      out.count.push_back(0);
    }
    out.s.back() += modes.s[i];
    out.initial.back() += modes.initial[i];
    out.count.back() += modes.count.empty() ? 1 : modes.count[i];
  }
  return out;
}

}  // namespace edgewise::models::nonlinear
