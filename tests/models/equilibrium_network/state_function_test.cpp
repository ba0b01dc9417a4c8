// Averages over the law of an equilibrium's state, against closed forms and sums over the plane.
#include "models/equilibrium_network/state_function.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "numerics/constants.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::tests::Approx;

namespace {

double mean_square(const std::vector<StateNode>& law) {
  return average(law, [](const StateNode& a) { return a.z * a.z; });
}

}  // namespace

TEST_CASE("the named functions, their slopes and what is known of them") {
  struct Known {
    std::string name;
    double value, slope;  // at 0.7
    bool odd;
  };
  const double normal = std::exp(-0.245) / std::sqrt(2 * pi), share = 0.5 * (1 + std::erf(0.7 / std::sqrt(2)));
  for (const Known& known : std::vector<Known>{{"linear", 0.7, 1, true},
                                               {"tanh", std::tanh(0.7), 1 / std::pow(std::cosh(0.7), 2), true},
                                               {"erf", std::erf(0.7 / std::sqrt(2)), 2 * normal, true},
                                               {"relu", 0.7, 1, false},
                                               {"hard-tanh", 0.7, 1, true},
                                               {"gelu", 0.7 * share, share + 0.7 * normal, false}}) {
    CAPTURE(known.name);
    const StateFunction phi = state_function(known.name);
    CHECK(phi.name == known.name);
    CHECK(phi.value(0.7) == Approx(known.value).epsilon(1e-14));
    CHECK(phi.slope(0.7) == Approx(known.slope).epsilon(1e-14));
    CHECK(phi.odd == known.odd);
    CHECK(phi.linear() == (known.name == "linear"));
    if (known.odd) CHECK(phi.value(-0.3) == -phi.value(0.3));
  }
  CHECK(state_function_names().size() == 6);
  CHECK(state_function("relu").value(-2) == 0);
  CHECK(state_function("relu").slope(-2) == 0);
  CHECK(state_function("relu").kinks == std::vector<double>{0});
  CHECK(*state_function("relu").linear_share == 0.5);
  CHECK(state_function("hard-tanh").value(-3) == -1);
  CHECK(state_function("hard-tanh").value(3) == 1);
  CHECK(state_function("hard-tanh").slope(3) == 0);
  CHECK(state_function("hard-tanh").kinks == std::vector<double>{-1, 1});
}

TEST_CASE("slopes of a formula are its derivatives, on either side of a kink") {
  const StateFunction smooth = custom_state_function("u^3/(1 + u^2)", {});
  for (const double u : {-40.0, -0.7, 0.0, 0.3, 2.0}) {
    CAPTURE(u);
    CHECK(smooth.slope(u) == Approx((3 * u * u + u * u * u * u) / std::pow(1 + u * u, 2)).epsilon(1e-9).scale(1));
  }
  const StateFunction bent = custom_state_function("max(u - 1, 0)^2 + 2*max(0 - u, 0)", {1, 0});
  CHECK(bent.kinks == std::vector<double>{0, 1});
  CHECK(bent.slope(-1e-4) == Approx(-2).epsilon(1e-7));
  CHECK(std::abs(bent.slope(1e-4)) < 1e-7);
  CHECK(std::abs(bent.slope(0.9999)) < 1e-7);
  CHECK(bent.slope(1.0001) == Approx(2e-4).epsilon(1e-6));
}

TEST_CASE("the law of the state: u = xi/(1 - c) where phi is linear, and its averages where it is so in parts") {
  for (const bool finer : {false, true})
    for (const double q : {1e-6, 0.5, 9.0})
      for (const double c : {-2.0, 0.0, 0.6}) {
        CAPTURE(q);
        CAPTURE(c);
        const auto one = [](const StateNode&) { return 1.0; };
        const auto square = [](const StateNode& a) { return a.z * a.z; };
        const auto slope = [](const StateNode& a) { return a.slope; };
        const std::vector<StateNode> linear = state_law(state_function("linear"), q, c, finer);
        CHECK(average(linear, one) == Approx(1).epsilon(1e-12));
        CHECK(average(linear, square) == Approx(q / std::pow(1 - c, 2)).epsilon(1e-12));
        const std::vector<StateNode> relu = state_law(state_function("relu"), q, c, finer);
        CHECK(average(relu, one) == Approx(1).epsilon(1e-12));
        CHECK(average(relu, square) == Approx(0.5 * q / std::pow(1 - c, 2)).epsilon(1e-12));
        CHECK(average(relu, slope) == Approx(0.5).epsilon(1e-12));
        // |u| < 1 is |xi| < b = 1 - c, with probability erf(b/sqrt(2 q)).
        const double b = 1 - c, inside = std::erf(b / std::sqrt(2 * q)),
                     cut = std::sqrt(2 / pi) * b / std::sqrt(q) * std::exp(-b * b / (2 * q));
        const std::vector<StateNode> hard = state_law(state_function("hard-tanh"), q, c, finer);
        CHECK(average(hard, one) == Approx(1).epsilon(1e-12));
        CHECK(average(hard, slope) == Approx(inside).epsilon(1e-12));
        CHECK(average(hard, square) ==
              Approx(q / (b * b) * (inside - cut) + std::erfc(b / std::sqrt(2 * q))).epsilon(1e-11));
      }
}

