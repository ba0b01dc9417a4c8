#include "solvers/mode_sums.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

TEST_CASE("sums over modes of any number") {
  // Whole numbers: exact in any order.
  for (std::size_t n = 0; n <= 13; ++n) {
    CAPTURE(n);
    std::vector<double> x, y;
    double sum = 0, absolute = 0;
    for (std::size_t i = 0; i < n; ++i) {
      x.push_back(static_cast<double>(i * i + 1) * (i % 3 == 1 ? -1 : 1));
      y.push_back(static_cast<double>(3 * i + 2) * (i % 4 == 2 ? -1 : 1));
      sum += x[i] * y[i];
      absolute += x[i] * y[i] < 0 ? -x[i] * y[i] : x[i] * y[i];
    }
    CHECK(dot(x.data(), y.data(), n) == sum);
    CHECK(absolute_dot(x.data(), y.data(), n) == absolute);
  }
}

TEST_CASE("proportional vectors and their factor, up to rounding") {
  double factor = 0;
  const std::vector<double> u{0.1, -0.7, 0.3, 1e-20};
  std::vector<double> g;
  for (const double v : u) g.push_back(-2.5 * v);
  CHECK(proportional(g, u, factor));
  CHECK(factor == Approx(-2.5).epsilon(1e-15));
  g[3] *= 1 + 1e-14;  // the smallest counts like the largest
  CHECK_FALSE(proportional(g, u, factor));
  g[3] = 0;
  CHECK_FALSE(proportional(g, u, factor));
  const std::vector<double> zero(4, 0.0);
  CHECK(proportional(zero, u, factor));
  CHECK(factor == 0);
  CHECK_FALSE(proportional(u, zero, factor));
}

TEST_CASE("numbers that are not finite are seen wherever they stand") {
  std::vector<double> x(5, 1.0);
  CHECK(all_finite(x));
  x[4] = std::numeric_limits<double>::infinity();
  CHECK_FALSE(all_finite(x));
  x[4] = 0;
  x[0] = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(all_finite(x));
}
