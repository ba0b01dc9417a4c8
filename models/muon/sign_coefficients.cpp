#include "models/muon/sign_coefficients.hpp"

#include <algorithm>
#include <bit>
#include <boost/math/special_functions/bessel.hpp>
#include <cmath>
#include <stdexcept>

#include "numerics/constants.hpp"

namespace edgewise::models::muon {

namespace {

// log of exp(z) K_0(z)/sqrt(4 pi t), z = 1/(8t): the characteristic function of a product of three normals.
double log_characteristic(double t) {
  if (t < 0.004) {
    // sum_k (-1)^k ((2k-1)!!)^2/k! t^k: divergent, with a smallest term far below rounding here.
    double term = 1, tail = 0;
    for (int k = 1; k < 40 && std::abs(term) > 1e-19; ++k) {
      term *= -(2.0 * k - 1) * (2.0 * k - 1) / k * t;
      tail += term;
    }
    return std::log1p(tail);
  }
  const double z = 1 / (8 * t);
  return z + std::log(boost::math::cyl_bessel_k(0, z)) - 0.5 * std::log(4 * pi * t);
}

}  // namespace

double sign_drift_factor(double batch) {
  if (!(batch >= 1)) throw std::invalid_argument("the batch must be at least 1");
  if (std::isinf(batch)) return std::sqrt(2 / pi);
  // Trapezoid in x = log t: the integrand is analytic in a strip, like e^(x/2) to the left and e^(-x/2) to the right of
  // the points, where the sums are geometric.
  constexpr double spacing = 0.2;
  const double begin = -26 - std::log(batch), end = 70;
  const auto count = static_cast<std::size_t>((end - begin) / spacing);
  const double tail = 1 / -std::expm1(-spacing / 2);
  double sum = 0;
  for (std::size_t k = 0; k <= count; ++k) {
    const double t = std::exp(begin + static_cast<double>(k) * spacing);
    const double term = -std::expm1(batch * log_characteristic(t)) / std::sqrt(t);
    sum += (k == 0 || k == count) ? tail * term : term;
  }
  return std::sqrt(2 / (pi * batch)) / (2 * std::sqrt(pi)) * spacing * sum;
}

double sign_drift_factor_vector(double batch) {
  const double limit = std::sqrt(2 / pi);
  if (!(batch < 1e7)) return limit * (1 - 1 / (4 * batch));
  return limit * std::sqrt(2 / batch) * std::exp(std::lgamma((batch + 1) / 2) - std::lgamma(batch / 2));
}

void walsh_hadamard(std::span<double> values, std::size_t rows, double scale) {
  if (!std::has_single_bit(values.size() / rows))
    throw std::invalid_argument("a Walsh-Hadamard transform needs a power of two");
  for (std::size_t half = rows; half < values.size(); half *= 2)
    for (std::size_t i = 0; i < values.size(); i += 2 * half)
      for (std::size_t j = i; j < i + half; ++j) {
        const double a = values[j], b = values[j + half];
        values[j] = a + b;
        values[j + half] = a - b;
      }
  if (scale != 1)
    for (double& value : values) value *= scale;
}

std::vector<double> hadamard_sign_noise(std::span<const double> eigenvalues) {
  std::vector<double> a(eigenvalues.begin(), eigenvalues.end());
  walsh_hadamard(a);
  const double diagonal = a[0];
  for (double& entry : a) entry = 2 / pi * std::asin(std::clamp(entry / diagonal, -1.0, 1.0));
  walsh_hadamard(a);
  return a;
}

double linear_sign_noise(double eigenvalue, double mean) {
  return (1 - 2 / pi) + 2 / pi * eigenvalue / mean;
}

SignModes sign_modes(std::span<const double> eigenvalues, const linear_algebra::Matrix& basis) {
  using linear_algebra::Matrix;
  using linear_algebra::Transposed;
  const std::size_t n = eigenvalues.size();
  if (basis.rows() != n || basis.columns() != n)
    throw std::invalid_argument("the basis must be square, one column per eigenvalue");
  Matrix scaled = basis;
  for (std::size_t i = 0; i < n; ++i)
    for (double& x : scaled.column(i)) x *= std::sqrt(eigenvalues[i]);
  Matrix k = linear_algebra::product(scaled, scaled, Transposed::no, Transposed::yes);
  std::vector<double> root(n), quarter(n);
  for (std::size_t i = 0; i < n; ++i) {
    root[i] = std::sqrt(k(i, i));
    quarter[i] = std::sqrt(root[i]);
  }
  Matrix a(n, n);
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = 0; i < n; ++i) {
      const double correlation = i == j ? 1 : std::clamp(k(i, j) / (root[i] * root[j]), -1.0, 1.0);
      a(i, j) = 2 / pi * std::asin(correlation) * quarter[i] * quarter[j];
      k(i, j) /= quarter[i] * quarter[j];
    }
  linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(k);
  SignModes out;
  out.kappa = eigen.values;
  // Ascending; the null ones are as many as K's, by the law of inertia.
  const auto null = std::ranges::count(eigenvalues, 0.0);
  std::fill_n(out.kappa.begin(), null, 0.0);
  for (double& value : out.kappa) value = std::max(value, 0.0);
  const Matrix image = linear_algebra::product(a, eigen.vectors);
  out.noise.resize(n);
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = 0; i < n; ++i) {
      out.noise[j] += eigen.vectors(i, j) * image(i, j);
      eigen.vectors(i, j) *= quarter[i];
    }
  out.from = linear_algebra::product(basis, eigen.vectors, Transposed::yes, Transposed::no);
  for (std::size_t i = 0; i < out.from.size(); ++i) out.from.data()[i] *= out.from.data()[i];
  return out;
}

}  // namespace edgewise::models::muon
