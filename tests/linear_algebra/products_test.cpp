#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "matrices.hpp"
#include "tests/approx.hpp"

using namespace edgewise::linear_algebra;
using namespace edgewise::linear_algebra::test;
using edgewise::tests::Approx;

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr std::array both = {Transposed::no, Transposed::yes};

Matrix op(const Matrix& a, Transposed t) {
  return t == Transposed::no ? a : transposed(a);
}

}  // namespace

TEST_CASE("entries stand column by column") {
  const std::vector<double> entries{1, 2, 3, 4, 5, 6};
  Matrix a(2, 3, entries);
  CHECK(a.rows() == 2);
  CHECK(a.columns() == 3);
  CHECK(a.size() == 6);
  CHECK(a(1, 0) == 2);
  CHECK(a(0, 2) == 5);
  CHECK(a.column(1)[0] == 3);
  a.column(1)[1] = 7;
  CHECK(a.entries()[3] == 7);
  CHECK(a.data()[3] == 7);
  CHECK_THROWS_WITH_AS(Matrix(2, 2, entries), "a matrix needs rows x columns entries", std::invalid_argument);
  const Matrix one = Matrix::identity(2, 3);
  CHECK(one(0, 0) == 1);
  CHECK(one(1, 1) == 1);
  CHECK(one(0, 1) == 0);
  CHECK(one(1, 2) == 0);
}

TEST_CASE("products of any shapes, transposed or not, onto what was there") {
  CHECK(rc::check("alpha op(a) op(b) + beta c", [] {
    const std::size_t m = any_size(24), n = any_size(24), k = any_size(24);
    const Transposed ta = both[any_size(2) - 1], tb = both[any_size(2) - 1];
    const double alpha = *rc::gen::element(1.0, -0.5, 3.0, 0.0), beta = *rc::gen::element(0.0, 1.0, -2.0);
    const Matrix a = op(random_matrix(m, k, any_seed()), ta), b = op(random_matrix(k, n, any_seed()), tb);
    Matrix c = random_matrix(m, n, any_seed());
    Matrix expected = plain_product(op(a, ta), op(b, tb));
    for (std::size_t i = 0; i < c.size(); ++i)
      expected.entries()[i] = alpha * expected.entries()[i] + beta * c.entries()[i];
    multiply(alpha, a, ta, b, tb, beta, c);
    RC_ASSERT(distance(c, expected) <= 4 * epsilon * static_cast<double>(k + 2) * (std::abs(alpha) + std::abs(beta)));
    if (alpha == 1 && beta == 0) RC_ASSERT(distance(product(a, b, ta, tb), c) == 0);
  }));
}

TEST_CASE("with beta 0 the old content is not read, and the result is resized") {
  const Matrix a = random_matrix(3, 4, 1), b = random_matrix(4, 2, 2);
  Matrix c(3, 2, std::numeric_limits<double>::quiet_NaN());
  multiply(1, a, Transposed::no, b, Transposed::no, 0, c);
  CHECK(distance(c, plain_product(a, b)) <= 8 * epsilon);
  Matrix other(1, 1);
  multiply(1, a, Transposed::no, b, Transposed::no, 0, other);
  CHECK(distance(other, c) == 0);
}

TEST_CASE("parts of larger matrices") {
  const Matrix a = random_matrix(7, 5, 1), b = random_matrix(6, 6, 2);
  Matrix c(8, 4, 0.25);
  // Rows 2..4 and columns 1..3 of c from rows 1..3 of a, and the transpose of rows 0..2, columns 0..3 of b.
  multiply(3, 3, 4, 2.0, a.data() + 1, 7, Transposed::no, b.data(), 6, Transposed::yes, 1.0, c.data() + 2 + 8, 8);
  for (std::size_t i = 0; i < 8; ++i)
    for (std::size_t j = 0; j < 4; ++j) {
      double expected = 0.25;
      if (i >= 2 && i < 5 && j >= 1)
        for (std::size_t k = 0; k < 4; ++k) expected += 2 * a(i - 1, k) * b(j - 1, k);
      CHECK(c(i, j) == Approx(expected).epsilon(1e-14));
    }
}

TEST_CASE("rank updates write the lower triangle only") {
  CHECK(rc::check("c + alpha op(a) op(a)'", [] {
    const std::size_t n = any_size(20), k = any_size(20);
    const Transposed t = both[any_size(2) - 1];
    const Matrix a = op(random_matrix(n, k, any_seed()), t), before = random_matrix(n, n, any_seed());
    Matrix c = before;
    rank_update(0.5, a, t, c);
    const Matrix added = plain_product(op(a, t), transposed(op(a, t)));
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t i = 0; i < n; ++i)
        if (i < j)
          RC_ASSERT(c(i, j) == before(i, j));
        else
          RC_ASSERT(std::abs(c(i, j) - before(i, j) - 0.5 * added(i, j)) <= 4 * epsilon * static_cast<double>(k + 2));
    const Matrix lower = c;
    fill_upper(c);
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t i = j; i < n; ++i) {
        RC_ASSERT(c(i, j) == lower(i, j));
        RC_ASSERT(c(j, i) == lower(i, j));
      }
  }));
}

TEST_CASE("shapes that do not fit are refused") {
  const Matrix a(2, 3), b(2, 3);
  Matrix c(2, 2), wide(2, 3);
  CHECK_THROWS_WITH_AS(product(a, b), "the shapes of the matrices to multiply do not fit", std::invalid_argument);
  CHECK_THROWS_WITH_AS(product(a, b, Transposed::yes, Transposed::yes),
                       "the shapes of the matrices to multiply do not fit", std::invalid_argument);
  CHECK_NOTHROW(product(a, b, Transposed::no, Transposed::yes));
  CHECK_THROWS_WITH_AS(multiply(1, a, Transposed::yes, b, Transposed::no, 1, c),
                       "the shape of the matrix to add to does not fit", std::invalid_argument);
  Matrix row(1, 2), column(2, 1);  // of a b', which is 2 x 2, only the rows or only the columns
  for (Matrix* to : {&row, &column})
    CHECK_THROWS_WITH_AS(multiply(1, a, Transposed::no, b, Transposed::yes, 1, *to),
                         "the shape of the matrix to add to does not fit", std::invalid_argument);
  CHECK_THROWS_WITH_AS(rank_update(1, a, Transposed::yes, c), "the shape of the matrix to add to does not fit",
                       std::invalid_argument);
  CHECK_NOTHROW(rank_update(1, a, Transposed::no, c));
  CHECK_THROWS_WITH_AS(fill_upper(wide), "the matrix must be square", std::invalid_argument);
}
