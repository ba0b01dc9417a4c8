#include "solvers/flow.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

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

TEST_CASE("a flow that leaves is diverged, with what came before") {
  FlowOptions options;
  options.divergence_limit = 1e6;
  const FlowSolution flow = integrate_flow(blow_up, std::array{1.0}, std::array{0.0, 0.5, 2.0}, options);
  REQUIRE(flow.diverged_at);
  CHECK(*flow.diverged_at == Approx(1).epsilon(1e-3));
  REQUIRE(flow.times.size() == 2);
  CHECK(flow.states[1][0] == Approx(2).epsilon(1e-9));
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
