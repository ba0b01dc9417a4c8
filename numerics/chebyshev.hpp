#pragma once
/// \file
/// Series of Chebyshev polynomials on [-1, 1], of a length known when compiling.
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "numerics/constants.hpp"

namespace edgewise::numerics {

/// The n places where a function is sampled for `chebyshev_series`, from the right to the left: cos(pi (j + 1/2)/n), the roots
/// of T_n.
template <std::size_t n>
const std::array<double, n>& chebyshev_nodes() {
  static const auto nodes = [] {
    std::array<double, n> x{};
    for (std::size_t j = 0; j < n; ++j) x[j] = std::cos(pi * (static_cast<double>(j) + 0.5) / n);
    return x;
  }();
  return nodes;
}

/// Coefficients c of sum_k c_k T_k(x), the polynomial of degree n - 1 through the samples. It follows an analytic function to
/// the size of the last coefficients.
template <std::size_t n>
std::array<double, n> chebyshev_series(const std::array<double, n>& sample) {
  static const auto cosine = [] {
    std::array<std::array<double, n>, n> table{};
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j)
        table[k][j] = std::cos(pi * static_cast<double>(k) * (static_cast<double>(j) + 0.5) / n);
    return table;
  }();
  std::array<double, n> out{};
  for (std::size_t k = 0; k < n; ++k) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += sample[j] * cosine[k][j];
    out[k] = (k == 0 ? 1.0 : 2.0) / n * sum;
  }
  return out;
}

/// The series at x and its derivative there.
template <std::size_t n>
std::pair<double, double> chebyshev_sum(const std::array<double, n>& c, double x) {
  static_assert(n >= 2);
  double value = c[0] + c[1] * x, slope = c[1];
  double t0 = 1, t1 = x, u0 = 1, u1 = 2 * x;  // T_k' = k U_{k-1}
  for (std::size_t k = 2; k < n; ++k) {
    const double t2 = 2 * x * t1 - t0;
    value += c[k] * t2;
    slope += c[k] * static_cast<double>(k) * u1;
    const double u2 = 2 * x * u1 - u0;
    t0 = t1;
    t1 = t2;
    u0 = u1;
    u1 = u2;
  }
  return {value, slope};
}

}  // namespace edgewise::numerics
