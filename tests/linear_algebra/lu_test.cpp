#include "linear_algebra/lu.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

#include "matrices.hpp"
#include "tests/approx.hpp"

using namespace edgewise::linear_algebra;
using namespace edgewise::linear_algebra::test;
using edgewise::tests::Approx;

namespace {

using Complex = std::complex<double>;
constexpr double epsilon = std::numeric_limits<double>::epsilon();

std::vector<Complex> random_complex(std::size_t count, std::uint64_t seed) {
  const Matrix parts = random_matrix(2, count, seed);
  std::vector<Complex> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = {parts(0, i), parts(1, i)};
  return out;
}

}  // namespace

TEST_CASE("real systems, again and again with the same factors") {
  CHECK(rc::check("a x = b", [] {
    const std::size_t n = any_size(30);
    Matrix a = random_matrix(n, n, any_seed());
    for (std::size_t i = 0; i < n; ++i) a(i, (i + 1) % n) += 2 * static_cast<double>(n);
    const Lu<double> lu(n, a.entries());
    RC_ASSERT(lu.size() == n);
    for (int repeat = 0; repeat < 2; ++repeat) {
      const Matrix b = random_matrix(n, 1, any_seed());
      Matrix x = b;
      lu.solve(x.column(0));
      RC_ASSERT(distance(plain_product(a, x), b) <= 20 * epsilon * static_cast<double>(n));
      RC_ASSERT(distance(solve(a, b), x) <= 20 * epsilon * static_cast<double>(n));
    }
  }));
}

TEST_CASE("complex systems") {
  CHECK(rc::check("a x = b", [] {
    const std::size_t n = any_size(30);
    std::vector<Complex> a = random_complex(n * n, any_seed());
    for (std::size_t i = 0; i < n; ++i) a[i + (i + 1) % n * n] += Complex(0, 3 * static_cast<double>(n));
    const std::vector<Complex> b = random_complex(n, any_seed());
    std::vector<Complex> x = b;
    Lu<Complex>(n, a).solve(x);
    for (std::size_t i = 0; i < n; ++i) {
      Complex sum = -b[i];
      for (std::size_t j = 0; j < n; ++j) sum += a[i + j * n] * x[j];
      RC_ASSERT(std::abs(sum) <= 40 * epsilon * static_cast<double>(n));
    }
  }));
}

TEST_CASE("determinants") {
  const Lu<double> lu(3, std::vector<double>{0, 2, 0, 0, 0, 3, -5, 0, 0});  // a permuted diagonal, even
  CHECK(lu.determinant() == -30);
  CHECK(lu.log_determinant().phase == -1);
  CHECK(lu.log_determinant().log_magnitude == Approx(std::log(30.0)).epsilon(1e-15));
  const Lu<double> odd(2, std::vector<double>{0, 4, 2, 0});
  CHECK(odd.determinant() == -8);
  CHECK(odd.log_determinant().phase == -1);
  const Lu<Complex> turned(2, std::vector<Complex>{{0, 2}, 0, 0, 3});
  CHECK(std::abs(turned.determinant() - Complex(0, 6)) <= 1e-14);
  CHECK(std::abs(turned.log_determinant().phase - Complex(0, 1)) <= 1e-15);
  CHECK(turned.log_determinant().log_magnitude == Approx(std::log(6.0)).epsilon(1e-15));
  // Beyond the range of doubles.
  std::vector<double> large(400 * 400, 0.0);
  for (std::size_t i = 0; i < 400; ++i) large[i * 401] = i % 2 == 0 ? -1e10 : 1e10;
  const auto log = Lu<double>(400, large).log_determinant();
  CHECK(log.phase == 1);
  CHECK(log.log_magnitude == Approx(4000 * std::log(10.0)).epsilon(1e-14));
  // Singular.
  const Lu<double> singular(2, std::vector<double>{1, 2, 2, 4});
  CHECK(singular.determinant() == 0);
  CHECK(singular.log_determinant().log_magnitude == -std::numeric_limits<double>::infinity());
  CHECK(std::abs(singular.log_determinant().phase) == 1);
  std::vector<double> x{1, 0};
  singular.solve(x);
  CHECK_FALSE(std::isfinite(x[0]));
}

TEST_CASE("factors are values, and are replaced by new ones") {
  const std::vector<double> twice{2, 0, 0, 2}, thrice{3};
  Lu<double> lu(2, twice);
  Lu<double> copy = lu, assigned;
  assigned = lu;
  lu.factor(1, thrice);
  std::vector<double> x{6};
  lu.solve(x);
  CHECK(x[0] == 2);
  for (const Lu<double>* other : {&copy, &assigned}) {
    std::vector<double> y{6, 8};
    other->solve(y);
    CHECK(y == std::vector<double>{3, 4});
  }
  const Lu<double> moved = std::move(copy);
  CHECK(moved.determinant() == 4);
}

TEST_CASE("shapes that do not fit are refused") {
  const std::vector<double> entries(6, 1.0);
  Lu<double> lu;
  std::vector<double> b(2);
  const char* entries_message = "LU factors need the entries of a square matrix";
  CHECK_THROWS_WITH_AS(lu.factor(2, entries), entries_message, std::invalid_argument);
  CHECK_THROWS_WITH_AS(lu.factor(0, {}), entries_message, std::invalid_argument);
  CHECK_THROWS_WITH_AS(lu.determinant(), "no matrix has been factored", std::invalid_argument);
  CHECK_THROWS_WITH_AS(lu.log_determinant(), "no matrix has been factored", std::invalid_argument);
  CHECK_THROWS_WITH_AS(lu.solve({}), "the shapes of the system do not fit", std::invalid_argument);
  lu.factor(3, Matrix::identity(3, 3).entries());
  CHECK_THROWS_WITH_AS(lu.solve(b), "the shapes of the system do not fit", std::invalid_argument);
}
