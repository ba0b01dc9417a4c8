#include "solvers/stability_boundary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "tests/approx.hpp"
#include "tests/solvers/phase_blocks.hpp"

using namespace edgewise::solvers;
using edgewise::solvers::test::block_of;
using edgewise::tests::Approx;

namespace {

Phase phase_of(std::size_t r, const std::vector<double>& T0, const std::vector<double>& T1,
               const std::vector<double>& n, const std::vector<double>& e, double scale) {
  return {{block_of(r, T0, T1, n, e)}, scale};
}

PeriodicPhases with_modes(const std::vector<double>& x, double kurtosis, std::size_t r) {
  PeriodicPhases system;
  system.modes.x = system.modes.weight = system.modes.feedback = x;
  for (const double value : x) system.modes.own.push_back((kurtosis - 2) * value * value);
  system.sizes = {r};
  return system;
}

/// v <- (1 - rate x) v, with noise.
PeriodicPhases gradient_descent(const std::vector<double>& x, double rate, double scale, double kurtosis) {
  PeriodicPhases system = with_modes(x, kurtosis, 1);
  system.period = {{phase_of(1, {1}, {-rate}, {-rate}, {1}, scale), 1}};
  return system;
}

/// m <- m - rate x v, v <- v + m, q times; then m <- 0.
PeriodicPhases restarted_oscillator(const std::vector<double>& x, double rate, double scale, std::uint64_t q) {
  PeriodicPhases system = with_modes(x, 3, 2);
  const Phase step = phase_of(2, {1, 1, 0, 1}, {-rate, 0, -rate, 0}, {-rate, -rate}, {1, 0}, scale);
  system.period = {{step, q}, {phase_of(2, {1, 0, 0, 0}, {}, {}, {}, 0), 1}};
  system.rest = {{1, 0}};
  return system;
}

/// Rate at which the oscillation of a mode at 1 turns by `angle` a step: 1 - rate/2 = cos(angle).
double rate_of(double angle) {
  return 4 * std::pow(std::sin(angle / 2), 2);
}

}  // namespace

TEST_CASE("gradient descent loses stability where its kernel norm reaches 1") {
  // v_i^2 <- (1 - r x_i)^2 v_i^2 + s r^2 ((k - 2) x_i^2 v_i^2 + x_i p) is still where
  // x_i v_i^2 = p s r x_i / (2 - r x_i (1 + s (k - 2))); summed over i, that is p.
  const std::vector<double> x{1, 0.7, 0.4, 0.2, 0.1};
  for (const double kurtosis : {2.0, 3.0, 6.0})
    for (const double scale : {0.05, 1.0}) {
      CAPTURE(kurtosis);
      CAPTURE(scale);
      const auto at = [&](double rate) { return gradient_descent(x, rate, scale, kurtosis); };
      const auto few = [&](double rate) { return gradient_descent({1, 0.3}, rate, scale, kurtosis); };
      for (const double start : {0.01, 40.0}) {
        const StabilityBoundary found = stability_boundary(at, few, start);
        double kernel_norm = 0;
        for (const double value : x)
          kernel_norm += scale * found.first * value / (2 - found.first * value * (1 + scale * (kurtosis - 2)));
        CHECK(kernel_norm == Approx(1).epsilon(1e-10));
        CHECK(found.first * (1 + scale * (kurtosis - 2)) < 2);
        CHECK(found.windows == 0);
        CHECK(found.last == found.first);
        CHECK(found.complete);
      }
    }
}

TEST_CASE("every window of an oscillator that is stopped every few steps") {
  // From rest, v_q = v_0 cos((q + 1/2) a) / cos(a / 2): unstable for a between k pi/(q + 1) and k pi/q, k = 1..q.
  for (const int q : {1, 2, 4, 9}) {
    CAPTURE(q);
    const auto at = [&](double rate) { return restarted_oscillator({1}, rate, 1e-13, static_cast<std::uint64_t>(q)); };
    for (const double start : {1e-3, rate_of(std::numbers::pi / (q + 1)) * 0.9, 4.5}) {
      CAPTURE(start);
      if (start == 4.5 && q > 2) continue;  // a sixteenth of it is in a window beyond the first
      const StabilityBoundary found = stability_boundary(at, at, start);
      CHECK(found.first == Approx(rate_of(std::numbers::pi / (q + 1))).epsilon(1e-9));
      CHECK(found.windows == static_cast<std::size_t>(q - 1));
      CHECK(found.last == Approx(rate_of(q * std::numbers::pi / (q + 1))).epsilon(1e-9));
      CHECK(found.complete);
    }
  }
}

