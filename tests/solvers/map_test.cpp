#include "solvers/map.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

/// x' = r x (1 - x), with fixed point 1 - 1/r, 2-cycle beyond r = 3, exponent log 2 at r = 4.
Map logistic(double r) {
  Map map;
  map.size = 1;
  map.step = [r](std::span<const double> x, std::span<double> next) { next[0] = r * x[0] * (1 - x[0]); };
  map.tangent = [r](std::span<const double> x, std::span<const double> v, std::span<double> next) {
    next[0] = r * (1 - 2 * x[0]) * v[0];
  };
  return map;
}

Settled settled(double r, std::uint64_t max_steps = 100000) {
  SettleOptions options;
  options.max_steps = max_steps;
  options.divergence_limit = 1e6;
  return settle(logistic(r), std::array{0.3}, options);
}

}  // namespace

TEST_CASE("orbits are recorded where asked, and observed at every step") {
  OrbitOptions options;
  options.at = {0, 2, 5};
  options.steps = 7;
  std::uint64_t seen = 0;
  options.observer = [&](std::uint64_t k, std::span<const double>) { seen += k; };
  const Orbit orbit = iterate(logistic(2), std::array{0.1}, options);
  CHECK(orbit.steps == std::vector<std::uint64_t>{0, 2, 5});
  CHECK(orbit.last_step == 7);
  CHECK(seen == 28);
  // 1 - 2 x squares itself at every step; x is of order 1/2.
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(1 - 2 * orbit.states[k][0] == Approx(std::pow(0.8, std::pow(2.0, orbit.steps[k]))).epsilon(1e-14).scale(1));
}

TEST_CASE("divergence ends an orbit at its step") {
  OrbitOptions options;
  options.steps = 100;
  options.divergence_limit = 10;
  Map doubling;
  doubling.size = 1;
  doubling.step = [](std::span<const double> x, std::span<double> next) { next[0] = 2 * x[0]; };
  const Orbit orbit = iterate(doubling, std::array{1.0}, options);
  CHECK(orbit.diverged_at == 4u);
  CHECK(orbit.last[0] == 8);
  const Orbit at_once = iterate(doubling, std::array{std::numeric_limits<double>::quiet_NaN()}, options);
  CHECK(at_once.diverged_at == 0u);
}

TEST_CASE("an orbit that has converged still reaches its recorded steps") {
  OrbitOptions options;
  options.at = {500};
  options.steps = 100000;
  options.convergence_tolerance = 1e-15;
  const Orbit orbit = iterate(logistic(2), std::array{0.1}, options);
  REQUIRE(orbit.converged_at);
  CHECK(*orbit.converged_at < 10);
  CHECK(orbit.last_step == 500);
}

TEST_CASE("an orbit rests where a criterion of its state says so") {
  OrbitOptions options;
  options.steps = 100;
  options.at = {3};
  options.at_rest = [](std::span<const double> x) { return std::abs(x[0] - 0.5) < 1e-3; };
  const Orbit orbit = iterate(logistic(2), std::array{0.1}, options);
  // 1 - 2 x = .8^(2^k) falls below 2e-3 at k = 5.
  CHECK(orbit.converged_at == 5u);
  CHECK(orbit.last_step == 5);
  SettleOptions settling;
  settling.convergence_tolerance = 0;
  settling.at_rest = options.at_rest;
  const Settled end = settle(logistic(2), std::array{0.1}, settling);
  CHECK(end.fate == Fate::fixed_point);
  CHECK(end.steps == 5);
  // Without any criterion a number that is none, and one beyond every limit, is divergence all the same.
  Map growing;
  growing.size = 1;
  growing.step = [](std::span<const double> x, std::span<double> next) { next[0] = 1e200 * x[0]; };
  OrbitOptions endless;
  endless.steps = 10;
  endless.divergence_limit = std::numeric_limits<double>::infinity();
  CHECK(iterate(growing, std::array{1.0}, endless).diverged_at == 2u);
}

TEST_CASE("fixed points, cycles, chaos and divergence are told apart") {
  CHECK(settled(2.5).fate == Fate::fixed_point);
  CHECK(settled(2.5).state[0] == Approx(0.6).epsilon(1e-12));
  CHECK(settled(3.2).fate == Fate::cycle);
  CHECK(settled(3.2).period == 2);
  CHECK(settled(3.5).period == 4);
  CHECK(settled(3.83).period == 3);
  CHECK(settled(3.9).fate == Fate::bounded);
  CHECK(settled(3.9).steps == 100000);
  CHECK(settled(4.5).fate == Fate::diverged);
}

