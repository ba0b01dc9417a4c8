#include "solvers/flow.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

void rotation(std::span<const double> x, std::span<double> rate) {
  rate[0] = -x[1];
  rate[1] = x[0];
}
void blow_up(std::span<const double> x, std::span<double> rate) {
  rate[0] = x[0] * x[0];
}

}  // namespace

TEST_CASE("a rotation comes back, to the tolerance asked") {
  const double pi = std::acos(-1.0);
  const std::array<double, 3> times{0, pi / 2, 20 * pi};
  double before = 1;
  for (const double rtol : {1e-5, 1e-8, 1e-11}) {
    FlowOptions options;
    options.rtol = rtol;
    options.atol = rtol;
    const FlowSolution flow = integrate_flow(rotation, std::array{1.0, 0.0}, times, options);
    REQUIRE(flow.times.size() == 3);
    const double error = std::hypot(flow.states[2][0] - 1, flow.states[2][1]);
    CHECK(error < 200 * rtol);
    CHECK(error < 0.1 * before);
    before = error;
    CHECK(flow.states[1][1] == Approx(1).epsilon(20 * rtol));
  }
}

TEST_CASE("errors are relative to the sizes that are given") {
  // x[1] begins at 0 with a rate of 0, so that nothing but what is given tells its size.
  const auto rate = [](std::span<const double> x, std::span<double> out) {
    out[0] = 1;
    out[1] = std::sin(x[0]);
  };
  FlowOptions options;
  options.rtol = 1e-6;
  options.atol = 1e-40;
  const std::array<double, 2> times{0, 3};
  const FlowSolution own = integrate_flow(rate, std::array{0.0, 0.0}, times, options);
  options.sizes = [](std::span<const double>, std::span<double> size) { size[0] = size[1] = 1; };
  const FlowSolution given = integrate_flow(rate, std::array{0.0, 0.0}, times, options);
  for (const FlowSolution* flow : {&own, &given}) CHECK(flow->states[1][1] == Approx(1 - std::cos(3.0)).epsilon(1e-5));
  CHECK(given.steps < 30);
  CHECK(own.steps > 2 * given.steps);
  options.rtol = 1e-10;
  CHECK(integrate_flow(rate, std::array{0.0, 0.0}, times, options).steps > 2 * given.steps);
}

TEST_CASE("steps grow and shrink by their errors over the sizes of state and step") {
  // Every rate that is asked for: twice at the start, then six stages a step, the last at its end. Dormand and Prince's error by
  // their table; the next step is 0.9 error^(-1/5) as long (at most 4.5 times, and as before from 1/2 on), a rejected one is
  // tried again 0.9 error^(-1/3) as long.
  const auto pendulum = [](std::span<const double> x, std::span<double> out) {
    out[0] = x[1];
    out[1] = -3 * std::sin(x[0]);
  };
  for (const bool given : {false, true}) {
    CAPTURE(given);
    std::vector<std::array<double, 2>> at, slope;
    const auto rate = [&](std::span<const double> x, std::span<double> out) {
      pendulum(x, out);
      at.push_back({x[0], x[1]});
      slope.push_back({out[0], out[1]});
    };
    FlowOptions options;
    options.rtol = 1e-5;
    options.atol = 2e-6;
    if (given)
      options.sizes = [](std::span<const double> x, std::span<double> size) {
        size[0] = 2 + std::abs(x[1]);
        size[1] = 0.3;
      };
    const FlowSolution flow = integrate_flow(rate, std::array{2.5, 0.0}, std::array{0.0, 6.0}, options);
    constexpr double error_of[7] = {71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
                                    -17253.0 / 339200, 22.0 / 525, -1.0 / 40};
    std::size_t accepted = 0, rejected = 0, now = 1;  // where the step began
    double expected = 0;
    for (std::size_t first = 2; first + 6 <= at.size(); first += 6) {
      const std::size_t j = std::abs(slope[now][0]) > std::abs(slope[now][1]) ? 0 : 1;
      const double dt = (at[first][j] - at[now][j]) / (slope[now][j] / 5);
      CAPTURE(first);
      if (expected > 0) CHECK(dt == Approx(expected).epsilon(1e-6));
      double worst = 0;
      for (std::size_t i = 0; i < 2; ++i) {
        double error = error_of[0] * slope[now][i];
        for (std::size_t k = 1; k < 7; ++k) error += error_of[k] * slope[first + k - 1][i];
        const double size = !given   ? std::abs(at[now][i]) + dt * std::abs(slope[now][i])
                            : i == 0 ? 2 + std::abs(at[now][1])
                                     : 0.3;
        worst = std::max(worst, std::abs(dt * error) / (2e-6 + 1e-5 * size));
      }
      if (worst > 1) {
        ++rejected;
        expected = dt * std::max(0.9 * std::pow(worst, -1.0 / 3), 0.2);
        continue;
      }
      ++accepted;
      now = first + 5;
      expected = dt * (worst < 0.5 ? 0.9 * std::pow(std::max(worst, std::pow(5.0, -5)), -0.2) : 1.0);
    }
    CHECK(accepted == flow.steps);
    CHECK(accepted > 15);
    CHECK(rejected > 0);
  }
}

