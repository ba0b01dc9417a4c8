#pragma once
// Matrices of all shapes for the properties, and how far two of them are apart.
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::linear_algebra::test {

/// Entries uniform in [-1, 1).
inline Matrix random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Matrix out(rows, columns);
  for (double& x : out.entries()) x = static_cast<double>(generator() >> 11) * 0x1p-52 - 1;
  return out;
}

inline std::size_t any_size(std::size_t most) {
  return *rc::gen::inRange<std::size_t>(1, most + 1);
}
inline std::uint64_t any_seed() {
  return *rc::gen::arbitrary<std::uint64_t>();
}

inline Matrix transposed(const Matrix& a) {
  Matrix out(a.columns(), a.rows());
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.columns(); ++j) out(j, i) = a(i, j);
  return out;
}

inline Matrix symmetric_part(const Matrix& a) {
  Matrix out(a.rows(), a.rows());
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.rows(); ++j) out(i, j) = (a(i, j) + a(j, i)) / 2;
  return out;
}

/// op(a) op(b) entry by entry, in extended precision.
inline Matrix plain_product(const Matrix& a, const Matrix& b) {
  Matrix out(a.rows(), b.columns());
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < b.columns(); ++j) {
      long double sum = 0;
      for (std::size_t k = 0; k < a.columns(); ++k) sum += static_cast<long double>(a(i, k)) * b(k, j);
      out(i, j) = static_cast<double>(sum);
    }
  return out;
}

inline double largest(const Matrix& a) {
  double out = 0;
  for (const double x : a.entries()) out = std::max(out, std::abs(x));
  return out;
}

/// max |a_ij - b_ij|; infinite for different shapes or a NaN.
inline double distance(const Matrix& a, const Matrix& b) {
  if (a.rows() != b.rows() || a.columns() != b.columns()) return INFINITY;
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a.entries()[i] - b.entries()[i]);
    if (!(d <= out)) out = std::isnan(d) ? INFINITY : d;
  }
  return out;
}

/// max |a'a - 1|.
inline double loss_of_orthonormality(const Matrix& a) {
  return distance(plain_product(transposed(a), a), Matrix::identity(a.columns(), a.columns()));
}

/// a with its columns multiplied by the factors.
inline Matrix scaled_columns(Matrix a, const std::vector<double>& factors) {
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (double& x : a.column(j)) x *= factors.at(j);
  return a;
}

}  // namespace edgewise::linear_algebra::test
