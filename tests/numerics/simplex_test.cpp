#include "numerics/simplex.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "tests/approx.hpp"

using edgewise::numerics::simplex_minimum;
using edgewise::tests::Approx;

TEST_CASE("a curved valley, a kink, a bound, a single variable") {
  const auto valley = [](std::span<const double> x) {
    const double a = 4 * x[0] - 2, b = 4 * x[1] - 1;  // Rosenbrock's, least at (1, 1)
    return 1 + 100 * std::pow(b - a * a, 2) + std::pow(1 - a, 2);
  };
  auto found = simplex_minimum(valley, {0.2, 0.5}, {0.05, 0.05}, 1e-12, 2000);
  CHECK(found.at[0] == Approx(0.75).epsilon(1e-4));
  CHECK(found.at[1] == Approx(0.5).epsilon(1e-4));
  CHECK(found.evaluations < 1000);

  const auto kink = [](std::span<const double> x) {
    return 1 + std::abs(x[0] - 0.3) + 2 * std::abs(x[1] - x[0]) + std::pow(x[2] - 2, 2);
  };
  found = simplex_minimum(kink, {0.9, 0.1, 0.2}, {0.1, 0.1, 0.1}, 1e-10, 2000);
  CHECK(found.at[0] == Approx(0.3).epsilon(1e-5));
  CHECK(found.at[1] == Approx(0.3).epsilon(1e-5));
  CHECK(found.at[2] == 1);

  found = simplex_minimum([](std::span<const double> x) { return std::cosh(x[0] - 0.25); }, {0.9}, {0.1}, 1e-14, 500);
  CHECK(found.at[0] == Approx(0.25).epsilon(1e-5));
}

TEST_CASE("what is held stays, what is out of range is worse than anything") {
  const auto f = [](std::span<const double> x) {
    return x[0] > 0.5 ? std::numeric_limits<double>::quiet_NaN() : 2 - x[0] + std::pow(x[1] - 0.2, 2);
  };
  const auto found = simplex_minimum(f, {0.1, 0.6}, {0.1, 0}, 1e-10, 500);
  CHECK(found.at[0] == Approx(0.5).epsilon(1e-5));
  CHECK(found.at[1] == 0.6);
  CHECK(simplex_minimum(f, {0.1, 0.6}, {0, 0}, 1e-10, 500).at == std::vector<double>{0.1, 0.6});
}
