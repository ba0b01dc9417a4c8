#include "numerics/power_of_two.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using edgewise::numerics::power_of_two;

TEST_CASE("powers of two: within a factor sqrt 2 of any number, and exact") {
  for (double x = 1e-307; x < 1e307; x *= 7.3) {
    CAPTURE(x);
    const double unit = power_of_two(x);
    int exponent = 0;
    CHECK(std::frexp(unit, &exponent) == 0.5);
    CHECK(x / unit >= std::sqrt(0.5) * (1 - 1e-12));
    CHECK(x / unit <= std::sqrt(2.0) * (1 + 1e-12));
    CHECK(x / unit * unit == x);
  }
  for (const double x : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) CHECK(power_of_two(x) == 1);
  CHECK(std::isfinite(power_of_two(std::numeric_limits<double>::max())));
  CHECK(power_of_two(std::numeric_limits<double>::denorm_min()) > 0);
}
