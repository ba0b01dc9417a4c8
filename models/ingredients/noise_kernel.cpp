#include "models/ingredients/noise_kernel.hpp"

#include <algorithm>
#include <cmath>

#include "linear_algebra/largest_eigenvalues.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::ingredients {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

NoiseKernel::NoiseKernel(const Matrix& vectors, std::span<const double> eigenvalues,
                         const std::function<double(double, double)>& weight)
    : vectors_(vectors.rows(), eigenvalues.size()), weights_(eigenvalues.size(), eigenvalues.size()) {
  std::copy_n(vectors.data(), vectors_.size(), vectors_.data());
  for (std::size_t b = 0; b < eigenvalues.size(); ++b)
    for (std::size_t a = 0; a < eigenvalues.size(); ++a)
      if (eigenvalues[a] > 0 && eigenvalues[b] > 0) weights_(a, b) = weight(eigenvalues[a], eigenvalues[b]);
}

std::vector<double> NoiseKernel::operator()(std::span<const double> d) const {
  const std::size_t N = vectors_.rows(), rank = vectors_.columns();
  Matrix scaled(N, rank);
  for (std::size_t a = 0; a < rank; ++a)
    for (std::size_t i = 0; i < N; ++i) scaled(i, a) = d[i] * vectors_(i, a);
  Matrix inner = linear_algebra::product(vectors_, scaled, Transposed::yes);
  for (std::size_t k = 0; k < inner.size(); ++k) inner.data()[k] *= weights_.data()[k];
  const Matrix outer = linear_algebra::product(vectors_, inner);
  std::vector<double> out(N, 0.0);
  for (std::size_t a = 0; a < rank; ++a)
    for (std::size_t i = 0; i < N; ++i) out[i] += outer(i, a) * vectors_(i, a);
  return out;
}

double NoiseKernel::perron() const {
  const std::size_t N = vectors_.rows();
  const auto apply = [this](std::span<const double> d, std::span<double> out) {
    std::ranges::copy((*this)(d), out.begin());
  };
  // Entries are positive: so is the leading eigenvector. The error of the value is the square of the vector's.
  const Matrix start(N, 1, 1.0);
  return linear_algebra::largest_eigenvalues(N, 1, apply, start, {.tolerance = 1e-8}).values[0];
}

std::vector<double> NoiseKernel::renewed(std::span<const double> d) const {
  std::vector<double> x(d.size(), 0.0), rest(d.begin(), d.end());
  // In units of its largest entry: squares of squares of residuals leave the range of doubles.
  double unit = 0;
  for (const double entry : rest) unit = std::max(unit, std::abs(entry));
  if (unit == 0) return x;
  for (double& entry : rest) entry /= unit;
  std::vector<double> direction = rest;
  double power = numerics::dot_in_order(rest, rest);
  const double enough = 1e-30 * power;
  for (int k = 0; k < 1000 && power > enough; ++k) {
    std::vector<double> moved = (*this)(direction);
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = direction[i] - moved[i];
    const double length = power / numerics::dot_in_order(direction, moved);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] += length * direction[i];
      rest[i] -= length * moved[i];
    }
    const double next = numerics::dot_in_order(rest, rest);
    for (std::size_t i = 0; i < x.size(); ++i) direction[i] = rest[i] + next / power * direction[i];
    power = next;
  }
  for (double& entry : x) entry *= unit;
  return x;
}

NoiseKernel noise_kernel_at(const Matrix& vectors, std::span<const double> eigenvalues, double learning_rate, double c1,
                            double c2) {
  return {vectors, eigenvalues,
          [=, eta = learning_rate](double x, double y) { return c1 * (eta * x) * y / (x + y - c2 * (eta * x) * y); }};
}

double exact_kernel_norm(const Matrix& vectors, std::span<const double> eigenvalues, double learning_rate, double c1,
                         double c2) {
  if (!(learning_rate * c2 * std::ranges::max(eigenvalues) < 2)) return infinity;
  return noise_kernel_at(vectors, eigenvalues, learning_rate, c1, c2).perron();
}

double mean_field_kernel_norm(std::span<const double> eigenvalues, double samples, double learning_rate, double c1,
                              double c2) {
  double sum = 0;
  for (const double eigenvalue : eigenvalues) {
    const double slack = 2 - learning_rate * c2 * eigenvalue;
    if (!(slack > 0)) return infinity;
    sum += learning_rate * c1 * eigenvalue / slack;
  }
  return sum / samples;
}

}  // namespace edgewise::models::ingredients
