#include "solvers/coupled_modes.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace edgewise::solvers {

void CoupledModes::time_derivative(double t, std::span<const double> p, std::span<const double> M,
                                   std::span<double> dfdt) const {
  const std::size_t n = size();
  // The cube root of the rounding unit balances truncation against cancellation.
  const double step = 6e-6 * std::max(1.0, std::abs(t));
  std::vector<double> rate(n), source(n);
  const double after = t + step, before = t - step;
  coefficients(after, p, rate, source);
  for (std::size_t i = 0; i < n; ++i) dfdt[i] = source[i] - rate[i] * M[i];
  coefficients(before, p, rate, source);
  const double scale = 1 / (after - before);
  for (std::size_t i = 0; i < n; ++i) dfdt[i] = (dfdt[i] - (source[i] - rate[i] * M[i])) * scale;
}

}  // namespace edgewise::solvers
