#include "models/quadratic_regression/early_time.hpp"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

#include "models/ingredients/row_moments.hpp"
#include "numerics/sums.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::RowMoments;

namespace {

using linear_algebra::Matrix;
using linear_algebra::SymmetricEigen;

std::vector<double> times(const Matrix& a, std::span<const double> x) {
  std::vector<double> y(a.rows(), 0);
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (std::size_t i = 0; i < a.rows(); ++i) y[i] += a(i, j) * x[j];
  return y;
}

void check_kernel(const Matrix& kernel, std::size_t parameters, double curvature_variance) {
  if (kernel.rows() == 0 || kernel.rows() != kernel.columns())
    throw std::invalid_argument(fmt::format("the kernel must be square, not {} x {}", kernel.rows(), kernel.columns()));
  if (parameters == 0) throw std::invalid_argument("there must be at least one parameter");
  if (!(curvature_variance >= 0) || !std::isfinite(curvature_variance))
    throw std::invalid_argument(
        fmt::format("the curvature's variance must be finite and not negative, not {}", curvature_variance));
}

void check(const EarlyTimeState& s) {
  check_kernel(s.kernel, s.parameters, s.curvature_variance);
  if (s.residual.size() != s.kernel.rows())
    throw std::invalid_argument(fmt::format("a residual of {} entries does not fit a kernel of {} x {}",
                                            s.residual.size(), s.kernel.rows(), s.kernel.columns()));
}

void check_step(std::size_t outputs, double learning_rate, std::size_t batch) {
  if (!(learning_rate > 0) || !std::isfinite(learning_rate))
    throw std::invalid_argument(
        fmt::format("optimizer.learning_rate: must be positive and finite, not {}", learning_rate));
  if (batch < 1 || batch > outputs)
    throw std::invalid_argument(fmt::format("optimizer.batch: must lie in 1..{}, not {}", outputs, batch));
}

double prefactor(const EarlyTimeState& s) {
  return s.curvature_variance * static_cast<double>(s.parameters + 1);
}

std::vector<double> projections(const SymmetricEigen& eigen, std::span<const double> z) {
  std::vector<double> out;
  for (std::size_t k = 0; k < z.size(); ++k) out.push_back(numerics::dot_in_order(eigen.vectors.column(k), z));
  return out;
}

}  // namespace

Matrix kernel_acceleration(const EarlyTimeState& s) {
  check(s);
  const std::size_t d = s.residual.size();
  const std::vector<double> kz = times(s.kernel, s.residual);
  const double gradient = numerics::dot_in_order(s.residual, kz), scale = prefactor(s);
  Matrix out(d, d);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a)
      out(a, c) = scale * (s.residual[a] * kz[c] + kz[a] * s.residual[c] + (a == c ? 2 * gradient : 0));
  return out;
}

double trace_acceleration(const EarlyTimeState& s) {
  check(s);
  return 2 * prefactor(s) * static_cast<double>(s.residual.size() + 1) *
         numerics::dot_in_order(s.residual, times(s.kernel, s.residual));
}

std::vector<double> projected_acceleration(const EarlyTimeState& s) {
  check(s);
  const SymmetricEigen eigen = linear_algebra::symmetric_eigen(s.kernel);
  const std::vector<double> z = projections(eigen, s.residual);
  const double gradient = numerics::dot_in_order(s.residual, times(s.kernel, s.residual));
  std::vector<double> out;
  for (std::size_t k = 0; k < z.size(); ++k)
    out.push_back(2 * prefactor(s) * (eigen.values[k] * z[k] * z[k] + gradient));
  return out;
}

std::vector<double> eigenvalue_acceleration(const EarlyTimeState& s) {
  std::vector<double> out = projected_acceleration(s);
  const SymmetricEigen eigen = linear_algebra::symmetric_eigen(s.kernel);
  const std::vector<double> z = projections(eigen, s.residual);
  const double gradient = numerics::dot_in_order(s.residual, times(s.kernel, s.residual));
  const std::vector<double>& lambda = eigen.values;
  for (std::size_t k = 0; k < z.size(); ++k)
    for (std::size_t m = 0; m < z.size(); ++m) {
      if (m == k) continue;
      // E[(v_k' (dK/dt) v_m)^2] / sQ2.
      const double coupling = (lambda[k] + lambda[m]) * gradient + lambda[k] * lambda[k] * z[k] * z[k] +
                              lambda[m] * lambda[m] * z[m] * z[m];
      if (coupling > 0) out[k] += 2 * s.curvature_variance * coupling / (lambda[k] - lambda[m]);
    }
  return out;
}

KernelDifferences sgd_kernel_differences(const EarlyTimeState& s, double learning_rate, std::size_t batch) {
  check(s);
  const std::size_t d = s.residual.size();
  check_step(d, learning_rate, batch);
  const RowMoments masks(d, batch);
  Matrix pi(d, d), masked_kernel(d, d);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a) {
      pi(a, c) = masks.together(a == c) * s.residual[a] * s.residual[c];
      masked_kernel(a, c) = masks.together(a == c) * s.kernel(a, c);
    }
  const Matrix k_pi = linear_algebra::product(s.kernel, pi), k_pi_k = linear_algebra::product(k_pi, s.kernel);
  const std::vector<double> kz = times(s.kernel, s.residual);
  const double eta = learning_rate, b = masks.b, p = static_cast<double>(s.parameters);
  KernelDifferences out;
  out.first = eta * eta * prefactor(s) * linear_algebra::trace(k_pi);
  out.order2 = kernel_acceleration(s);
  for (std::size_t i = 0; i < out.order2.size(); ++i) out.order2.data()[i] *= eta * eta * b * b;
  // tr(K^2 Pi) = tr(K Pi K).
  const double isotropic =
      2 * (p + 1) * (linear_algebra::trace(k_pi_k) + numerics::dot_in_order(s.residual, times(masked_kernel, kz)));
  const double scale = -eta * eta * eta * b * s.curvature_variance;
  out.order3 = Matrix(d, d);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a)
      out.order3(a, c) = scale * (2 * (p + 2) * k_pi_k(a, c) + (a == c ? isotropic : 0));
  return out;
}

