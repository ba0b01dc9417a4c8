#include "numerics/lbfgs.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
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

namespace {

using Point = std::vector<double>;

double inner(const Point& a, const Point& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// The first points that are looked at, by a rendering of the method with whole matrices; what happened is told to `kinds`.
std::vector<Point> literal_points(const FunctionOfMany& f, Point x, double low, double high, std::size_t count,
                                  std::set<std::string>& kinds) {
  const std::size_t n = x.size();
  std::vector<Point> seen{x}, moves, changes;
  Point g(n), trial_g(n);
  double value = f(x, g);
  while (seen.size() < count) {
    // H <- (1 - s y'/sy) H (1 - y s'/sy) + s s'/sy, from the oldest of the moves on, beginning at sy/yy of the last one.
    std::vector<Point> H(n, Point(n, 0.0));
    for (std::size_t i = 0; i < n; ++i)
      H[i][i] = moves.empty() ? 1 : inner(moves.back(), changes.back()) / inner(changes.back(), changes.back());
    for (std::size_t m = moves.size() > 12 ? moves.size() - 12 : 0; m < moves.size(); ++m) {
      const Point &s = moves[m], &y = changes[m];
      Point Hy(n);
      for (std::size_t i = 0; i < n; ++i) Hy[i] = inner(H[i], y);
      const double sy = inner(s, y), yHy = inner(y, Hy);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          H[i][j] += -(s[i] * Hy[j] + Hy[i] * s[j]) / sy + (yHy / sy + 1) * s[i] * s[j] / sy;
    }
    if (moves.size() > 12) kinds.insert("a move forgotten");
    // Coordinates that their slope presses against a bound stay there.
    std::vector<bool> held(n);
    double steepest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (x[i] == low) kinds.insert(g[i] > 0 ? "held below" : "released below");
      if (x[i] == high) kinds.insert(g[i] < 0 ? "held above" : "released above");
      held[i] = (x[i] == low && g[i] > 0) || (x[i] == high && g[i] < 0);
      if (!held[i]) steepest = std::max(steepest, std::abs(g[i]));
    }
    Point down(n, 0.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        if (!held[i] && !held[j]) down[i] -= H[i][j] * g[j];
    for (double length = moves.empty() ? std::min(1.0, 1 / steepest) : 1; seen.size() < count; length /= 2) {
      Point trial(n), move(n), change(n);
      for (std::size_t i = 0; i < n; ++i) {
        trial[i] = std::max(low, std::min(high, x[i] + length * down[i]));
        move[i] = trial[i] - x[i];
      }
      seen.push_back(trial);
      const double there = f(trial, trial_g), slope = inner(g, move);
      if (!(there <= value + 1e-4 * slope && slope < 0)) {
        kinds.insert("halved");
        continue;
      }
      for (std::size_t i = 0; i < n; ++i) change[i] = trial_g[i] - g[i];
      if (inner(move, change) > 0) {
        moves.push_back(move);
        changes.push_back(change);
      } else {
        kinds.insert("a move along which it is not convex");
      }
      x = trial;
      g = trial_g;
      value = there;
      break;
    }
  }
  return seen;
}

/// Twice: by the method and by its rendering.
void check_points(const FunctionOfMany& f, const Point& start, double low, double high, int steps,
                  std::set<std::string>& kinds) {
  std::vector<Point> seen;
  const auto watched = [&](std::span<const double> x, std::span<double> g) {
    seen.emplace_back(x.begin(), x.end());
    return f(x, g);
  };
  lbfgs(watched, start, low, high, 1e-16, steps);
  const std::vector<Point> expected = literal_points(f, start, low, high, seen.size(), kinds);
  for (std::size_t k = 0; k < seen.size(); ++k) {
    CAPTURE(k);
    for (std::size_t i = 0; i < start.size(); ++i) REQUIRE(std::abs(seen[k][i] - expected[k][i]) < 1e-9);
  }
}

}  // namespace

TEST_CASE("every point of a search is that of the method, with twelve moves remembered") {
  std::set<std::string> kinds;
  const auto f = [](std::span<const double> x, std::span<double> g) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double curvature = 1 + 0.1 * static_cast<double>(i);
      g[i] = curvature * x[i] + 0.1 * std::sin(x[i]);
      sum += curvature * x[i] * x[i] / 2 + 0.1 * (1 - std::cos(x[i]));
    }
    return sum;
  };
  Point start;
  for (std::size_t i = 0; i < 20; ++i) start.push_back(1 + 0.3 * static_cast<double>(i % 3));
  check_points(f, start, -10, 10, 16, kinds);
  CHECK(kinds == std::set<std::string>{"a move forgotten"});
}

