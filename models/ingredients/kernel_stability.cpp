#include "models/ingredients/kernel_stability.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/ingredients/noise_kernel.hpp"
#include "models/ingredients/row_moments.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

void check_learning_rate(double learning_rate) {
  if (!(learning_rate > 0) || !std::isfinite(learning_rate))
    throw std::invalid_argument(
        fmt::format("optimizer.learning_rate: must be positive and finite, not {}", learning_rate));
}

namespace {

using linear_algebra::Matrix;
using linear_algebra::SymmetricEigen;
using linear_algebra::Transposed;

/// \throws settings::Error for a batch outside 1..outputs.
RowMoments moments_of(std::size_t outputs, std::size_t batch) {
  if (outputs == 0) throw std::invalid_argument("the kernel is empty");
  if (batch < 1 || batch > outputs)
    throw std::invalid_argument(fmt::format("optimizer.batch: must lie in 1..{}, not {}", outputs, batch));
  return {outputs, batch};
}

/// Rounding makes some of the zero eigenvalues negative.
double not_negative(double eigenvalue) {
  return std::max(0.0, eigenvalue);
}

std::vector<double> not_negative(std::span<const double> eigenvalues) {
  std::vector<double> out;
  for (const double x : eigenvalues) out.push_back(not_negative(x));
  return out;
}

double largest(std::span<const double> values) {
  return not_negative(*std::max_element(values.begin(), values.end()));
}

/// Where the increasing `norm` - 1 changes sign in [low, high], to 12 digits.
template <class Norm>
double critical(Norm norm, double low, double high) {
  const auto excess = [&](double eta) {
    return 1 - 1 / norm(eta);  // bounded where the norm is not
  };
  const double at_low = excess(low), at_high = excess(high);
  if (at_low >= 0) return low;
  if (at_high <= 0) return high;
  return numerics::root(excess, low, high, at_low, at_high, 42);
}

/// A learning rate beyond which the denominators, hence the mean square, have failed.
double pole(std::span<const double> eigenvalues, const RowMoments& masks) {
  return masks.beta > 0 ? 2 / (masks.beta * largest(eigenvalues)) : infinity;
}

}  // namespace

double mean_critical_rate(std::span<const double> eigenvalues, std::size_t batch) {
  const RowMoments masks = moments_of(eigenvalues.size(), batch);
  return 2 / (masks.b * largest(eigenvalues));
}

double annealed_kernel_norm(std::span<const double> eigenvalues, double learning_rate, std::size_t batch) {
  const RowMoments masks = moments_of(eigenvalues.size(), batch);
  check_learning_rate(learning_rate);
  return mean_field_kernel_norm(not_negative(eigenvalues), static_cast<double>(eigenvalues.size()), learning_rate,
                                1 - masks.beta, masks.beta);
}

double annealed_critical_rate(std::span<const double> eigenvalues, std::size_t batch) {
  const RowMoments masks = moments_of(eigenvalues.size(), batch);
  if (batch == eigenvalues.size()) return 2 / largest(eigenvalues);
  // Denominators are at most 2, so that this part, linear in eta, bounds the norm from below; at B = 1 it is all.
  double sum = 0;
  for (const double lambda : eigenvalues) sum += not_negative(lambda);
  const double linear = 2 * static_cast<double>(eigenvalues.size()) / ((1 - masks.beta) * sum);
  if (masks.beta == 0 || sum == 0) return linear;
  return critical([&](double eta) { return annealed_kernel_norm(eigenvalues, eta, batch); }, linear * 1e-12,
                  std::min(linear, pole(eigenvalues, masks)));
}

double row_sum_kernel_norm(const SymmetricEigen& kernel, double learning_rate, std::size_t batch) {
  const std::size_t d = kernel.values.size();
  const RowMoments masks = moments_of(d, batch);
  check_learning_rate(learning_rate);
  std::vector<double> sum(d, 0);
  for (std::size_t x = 0; x < d; ++x) {
    const double lambda = not_negative(kernel.values[x]);
    const double denominator = 2 - learning_rate * masks.beta * lambda;
    if (!(denominator > 0)) return infinity;
    const double weight = learning_rate * (1 - masks.beta) * lambda / denominator;
    for (std::size_t a = 0; a < d; ++a) sum[a] += kernel.vectors(a, x) * kernel.vectors(a, x) * weight;
  }
  return *std::max_element(sum.begin(), sum.end());
}