TEST_CASE("settling: steps, observers and the state at the end") {
  for (const double r : {2.5, 3.2, 3.9, 4.5}) {
    CAPTURE(r);
    SettleOptions options;
    options.max_steps = 5000;
    options.divergence_limit = 1e6;
    std::vector<std::uint64_t> seen;
    std::vector<double> states;
    options.observer = [&](std::uint64_t k, std::span<const double> x) {
      seen.push_back(k);
      states.push_back(x[0]);
    };
    const Settled out = settle(logistic(r), std::array{0.3}, options);
    // Every step from the start once, in order, with its own state.
    for (std::size_t k = 0; k < seen.size(); ++k) {
      REQUIRE(seen[k] == k);
      if (k > 0) REQUIRE(states[k] == r * states[k - 1] * (1 - states[k - 1]));
    }
    CHECK(states.back() == out.state[0]);
    switch (out.fate) {
      case Fate::fixed_point: {
        // The first step that changes by less than the tolerance.
        std::size_t first = 0;
        while (std::abs(states[first + 1] - states[first]) > options.convergence_tolerance) ++first;
        CHECK(out.steps == first);
        CHECK(out.period == 1);
        break;
      }
      case Fate::cycle:
        CHECK(out.steps % 1000 == 0);
        CHECK(out.steps < 5000);
        CHECK(seen.size() == out.steps + 1);
        break;
      case Fate::bounded:
        CHECK(out.steps == 5000);
        CHECK(out.period == 0);
        CHECK(seen.size() == 5001);
        break;
      case Fate::diverged:
        CHECK(std::abs(r * states.back() * (1 - states.back())) > 1e6);
        CHECK(out.steps == seen.size());
        CHECK(out.period == 0);
        break;
    }
  }
}

TEST_CASE("a slow spiral is no cycle") {
  Map spiral;
  spiral.size = 1;
  spiral.step = [](std::span<const double> x, std::span<double> next) { next[0] = -(1 - 1e-5) * x[0]; };
  CHECK_FALSE(find_cycle(spiral, std::array{1e-9}, 4, 1e-12));
  // Whatever its size, also where it is that of the tolerance.
  for (double size = 1e-13; size < 1e-8; size *= 2) {
    const auto cycle = find_cycle(composed(spiral, 9), std::array{size}, 4, 1e-12);
    CHECK((!cycle || cycle->period == 1));
  }
  SettleOptions options;
  CHECK(settle(spiral, std::array{1.0}, options).fate == Fate::bounded);
  options.max_steps = 10'000'000;
  CHECK(settle(spiral, std::array{1.0}, options).fate == Fate::fixed_point);
}

TEST_CASE("a cycle is wider than a hundred tolerances, and is gone round as often as asked") {
  // x' = c - x comes back after two steps, whatever it begins at; its width is |c - 2 x|.
  for (const double x : {0.25, 50.0})
    for (const double width : {98.0, 102.0}) {
      CAPTURE(x);
      CAPTURE(width);
      const double tolerance = 1e-6, c = 2 * x + width * tolerance * std::max(1.0, x);
      int calls = 0;
      Map mirror;
      mirror.size = 1;
      mirror.step = [&](std::span<const double> at, std::span<double> next) {
        ++calls;
        next[0] = c - at[0];
      };
      const auto cycle = find_cycle(mirror, std::array{x}, 5, tolerance, 10);
      REQUIRE(cycle.has_value() == (width > 100));
      CHECK(calls == (width > 100 ? 2 * 10 : 2));
      if (cycle) CHECK(cycle->period == 2);
      CHECK_FALSE(find_cycle(mirror, std::array{x}, 1, tolerance, 10));
    }
}

TEST_CASE("cycles are looked for after 1000 steps, 2000, 4000, ..") {
  // A count that ends, and a sign that changes.
  for (const double end : {900.0, 1500.0, 2500.0, 4500.0}) {
    Map map;
    map.size = 2;
    map.step = [end](std::span<const double> x, std::span<double> next) {
      next[0] = std::min(x[0] + 1, end);
      next[1] = -x[1];
    };
    const Settled out = settle(map, std::array{0.0, 1.0}, {});
    CHECK(out.fate == Fate::cycle);
    CHECK(out.period == 2);
    CHECK(out.steps == (end < 1000 ? 1000 : end < 2000 ? 2000 : end < 4000 ? 4000 : 8000));
    CHECK(out.state[0] == end);
  }
}

TEST_CASE("the points of a cycle are on it") {
  const double r = 3.2;
  const auto cycle = find_cycle(logistic(r), settled(r).state, 8, 1e-12);
  REQUIRE(cycle);
  REQUIRE(cycle->points.size() == 2);
  CHECK(cycle->points[0][0] + cycle->points[1][0] == Approx((r + 1) / r).epsilon(1e-12));
  CHECK(cycle->points[0][0] * cycle->points[1][0] == Approx((r + 1) / (r * r)).epsilon(1e-12));
}

