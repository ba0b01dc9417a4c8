#include "models/least_squares/linear_methods/full_batch_rates.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "linear_algebra/dense.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::least_squares {

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

}  // namespace

std::vector<double> best_full_batch_rates(std::span<const double> lambda, std::span<const double> weight,
                                          std::uint64_t steps) {
  constexpr double most_operations = 2e9;
  std::vector<double> points, measure;
  double scale = 0;
  for (std::size_t i = 0; i < lambda.size(); ++i) scale = std::max(scale, weight[i]);
  for (std::size_t i = 0; i < lambda.size(); ++i)
    if (lambda[i] > 0 && weight[i] > 0) {
      points.push_back(lambda[i]);
      measure.push_back(weight[i] / scale);
    }
  if (points.empty() || steps == 0) return {};
  const double largest = *std::ranges::max_element(points);
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i] /= largest;
    measure[i] *= points[i];
  }
  const double rank = static_cast<double>(std::min<std::uint64_t>(steps, points.size()));
  if (4 * rank * rank * static_cast<double>(points.size()) > most_operations) return {};
  const JacobiMatrix jacobi = jacobi_matrix(points, measure, static_cast<std::size_t>(rank));
  const std::vector<double> roots =
      linear_algebra::tridiagonal_eigen(jacobi.diagonal, jacobi.off_diagonal).values;  // ascending
  std::vector<double> rates(steps, 0.0);
  for (std::size_t k = 0; k < roots.size(); ++k) {
    const double root = roots[roots.size() - 1 - k];
    if (!(root > 0)) return {};
    rates[k] = 1 / (root * largest);
  }
  return rates;
}

}  // namespace edgewise::models::least_squares
