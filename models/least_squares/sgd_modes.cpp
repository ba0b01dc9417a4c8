#include "models/least_squares/sgd_modes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/roots.hpp"

namespace edgewise::models::least_squares {

SgdModes::SgdModes(const LeastSquares& problem)
    : batch(problem.batch), own_noise(1 + problem.data.excess_kurtosis), noise_variance(problem.noise_variance()) {
  const spectra::Spectrum& s = problem.spectrum;
  for (std::size_t a = 0; a < s.modes(); ++a) {
    if (s.eigenvalue[a] == 0) {
      null_power += problem.initial_power[a];
      continue;
    }
    eigenvalue.push_back(s.eigenvalue[a]);
    multiplicity.push_back(s.multiplicity[a]);
    power.push_back(problem.initial_power[a]);
  }
}

double SgdModes::contraction(std::size_t a, double eta) const {
  const double x = eta * eigenvalue[a];
  return x * (2 - x * (1 + own_noise / batch));
}

double SgdModes::feedback(std::size_t a, double eta) const {
  return eta * eta / batch * multiplicity[a] * eigenvalue[a];
}

double largest_eigenvalue(const SgdModes& modes) {
  return *std::max_element(modes.eigenvalue.begin(), modes.eigenvalue.end());
}

double kernel_norm(const SgdModes& modes, double eta) {
  if (std::isinf(modes.batch)) return 0;
  double total = 0;
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) {
    const double slack = 2 - eta * modes.eigenvalue[a] * (1 + modes.own_noise / modes.batch);
    if (slack <= 0) return std::numeric_limits<double>::infinity();
    total += modes.multiplicity[a] * modes.eigenvalue[a] / slack;
  }
  return eta / modes.batch * total;
}

namespace {

double bare_threshold(const SgdModes& modes) {
  return 2 / (largest_eigenvalue(modes) * (1 + modes.own_noise / modes.batch));
}

}  // namespace

double largest_learning_rate(const SgdModes& modes) {
  const double bound = bare_threshold(modes);
  if (std::isinf(modes.batch)) return bound;
  // kappa - 1 in log eta; kappa ~ eta tr K/(2B) from below gives the left end.
  double trace = 0;
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) trace += modes.multiplicity[a] * modes.eigenvalue[a];
  const auto excess = [&](double log_eta) { return std::min(kernel_norm(modes, std::exp(log_eta)), 1e6) - 1; };
  double low = std::log(std::min(bound, 2 * modes.batch / trace)) - 1;
  while (excess(low) > 0) low -= 1;
  const double high = std::log(bound);
  if (excess(high) < 0) return bound;
  return std::exp(numerics::root(excess, low, high));
}

}  // namespace edgewise::models::least_squares
