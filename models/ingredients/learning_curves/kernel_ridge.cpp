#include "models/ingredients/learning_curves/kernel_ridge.hpp"

#include <cmath>

#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::ingredients::learning_curves {

using linear_algebra::Matrix;

namespace {

constexpr double nothing_learned = 0x1p-500;  ///< trace of the kernel over the ridge

}  // namespace

RidgeErrors ridge_errors(const RidgeData& data, std::size_t n, double ridge) {
  RidgeErrors out;
  const std::size_t tests = data.truth.size();
  std::vector<double> weights(data.labels.begin(), data.labels.begin() + static_cast<std::ptrdiff_t>(n));
  if (n > 0) {
    Matrix k(n, n);
    double mean = 0;
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t i = j; i < n; ++i) k(i, j) = data.gram(i, j);
      mean += k(j, j) / static_cast<double>(n);
    }
    // All that is learned is below rounding, and its numbers below the normal range, which takes seconds.
    if (mean * static_cast<double>(n) < nothing_learned * ridge) {
      out.train = numerics::squared_norm_in_order(weights) / static_cast<double>(n);
      for (const double f : data.truth) out.excess += f * f / static_cast<double>(tests);
      return out;
    }
    double diagonal = ridge;
    for (std::size_t j = 0; j < n; ++j) k(j, j) += ridge;
    Matrix factor = linear_algebra::cholesky(k);
    for (double jitter = 1e-13 * mean; factor.size() == 0 && jitter < mean; jitter *= 10) {
      for (std::size_t j = 0; j < n; ++j) k(j, j) += jitter;
      diagonal += jitter;
      factor = linear_algebra::cholesky(k);
    }
    if (factor.size() == 0) return {nan, nan};
    linear_algebra::cholesky_solve(factor, weights);
    // y - K a = diagonal a.
    out.train = diagonal * diagonal * numerics::squared_norm_in_order(weights) / static_cast<double>(n);
  }
  for (std::size_t t = 0; t < tests; ++t) {
    const double gap = data.truth[t] - (n > 0 ? numerics::dot_in_order(weights, data.cross.column(t)) : 0.0);
    out.excess += gap * gap / static_cast<double>(tests);
  }
  return out;
}

void apply_kernel(const DotKernel& kernel, bool symmetric, Matrix& products) {
  for (std::size_t j = 0; j < products.columns(); ++j) {
    // Kernels have kinks at 1, where a rounded |x|^2 would count.
    if (symmetric) products(j, j) = kernel(products(j, j) > 0 ? 1 : 0);
    for (std::size_t i = symmetric ? j + 1 : 0; i < products.rows(); ++i) products(i, j) = kernel(products(i, j));
  }
}

Matrix uniform_points(random::Stream& stream, std::size_t dimension, std::size_t count) {
  Matrix x(dimension, count);
  for (std::size_t j = 0; j < count; ++j) {
    double norm = 0;
    for (double& entry : x.column(j)) {
      entry = stream.normal();
      norm += entry * entry;
    }
    for (double& entry : x.column(j)) entry /= std::sqrt(norm);
  }
  return x;
}

}  // namespace edgewise::models::ingredients::learning_curves
