#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "settings/expression.hpp"

using edgewise::settings::Expression;

namespace {

double harmonic(double n, double s) {
  const double values[] = {n, s};
  return Expression("harmonic(n, s)", {"n", "s"})(values);
}

}  // namespace

TEST_CASE("harmonic(n, s) is the sum of j^-s") {
  for (const double s : {-1.0, 0.0, 0.3, 0.999999, 1.0, 1.2, 2.0, 3.9, 8.0})
    for (const int n : {1, 5, 23, 24, 25, 60, 2000}) {
      long double sum = 0;
      for (int j = n; j >= 1; --j) sum += std::pow(static_cast<long double>(j), -static_cast<long double>(s));
      CAPTURE(s);
      CAPTURE(n);
      CHECK(harmonic(n, s) == doctest::Approx(static_cast<double>(sum)).epsilon(3e-14));
    }
  CHECK(harmonic(3.9, 1) == doctest::Approx(1 + 1.0 / 2 + 1.0 / 3).epsilon(1e-15));
  CHECK(harmonic(0, 1) == 0);
}

TEST_CASE("harmonic of infinity is the zeta function") {
  const double pi = std::numbers::pi;
  CHECK(harmonic(INFINITY, 2) == doctest::Approx(pi * pi / 6).epsilon(1e-14));
  CHECK(harmonic(INFINITY, 4) == doctest::Approx(std::pow(pi, 4) / 90).epsilon(1e-14));
  CHECK(harmonic(INFINITY, 1) == INFINITY);
  CHECK(std::isnan(harmonic(NAN, 2)));
  // n terms of 1/j: ln n + Euler's constant + 1/(2n).
  CHECK(harmonic(1e9, 1) == doctest::Approx(std::log(1e9) + 0.57721566490153286 + 0.5e-9).epsilon(1e-15));
}
