// Power series against their values, and against series known in closed form.
#include "numerics/power_series.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::numerics;
using edgewise::tests::Approx;

namespace {

double at(const PowerSeries& a, double x) {
  double sum = 0;
  for (std::size_t k = a.size(); k-- > 0;) sum = sum * x + a[k];
  return sum;
}

}  // namespace

TEST_CASE("operations on series are those on values") {
  PowerSeries a(60, 0.0), b(60, 0.0);
  a[0] = 1.5;
  a[1] = 0.4;
  a[3] = -0.2;
  b[1] = 1;
  b[2] = -0.5;
  const double x = 0.3, f = at(a, x), g = at(b, x);
  CHECK(at(product(a, b), x) == Approx(f * g).epsilon(1e-14));
  for (const double p : {-2.5, -1.0, 0.5, 3.0, 0.0}) CHECK(at(power(a, p), x) == Approx(std::pow(f, p)).epsilon(1e-13));
  // Up to the last coefficient.
  for (const std::size_t size : {2U, 3U, 5U}) {
    const PowerSeries first(a.begin(), a.begin() + size), root = power(first, 0.5), square = product(root, root);
    for (std::size_t k = 0; k < size; ++k) CHECK(square[k] == Approx(first[k]).scale(1).epsilon(1e-15));
    CHECK(root[size - 1] != 0);
  }
  CHECK(at(power(b, 5), x) == Approx(std::pow(g, 5)).epsilon(1e-13));
  CHECK(at(power(b, 0), x) == 1);
  CHECK(at(logarithm(a), x) == Approx(std::log(f)).epsilon(1e-13));
  CHECK(at(rotated(a, std::sin(1.5), std::cos(1.5), -1).first, x) == Approx(std::sin(f)).epsilon(1e-13));
  CHECK(at(rotated(a, std::sin(1.5), std::cos(1.5), -1).second, x) == Approx(std::cos(f)).epsilon(1e-13));
  CHECK(at(rotated(b, 0, 1, 1).first, x) == Approx(std::sinh(g)).epsilon(1e-13));
  CHECK(at(rotated(b, 1, 1, 1).first, x) == Approx(std::exp(g)).epsilon(1e-13));
  CHECK(at(integral(derivative(a), 1.5), x) == Approx(f).epsilon(1e-14));
  CHECK(derivative(a)[2] == Approx(-0.6));
  PowerSeries negative = a;
  negative[0] = -2;
  CHECK(at(power(negative, -3), x) == Approx(std::pow(at(negative, x), -3)).epsilon(1e-13));
  const char* const said = "no such power of a series that begins with 0 or below";
  for (const double p : {-1.0, 0.5, 2.5}) CHECK_THROWS_WITH_AS(power(b, p), said, std::domain_error);
  CHECK_THROWS_WITH_AS(power(negative, 0.5), said, std::domain_error);
  for (const PowerSeries& none : {negative, b})
    CHECK_THROWS_WITH_AS(logarithm(none), "no logarithm of a series that begins with 0 or below", std::domain_error);
  for (const PowerSeries& none :
       {power({}, 2), logarithm({}), integral({}, 1), derivative({}), rotated({}, 0, 1, 1).first})
    CHECK(none.empty());
}

TEST_CASE("whole powers of what begins with 0, by squaring") {
  PowerSeries b(60, 0.0);
  b[1] = 1;
  b[2] = -0.5;
  // x^p (1 - x/2)^p.
  for (int p = 1; p < 58; ++p) {
    CAPTURE(p);
    const PowerSeries found = power(b, p);
    const auto first = static_cast<std::size_t>(p);
    CHECK(found[first - 1] == 0);
    CHECK(found[first] == 1);
    CHECK(found[first + 1] == Approx(-0.5 * p).epsilon(1e-14));
    CHECK(found[first + 2] == Approx(p * (p - 1) / 8.0).epsilon(1e-14));
  }
}
