#include "solvers/volterra.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "solvers/integrate.hpp"
#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using namespace edgewise::solvers::test;
using edgewise::tests::Approx;

TEST_CASE("volterra: one exponential, closed form") {
  // F = f e^{-at}, H = b e^{-at}: P' = -(a - b) P + b shift.
  const double a = 1.3, b = 0.4, f = 2, shift = 0.3;
  const auto F = [&](double t) { return f * std::exp(-a * t); };
  const auto exact = [&](double t) {
    const double rest = b * shift / (a - b);
    return rest + (f - rest) * std::exp(-(a - b) * t);
  };
  const ExponentialSum H{{a}, {b}};
  const auto times = logarithmic(1e-3, 100, 20);
  for (const double rtol : {1e-5, 1e-9}) {
    const auto solution = volterra(F, H, shift, times, {.rtol = rtol});
    for (std::size_t i = 0; i < times.size(); ++i) CHECK(solution.values[i] == Approx(exact(times[i])).epsilon(rtol));
    CHECK(solution.statistics.steps > 3);
  }
  // Times need not start at 0; an empty kernel leaves F.
  const std::vector<double> late{5.0};
  CHECK(volterra(F, H, shift, late).values[0] == Approx(exact(5)).epsilon(1e-8));
  CHECK(volterra(F, {}, shift, late).values[0] == F(5));
  SUBCASE("order 6 on a uniform mesh") {
    double coarse = 0, fine = 0;
    const auto p = volterra_uniform(F, H, shift, 0.2, 50), q = volterra_uniform(F, H, shift, 0.1, 100);
    for (std::size_t k = 0; k <= 50; ++k)
      coarse = std::max(coarse, std::abs(p[k] - exact(0.2 * static_cast<double>(k))));
    for (std::size_t k = 0; k <= 100; ++k) fine = std::max(fine, std::abs(q[k] - exact(0.1 * static_cast<double>(k))));
    CHECK(fine < 1e-7);
    CHECK(std::log2(coarse / fine) > 5);
  }
}

TEST_CASE("volterra: a cubic against a straight kernel is exact on a uniform mesh") {
  // Gregory's rule with differences up to the fourth integrates their products. F = P - int_0^t H(t - s) (P(s) + shift) ds,
  // int_0^t (a + b (t - s)) s^n ds = a t^(n+1)/(n+1) + b t^(n+2)/((n+1)(n+2)).
  const double c[4] = {1, 0.5, -0.4, 0.1}, a = 0.3, b = -0.2, shift = 0.7;
  const auto P = [&](double t) { return c[0] + t * (c[1] + t * (c[2] + t * c[3])); };
  const auto F = [&](double t) {
    double out = P(t);
    for (int n = 0; n < 4; ++n)
      out -= (c[n] + (n == 0 ? shift : 0)) * std::pow(t, n + 1) / (n + 1) * (a + b * t / (n + 2));
    return out;
  };
  const auto found = volterra_uniform(
      F, [&](double t) { return a + b * t; }, shift, 0.2, 16);
  REQUIRE(found.size() == 17);
  for (int k = 0; k <= 16; ++k) CHECK(found[static_cast<std::size_t>(k)] == Approx(P(0.2 * k)).scale(1).epsilon(1e-13));
}

TEST_CASE("volterra: graded mesh, uniform mesh and the differential equation agree on a power law") {
  const PowerLaw law(0.7, 0.6, 300, 300, 0.4, 0.01);
  ExponentialSum F{law.system.A, law.q0}, H{law.system.A, law.system.b};
  const double step = 0.05;
  const auto uniform = volterra_uniform(F, H, 0.01, step, 1000);
  std::vector<double> times;
  for (std::size_t k = 0; k <= 1000; k += 100) times.push_back(step * static_cast<double>(k));
  const auto graded = volterra(F, H, 0.01, times, {.rtol = 1e-10});
  Options options;
  options.rtol = 1e-10;
  const auto modes = integrate(law.system, law.q0, times, options);
  for (std::size_t i = 0; i < times.size(); ++i) {
    CHECK(graded.values[i] == Approx(modes.shared[i][0]).epsilon(1e-10));
    CHECK(uniform[100 * i] == Approx(modes.shared[i][0]).epsilon(1e-8));
  }
}

TEST_CASE("volterra: long horizon, t = 1e8") {
  const PowerLaw law(1.0, 0.75, 1e9, 128, 0.5);
  const ExponentialSum F{law.system.A, law.q0}, H{law.system.A, law.system.b};
  const std::vector<double> times{1e2, 1e4, 1e6, 1e8};
  const auto solution = volterra(F, H, 0, times, {.rtol = 1e-6});
  // Reference values docs/theory/least-squares-sgd.md, section 13 (long-A), good to 4e-6 with these nodes.
  CHECK(solution.values[0] == Approx(3.054405266e-3).epsilon(5e-6));
  CHECK(solution.values[1] == Approx(8.085746243e-6).epsilon(5e-6));
  CHECK(solution.values[2] == Approx(2.34802119e-8).epsilon(5e-6));
  CHECK(solution.values[3] == Approx(7.203717e-11).epsilon(5e-6));
}

TEST_CASE("volterra: the discrete equation is the recursion") {
  // docs/theory/least-squares-sgd.md (1.1) with two modes against its form (1.6).
  const double a1 = 0.9, a2 = 0.99, b1 = 0.02, b2 = 0.005, shift = 0.25;
  const std::size_t last = 2000;
  std::vector<double> F(last + 1), H(last);
  for (std::size_t k = 0; k <= last; ++k) {
    const auto e = static_cast<double>(k);
    F[k] = 2 * std::pow(a1, e) + 3 * std::pow(a2, e);
    if (k < last) H[k] = b1 * std::pow(a1, e) + b2 * std::pow(a2, e);
  }
  const auto P = volterra_discrete(F, H, shift);
  double q1 = 2, q2 = 3;
  for (std::size_t k = 0; k <= last; ++k) {
    CHECK(std::abs(P[k] / (q1 + q2) - 1) < 1e-12);
    const double Q = q1 + q2 + shift;
    q1 = a1 * q1 + b1 * Q;
    q2 = a2 * q2 + b2 * Q;
  }
}

TEST_CASE("volterra: bad input") {
  const auto F = [](double) { return 1.0; };
  const std::vector<double> times{0, 1}, negative{-1, 1};
  CHECK_THROWS_WITH_AS(volterra(F, {{1.0}, {}}, 0, times), doctest::Contains("1 rates but 0 weights"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(volterra(F, {{-1.0}, {1.0}}, 0, times), doctest::Contains("negative"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(volterra(F, {{1.0}, {1.0}}, 0, {}), doctest::Contains("no output times"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(volterra(F, {{1.0}, {1.0}}, 0, negative), doctest::Contains("negative"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(volterra_uniform(F, F, 0, 0.1, 4), doctest::Contains("4 intervals"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(volterra_uniform(F, F, 0, 0, 10), doctest::Contains("step 0"), std::invalid_argument);
  const std::vector<double> three{1, 1, 1}, one{1};
  CHECK_THROWS_WITH_AS(volterra_discrete(three, one, 0), doctest::Contains("1 values of H, 2 are needed"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(volterra_discrete({}, one, 0), doctest::Contains("F is empty"), std::invalid_argument);
  // An unstable kernel grows without bound.
  const std::vector<double> far{1e6};
  CHECK_THROWS_WITH_AS(volterra(F, {{1.0}, {2.0}}, 0, far), doctest::Contains("diverges"), std::runtime_error);
}
