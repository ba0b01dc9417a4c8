#include "solvers/sde.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::solvers;
using edgewise::tests::Approx;

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
  CHECK(x[0] == Approx(2 * (1 + 0.3 * h + 0.5 * dw)).epsilon(1e-15));
  x = {2.0};
  Milstein(sde).step(0, h, x, z);
  CHECK(x[0] == Approx(2 * (1 + 0.3 * h + 0.5 * dw + 0.125 * (dw * dw - h))).epsilon(1e-15));
  // The fields of the weak scheme commute here: the two flows compose to the exact solution.
  x = {2.0};
  WeakTwo(sde).step(0, h, x, z);
  CHECK(x[0] == Approx(2 * std::exp((0.3 - 0.125) * h + 0.5 * dw)).epsilon(1e-8));
}

TEST_CASE("sde: time is carried to every evaluation") {
  // dx = 2 t dt + 3 t^2 dW in one step from t = 1 to 3. Euler-Maruyama and Milstein see the beginning only; the weak
  // scheme's two flows integrate drift and noise over their halves.
  Sde sde;
  sde.dimension = sde.noises = 1;
  sde.drift = [](double t, auto, auto out) { out[0] = 2 * t; };
  sde.noise = [](double t, auto, auto z, auto out) { out[0] = 3 * t * t * z[0]; };
  sde.diagonal_derivative = [](double, auto, auto out) { out[0] = 0; };
  const double root = std::sqrt(2.0);
  const std::vector<double> z{0.7, -0.2};
  std::vector<double> x{5.0};
  EulerMaruyama(sde).step(1, 2, x, z);
  CHECK(x[0] == Approx(5 + 2 * 2 + 3 * root * 0.7).epsilon(1e-15));
  x = {5.0};
  Milstein(sde).step(1, 2, x, z);
  CHECK(x[0] == Approx(5 + 2 * 2 + 3 * root * 0.7).epsilon(1e-15));
  x = {5.0};
  WeakTwo(sde).step(1, 2, x, z);
  // Means of 3 t^2 over [1, 2] and [2, 3]: 7 and 19.
  const double first = root * (0.7 - root * 0.2) / 2, second = root * (0.7 + root * 0.2) / 2;
  CHECK(x[0] == Approx(5 + 9 - 1 + 7 * first + 19 * second).epsilon(1e-14));
  // The derivative and the correction are those of their time too: B = t^2 x from t = 1.5 on, and minus the integral of 2 t.
  Sde growing = sde;
  growing.noise = [](double t, auto y, auto w, auto out) { out[0] = t * t * y[0] * w[0]; };
  growing.diagonal_derivative = [](double t, auto, auto out) { out[0] = t * t; };
  x = {5.0};
  Milstein(growing).step(1.5, 0.5, x, z);
  const double dw = std::sqrt(0.5) * 0.7, b = 2.25 * 5;
  CHECK(x[0] == Approx(5 + 0.5 * 3 + b * dw + 0.5 * b * 2.25 * (dw * dw - 0.5)).epsilon(1e-15));
  Sde falling = sde;
  falling.drift = [](double, auto, auto out) { out[0] = 0; };
  falling.noise = [](double, auto, auto, auto out) { out[0] = 0; };
  falling.correction = [](double t, auto, auto out) { out[0] = 2 * t; };
  x = {5.0};
  WeakTwo(falling).step(1, 2, x, z);
  CHECK(x[0] == Approx(5 - 8).epsilon(1e-14));
  // The same over unequal intervals of several steps: without noise the integral of 2 t is exact.
  sde.noise = [](double, auto, auto, auto out) { out[0] = 0; };
  const std::vector<double> x0{5.0}, times{1, 1.5, 3};
  random::Stream stream(3, 0);
  const auto end = simulate_path(sde, SdeScheme::weak_two, x0, times, 0.4, stream, {});
  CHECK(end[0] == Approx(5 + 9 - 1).epsilon(1e-14));
  // Euler's sum of 2 t h over 2 steps of 1/4 and 4 of 3/8.
  const auto euler = simulate_path(sde, SdeScheme::euler_maruyama, x0, times, 0.4, stream, {});
  CHECK(euler[0] == Approx(5 + (1.5 * 1.5 - 1 - 0.5 / 4) + (9 - 2.25 - 1.5 * 3 / 8)).epsilon(1e-14));
}

TEST_CASE("sde: the two fields of the weak scheme, by their matrix exponentials") {
  // dx = A x dt + (x_2, 0) dW_1 + (0, x_1) dW_2, which do not commute: each flow is exp((h/2) (A - C) + z_1 N_1 + z_2
  // N_2) with N_1 = E_12, N_2 = E_21 and correction C = (N_1^2 + N_2^2)/2 = 0.
  Sde sde;
  sde.dimension = sde.noises = 2;
  sde.drift = [](double, auto x, auto out) {
    out[0] = -0.3 * x[0];
    out[1] = 0.2 * x[1];
  };
  sde.noise = [](double, auto x, auto z, auto out) {
    out[0] = x[1] * z[0];
    out[1] = x[0] * z[1];
  };
  const double h = 0.01, root = std::sqrt(h);
  const std::vector<double> z{0.7, -0.2, 0.4, 1.1};
  std::vector<double> expected{2, -1};
  for (const double sign : {1.0, -1.0}) {
    const double z1 = root * (z[0] + sign * std::sqrt(2.0) * z[2]) / 2,
                 z2 = root * (z[1] + sign * std::sqrt(2.0) * z[3]) / 2;
    // exp(M) by its series: the entries are below 0.2.
    std::vector<double> term = expected;
    for (int k = 1; k < 12; ++k) {
      term = {(-0.3 * h / 2 * term[0] + z1 * term[1]) / k, (z2 * term[0] + 0.2 * h / 2 * term[1]) / k};
      expected[0] += term[0];
      expected[1] += term[1];
    }
  }
  std::vector<double> x{2, -1};
  WeakTwo(sde).step(0, h, x, z);
  CHECK(x[0] == Approx(expected[0]).epsilon(1e-7));
  CHECK(x[1] == Approx(expected[1]).epsilon(1e-7));
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
}
