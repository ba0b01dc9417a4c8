#include "numerics/lbfgs.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

using namespace edgewise::numerics;

namespace {

double rosenbrock(std::span<const double> x, std::span<double> g) {
  double f = 0;
  std::fill(g.begin(), g.end(), 0.0);
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    f += 100 * a * a + b * b;
    g[i] += -400 * a * x[i] - 2 * b;
    g[i + 1] += 200 * a;
  }
  return f;
}

}  // namespace

TEST_CASE("a curved valley in ten dimensions") {
  const MinimumOfMany found = lbfgs(rosenbrock, std::vector<double>(10, -0.5), -10, 10, 1e-15);
  CHECK(found.converged);
  for (const double x : found.at) CHECK(x == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("bounds hold, and what they hold is solved among the rest") {
  // (x - 3)^2 + (y + 1)^2 + x y on [0, 2]^2: at x = 2 the slope by y is 2 y + 4 > 0, so y = 0.
  const auto f = [](std::span<const double> x, std::span<double> g) {
    g[0] = 2 * (x[0] - 3) + x[1];
    g[1] = 2 * (x[1] + 1) + x[0];
    return std::pow(x[0] - 3, 2) + std::pow(x[1] + 1, 2) + x[0] * x[1];
  };
  const MinimumOfMany found = lbfgs(f, {1, 1}, 0, 2, 1e-14);
  CHECK(found.converged);
  CHECK(found.at[0] == 2);
  CHECK(found.at[1] == 0);
}

TEST_CASE("steps out of the function's range are taken back") {
  const auto f = [](std::span<const double> x, std::span<double> g) {
    if (x[0] > 1.5) return std::numeric_limits<double>::infinity();
    g[0] = 2 * x[0] - 2;
    return x[0] * x[0] - 2 * x[0];
  };
  CHECK(lbfgs(f, {-40}, -100, 100, 1e-14).at[0] == doctest::Approx(1).epsilon(1e-7));
  CHECK_THROWS_AS(lbfgs(f, {2}, -100, 100, 1e-14), std::domain_error);
}
