#include "solvers/mode_sums.hpp"

#include <algorithm>
#include <cmath>

namespace edgewise::solvers {

double dot(const double* x, const double* y, std::size_t n) {
  double s[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::size_t k = 0; k < 4; ++k) s[k] += x[i + k] * y[i + k];
  for (; i < n; ++i) s[0] += x[i] * y[i];
  return (s[0] + s[1]) + (s[2] + s[3]);
}

double absolute_dot(const double* x, const double* y, std::size_t n) {
  double s[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::size_t k = 0; k < 4; ++k) s[k] += std::abs(x[i + k] * y[i + k]);
  for (; i < n; ++i) s[0] += std::abs(x[i] * y[i]);
  return (s[0] + s[1]) + (s[2] + s[3]);
}

bool proportional(std::span<const double> g, std::span<const double> u, double& factor) {
  factor = 0;
  std::size_t largest = 0;
  for (std::size_t i = 0; i < u.size(); ++i)
    if (std::abs(u[i]) > std::abs(u[largest])) largest = i;
  if (u[largest] == 0) return false;
  factor = g[largest] / u[largest];
  for (std::size_t i = 0; i < u.size(); ++i)
    if (std::abs(g[i] - factor * u[i]) > 1e-15 * std::abs(g[i])) return false;
  return true;
}

bool all_finite(std::span<const double> x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace edgewise::solvers