TEST_CASE("composed maps step and turn tangents as many times") {
  const Map twice = composed(logistic(3.2), 2);
  std::array<double, 1> x{0.3}, once{}, next{}, slope{}, v{1};
  logistic(3.2).step(x, once);
  logistic(3.2).step(once, next);
  std::array<double, 1> out{};
  twice.step(x, out);
  CHECK(out[0] == next[0]);
  twice.tangent(x, v, slope);
  CHECK(slope[0] == Approx(3.2 * (1 - 2 * 0.3) * 3.2 * (1 - 2 * once[0])).epsilon(1e-14));
  CHECK(settle(twice, std::array{0.3}, {}).fate == Fate::fixed_point);
}

TEST_CASE("Lyapunov exponents: a fixed point's multiplier, and log 2 in chaos") {
  CHECK(lyapunov_exponent(logistic(2.5), std::array{0.6}, std::array{1.0}, 100) ==
        Approx(std::log(0.5)).epsilon(1e-12));
  // The mean over n steps of the chaotic orbit fluctuates like 1/n here: the invariant density is that of log|2 - 4x|.
  CHECK(lyapunov_exponent(logistic(4), std::array{0.3}, std::array{1.0}, 200000) ==
        Approx(std::log(2.0)).epsilon(1e-3));
  CHECK(lyapunov_exponent(logistic(2), std::array{0.5}, std::array{1.0}, 5) ==
        -std::numeric_limits<double>::infinity());
}

TEST_CASE("Lyapunov exponents of a few steps are logarithms of slopes") {
  const double x0 = 0.3, x1 = 3.7 * x0 * (1 - x0), slope0 = 3.7 * (1 - 2 * x0), slope1 = 3.7 * (1 - 2 * x1);
  const auto exponent = [&](double v, std::uint64_t steps) {
    return lyapunov_exponent(logistic(3.7), std::array{x0}, std::array{v}, steps);
  };
  CHECK(exponent(1, 1) == Approx(std::log(std::abs(slope0))).epsilon(1e-14));
  CHECK(exponent(-1e-200, 1) == Approx(std::log(std::abs(slope0))).epsilon(1e-14));
  CHECK(exponent(5, 2) == Approx(std::log(std::abs(slope0 * slope1)) / 2).epsilon(1e-14));
  // The second alone, as from where the first has come to.
  CHECK(lyapunov_exponent(logistic(3.7), std::array{x0}, std::array{1.0}, 2, 1) ==
        Approx(std::log(std::abs(slope1))).epsilon(1e-14));
  // In the plane the direction turns: (1, 1) -> (2, 3) -> (4, 9) under diag(2, 3).
  Map scaling;
  scaling.size = 2;
  scaling.step = [](std::span<const double> x, std::span<double> next) {
    next[0] = 2 * x[0];
    next[1] = 3 * x[1];
  };
  scaling.tangent = [&](std::span<const double>, std::span<const double> v, std::span<double> next) {
    scaling.step(v, next);
  };
  CHECK(lyapunov_exponent(scaling, std::array{0.0, 0.0}, std::array{1.0, 1.0}, 2) ==
        Approx(std::log(97.0 / 2) / 4).epsilon(1e-14));
}

TEST_CASE("what does not fit is refused") {
  OrbitOptions options;
  options.at = {3, 3};
  CHECK_THROWS_AS(iterate(logistic(2), std::array{0.1}, options), std::invalid_argument);
  CHECK_THROWS_AS(iterate(logistic(2), std::array{0.1, 0.2}, {}), std::invalid_argument);
  CHECK_THROWS_AS(iterate(Map{}, std::array{0.1}, {}), std::invalid_argument);
  options.at = {};
  options.divergence_limit = 0;
  CHECK_THROWS_AS(iterate(logistic(2), std::array{0.1}, options), std::invalid_argument);
  CHECK_THROWS_AS(composed(logistic(2), 0), std::invalid_argument);
  CHECK_THROWS_AS(find_cycle(logistic(2), std::array{0.1}, 0, 1e-9), std::invalid_argument);
  CHECK_THROWS_AS(lyapunov_exponent(logistic(2), std::array{0.1}, std::array{0.0}, 5), std::invalid_argument);
  CHECK_THROWS_AS(lyapunov_exponent(logistic(2), std::array{0.1}, std::array{1.0}, 5, 5), std::invalid_argument);
  Map bare = logistic(2);
  bare.tangent = nullptr;
  CHECK_THROWS_AS(lyapunov_exponent(bare, std::array{0.1}, std::array{1.0}, 5), std::invalid_argument);
}
