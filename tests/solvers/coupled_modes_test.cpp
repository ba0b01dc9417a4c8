#include "solvers/coupled_modes.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers::test;
using edgewise::tests::Approx;

TEST_CASE("coupled modes: the default time derivative") {
  LeastSquares system({2.0, 0.5}, {0.3, 0.1}, 0.7);
  system.eta = [](double t) { return std::cos(t / 100); };
  const std::vector<double> M{1.0, 4.0}, p{5.0};
  std::vector<double> derivative(2);
  for (const double t : {0.0, 3.0, 250.0, 1e5}) {
    system.time_derivative(t, p, M, derivative);
    const double eta = std::cos(t / 100), slope = -std::sin(t / 100) / 100;
    // d/dt [-eta A M + eta^2 b (p + shift)]; the relative step of 6e-6 t is resolved by cos up to t = 1e5 to 1e-3.
    for (std::size_t i = 0; i < 2; ++i) {
      const double exact = -slope * system.A[i] * M[i] + 2 * eta * slope * system.b[i] * (p[0] + 0.7);
      CHECK(derivative[i] == Approx(exact).epsilon(t < 1000 ? 1e-8 : 1e-3).scale(0.02));
    }
  }
}
