#include "numerics/lbfgs.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::numerics;
using edgewise::tests::Approx;

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
  for (const double x : found.at) CHECK(x == Approx(1).epsilon(1e-6));
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

TEST_CASE("where bounds hold some coordinates and the others are at their minimum nothing is tried") {
  for (const double target : {-3.0, 3.0})
    for (const std::size_t held : {0U, 1U, 2U}) {
      CAPTURE(target);
      CAPTURE(held);
      int calls = 0;
      const auto f = [&](std::span<const double> x, std::span<double> g) {
        ++calls;
        double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double gap = x[i] - (i == held ? target : 0.5);
          g[i] = 2 * gap;
          sum += gap * gap;
        }
        return sum;
      };
      std::vector<double> start(3, 0.5);
      start[held] = target;
      const MinimumOfMany found = lbfgs(f, start, -2, 2, 1e-12);
      CHECK(found.converged);
      CHECK(found.iterations == 0);
      CHECK(calls == 1);
      CHECK(found.at[held] == (target < 0 ? -2 : 2));
    }
}

TEST_CASE("a step is the gradient by the inverse Hessian that the last twelve moves tell, updated as BFGS does") {
  constexpr std::size_t n = 20;
  const auto curvature = [](std::size_t i) { return 1 + 0.1 * static_cast<double>(i); };
  std::vector<std::vector<double>> points, slopes;
  const auto f = [&](std::span<const double> x, std::span<double> g) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      g[i] = curvature(i) * x[i] + 0.1 * std::sin(x[i]);
      sum += curvature(i) * x[i] * x[i] / 2 + 0.1 * (1 - std::cos(x[i]));
    }
    points.emplace_back(x.begin(), x.end());
    slopes.emplace_back(g.begin(), g.end());
    return sum;
  };
  std::vector<double> start;
  for (std::size_t i = 0; i < n; ++i) start.push_back(1 + 0.3 * static_cast<double>(i % 3));
  const MinimumOfMany found = lbfgs(f, start, -10, 10, 1e-16, 16);
  REQUIRE(points.size() == static_cast<std::size_t>(found.iterations) + 1);  // every first trial was good
  REQUIRE(found.iterations > 14);
  const auto inner = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  for (std::size_t k = 1; k + 1 < points.size(); ++k) {
    CAPTURE(k);
    // H <- (1 - s y'/sy) H (1 - y s'/sy) + s s'/sy, from the oldest of the moves on, beginning at sy/yy of the last one.
    std::vector<std::vector<double>> H(n, std::vector<double>(n, 0.0));
    for (std::size_t m = k > 12 ? k - 12 : 0; m < k; ++m) {
      std::vector<double> s(n), y(n), Hy(n, 0.0);
      const auto move = [&](std::size_t of) {
        for (std::size_t i = 0; i < n; ++i) {
          s[i] = points[of + 1][i] - points[of][i];
          y[i] = slopes[of + 1][i] - slopes[of][i];
        }
      };
      if (m == (k > 12 ? k - 12 : 0)) {
        move(k - 1);
        for (std::size_t i = 0; i < n; ++i) H[i][i] = inner(s, y) / inner(y, y);
      }
      move(m);
      for (std::size_t i = 0; i < n; ++i) Hy[i] = inner(H[i], y);
      const double sy = inner(s, y), yHy = inner(y, Hy);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          H[i][j] += -(s[i] * Hy[j] + Hy[i] * s[j]) / sy + (yHy / sy + 1) * s[i] * s[j] / sy;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double step = points[k + 1][i] - points[k][i];
      CHECK(std::abs(step + inner(H[i], slopes[k])) < 1e-9 * std::sqrt(inner(slopes[k], slopes[k])));
    }
  }
}

TEST_CASE("steps out of the function's range are taken back") {
  const auto f = [](std::span<const double> x, std::span<double> g) {
    if (x[0] > 1.5) return std::numeric_limits<double>::infinity();
    g[0] = 2 * x[0] - 2;
    return x[0] * x[0] - 2 * x[0];
  };
  CHECK(lbfgs(f, {-40}, -100, 100, 1e-14).at[0] == Approx(1).epsilon(1e-7));
  CHECK_THROWS_AS(lbfgs(f, {2}, -100, 100, 1e-14), std::domain_error);
}

