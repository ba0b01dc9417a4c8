// Where one prediction of an orbit's end gives way to another.
#include "models/quadratic_map/predictions.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <tuple>

#include "tests/approx.hpp"

using namespace edgewise::models::quadratic_map;
using edgewise::tests::Approx;

namespace {

/// Curvatures 1 and -epsilon, of an invariant.
CanonicalPair pair_of(double epsilon, double residual, double u, double invariant) {
  QuadraticRegression problem{{1, -epsilon}, residual, {std::sqrt(u), 0}, MapRule::gd, 0};
  problem.jacobian[1] = std::sqrt(epsilon * (2 * (invariant - residual) + u));
  return *canonical_pair(problem);
}

}  // namespace

TEST_CASE("gradient descent leaves from z = 2 and from mu = 4 on") {
  for (const auto& [residual, mu, bounded] :
       {std::tuple{1.99, 2.0, true}, {2.0, 2.0, false}, {0.5, 3.99, true}, {0.5, 4.0, false}}) {
    const CanonicalPair pair = pair_of(0.02, residual, mu + 2 * residual, 3);
    CHECK(held_orbit(pair, 0).bounded == bounded);
    CHECK(!held_orbit(pair, 0).blind);
    CHECK((predicted_fate(pair) == Fate::diverged) == !bounded);
  }
}

TEST_CASE(
    "with the slow variable held, the orbit of SAM is bounded where descent on (J^2 - mu)^2/8 by its own gradient is") {
  std::size_t bounded = 0, lost = 0;
  for (const double r : {0.15, 0.4})
    for (double mu = -0.75; mu < 3.5; mu += 0.25)
      for (double u = 0.05; u < 4; u += 0.05) {
        const auto residual = [mu](double J) { return (J * J - mu) / 2; };
        double J = std::sqrt(u);
        const double limit = 10 * std::sqrt(1 + u + std::abs(mu));
        for (int k = 0; k < 3000 && std::abs(J) < limit; ++k) {
          const double ahead = J + r * residual(J) * J;
          J -= residual(ahead) * ahead;
        }
        CAPTURE(r);
        CAPTURE(mu);
        CAPTURE(u);
        CHECK(held_orbit(pair_of(0.02, (u - mu) / 2, u, 0), r).bounded == (std::abs(J) < limit));
        ++(std::abs(J) < limit ? bounded : lost);
      }
  CHECK(bounded > 500);
  CHECK(lost > 500);
}

TEST_CASE("no minimum at the edge is stable below E = -T*/2, T* = 2 of gradient descent") {
  CHECK(predicted_fate(pair_of(0.02, -0.1, 2.6, -0.99)) == Fate::after_edge);
  CHECK(predicted_fate(pair_of(0.02, -0.1, 2.6, -1.01)) == Fate::persistent_oscillation);
  // What has no curvature stays: 1.7 + 0.6 at z = 0, of E = -0.85.
  CHECK(predicted_fate({1, 0, -0.1, 1.5, 0.6, -0.85}) == Fate::persistent_oscillation);
  CHECK(predicted_fate(pair_of(0.02, -0.1, 1.0, 0)) == Fate::converged);
  CHECK(predicted_fate(pair_of(0.02, 0, 3, 0)) == Fate::converged);
  CHECK(predicted_fate({1, 0.02, -0.1, 0, 0, -0.1}) == Fate::stationary);
  // r = 1/2: T* = 4/(1 + sqrt 5).
  const double edge = 4 / (1 + std::sqrt(5));
  CHECK(sam_edge(0.5) == Approx(edge).epsilon(1e-14));
  CHECK(predicted_fate(pair_of(0.02, -0.05, 1.5, -0.49 * edge), 0.5) == Fate::after_edge);
  CHECK(predicted_fate(pair_of(0.02, -0.05, 1.5, -0.51 * edge), 0.5) == Fate::persistent_oscillation);
}

TEST_CASE("SAM that has been blind is claimed nothing of below E r = -1 and beyond mu r = 8") {
  // z = -.6 at r = 2: 1 + r z < 0 at the start.
  const auto fate = [](double u, double invariant) {
    const CanonicalPair pair = pair_of(0.02, -0.6, u, invariant);
    REQUIRE(held_orbit(pair, 2).blind);
    REQUIRE(held_orbit(pair, 2).bounded);
    CHECK(std::isnan(predicted_sharpness(pair, 2)));
    return predicted_fate(pair, 2);
  };
  CHECK(fate(1.5, -0.49).has_value());
  CHECK(!fate(1.5, -0.51).has_value());
  CHECK(fate(2.79, 0).has_value());
  CHECK(!fate(2.81, 0).has_value());
}

TEST_CASE("limits at the edge, as far as their corrections are small") {
  // 2 - first - second, of which the second is at most the first where epsilon (27 + 11 E) <= 16.
  for (const double E : {0.0, 1.0, -0.5}) {
    const double most = 16 / (27 + 11 * E), first = 0.999 * most * (1 + E) / 2;
    CHECK(gd_limit(0.999 * most, E) == Approx(2 - first * (1 + 0.999)).epsilon(1e-12));
    CHECK(std::isnan(gd_limit(1.001 * most, E)));
  }
  // Without a second: up to a first of 2.
  CHECK(gd_limit(2.74, -27 / 11.) == Approx(2 + 2.74 * 8 / 11));
  CHECK(std::isnan(gd_limit(2.76, -27 / 11.)));
  for (const double r : {0.1, 1.0})
    for (const double E : {0.0, 0.7}) {
      const double mu = sam_edge(r), by_one = (sam_limit(r, 1e-5, E) - mu) / 1e-5, most = std::abs(mu / 2 / by_one);
      CHECK(sam_limit(r, 0.99 * most, E) == Approx(mu + 0.99 * most * by_one).epsilon(1e-6));
      CHECK(std::isnan(sam_limit(r, 1.01 * most, E)));
    }
  const CanonicalPair edge = pair_of(0.02, -0.1, 2.6, 0.3), below = pair_of(0.02, -0.1, 1.0, 0);
  CHECK(predicted_sharpness(edge) == gd_limit(0.02, edge.invariant));
  CHECK(predicted_sharpness(below) == Approx(flow_end_sharpness(below)).epsilon(1e-10));
  CHECK(predicted_sharpness(pair_of(0.02, -0.05, 1.5, 0.2), 0.5) == Approx(sam_limit(0.5, 0.02, 0.2)).epsilon(1e-12));
  CHECK(predicted_sharpness({1, 0.02, -0.1, 0, 0, -0.1}) == 0);
}
