#include <doctest/doctest.h>

#include <complex>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "matrices.hpp"
#include "tests/approx.hpp"

using namespace edgewise::linear_algebra;
using namespace edgewise::linear_algebra::test;
using edgewise::tests::Approx;

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr std::size_t most = 20;

double rounding(std::size_t n) {
  return 20 * epsilon * static_cast<double>(n);
}

}  // namespace

TEST_CASE("symmetric eigendecomposition") {
  CHECK(rc::check("a v = v lambda, v orthonormal, lambda ascending, upper triangle not read", [] {
    const std::size_t n = any_size(most);
    const Matrix a = symmetric_part(random_matrix(n, n, any_seed()));
    Matrix lower = a;
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t i = 0; i < j; ++i) lower(i, j) = std::numeric_limits<double>::quiet_NaN();
    const SymmetricEigen eigen = symmetric_eigen(lower);
    RC_ASSERT(std::ranges::is_sorted(eigen.values));
    RC_ASSERT(loss_of_orthonormality(eigen.vectors) <= rounding(n));
    RC_ASSERT(distance(plain_product(a, eigen.vectors), scaled_columns(eigen.vectors, eigen.values)) <= rounding(n));
    const std::vector<double> values = symmetric_eigenvalues(lower);
    for (std::size_t i = 0; i < n; ++i) RC_ASSERT(std::abs(values[i] - eigen.values[i]) <= rounding(n));
  }));
  CHECK_THROWS_WITH_AS(symmetric_eigen(Matrix(2, 3)), "the matrix must be square", std::invalid_argument);
  CHECK_THROWS_WITH_AS(symmetric_eigenvalues(Matrix(3, 2)), "the matrix must be square", std::invalid_argument);
  Matrix broken(3, 3, 1.0);
  broken(2, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(symmetric_eigen(broken), "a matrix to be decomposed has an entry that is not finite",
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(symmetric_eigenvalues(broken), "a matrix to be decomposed has an entry that is not finite",
                       std::runtime_error);
}

TEST_CASE("tridiagonal eigendecomposition: the discrete Laplacian") {
  constexpr std::size_t n = 30;
  const std::vector<double> diagonal(n, 2.0), off(n - 1, -1.0);
  const SymmetricEigen eigen = tridiagonal_eigen(diagonal, off);
  CHECK(loss_of_orthonormality(eigen.vectors) <= rounding(n));
  for (std::size_t k = 0; k < n; ++k) {
    const double angle = std::numbers::pi * static_cast<double>(k + 1) / (n + 1);
    const double exact = 4 * std::pow(std::sin(angle / 2), 2);
    CHECK(std::abs(eigen.values[k] - exact) <= 40 * epsilon);
    const double sign = eigen.vectors(0, k) > 0 ? 1 : -1;
    for (std::size_t i = 0; i < n; ++i)
      CHECK(std::abs(sign * eigen.vectors(i, k) -
                     std::sqrt(2.0 / (n + 1)) * std::sin(angle * static_cast<double>(i + 1))) <= 1e-13);
  }
  CHECK(tridiagonal_eigen(std::vector{3.0}, {}).values == std::vector{3.0});
  const char* message = "a tridiagonal matrix has one off-diagonal entry less than diagonal ones";
  CHECK_THROWS_WITH_AS(tridiagonal_eigen(diagonal, diagonal), message, std::invalid_argument);
  CHECK_THROWS_WITH_AS(tridiagonal_eigen({}, {}), message, std::invalid_argument);
}

TEST_CASE("Cholesky factor and solution") {
  CHECK(rc::check("l l' = a, a x = b", [] {
    const std::size_t n = any_size(most);
    Matrix a(n, n);
    rank_update(1, random_matrix(n, n, any_seed()), Transposed::no, a);
    for (std::size_t i = 0; i < n; ++i) a(i, i) += 0.5;
    const Matrix factor = cholesky(a);
    fill_upper(a);
    RC_ASSERT(distance(plain_product(factor, transposed(factor)), a) <= rounding(n) * largest(a));
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t i = 0; i < j; ++i) RC_ASSERT(factor(i, j) == 0);
    const Matrix b = random_matrix(n, 1, any_seed());
    Matrix x = b;
    cholesky_solve(factor, x.column(0));
    RC_ASSERT(distance(plain_product(a, x), b) <= rounding(n) * largest(a) * (1 + largest(x)));
  }));
  Matrix indefinite = Matrix::identity(3, 3);
  indefinite(2, 2) = -1e-3;
  CHECK(cholesky(indefinite).size() == 0);
  CHECK_THROWS_WITH_AS(cholesky(Matrix(2, 3)), "the matrix must be square", std::invalid_argument);
  std::vector<double> b(2);
  CHECK_THROWS_WITH_AS(cholesky_solve(Matrix::identity(3, 3), b), "the shapes of the system do not fit",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(cholesky_solve(Matrix(2, 3), b), "the matrix must be square", std::invalid_argument);
}

TEST_CASE("orthonormal columns span the given ones") {
  CHECK(rc::check("q'q = 1, q q'a = a", [] {
    const std::size_t n = any_size(most), rows = n + any_size(most) - 1;
    const Matrix a = random_matrix(rows, n, any_seed()), q = orthonormal_columns(a);
    RC_ASSERT(loss_of_orthonormality(q) <= rounding(rows));
    RC_ASSERT(distance(plain_product(q, plain_product(transposed(q), a)), a) <= rounding(rows));
  }));
  CHECK_THROWS_WITH_AS(orthonormal_columns(Matrix(2, 3)), "needs at least as many rows as columns",
                       std::invalid_argument);
}

TEST_CASE("a truncated QR factorisation keeps the columns that tell") {
  CHECK(rc::check("q'q = 1, q r = a up to what is left out, and the rank of a product", [] {
    const std::size_t rows = any_size(most), columns = any_size(most), inner = any_size(most);
    const Matrix a = plain_product(random_matrix(rows, inner, any_seed()), random_matrix(inner, columns, any_seed()));
    const Qr kept = truncated_qr(a, 1e-12);
    RC_ASSERT(kept.q.columns() == std::min({rows, columns, inner}));
    RC_ASSERT(loss_of_orthonormality(kept.q) <= rounding(most));
    RC_ASSERT(distance(plain_product(kept.q, kept.r), a) <= 1e-11 * static_cast<double>(most));
  }));
  // Columns of 1, 1e-3 and 1e-9 along three axes, in another order.
  Matrix graded(4, 3);
  graded(2, 0) = 1e-9;
  graded(0, 1) = 1;
  graded(3, 2) = 1e-3;
  CHECK(truncated_qr(graded, 1e-12).q.columns() == 3);
  const Qr two = truncated_qr(graded, 1e-6), all = truncated_qr(graded, 0);
  REQUIRE(two.q.columns() == 2);
  CHECK(std::abs(two.q(0, 0)) == Approx(1).epsilon(1e-15));
  CHECK(std::abs(two.q(3, 1)) == Approx(1).epsilon(1e-15));
  CHECK(distance(plain_product(two.q, two.r), graded) == Approx(1e-9).epsilon(1e-6));
  CHECK(distance(plain_product(all.q, all.r), graded) < 1e-24);
  CHECK(truncated_qr(Matrix(3, 2), 0).q.columns() == 0);
}

TEST_CASE("linear systems") {
  CHECK(rc::check("a x = b", [] {
    const std::size_t n = any_size(most);
    Matrix a = random_matrix(n, n, any_seed());
    for (std::size_t i = 0; i < n; ++i) a(i, (i + 1) % n) += 2 * static_cast<double>(n);
    const Matrix b = random_matrix(n, any_size(4), any_seed());
    const Matrix x = solve(a, b);
    RC_ASSERT(distance(plain_product(a, x), b) <= rounding(n));
  }));
  CHECK_THROWS_WITH_AS(solve(Matrix(2, 3), Matrix(2, 1)), "the matrix must be square", std::invalid_argument);
  CHECK_THROWS_WITH_AS(solve(Matrix(2, 2), Matrix(3, 1)), "the shapes of the system do not fit", std::invalid_argument);
}

TEST_CASE("least squares") {
  CHECK(rc::check("the residual is orthogonal to the columns", [] {
    const std::size_t n = any_size(8), rows = n + 2 + any_size(most);
    const Matrix a = random_matrix(rows, n, any_seed());
    Matrix residual = random_matrix(rows, 1, any_seed());
    const Matrix x(n, 1, least_squares(a, residual.column(0)));
    multiply(-1, a, Transposed::no, x, Transposed::no, 1, residual);
    RC_ASSERT(largest(plain_product(transposed(a), residual)) <= rounding(rows) * (1 + largest(x)));
  }));
  // The third column repeats the first: the fit stands all the same.
  const Matrix a(4, 3, std::vector<double>{1, 1, 1, 1, 0, 1, 2, 3, 1, 1, 1, 1});
  const std::vector<double> x = least_squares(a, std::vector{1.0, 3.0, 5.0, 7.0});
  CHECK(std::abs(x[0] + x[2] - 1) <= 1e-14);
  CHECK(std::abs(x[1] - 2) <= 1e-14);
  CHECK(x[0] * x[2] == 0);
  CHECK_THROWS_WITH_AS(least_squares(a, std::vector<double>(3)), "the shapes of the system do not fit",
                       std::invalid_argument);
}

TEST_CASE("eigenvalues of a general matrix") {
  // Rotations and a scale: known eigenvalues behind a similarity.
  const Matrix s = random_matrix(5, 5, 7);
  Matrix block(5, 5);
  block(0, 0) = block(1, 1) = 0.3;
  block(1, 0) = 0.8;
  block(0, 1) = -0.8;
  block(2, 2) = block(3, 3) = -1.5;
  block(3, 2) = 0.25;
  block(2, 3) = -0.25;
  block(4, 4) = 2;
  const Matrix a = product(product(s, block), solve(s, Matrix::identity(5, 5)));
  std::vector<std::complex<double>> found = eigenvalues(a);
  REQUIRE(found.size() == 5);
  using namespace std::complex_literals;
  for (const std::complex<double> exact : {0.3 + 0.8i, 0.3 - 0.8i, -1.5 + 0.25i, -1.5 - 0.25i, 2.0 + 0i}) {
    double nearest = 1;
    for (const auto& value : found) nearest = std::min(nearest, std::abs(value - exact));
    CHECK(nearest <= 1e-13);
  }
  CHECK(rc::check("trace and trace of the square", [] {
    const std::size_t n = any_size(most);
    const Matrix m = random_matrix(n, n, any_seed());
    std::complex<double> sum = 0, squares = 0;
    for (const auto& value : eigenvalues(m)) {
      sum += value;
      squares += value * value;
    }
    double trace = 0, trace_of_square = 0;
    const Matrix square = plain_product(m, m);
    for (std::size_t i = 0; i < n; ++i) {
      trace += m(i, i);
      trace_of_square += square(i, i);
    }
    RC_ASSERT(std::abs(sum - trace) <= rounding(n) * 10);
    RC_ASSERT(std::abs(squares - trace_of_square) <= rounding(n) * 100);
  }));
  CHECK_THROWS_WITH_AS(eigenvalues(Matrix(2, 3)), "the matrix must be square", std::invalid_argument);
}
