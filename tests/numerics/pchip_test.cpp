#include "numerics/pchip.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using edgewise::numerics::Pchip;

TEST_CASE("a monotone cubic passes through its knots and never beyond them") {
  const std::vector<double> x{0, 1, 3, 4, 6}, y{0, 2, 2.5, 1, 1};
  const Pchip curve(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(curve(x[i]) == doctest::Approx(y[i]).epsilon(1e-15));
  for (std::size_t i = 0; i + 1 < x.size(); ++i)
    for (int part = 0; part <= 20; ++part) {
      const double v = curve(x[i] + part * (x[i + 1] - x[i]) / 20);
      CHECK(v >= std::min(y[i], y[i + 1]) - 1e-14);
      CHECK(v <= std::max(y[i], y[i + 1]) + 1e-14);
    }
  CHECK(curve(-1) == 0);
  CHECK(curve(7) == 1);
}

TEST_CASE("straight lines and few knots") {
  CHECK(Pchip({0, 1, 3}, {1, 3, 7})(2.2) == doctest::Approx(5.4).epsilon(1e-15));
  CHECK(Pchip({0, 2}, {1, 5})(0.5) == doctest::Approx(2).epsilon(1e-15));
  CHECK(Pchip({3}, {4})(0) == 4);
  CHECK_THROWS_AS(Pchip({0, 0}, {1, 2}), std::invalid_argument);
  CHECK_THROWS_AS(Pchip({0, 1}, {1}), std::invalid_argument);
}