TEST_CASE("a flow that leaves is diverged, with what came before") {
  FlowOptions options;
  options.divergence_limit = 1e6;
  const FlowSolution flow = integrate_flow(blow_up, std::array{1.0}, std::array{0.0, 0.5, 2.0}, options);
  REQUIRE(flow.diverged_at);
  CHECK(*flow.diverged_at == Approx(1).epsilon(1e-3));
  REQUIRE(flow.times.size() == 2);
  CHECK(flow.states[1][0] == Approx(2).epsilon(1e-9));
}

TEST_CASE("the first step is a thousandth of the largest over the fastest, at most all of the time") {
  // Dormand and Prince's second stage is a fifth of a step on.
  for (const double span : {10.0, 1e-3}) {
    std::vector<double> seen;
    const auto rate = [&](std::span<const double> x, std::span<double> out) {
      seen.push_back(x[0]);
      out[0] = 3;
      out[1] = -4;
    };
    const FlowSolution flow = integrate_flow(rate, std::array{8.0, -2.0}, std::array{1.0, 1 + span}, {});
    CHECK(flow.states[1][1] == Approx(-2 - 4 * span).epsilon(1e-12));
    const double step = std::min(span, 1e-3 * 8 / 4);
    const auto moved = std::ranges::find_if(seen, [](double x) { return x != 8; });
    REQUIRE(moved != seen.end());
    CHECK(*moved - 8 == Approx(3 * step / 5).epsilon(1e-9));
  }
  // Nothing that moves, or nothing to measure by: one step.
  int calls = 0;
  const auto still = [&](std::span<const double>, std::span<double> out) {
    ++calls;
    out[0] = 0;
  };
  const FlowSolution flow = integrate_flow(still, std::array{5.0}, std::array{0.0, 2.0}, {});
  CHECK(flow.steps == 1);
  CHECK(flow.states[1][0] == 5);
}

TEST_CASE("a flow ends where its own criterion says, at the start too, and a single time asks for nothing") {
  FlowOptions options;
  options.diverged = [](std::span<const double> x) { return x[0] < 0; };
  const std::array<double, 3> times{0, 0.5, 3};
  const FlowSolution flow = integrate_flow(rotation, std::array{1.0, 0.0}, times, options);  // cos t
  REQUIRE(flow.times.size() == 2);
  REQUIRE(flow.diverged_at);
  CHECK(*flow.diverged_at > std::acos(0.0));
  CHECK(*flow.diverged_at < 3);
  const FlowSolution at_once = integrate_flow(rotation, std::array{-1.0, 0.0}, times, options);
  CHECK(at_once.diverged_at == 0);
  CHECK(at_once.times.empty());
  options.diverged = {};
  options.divergence_limit = 1.5;
  CHECK(integrate_flow(rotation, std::array{0.0, -2.0}, times, options).diverged_at == 0);
  CHECK_FALSE(integrate_flow(rotation, std::array{0.0, -1.0}, times, options).diverged_at);
  const FlowSolution one = integrate_flow(rotation, std::array{1.0, 0.0}, std::array{4.0}, options);
  CHECK(one.times == std::vector<double>{4});
  CHECK(one.steps == 0);
  options.atol = -1;
  CHECK_THROWS_WITH_AS(integrate_flow(rotation, std::array{1.0, 0.0}, times, options), "tolerances must be positive",
                       std::invalid_argument);
}

TEST_CASE("what does not fit a flow is refused") {
  CHECK_THROWS_AS(integrate_flow(rotation, std::array{1.0, 0.0}, std::array{1.0, 1.0}), std::invalid_argument);
  CHECK_THROWS_AS(integrate_flow({}, std::array{1.0}, std::array{0.0}), std::invalid_argument);
  FlowOptions options;
  options.rtol = 0;
  CHECK_THROWS_AS(integrate_flow(rotation, std::array{1.0, 0.0}, std::array{0.0, 1.0}, options), std::invalid_argument);
  options.rtol = 1e-10;
  options.max_steps = 3;
  const std::array<double, 2> times{0.0, 100.0};
  std::string said;
  try {
    integrate_flow(rotation, std::array{1.0, 0.0}, times, options);
  } catch (const std::runtime_error& e) {
    said = e.what();
  }
  CAPTURE(said);
  CHECK(said.starts_with("3 steps of the integrator reached only t = 0."));
  CHECK(said.find(" of 100; ") != std::string::npos);
}