TEST_CASE("where the state is no function of the drive there is no law") {
  // phi' is at most 9/8, at u^2 = 3, and 0 at 0.
  const StateFunction steep = custom_state_function("u^3/(1 + u^2)", {});
  CHECK(!state_law(steep, 4, 0.88).empty());
  CHECK(state_law(steep, 4, 0.9).empty());
  CHECK(!state_law(state_function("tanh"), 1, 0.99).empty());
  CHECK(state_law(state_function("tanh"), 1, 1).empty());
  CHECK(state_law(state_function("hard-tanh"), 1, 1).empty());
  for (const double q : {0.0, -1.0, edgewise::nan, infinity}) CHECK(state_law(state_function("tanh"), q, 0.1).empty());
  CHECK(state_law(state_function("tanh"), 1, edgewise::nan).empty());
}

TEST_CASE("pairs of states whose drives are correlated") {
  for (const double c : {-1.0, 0.0, 0.6})
    for (const double rho : {-1.0, -0.7, 0.0, 0.3, 0.9, 1.0}) {
      CAPTURE(c);
      CAPTURE(rho);
      const double q = 2.5, response = 1 / (1 - c), angle = std::acos(rho);
      const PairMoments linear = pair_moments(state_function("linear"), q, c, rho);
      CHECK(linear.states == Approx(q * rho * response * response).epsilon(1e-10).scale(q));
      CHECK(linear.slopes == Approx(response * response).epsilon(1e-10));
      // The kernels of the arc cosine.
      const PairMoments relu = pair_moments(state_function("relu"), q, c, rho);
      const double states = q * response * response * (std::sin(angle) + (pi - angle) * rho) / (2 * pi);
      CHECK(relu.states == Approx(states).epsilon(1e-9).scale(q));
      CHECK(relu.slopes == Approx(response * response * (pi - angle) / (2 * pi)).epsilon(1e-9));
    }
  // erf at c = 0: (2/pi) asin(q rho/(1 + q)), and its derivative by q rho.
  for (const double rho : {-1.0, -0.4, 0.5, 1.0}) {
    const double q = 1.5, x = q * rho / (1 + q);
    const PairMoments moments = pair_moments(state_function("erf"), q, 0, rho);
    CHECK(moments.states == Approx(2 / pi * std::asin(x)).epsilon(1e-10));
    CHECK(moments.slopes == Approx(2 / pi / (1 + q) / std::sqrt(1 - x * x)).epsilon(1e-10));
  }
}

