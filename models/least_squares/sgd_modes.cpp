#include "models/least_squares/sgd_modes.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "numerics/sums.hpp"

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

double SgdModes::trace() const {
  return numerics::dot_in_order(multiplicity, eigenvalue);
}

double largest_eigenvalue(const SgdModes& modes) {
  return std::ranges::max(modes.eigenvalue);
}

double kernel_norm(const SgdModes& modes, double eta) {
  if (std::isinf(modes.batch)) return 0;
  double total = 0;
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) {
    const double slack = 2 - eta * modes.eigenvalue[a] * (1 + modes.own_noise / modes.batch);
    if (slack <= 0) return infinity;
    total += modes.multiplicity[a] * modes.eigenvalue[a] / slack;
  }
  return eta / modes.batch * total;
}

SgdModes in_largest_eigenvalues(SgdModes modes) {
  const double largest = largest_eigenvalue(modes);
  for (double& lambda : modes.eigenvalue) lambda /= largest;
  return modes;
}

double largest_stiffness(const SgdModes& modes) {
  // Where the stiffest mode alone ceases to decay; never for inputs of kurtosis 1 and single samples.
  const double bound = 2 / (1 + modes.own_noise / modes.batch);
  if (std::isinf(modes.batch)) return bound;
  const SgdModes relative = in_largest_eigenvalues(modes);
  // kappa - 1 in log eta. As 0 < slack <= 2, kappa lies above eta tr K / (2B), its value for small rates.
  const auto excess = [&](double log_eta) { return std::min(kernel_norm(relative, std::exp(log_eta)), 1e6) - 1; };
  const double high = std::log(std::min(bound, 2 * modes.batch / relative.trace()));
  const double at_high = excess(high);
  if (at_high <= 0) return std::exp(high);
  double low = high - 1;
  while (excess(low) > 0) low -= 1;
  return std::exp(numerics::root(excess, low, high, excess(low), at_high));
}

double largest_learning_rate(const SgdModes& modes) {
  return largest_stiffness(modes) / largest_eigenvalue(modes);
}

}  // namespace edgewise::models::least_squares