double exact_kernel_norm(const SymmetricEigen& kernel, double learning_rate, std::size_t batch) {
  const std::size_t d = kernel.values.size();
  const RowMoments masks = moments_of(d, batch);
  check_learning_rate(learning_rate);
  if (batch == d) return learning_rate * masks.beta * largest(kernel.values) < 2 ? 0 : infinity;
  return exact_kernel_norm(kernel.vectors, not_negative(kernel.values), learning_rate, 1 - masks.beta, masks.beta);
}

double exact_critical_rate(const SymmetricEigen& kernel, std::size_t batch) {
  const std::size_t d = kernel.values.size();
  const double annealed = annealed_critical_rate(kernel.values, batch);
  if (batch == d || !std::isfinite(annealed)) return annealed;
  const double row_sum =
      critical([&](double eta) { return row_sum_kernel_norm(kernel, eta, batch); }, annealed * 1e-12, annealed);
  return critical([&](double eta) { return exact_kernel_norm(kernel, eta, batch); }, row_sum, annealed);
}

Matrix second_moment_step(const Matrix& kernel, double learning_rate, std::size_t batch, const Matrix& z) {
  const std::size_t d = kernel.rows();
  const RowMoments masks = moments_of(d, batch);
  check_learning_rate(learning_rate);
  if (kernel.columns() != d || z.rows() != d || z.columns() != d)
    throw std::invalid_argument("the kernel and the second moment must be square and of one size");
  const double eta = learning_rate;
  Matrix masked(d, d);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a) masked(a, c) = masks.together(a == c) * z(a, c);
  const Matrix kz = linear_algebra::product(kernel, z);
  Matrix next = linear_algebra::product(linear_algebra::product(kernel, masked), kernel);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a)
      next(a, c) = z(a, c) - eta * masks.b * (kz(a, c) + kz(c, a)) + eta * eta * next(a, c);
  return next;
}

double sam_edge(double learning_rate, double rho) {
  check_learning_rate(learning_rate);
  if (!(rho >= 0) || !std::isfinite(rho))
    throw std::invalid_argument(fmt::format("optimizer.rho: must be finite and not negative, not {}", rho));
  // The root of eta lambda (1 + rho lambda) = 2, written so that nothing cancels as rho -> 0.
  return 4 / (learning_rate * (1 + std::sqrt(1 + 8 * rho / learning_rate)));
}

Matrix sam_mean_ascent(const Matrix& kernel, double rho, std::size_t batch) {
  const RowMoments masks = moments_of(kernel.rows(), batch);
  if (!(rho >= 0) || !std::isfinite(rho))
    throw std::invalid_argument(fmt::format("optimizer.rho: must be finite and not negative, not {}", rho));
  const std::size_t d = kernel.rows();
  Matrix out(d, d);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a)
      out(a, c) = (a == c ? masks.b : 0.0) + rho * masks.together(a == c) * kernel(a, c);
  return out;
}

Matrix sam_mean_descent(const Matrix& kernel, double rho, std::size_t batch) {
  return linear_algebra::product(kernel, sam_mean_ascent(kernel, rho, batch));
}

double sam_mean_rate(const Matrix& kernel, double learning_rate, double rho, std::size_t batch) {
  check_learning_rate(learning_rate);
  // K N with N = L L' positive definite has the eigenvalues of L' K L.
  const Matrix factor = linear_algebra::cholesky(sam_mean_ascent(kernel, rho, batch));
  if (factor.size() == 0) throw std::invalid_argument("the kernel is not positive semidefinite");
  const Matrix similar = linear_algebra::product(linear_algebra::product(factor, kernel, Transposed::yes), factor);
  return learning_rate * linear_algebra::symmetric_eigenvalues(similar).back();
}

}  // namespace edgewise::models::ingredients