ModeDifferences sgd_mode_differences(const EarlyTimeState& s, double learning_rate, std::size_t batch) {
  const KernelDifferences differences = sgd_kernel_differences(s, learning_rate, batch);
  const SymmetricEigen eigen = linear_algebra::symmetric_eigen(s.kernel);
  ModeDifferences out;
  out.eigenvalue = eigen.values;
  out.first = differences.first;
  for (std::size_t k = 0; k < eigen.values.size(); ++k) {
    const std::span<const double> v = eigen.vectors.column(k);
    out.order2.push_back(numerics::dot_in_order(v, times(differences.order2, v)));
    out.order3.push_back(numerics::dot_in_order(v, times(differences.order3, v)));
    out.ratio.push_back(1 + out.order3.back() / out.order2.back());
  }
  return out;
}

LevelRepulsion sgd_level_repulsion(const EarlyTimeState& s, double learning_rate, std::size_t batch) {
  check(s);
  const std::size_t d = s.residual.size();
  check_step(d, learning_rate, batch);
  const RowMoments masks(d, batch);
  const SymmetricEigen eigen = linear_algebra::symmetric_eigen(s.kernel);
  const std::vector<double>& lambda = eigen.values;
  const std::vector<double> kz = times(s.kernel, s.residual), z = projections(eigen, s.residual);
  Matrix pi(d, d), turned(d, d);  // E P z z' P and E P (K z z' + z z' K) P
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a) {
      pi(a, c) = masks.together(a == c) * s.residual[a] * s.residual[c];
      turned(a, c) = masks.together(a == c) * (kz[a] * s.residual[c] + s.residual[a] * kz[c]);
    }
  // E[y2 y2'] - 2 E[y1 y1'], along every eigenvector, at orders 0 and 1 in -eta.
  std::vector<double> order0, order1;
  for (std::size_t k = 0; k < d; ++k) {
    const std::span<const double> v = eigen.vectors.column(k);
    order0.push_back(2 * masks.b * masks.b * z[k] * z[k]);
    order1.push_back(masks.b * (numerics::dot_in_order(v, times(turned, v)) +
                                2 * lambda[k] * numerics::dot_in_order(v, times(pi, v))));
  }
  const double scale = learning_rate * learning_rate * s.curvature_variance;
  const auto repulsion = [&](const std::vector<double>& y, double factor) {
    std::vector<double> out(d, 0.0);
    const double common = numerics::dot_in_order(lambda, y);
    for (std::size_t k = 0; k < d; ++k)
      for (std::size_t m = 0; m < d; ++m) {
        if (m == k) continue;
        const double coupling =
            (lambda[k] + lambda[m]) * common + lambda[k] * lambda[k] * y[k] + lambda[m] * lambda[m] * y[m];
        if (coupling != 0) out[k] += factor * coupling / (lambda[k] - lambda[m]);
      }
    return out;
  };
  return {repulsion(order0, scale), repulsion(order1, -learning_rate * scale)};
}

ModeDifferences averaged_mode_differences(const Matrix& kernel, std::size_t parameters, double curvature_variance,
                                          double residual_variance, double learning_rate, std::size_t batch) {
  check_kernel(kernel, parameters, curvature_variance);
  check_step(kernel.rows(), learning_rate, batch);
  if (!(residual_variance >= 0) || !std::isfinite(residual_variance))
    throw std::invalid_argument(
        fmt::format("the residuals' variance must be finite and not negative, not {}", residual_variance));
  const RowMoments masks(kernel.rows(), batch);
  ModeDifferences out;
  out.eigenvalue = linear_algebra::symmetric_eigenvalues(kernel);
  double sum = 0, squares = 0, diagonal = 0;
  for (const double x : out.eigenvalue) {
    sum += x;
    squares += x * x;
  }
  for (std::size_t a = 0; a < kernel.rows(); ++a) diagonal += kernel(a, a) * kernel(a, a);
  const double p = static_cast<double>(parameters), tau = learning_rate * masks.b;
  const double scale = 2 * curvature_variance * residual_variance * tau * tau;
  out.first = learning_rate * tau * curvature_variance * residual_variance * (p + 1) * sum;
  for (const double x : out.eigenvalue) {
    out.order2.push_back(scale * (p + 1) * (x + sum));
    out.order3.push_back(-scale * learning_rate *
                         ((p + 2) * x * x + (p + 1) * ((1 + masks.beta) * squares + (1 - masks.beta) * diagonal)));
    out.ratio.push_back(1 + out.order3.back() / out.order2.back());
  }
  return out;
}

double averaged_kernel_acceleration(std::size_t outputs, std::size_t parameters, double curvature_variance,
                                    double residual_variance, double jacobian_variance) {
  return 2 * curvature_variance * residual_variance * jacobian_variance * static_cast<double>(parameters + 1) *
         static_cast<double>(outputs + 1);
}

double sharpening_time(double eigenvalue, double trace_of_kernel, std::size_t parameters, double curvature_variance,
                       double residual_variance) {
  return 1 / std::sqrt(2 * curvature_variance * residual_variance * static_cast<double>(parameters + 1) *
                       (1 + trace_of_kernel / eigenvalue));
}

}  // namespace edgewise::models::quadratic_regression
