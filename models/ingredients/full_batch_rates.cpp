#include "models/ingredients/full_batch_rates.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "linear_algebra/dense.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::ingredients {

namespace {

/// Lanczos with full reorthogonalisation: the Jacobi matrix of the measure, of as many steps as it has points.
struct JacobiMatrix {
  std::vector<double> diagonal, off_diagonal;
};

JacobiMatrix jacobi_matrix(std::span<const double> lambda, std::span<const double> measure, std::size_t steps) {
  constexpr double negligible = 1e-13;  // of the largest eigenvalue: the measure has no more points
  const std::size_t n = lambda.size();
  const double largest = *std::ranges::max_element(lambda);
  std::vector<std::vector<double>> basis;
  std::vector<double> next(n);
  const double mass = std::accumulate(measure.begin(), measure.end(), 0.0);
  for (std::size_t i = 0; i < n; ++i) next[i] = std::sqrt(measure[i] / mass);
  JacobiMatrix out;
  while (true) {
    basis.push_back(next);
    const std::vector<double>& q = basis.back();
    for (std::size_t i = 0; i < n; ++i) next[i] = lambda[i] * q[i];
    out.diagonal.push_back(numerics::dot_in_order(next, q));
    if (out.diagonal.size() == std::min(steps, n)) return out;
    for (int twice = 0; twice < 2; ++twice)
      for (const std::vector<double>& b : basis) {
        const double part = numerics::dot_in_order(next, b);
        for (std::size_t i = 0; i < n; ++i) next[i] -= part * b[i];
      }
    const double length = std::sqrt(numerics::squared_norm_in_order(next));
    if (!(length > negligible * largest)) return out;
    out.off_diagonal.push_back(length);
    for (double& x : next) x /= length;
  }
}

/// The points that have any weight, in units of the largest; weights in units of the largest.
struct Measure {
  std::vector<double> points, weight;
  double largest = 0, scale = 0;
  double still = 0;  ///< weight at 0

  Measure(std::span<const double> lambda, std::span<const double> weights) {
    for (std::size_t i = 0; i < lambda.size(); ++i) scale = std::max(scale, weights[i]);
    for (std::size_t i = 0; i < lambda.size(); ++i) {
      if (lambda[i] == 0) still += weights[i];
      if (!(lambda[i] > 0 && weights[i] > 0)) continue;
      points.push_back(lambda[i]);
      weight.push_back(weights[i] / scale);
      largest = std::max(largest, lambda[i]);
    }
    for (double& x : points) x /= largest;
  }
  /// As many steps as make a difference; 0 where that would be too much work.
  std::size_t rank(std::uint64_t steps) const {
    constexpr double most_operations = 2e9;
    const auto out = static_cast<double>(std::min<std::uint64_t>(steps, points.size()));
    return 4 * out * out * static_cast<double>(points.size()) > most_operations ? 0 : static_cast<std::size_t>(out);
  }
};

}  // namespace

std::vector<double> best_full_batch_rates(std::span<const double> lambda, std::span<const double> weight,
                                          std::uint64_t steps) {
  Measure measure(lambda, weight);
  if (steps == 0 || measure.points.empty()) return {};
  std::vector<double> roots = measure.points;  // ascending, as are those of the polynomial
  std::ranges::sort(roots);
  roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
  if (steps < roots.size()) {
    const std::size_t rank = measure.rank(steps);
    if (rank == 0) return {};
    for (std::size_t i = 0; i < measure.points.size(); ++i) measure.weight[i] *= measure.points[i];
    const JacobiMatrix jacobi = jacobi_matrix(measure.points, measure.weight, rank);
    roots = linear_algebra::tridiagonal_eigen(jacobi.diagonal, jacobi.off_diagonal).values;
    if (!(roots.front() > 0)) return {};
  }
  std::vector<double> rates(steps);
  for (std::size_t k = 0; k < steps; ++k) rates[k] = 1 / (roots[roots.size() - 1 - k % roots.size()] * measure.largest);
  return rates;
}

double least_full_batch_loss(std::span<const double> lambda, std::span<const double> weight, std::uint64_t steps) {
  const Measure measure(lambda, weight);
  if (steps >= measure.points.size()) return measure.still;
  const std::size_t rank = measure.rank(steps + 1);
  if (rank == 0) return std::numeric_limits<double>::quiet_NaN();
  const JacobiMatrix jacobi = jacobi_matrix(measure.points, measure.weight, rank);
  if (jacobi.off_diagonal.size() < steps) return measure.still;  // some eigenvalues are equal
  // 1 over the sum of squares at 0 of the orthonormal polynomials, whose signs alternate there.
  double before = 0, now = 1 / std::sqrt(std::accumulate(measure.weight.begin(), measure.weight.end(), 0.0));
  double total = now * now;
  for (std::size_t k = 0; k < steps; ++k) {
    const double next =
        (jacobi.diagonal[k] * now - (k > 0 ? jacobi.off_diagonal[k - 1] * before : 0)) / jacobi.off_diagonal[k];
    before = std::exchange(now, next);
    total += now * now;
  }
  return measure.scale / total + measure.still;
}

}  // namespace edgewise::models::ingredients