TEST_CASE("the mean square of a change of state") {
  const double q = 2;
  for (const double drift : {-1.0, -0.2, 0.0, 1e-7})
    for (const double spread : {0.0, 1e-6, 0.3}) {
      CAPTURE(drift);
      CAPTURE(spread);
      const double moved = drift * drift * q + spread * spread;
      CHECK(std::abs(mean_square_change(state_function("linear"), q, drift, spread) - moved) <= 1e-8 * moved);
      // E relu^2 before and after, less twice their product, of normals with correlation rho.
      const double after = std::pow(1 + drift, 2) * q + spread * spread;
      if (after == 0 || moved < 1e-3) continue;
      const double angle = std::acos((1 + drift) * std::sqrt(q / after));
      const double product = std::sqrt(q * after) * (std::sin(angle) + (pi - angle) * std::cos(angle)) / (2 * pi);
      CHECK(mean_square_change(state_function("relu"), q, drift, spread) ==
            Approx(0.5 * q + 0.5 * after - 2 * product).epsilon(1e-9));
    }
  // Small changes: E phi'^2 (drift u + spread x)^2.
  const double inside = std::erf(0.5), cut = std::sqrt(1 / pi) * std::exp(-0.25);
  CHECK(mean_square_change(state_function("hard-tanh"), q, 0, 1e-7) == Approx(1e-14 * inside).epsilon(1e-5));
  CHECK(mean_square_change(state_function("hard-tanh"), q, -1e-7, 0) ==
        Approx(1e-14 * q * (inside - cut)).epsilon(1e-5));
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

TEST_CASE("how far a state moves: the states' rounding alone is lost") {
  const StateFunction line = state_function("linear"), relu = state_function("relu");
  for (const double size : {1.0, 1e-5, 1e-10}) {
    const double drift = 0.3 * size, spread = 0.4 * size, rounding = std::max(1e-11, 5e-16 / size);
    CHECK(mean_square_change(line, 2, drift, spread) == Approx(2 * drift * drift + spread * spread).epsilon(rounding));
    CHECK(mean_square_change(relu, 2, drift, 0) == Approx(drift * drift).epsilon(rounding));  // half of 2 drift^2
  }
}

TEST_CASE("how far a smooth state moves, by its closed form and by pieces") {
  // erf(u/sqrt 2): E phi(u) phi(u') = (2/pi) asin(cov/sqrt((1 + q)(1 + q'))).
  const auto product = [](double a, double b, double c) {
    return 2 / pi * std::asin(c / std::sqrt((1 + a) * (1 + b)));
  };
  for (const double q : {0.3, 2.0, 40.0})
    for (const double spread : {0.0, 0.0299, 0.0301, 0.2999, 0.3001, 1.5}) {
      CAPTURE(q);
      CAPTURE(spread);
      const double drift = -0.1, after = std::pow(1 + drift, 2) * q + spread * spread;
      CHECK(mean_square_change(state_function("erf"), q, drift, spread) ==
            Approx(product(q, q, q) + product(after, after, after) - 2 * product(q, after, (1 + drift) * q))
                .epsilon(1e-11));
      // A formula is averaged over pieces.
      CHECK(mean_square_change(state_function("tanh"), q, drift, spread) ==
            Approx(mean_square_change(custom_state_function("tanh(u)", {}), q, drift, spread)).epsilon(1e-11));
      CHECK(mean_square_change(state_function("hard-tanh"), q, drift, spread) ==
            Approx(mean_square_change(custom_state_function("min(max(u, -1), 1)", {-1, 1}), q, drift, spread))
                .epsilon(1e-11));
    }
}

TEST_CASE("pairs of smooth states, named or as a formula") {
  for (const double q : {0.1, 0.9, 2.2, 2.3})
    for (const double rho : {-0.7, 0.0, 0.4, 0.999}) {
      CAPTURE(q);
      CAPTURE(rho);
      const PairMoments grid = pair_moments(state_function("tanh"), q, 0, rho),
                        pieces = pair_moments(custom_state_function("tanh(u)", {}), q, 0, rho);
      CHECK(grid.states == Approx(pieces.states).epsilon(1e-11).scale(1e-12));
      CHECK(grid.slopes == Approx(pieces.slopes).epsilon(1e-9));  // differences make the formula's
      CHECK(pair_moments(state_function("erf"), q, 0, rho).states ==
            Approx(2 / pi * std::asin(rho * q / (1 + q))).epsilon(1e-12).scale(1e-13));
    }
}

TEST_CASE("the series of two drives: erf in closed form, and a formula that it is too slow for") {
  const auto state = [](const StateNode& a) { return a.z; };
  const auto series = [&](const StateFunction& phi, double q) {
    return DriveSeries(state_law(phi, q, 0), q, 0, state);
  };
  // E phi(u) phi(u') of u, u' of variances a, b and covariance c.
  const auto product = [](double a, double b, double c) {
    return 2 / pi * std::asin(c / std::sqrt((1 + a) * (1 + b)));
  };
  const StateFunction phi = state_function("erf");
  for (const double q : {0.2, 1.7, 3.0}) {
    DriveSeries first = series(phi, q), second = series(phi, 1.1 * q);
    for (const double rho : {0.4, -0.8, 0.95, 0.0})  // in any order
      CHECK(first.overlap(rho) == Approx(product(q, q, rho * q)).epsilon(1e-14).scale(1e-15));
    for (const double apart : {0.5, 0.1, 0.03}) {
      const double b = 1.1 * q;
      CHECK(DriveSeries::square_distance(first, second, apart) ==
            Approx(product(q, q, q) + product(b, b, b) - 2 * product(q, b, (1 - apart) * std::sqrt(q * b)))
                .epsilon(1e-12));
      CHECK(DriveSeries::square_distance(first, first, apart) ==
            Approx(2 * (product(q, q, q) - product(q, q, (1 - apart) * q))).epsilon(1e-12));
    }
  }
  // Kinks leave terms that fall as a power: near rho = 1 and for distances too many are needed.
  const StateFunction clipped = state_function("hard-tanh");
  DriveSeries slow = series(clipped, 2), other = series(clipped, 2.2);
  CHECK(std::isfinite(slow.overlap(0.9)));
  CHECK(std::isnan(slow.overlap(0.99)));
  CHECK(std::isnan(DriveSeries::square_distance(slow, other, 0.01)));
  // With memory, phi linear: u = xi/(1 - c).
  const double c = 0.4;
  DriveSeries line(state_law(state_function("linear"), 2, c), 2, c, state);
  CHECK(line.overlap(0.3) == Approx(0.3 * 2 / std::pow(1 - c, 2)).epsilon(1e-13));
  for (const double q : {0.3, 2.0}) CHECK(mean_square_state(phi, q) == Approx(product(q, q, q)).epsilon(1e-13));
  CHECK(std::isnan(mean_square_state(phi, 0)));
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
