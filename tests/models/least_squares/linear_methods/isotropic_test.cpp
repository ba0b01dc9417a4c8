#include "models/least_squares/linear_methods/isotropic.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>

#include "tests/approx.hpp"

using namespace edgewise::models::least_squares;
using edgewise::tests::Approx;

namespace {

/// P after a round from P, step by step: E |v|^2 of a worker, and E <v_i, v_j> of two.
double after(double P, double d, double eta, double batch, int inner_steps, double xi, double workers, double sigma2) {
  double own = P, two = P, outer = P;  // with itself, with another worker, with the start
  for (int k = 0; k < inner_steps; ++k) {
    own = std::pow(1 - eta, 2) * own + eta * eta / batch * ((d + 1) * own + d * sigma2);
    two *= std::pow(1 - eta, 2);
    outer *= 1 - eta;
  }
  return (1 - xi) * (1 - xi) * P + 2 * xi * (1 - xi) * outer + xi * xi * (own / workers + (1 - 1 / workers) * two);
}

}  // namespace

TEST_CASE("a round on K = I is the workers' second moments, step by step") {
  for (const double workers : {1.0, 4.0})
    for (const double xi : {0.5, 1.0, 1.7})
      for (const int steps : {1, 3, 20}) {
        CAPTURE(workers);
        CAPTURE(xi);
        CAPTURE(steps);
        const auto args = [&](auto act) { return act(12.0, 0.07, 2.0, steps, xi, workers, 0.3); };
        const IsotropicRound round = isotropic_round(12, 0.07, 2, steps, xi, workers, 0.3);
        const double at_0 = args([](auto... a) { return after(0, a...); }),
                     at_1 = args([](auto... a) { return after(1, a...); });
        CHECK(round.generated == Approx(at_0).epsilon(1e-12));
        CHECK(round.growth == Approx(at_1 - at_0).epsilon(1e-12));
        CHECK(args([&](auto... a) { return after(round.steady(), a...); }) == Approx(round.steady()).epsilon(1e-12));
      }
}

TEST_CASE("the outer rates at which growth is 1 and least") {
  const auto growth = [](double xi) { return isotropic_round(12, 0.07, 2, 9, xi, 4, 0).growth; };
  const IsotropicRound round = isotropic_round(12, 0.07, 2, 9, 1, 4, 0);
  CHECK(growth(round.xi_max) == Approx(1).epsilon(1e-13));
  CHECK(growth(round.xi_fastest * 1.01) > growth(round.xi_fastest));
  CHECK(growth(round.xi_fastest * 0.99) > growth(round.xi_fastest));
}

TEST_CASE("in high dimension a round depends on gamma and tau alone") {
  for (const double gamma : {0.4, 1.5}) {
    const double d = 1e7, batch = 1, eta = gamma * batch / d, steps = std::round(0.8 / eta), tau = eta * steps;
    const IsotropicRound finite = isotropic_round(d, eta, batch, steps, 1.3, 3, 0.2),
                         limit = isotropic_limit(gamma, tau, 1.3, 3, 0.2);
    CHECK(finite.growth == Approx(limit.growth).epsilon(1e-6));
    CHECK(finite.generated == Approx(limit.generated).epsilon(1e-6));
    CHECK(finite.xi_max == Approx(limit.xi_max).epsilon(1e-6));
    CHECK(limit.xi_fastest == limit.xi_max / 2);
  }
  // At gamma = 2 a worker's noise neither grows nor decays.
  CHECK(isotropic_limit(2, 0.5, 1, 1, 0.2).generated == Approx(2 * 0.5 * 0.2).epsilon(1e-14));
}
