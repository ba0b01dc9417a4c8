#include "solvers/sde.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

using namespace edgewise;
using namespace edgewise::solvers;

namespace {

/// dx = mu x dt + s x dW in `d` independent copies.
Sde geometric(double mu, double s, std::size_t d = 1) {
  Sde sde;
  sde.dimension = sde.noises = d;
  sde.drift = [=](double, auto x, auto out) {
    for (std::size_t i = 0; i < d; ++i) out[i] = mu * x[i];
  };
  sde.noise = [=](double, auto x, auto z, auto out) {
    for (std::size_t i = 0; i < d; ++i) out[i] = s * x[i] * z[i];
  };
  sde.correction = [=](double, auto x, auto out) {
    for (std::size_t i = 0; i < d; ++i) out[i] = 0.5 * s * s * x[i];
  };
  sde.diagonal_derivative = [=](double, auto, auto out) {
    for (std::size_t i = 0; i < d; ++i) out[i] = s;
  };
  return sde;
}

}  // namespace

TEST_CASE("sde: one step by hand") {
  const Sde sde = geometric(0.3, 0.5);
  const std::vector<double> z{0.7, -0.2};
  const double h = 0.04, dw = 0.2 * 0.7;
  std::vector<double> x{2.0};
  EulerMaruyama(sde).step(0, h, x, z);
  CHECK(x[0] == doctest::Approx(2 * (1 + 0.3 * h + 0.5 * dw)).epsilon(1e-15));
  x = {2.0};
  Milstein(sde).step(0, h, x, z);
  CHECK(x[0] == doctest::Approx(2 * (1 + 0.3 * h + 0.5 * dw + 0.125 * (dw * dw - h))).epsilon(1e-15));
  // The fields of the weak scheme commute here: the two flows compose to the exact solution.
  x = {2.0};
  WeakTwo(sde).step(0, h, x, z);
  CHECK(x[0] == doctest::Approx(2 * std::exp((0.3 - 0.125) * h + 0.5 * dw)).epsilon(1e-8));
}

TEST_CASE("sde: a path is a function of its key") {
  const Sde sde = geometric(0.1, 0.3, 3);
  const std::vector<double> x0{1, 2, 3}, times{0, 0.5, 2};
  for (const SdeScheme scheme : {SdeScheme::euler_maruyama, SdeScheme::milstein, SdeScheme::weak_two}) {
    random::Stream a(7, 1), b(7, 1), c(7, 2);
    std::vector<double> seen;
    const auto xa = simulate_path(sde, scheme, x0, times, 0.1, a, [&](std::size_t i, double t, auto) {
      CHECK(t == times[i]);
      seen.push_back(t);
      return true;
    });
    b.normal();
    const auto xb = simulate_path(sde, scheme, x0, times, 0.1, b, {});
    const auto xc = simulate_path(sde, scheme, x0, times, 0.1, c, {});
    CHECK(seen == times);
    CHECK(xa == xb);
    CHECK(xa != xc);
  }
  std::size_t count = 0;
  random::Stream stream(7, 1);
  simulate_path(sde, SdeScheme::weak_two, x0, times, 0.1, stream, [&](std::size_t, double, auto) {
    ++count;
    return count < 2;
  });
  CHECK(count == 2);
}

TEST_CASE("sde: bad input") {
  Sde sde = geometric(0.1, 0.3, 2);
  const std::vector<double> x0{1, 2}, one{1}, times{0, 1}, backwards{1, 0};
  random::Stream stream(1, 1);
  const auto run = [&](const std::vector<double>& start, const std::vector<double>& at, double h) {
    simulate_path(sde, SdeScheme::milstein, start, at, h, stream, {});
  };
  CHECK_THROWS_WITH_AS(run(one, times, 0.1), doctest::Contains("1 variables, the equation 2"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(run(x0, {}, 0.1), doctest::Contains("no output times"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(run(x0, backwards, 0.1), doctest::Contains("must increase"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(run(x0, times, 0), doctest::Contains("step 0"), std::invalid_argument);
  sde.diagonal_derivative = nullptr;
  CHECK_THROWS_WITH_AS(run(x0, times, 0.1), doctest::Contains("diagonal"), std::invalid_argument);
  sde.noise = nullptr;
  CHECK_THROWS_WITH_AS(EulerMaruyama{sde}, doctest::Contains("lacks its drift or noise"), std::invalid_argument);
  sde.dimension = 0;
  CHECK_THROWS_WITH_AS(WeakTwo{sde}, doctest::Contains("no variables"), std::invalid_argument);
  CHECK(sde_scheme_from_name("euler-maruyama") == SdeScheme::euler_maruyama);
  CHECK(sde_scheme_from_name("milstein") == SdeScheme::milstein);
  CHECK(sde_scheme_from_name("weak-2") == SdeScheme::weak_two);
  CHECK_THROWS_WITH_AS(sde_scheme_from_name("heun"), doctest::Contains("euler-maruyama, milstein, weak-2"),
                       std::invalid_argument);
}
