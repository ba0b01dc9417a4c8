#include "numerics/pchip.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using edgewise::numerics::Pchip;
using edgewise::tests::Approx;

TEST_CASE("a monotone cubic passes through its knots and never beyond them") {
  const std::vector<double> x{0, 1, 3, 4, 6}, y{0, 2, 2.5, 1, 1};
  const Pchip curve(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(curve(x[i]) == Approx(y[i]).epsilon(1e-15));
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
  CHECK(Pchip({0, 1, 3}, {1, 3, 7})(2.2) == Approx(5.4).epsilon(1e-15));
  CHECK(Pchip({0, 2}, {1, 5})(0.5) == Approx(2).epsilon(1e-15));
  CHECK(Pchip({3}, {4})(0) == 4);
  CHECK_THROWS_AS(Pchip({0, 0}, {1, 2}), std::invalid_argument);
  CHECK_THROWS_AS(Pchip({0, 1}, {1}), std::invalid_argument);
}

TEST_CASE("slopes of Fritsch and Butland on uneven knots, and at ends that would overshoot") {
  // In the middle of an interval (y_i + y_(i+1))/2 + h (m_i - m_(i+1))/8. Secants 1, 2, 1/2 over widths 1, 2, 1:
  // m_1 = (5 + 4)/(5/1 + 4/2), m_2 = (4 + 5)/(4/2 + 5/.5); at the ends of the parabola through three, (4 - 2)/3, and 0,
  // for (4/2 - 2)/3 is none.
  const Pchip uneven({0, 1, 3, 4}, {0, 1, 5, 5.5});
  const double m[] = {2.0 / 3, 9.0 / 7, 0.75, 0};
  CHECK(uneven(0.5) == Approx(0.5 + (m[0] - m[1]) / 8).epsilon(1e-14));
  CHECK(uneven(2) == Approx(3 + 2 * (m[1] - m[2]) / 8).epsilon(1e-14));
  CHECK(uneven(3.5) == Approx(5.25 + (m[2] - m[3]) / 8).epsilon(1e-14));
  const Pchip mirrored({-4, -3, -1, 0}, {5.5, 5, 1, 0});
  for (double x = 0.1; x < 4; x += 0.3) CHECK(mirrored(-x) == Approx(uneven(x)).epsilon(1e-14));
  // (3 + 5)/2 = 4 is more than three times the secant before a turn; 5/2 beside a gentler one is not.
  CHECK(Pchip({0, 1, 2}, {0, 1, -4})(0.5) == Approx(0.5 + 3.0 / 8).epsilon(1e-14));
  CHECK(Pchip({0, 1, 2}, {0, 1, -1})(0.5) == Approx(0.5 + 2.5 / 8).epsilon(1e-14));
  CHECK(Pchip({0, 1, 2}, {-4, 1, 0})(1.5) == Approx(0.5 + 3.0 / 8).epsilon(1e-14));
  // (4 + 6)/3 beside an interval twice as wide.
  CHECK(Pchip({0, 1, 3}, {0, 1, -11})(0.5) == Approx(0.5 + 3.0 / 8).epsilon(1e-14));
}
