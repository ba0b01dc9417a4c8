#include "models/equilibrium_network/state_function.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "numerics/constants.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using doctest::Approx;

namespace {

double mean_square(const std::vector<StateNode>& law) {
  return average(law, [](const StateNode& a) { return a.z * a.z; });
}

}  // namespace

TEST_CASE("the law of a state is one: hard-tanh and ReLU with memory, in closed form") {
  // networks-and-kernels.md, section 1.5.
  for (const double q : {1e-6, 0.3, 2.0, 1e6})
    for (const double c : {-0.8, 0.0, 0.6}) {
      CAPTURE(q);
      CAPTURE(c);
      const std::vector<StateNode> hard = state_law(state_function("hard-tanh"), q, c);
      const double a = (1 - c) / std::sqrt(q), P = std::erf(a / std::sqrt(2.0));
      const double inside =
          a < 1e-2 ? std::sqrt(2 / pi) * std::pow(a, 3) / 3 : P - a * std::sqrt(2 / pi) * std::exp(-a * a / 2);
      CHECK(average(hard, [](const StateNode&) { return 1.0; }) == Approx(1).epsilon(1e-12));
      CHECK(mean_square(hard) == Approx(q / std::pow(1 - c, 2) * inside + std::erfc(a / std::sqrt(2.0))).epsilon(1e-8));
      CHECK(average(hard, [](const StateNode& s) { return s.slope; }) == Approx(P).epsilon(1e-12));
      const std::vector<StateNode> relu = state_law(state_function("relu"), q, c);
      CHECK(mean_square(relu) == Approx(q / 2 / std::pow(1 - c, 2)).epsilon(1e-12));
    }
}

TEST_CASE("there is no law where u is no function of the drive") {
  const StateFunction phi = state_function("tanh");
  CHECK(state_law(phi, 1, 1).empty());
  CHECK(!state_law(phi, 1, 0.99).empty());
  CHECK(state_law(phi, 0, 0).empty());
  CHECK(state_law(phi, infinity, 0).empty());
}

TEST_CASE("two states: erf in closed form, equal and opposite drives") {
  const StateFunction phi = state_function("erf");
  const double q = 1.7;
  for (const double rho : {-0.9, -0.2, 0.0, 0.5, 0.999}) {
    const PairMoments m = pair_moments(phi, q, 0, rho);
    CHECK(m.states == Approx(2 / pi * std::asin(rho * q / (1 + q))).epsilon(1e-9).scale(1e-9));
    CHECK(m.slopes == Approx(2 / pi / std::sqrt(std::pow(1 + q, 2) - std::pow(rho * q, 2))).epsilon(1e-9));
  }
  const std::vector<StateNode> law = state_law(phi, q, 0.2);
  for (const double rho : {-1.0, 1.0}) {
    CHECK(pair_moments(phi, q, 0.2, rho).states == Approx(rho * mean_square(law)).epsilon(1e-12));
    // Close to it with memory, by continuity.
    CHECK(pair_moments(phi, q, 0.2, rho * (1 - 1e-9)).states == Approx(rho * mean_square(law)).epsilon(1e-8));
  }
}

TEST_CASE("how far a state moves, without cancellation") {
  const StateFunction line = state_function("linear"), relu = state_function("relu");
  for (const double size : {1.0, 1e-5, 1e-10}) {
    const double drift = 0.3 * size, spread = 0.4 * size;
    CHECK(mean_square_change(line, 2, drift, spread) == Approx(2 * drift * drift + spread * spread).epsilon(1e-11));
    CHECK(mean_square_change(relu, 2, drift, 0) == Approx(drift * drift).epsilon(1e-11));  // half of 2 drift^2
  }
}

TEST_CASE("a formula of one's own: values and slopes, and what is refused") {
  const StateFunction phi = custom_state_function("u / (1 + abs(u))", {0});
  for (const double u : {-50.0, -0.3, 1e-5, 0.7, 20.0}) {
    CHECK(phi.value(u) == u / (1 + std::abs(u)));
    CHECK(phi.slope(u) == Approx(std::pow(1 + std::abs(u), -2)).epsilon(1e-8));
  }
  const StateFunction bent = custom_state_function("max(u, 0.25 * u)", {0});
  CHECK(bent.slope(1e-5) == Approx(1));
  CHECK(bent.slope(-1e-5) == Approx(0.25));
  CHECK_THROWS_WITH_AS(custom_state_function("1 / u", {}), doctest::Contains("u = 0"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(custom_state_function("u > 0.3 ? 1 : 0", {}), doctest::Contains("jumps at u = 0.3"),
                       std::invalid_argument);
  CHECK_THROWS_AS(custom_state_function("u +", {}), std::invalid_argument);
}