TEST_CASE("between bounds every point of a search is that of the method") {
  // Waves in a bowl, from the bounds and from within.
  const auto f = [](std::span<const double> x, std::span<double> g) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double wave = 3 + static_cast<double>(i), next = x[(i + 1) % x.size()],
                   last = x[(i + x.size() - 1) % x.size()];
      sum += x[i] * x[i] / 2 + std::sin(wave * x[i] + wave) / 2 - 0.8 * x[i] * next;
      g[i] = x[i] + wave * std::cos(wave * x[i] + wave) / 2 - 0.8 * (last + next);
    }
    return sum;
  };
  std::set<std::string> kinds;
  for (int run = 0; run < 12; ++run) {
    CAPTURE(run);
    Point start;
    for (int i = 0; i < 5; ++i) start.push_back(std::max(-1.0, std::min(1.0, 1.6 * std::cos(3.7 * run + 2.3 * i))));
    check_points(f, start, -1, 1, 8, kinds);
  }
  CHECK(kinds == std::set<std::string>{"a move along which it is not convex", "halved", "held above", "held below",
                                       "released above", "released below"});
}

TEST_CASE("at a bound: a coordinate whose slope is 0 may leave it, and a step that it cuts must still go down") {
  // The function falls whatever is tried; its slopes are those given, here and after the first step, which is -slope.
  const auto tried = [](const Point& start, const Point& first, const Point& then) {
    std::vector<Point> seen;
    const auto f = [&](std::span<const double> x, std::span<double> g) {
      seen.emplace_back(x.begin(), x.end());
      std::ranges::copy(seen.size() == 1 ? first : then, g.begin());
      return -static_cast<double>(seen.size());
    };
    lbfgs(f, start, 0, 10, 1e-12, 2);
    return seen;
  };
  const auto check = [](const std::vector<Point>& found, const std::vector<Point>& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t k = 0; k < found.size(); ++k)
      for (std::size_t i = 0; i < 2; ++i) CHECK(found[k][i] == Approx(expected[k][i]).epsilon(1e-13));
  };
  // s = -(1/2, 1), y = -(1, 3/4), sy = 5/4, yy = 25/16: H (0, 1/4) = (-.02, .36). Mirrored at 10.
  check(tried({0.5, 5}, {1, 1}, {0, 0.25}), {{0.5, 5}, {0, 4}, {0.02, 3.64}});
  check(tried({9.5, 5}, {-1, 1}, {0, 0.25}), {{9.5, 5}, {10, 4}, {9.98, 3.64}});
  // s = (-1, 1/2), y = (0, 5/4), sy = 5/8, yy = 25/16: H (1, 3/4) = (3, -1/2). Of the 3 there is 1/16 left before the bound, so
  // that the slope along the step is 3/8 - 1/16, 3/16 - 1/16, 3/32 - 1/16, and only then below 0.
  check(tried({1.0625, 5}, {1, -0.5}, {1, 0.75}),
        {{1.0625, 5}, {0.0625, 5.5}, {0, 6}, {0, 5.75}, {0, 5.625}, {0, 5.5625}});
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