TEST_CASE("a slower mode closes windows that the fastest leaves open") {
  // The fastest mode alone is stable in 3 windows; one at x = 1/2 is unstable at x rate of those windows, or is not.
  const int q = 4;
  const std::vector<double> x{1, 0.5};
  std::vector<double> edges;  // all rates at which some mode's stability changes
  for (const double value : x)
    for (int k = 1; k <= q; ++k) {
      edges.push_back(rate_of(k * std::numbers::pi / (q + 1)) / value);
      edges.push_back(rate_of(k * std::numbers::pi / q) / value);
    }
  std::ranges::sort(edges);
  const auto stable = [&](double rate) {
    for (const double value : x) {
      if (rate * value >= 4) return false;
      const double angle = std::acos(1 - rate * value / 2);
      if (std::abs(std::cos((q + 0.5) * angle)) >= std::cos(angle / 2)) return false;
    }
    return true;
  };
  std::vector<double> ends;
  for (std::size_t k = 0; k + 1 < edges.size(); ++k)
    if (edges[k + 1] > edges[k] * (1 + 1e-9) && !stable((edges[k] + edges[k + 1]) / 2) &&
        stable(((k > 0 ? edges[k - 1] : 0) + edges[k]) / 2))
      ends.push_back(edges[k]);
  REQUIRE(ends.size() > 1);
  const auto at = [&](double rate) { return restarted_oscillator(x, rate, 1e-13, q); };
  const StabilityBoundary found = stability_boundary(at, at, 0.01);
  CHECK(found.first == Approx(ends.front()).epsilon(1e-9));
  CHECK(found.windows == ends.size() - 1);
  CHECK(found.last == Approx(ends.back()).epsilon(1e-9));
}

TEST_CASE("never stable, and stable for ever") {
  const auto constant = [](double factor) {
    return [factor](double) {
      PeriodicPhases system = with_modes({1}, 3, 1);
      system.period = {{phase_of(1, {factor}, {}, {0.1}, {1}, 1), 1}};
      return system;
    };
  };
  const StabilityBoundary never = stability_boundary(constant(1.5), constant(1.5), 1);
  CHECK(std::isnan(never.first));
  CHECK(std::isnan(never.last));
  CHECK(never.windows == 0);
  const StabilityBoundary always = stability_boundary(constant(0.5), constant(0.5), 1);
  CHECK(std::isinf(always.first));
  CHECK(std::isinf(always.last));
}

TEST_CASE("the search goes up by 15% a step, to where the fastest mode has grown by ten a period twelve times") {
  std::vector<double> asked;
  const auto at = [](double rate) { return gradient_descent({1, 0.5}, rate, 1.0, 3); };
  const auto few = [&](double rate) {
    asked.push_back(rate);
    return gradient_descent({1, 0.3}, rate, 1.0, 3);
  };
  const StabilityBoundary found = stability_boundary(at, few, 0.1);
  CHECK(found.complete);
  std::ranges::sort(asked);
  asked.erase(std::unique(asked.begin(), asked.end(), [](double a, double b) { return b < a * (1 + 1e-9); }),
              asked.end());
  // |1 - rate| >= 10 from 0.1 * 1.15^34 = 11.58 on. Between them the top of a rise of the second mode's own
  // det(1 - A) = 2 y - 2 y^2, y = 0.3 rate = 1/2, where the first is unstable; that of the first is where all is stable.
  std::vector<double> expected;
  for (int k = 0; k <= 34 + 11; ++k) expected.push_back(0.1 * std::pow(1.15, k));
  const auto has = [&](double value) {
    return std::ranges::any_of(asked, [&](double a) { return std::abs(a / value - 1) < 1e-6; });
  };
  for (const double value : expected) CHECK(has(value));
  CHECK(asked.back() == Approx(expected.back()).epsilon(1e-12));
  CHECK(has(0.5 / 0.3));
  CHECK_FALSE(has(0.5));
  CHECK(asked.size() < expected.size() + 30);
}

TEST_CASE("a start that is not stable is a sixteenth as large, and so on") {
  const auto at = [](double rate) { return gradient_descent({1, 0.5}, rate, 1.0, 3); };
  std::vector<double> asked;
  const auto few = [&](double rate) {
    asked.push_back(rate);
    return at(rate);
  };
  stability_boundary(at, few, 40);
  REQUIRE(asked.size() > 3);
  CHECK(asked[0] == 40);
  CHECK(asked[1] == 2.5);
  CHECK(asked[2] == 0.15625);
  CHECK(asked[3] == 0.15625);  // how far its oscillation turns
}

TEST_CASE(
    "the system that decides may be stable far beyond the one that guides, or far below it, or always, or never") {
  const auto of = [](double x) { return [x](double rate) { return gradient_descent({x}, rate, 1.0, 3); }; };
  // One mode: (1 - y)^2 + 2 y^2 = 1 at y = 2/3.
  for (const double x : {0.02, 0.5, 1.0, 3.0, 40.0}) {
    CAPTURE(x);
    CHECK(stability_boundary(of(x), of(1), 0.01).first == Approx(2 / (3 * x)).epsilon(1e-10));
  }
  const auto constant = [](double factor) {
    return [factor](double) {
      PeriodicPhases system = with_modes({1}, 3, 1);
      system.period = {{phase_of(1, {factor}, {}, {0.1}, {1}, 1), 1}};
      return system;
    };
  };
  CHECK(std::isinf(stability_boundary(constant(0.5), of(1), 0.01).first));
  CHECK(std::isnan(stability_boundary(constant(1.5), of(1), 0.01).first));
}
