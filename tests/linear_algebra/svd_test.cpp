#include <doctest/doctest.h>

#include <functional>
#include <limits>

#include "linear_algebra/dense.hpp"
#include "matrices.hpp"

using namespace edgewise::linear_algebra;
using namespace edgewise::linear_algebra::test;

namespace {
constexpr double epsilon = std::numeric_limits<double>::epsilon();
}

TEST_CASE("thin singular value decomposition of tall, square and wide matrices") {
  CHECK(rc::check("u s v' = a", [] {
    const std::size_t rows = any_size(20), columns = any_size(20), rank = std::min(rows, columns);
    const Matrix a = random_matrix(rows, columns, any_seed());
    const Svd svd = thin_svd(a);
    const double rounding = 20 * epsilon * static_cast<double>(rows + columns);
    RC_ASSERT(svd.values.size() == rank);
    RC_ASSERT(std::ranges::is_sorted(svd.values, std::greater()));
    RC_ASSERT(svd.values.back() >= 0);
    RC_ASSERT(svd.u.columns() == rank && svd.v.columns() == rank);
    RC_ASSERT(loss_of_orthonormality(svd.u) <= rounding);
    RC_ASSERT(loss_of_orthonormality(svd.v) <= rounding);
    RC_ASSERT(distance(plain_product(scaled_columns(svd.u, svd.values), transposed(svd.v)), a) <= rounding);
    const Svd left = thin_svd(a, SingularVectors::left);
    RC_ASSERT(left.v.size() == 0);
    for (std::size_t i = 0; i < rank; ++i) RC_ASSERT(std::abs(left.values[i] - svd.values[i]) <= rounding);
    // Left vectors up to sign.
    for (std::size_t j = 0; j < rank; ++j) {
      double along = 0;
      for (std::size_t i = 0; i < rows; ++i) along += left.u(i, j) * svd.u(i, j);
      if (svd.values[j] > 1e-3 && (j == 0 || svd.values[j - 1] - svd.values[j] > 1e-3) &&
          (j + 1 == rank || svd.values[j] - svd.values[j + 1] > 1e-3))
        RC_ASSERT(std::abs(std::abs(along) - 1) <= 1e-11);
    }
  }));
}

TEST_CASE("graded matrices keep their small singular values") {
  // Columns of a well-conditioned matrix, over 24 decades: one-sided Jacobi theory bounds each relative error.
  constexpr std::size_t n = 13;
  Matrix a = orthonormal_columns(random_matrix(20, n, 3));
  std::vector<double> scales(n);
  for (std::size_t j = 0; j < n; ++j) scales[j] = std::pow(10.0, -2.0 * static_cast<double>(j));
  const Svd svd = thin_svd(scaled_columns(a, scales), SingularVectors::left);
  for (std::size_t j = 0; j < n; ++j) CHECK(std::abs(svd.values[j] / scales[j] - 1) <= 1e-13);
}
