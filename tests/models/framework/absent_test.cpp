#include "models/framework/absent.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

using namespace edgewise::models;

TEST_CASE("an absent value is a NaN that no computation of a run makes, and a mean of two of them is one") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  volatile double x = absent, y = -absent, zero = 0, large = infinity;
  CHECK(std::isnan(x));
  CHECK(is_absent(x));
  CHECK(is_absent(y));
  CHECK(is_absent(0.5 * (x + y)));
  CHECK(is_absent(2 * x - 1));
  for (const double other :
       {0.0, infinity, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::quiet_NaN(), zero / zero,
        large - large, std::sqrt(-1 - zero), std::nan("3")})
    CHECK_FALSE(is_absent(other));
}