TEST_CASE("the first step goes down the gradient by its length, or by 1 where that is less") {
  for (const double curvature : {0.25, 100.0}) {
    CAPTURE(curvature);
    std::vector<double> tried;
    const auto f = [&](std::span<const double> x, std::span<double> g) {
      tried.push_back(x[0]);
      g[0] = curvature * x[0];
      return curvature * x[0] * x[0] / 2;
    };
    CHECK(std::abs(lbfgs(f, {3}, -10, 10, 1e-14).at[0]) < 1e-7);
    REQUIRE(tried.size() > 1);
    CHECK(tried[0] == 3);
    CHECK(tried[1] == Approx(curvature == 0.25 ? 3 - 0.75 : 2).epsilon(1e-15));
  }
}

TEST_CASE("a step must go down by a ten thousandth of what its slope promises") {
  // Slope 1 at 0; the first trial is -1, the next one half as far.
  for (const double fall : {0.98e-4, 1.02e-4}) {
    CAPTURE(fall);
    std::vector<double> tried;
    const auto f = [&](std::span<const double> x, std::span<double> g) {
      tried.push_back(x[0]);
      g[0] = x[0] == 0 ? 1 : 0;
      return x[0] == 0 ? 0 : x[0] == -1 ? -fall : -0.4;
    };
    const MinimumOfMany found = lbfgs(f, {0}, -10, 10, 1e-12);
    REQUIRE(tried.size() > 1);
    CHECK(tried[1] == -1);
    CHECK(found.converged);
    CHECK(found.at[0] == (fall < 1e-4 ? -0.5 : -1));
  }
}

TEST_CASE("the number of steps is bounded, and a start outside of the bounds is brought in") {
  const MinimumOfMany few = lbfgs(rosenbrock, std::vector<double>(10, -0.5), -10, 10, 1e-15, 3);
  CHECK(few.iterations == 3);
  CHECK_FALSE(few.converged);
  const auto f = [](std::span<const double> x, std::span<double> g) {
    CHECK(std::abs(x[0]) <= 2);
    g[0] = 1;
    return x[0];
  };
  const MinimumOfMany low = lbfgs(f, {7}, -2, 2, 1e-12);
  CHECK(low.at[0] == -2);
  CHECK(low.value == -2);
}

TEST_CASE("it ends after three falls in a row by less than the tolerance of the value, or of 1, or on a flat") {
  // Straight down by 1 a step, where there is no curvature to learn.
  const auto down = [](double slope) {
    return [slope](std::span<const double> x, std::span<double> g) {
      g[0] = slope;
      return slope * x[0];
    };
  };
  for (const auto& entry : {std::pair(1.02, 3), {0.98, 4}, {0.49, 5}}) {  // falls to -1, -2, ..: 1 <= tolerance * size
    const double tolerance = entry.first;
    CAPTURE(tolerance);
    const MinimumOfMany found = lbfgs(down(1), {0}, -100, 100, tolerance);
    CHECK(found.converged);
    CHECK(found.iterations == entry.second);
    CHECK(found.at[0] == -entry.second);
  }
  for (const double slope : {0.98e-6, 1.02e-6}) {
    CAPTURE(slope);
    const MinimumOfMany found = lbfgs(down(slope), {0}, -100, 100, 1e-3);
    CHECK(found.converged);
    CHECK((found.iterations == 0) == (slope < 1e-6));
  }
}

TEST_CASE("a step is halved 40 times at most, to no less than a trillionth of its length") {
  std::vector<double> tried;
  const auto f = [&](std::span<const double> x, std::span<double> g) {
    tried.push_back(x[0]);
    g[0] = 1;
    return x[0] == 0 ? 0.0 : 1.0;  // rises whatever its slope says
  };
  const MinimumOfMany found = lbfgs(f, {0}, -10, 10, 1e-12);
  CHECK(found.converged);
  CHECK(found.at[0] == 0);
  REQUIRE(tried.size() == 41);
  CHECK(tried.back() == -0x1p-39);
}
