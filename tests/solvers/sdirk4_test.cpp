#include "solvers/sdirk4.hpp"

#include <doctest/doctest.h>

#include <array>
#include <boost/numeric/odeint/integrate/integrate_adaptive.hpp>
#include <boost/numeric/odeint/integrate/integrate_const.hpp>
#include <boost/numeric/odeint/integrate/integrate_times.hpp>
#include <cmath>
#include <functional>

#include "rereads.hpp"
#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using namespace edgewise::solvers::test;
using edgewise::tests::Approx;
namespace odeint = boost::numeric::odeint;

namespace {
const TwoModes problem{3.0, 0.02, 0.6, 0.004, 0.25, 2.0, 5.0};

double error_at(const std::vector<double>& M, double t) {
  const auto exact = problem.at(t);
  return std::max(std::abs(M[0] / exact[0] - 1), std::abs(M[1] / exact[1] - 1));
}
}  // namespace

TEST_CASE("sdirk4: a step, its error and its inside by the tableau") {
  // Hairer & Wanner, table 6.5 and (6.17), with dense matrices: k_i = J (M + h sum a_ij k_j) + g.
  const double a[5][5] = {{1.0 / 4},
                          {1.0 / 2, 1.0 / 4},
                          {17.0 / 50, -1.0 / 25, 1.0 / 4},
                          {371.0 / 1360, -137.0 / 2720, 15.0 / 544, 1.0 / 4},
                          {25.0 / 24, -49.0 / 48, 125.0 / 16, -85.0 / 12, 1.0 / 4}},
               embedded[5] = {59.0 / 48, -17.0 / 96, 225.0 / 32, -85.0 / 12, 0};
  const double J[2][2] = {{-3 + 0.6, 0.6}, {0.004, -0.02 + 0.004}}, g[2] = {0.6 * 0.25, 0.004 * 0.25};
  const LeastSquares linear = problem.system();
  Disguised general;
  static_cast<LeastSquares&>(general) = linear;
  const double h = 0.7;
  double k[5][2];
  for (int i = 0; i < 5; ++i) {
    double y[2] = {2, 5};
    for (int j = 0; j < i; ++j)
      for (int m = 0; m < 2; ++m) y[m] += h * a[i][j] * k[j][m];
    // (1 - h a_ii J) k = J y + g
    const double m00 = 1 - h * J[0][0] / 4, m01 = -h * J[0][1] / 4, m10 = -h * J[1][0] / 4, m11 = 1 - h * J[1][1] / 4;
    const double r0 = J[0][0] * y[0] + J[0][1] * y[1] + g[0], r1 = J[1][0] * y[0] + J[1][1] * y[1] + g[1];
    k[i][0] = (m11 * r0 - m01 * r1) / (m00 * m11 - m01 * m10);
    k[i][1] = (m00 * r1 - m10 * r0) / (m00 * m11 - m01 * m10);
  }
  double end[2] = {2, 5}, error[2] = {0, 0};
  for (int i = 0; i < 5; ++i)
    for (int m = 0; m < 2; ++m) {
      end[m] += h * a[4][i] * k[i][m];
      error[m] += h * (a[4][i] - embedded[i]) * k[i][m];
    }
  const double ratio = (std::abs(error[0]) + std::abs(error[1])) / (0.01 + 1e-3 * (end[0] + end[1]));
  const CoupledModes* const systems[] = {&linear, &general};
  for (const CoupledModes* system : systems) {
    Sdirk4 stepper;
    stepper.begin(*system, problem.start(), 3);
    CHECK(stepper.suggest_step() == Approx(0.05 / 3).epsilon(1e-15));
    CHECK(stepper.magnitude()[0] == 7);
    REQUIRE(stepper.attempt(h, {1e-3, 0.01}));
    std::vector<double> found(2);  // sums of increments of order 1
    stepper.error(found);
    for (std::size_t m = 0; m < 2; ++m) CHECK(found[m] == Approx(error[m]).epsilon(1e-14).scale(1));
    CHECK(stepper.error_ratio() == Approx(ratio).epsilon(1e-11));
    stepper.accept();
    CHECK(stepper.time() == 3 + h);
    for (std::size_t m = 0; m < 2; ++m) CHECK(stepper.state()[m] == Approx(end[m]).epsilon(1e-13));
    CHECK(stepper.shared()[0] == Approx(end[0] + end[1]).epsilon(1e-13));
    CHECK(stepper.magnitude()[0] == Approx(end[0] + end[1]).epsilon(1e-13));
    // At theta = 1/2 the extension's weights are, by (6.17):
    const double half[5] = {11.0 / 6 - 463.0 / 288 + 217.0 / 288 - 5.0 / 36,
                            11.0 / 4 - 385.0 / 64 + 661.0 / 192 - 5.0 / 8,
                            -125.0 / 36 + 20125.0 / 1728 - 8875.0 / 1728 + 125.0 / 216, -85.0 / 16 + 85.0 / 48,
                            -11.0 / 18 + 557.0 / 432 - 359.0 / 432 + 5.0 / 27};
    double inside[2] = {2, 5};
    for (int i = 0; i < 5; ++i)
      for (int m = 0; m < 2; ++m) inside[m] += h * half[i] * k[i][m];
    stepper.interpolate(3 + h / 2, found);
    for (std::size_t m = 0; m < 2; ++m) CHECK(found[m] == Approx(inside[m]).epsilon(1e-12));
    // Before the first step there is only the start.
    Sdirk4 fresh;
    fresh.begin(*system, problem.start(), 3);
    double p = 0;
    fresh.interpolate_shared(8, {&p, 1});
    CHECK(p == 7);
  }
}

TEST_CASE("sdirk4: Odeint integrates with it") {
  const LeastSquares system = problem.system();
  const double rtol = 1e-8;
  double worst = 0;
  std::size_t seen = 0;
  const auto watch = [&](const std::vector<double>& M, double t) {
    worst = std::max(worst, error_at(M, t));
    ++seen;
  };
  const std::vector<double> times{0, 0.01, 0.5, 3, 40, 41, 500};
  SUBCASE("integrate_times, dense output") {
    auto M = problem.start();
    odeint::integrate_times(Sdirk4DenseOutput({rtol}), std::cref(system), M, times, 0.01, watch);
    CHECK(seen == times.size());
  }
  SUBCASE("integrate_times, controlled") {
    auto M = problem.start();
    odeint::integrate_times(Sdirk4Controlled({rtol}), std::cref(system), M, times, 0.01, watch);
    CHECK(seen == times.size());
  }
  SUBCASE("integrate_adaptive, dense output") {
    auto M = problem.start();
    odeint::integrate_adaptive(Sdirk4DenseOutput({rtol}), std::cref(system), M, 0.0, 500.0, 0.01, watch);
    CHECK(error_at(M, 500) < rtol);
    CHECK(seen > 20);
  }
  SUBCASE("integrate_adaptive, controlled") {
    auto M = problem.start();
    odeint::integrate_adaptive(Sdirk4Controlled({rtol}), std::cref(system), M, 0.0, 500.0, 0.01, watch);
    CHECK(error_at(M, 500) < rtol);
    CHECK(seen > 20);
  }
  SUBCASE("integrate_const, dense output") {
    auto M = problem.start();
    odeint::integrate_const(Sdirk4DenseOutput({rtol}), std::cref(system), M, 0.0, 100.0, 2.5, watch);
    CHECK(seen == 41);
  }
  SUBCASE("integrate_const, controlled") {
    auto M = problem.start();
    odeint::integrate_const(Sdirk4Controlled({rtol}), std::cref(system), M, 0.0, 100.0, 2.5, watch);
    CHECK(seen == 41);
  }
  SUBCASE("integrate_const, fixed steps") {
    auto M = problem.start();
    odeint::integrate_const(Sdirk4(), std::cref(system), M, 0.0, 10.0, 0.01, watch);
    CHECK(seen == 1001);
  }
  CHECK(worst < rtol);
}

TEST_CASE("sdirk4: the linear path, the Newton path and the scheduled path agree to rounding") {
  LeastSquares linear = problem.system(), scheduled = problem.system();
  scheduled.eta = [](double) { return 1.0; };
  Disguised newton;
  static_cast<LeastSquares&>(newton) = linear;
  for (const double h : {1e-3, 0.3, 30.0, 1e6}) {
    std::vector<double> a = problem.start(), b = a, c = a, ea(2), eb(2), ec(2);
    Sdirk4().do_step(linear, a, 0, h, ea);
    Sdirk4().do_step(newton, b, 0, h, eb);
    Sdirk4().do_step(scheduled, c, 0, h, ec);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(a[i] == Approx(b[i]).epsilon(2e-13));
      CHECK(a[i] == Approx(c[i]).epsilon(2e-13));
      CHECK(std::abs(ea[i] - eb[i]) < 1e-12);
      CHECK(std::abs(ea[i] - ec[i]) < 1e-12);
    }
  }
}

TEST_CASE("sdirk4: a general constant source is not taken for one proportional to the coupling") {
  // source = g + u p with g not proportional to u, against the Newton path, which makes no such distinction.
  struct Forced : LeastSquares {
    bool pretend;
    explicit Forced(bool affine_) : LeastSquares({1, 0.1, 0.01}, {0.2, 0.02, 0.001}), pretend(affine_) {}
    void coefficients(double t, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      LeastSquares::coefficients(t, p, rate, source);
      for (std::size_t i = 0; i < source.size(); ++i) source[i] += 0.3 + static_cast<double>(i);
    }
    bool affine() const override { return pretend; }
  };
  const Forced linear(true), newton(false);
  Sdirk4DenseOutput a({1e-6}), b({1e-6});
  const std::vector<double> start{1, 2, 3};
  a.initialize(start, 0, 0.1);
  b.initialize(start, 0, 0.1);
  for (int k = 0; k < 20; ++k) {
    const auto sa = a.do_step(linear), sb = b.do_step(newton);
    CHECK(sa.second == Approx(sb.second).epsilon(1e-6));
    std::vector<double> ma(3), mb(3), pa(1), pb(1);
    const double t = sa.first + 0.4 * (sa.second - sa.first);
    a.calc_state(t, ma);
    b.calc_state(t, mb);
    a.calc_shared(t, pa);
    b.calc_shared(t, pb);
    for (std::size_t i = 0; i < 3; ++i) CHECK(ma[i] == Approx(mb[i]).epsilon(1e-9));
    CHECK(pa[0] == Approx(ma[0] + ma[1] + ma[2]).epsilon(1e-13));
    CHECK(pb[0] == Approx(pa[0]).epsilon(1e-9));
  }
}

TEST_CASE("sdirk4: a guess that leaves the domain of the source comes back half way") {
  // Newton's first step from 5 over so long a time lands below 0, where there is no logarithm. The stages by bisection.
  const Logarithm system;
  const double a[5][5] = {{1.0 / 4},
                          {1.0 / 2, 1.0 / 4},
                          {17.0 / 50, -1.0 / 25, 1.0 / 4},
                          {371.0 / 1360, -137.0 / 2720, 15.0 / 544, 1.0 / 4},
                          {25.0 / 24, -49.0 / 48, 125.0 / 16, -85.0 / 12, 1.0 / 4}};
  const double h = 80;
  double k[5], y = 0;
  for (int i = 0; i < 5; ++i) {
    double start = 5;
    for (int j = 0; j < i; ++j) start += h * a[i][j] * k[j];
    double low = -700, high = 10;  // log y, of y + h/4 (y + log y) = start
    for (int halving = 0; halving < 200; ++halving) {
      const double middle = (low + high) / 2;
      (std::exp(middle) + h / 4 * (std::exp(middle) + middle) < start ? low : high) = middle;
    }
    y = std::exp(low);
    k[i] = -y - low;
  }
  Sdirk4 stepper;
  const std::vector<double> M{5.0};
  stepper.begin(system, M, 0);
  REQUIRE(stepper.attempt(h, {1e-12, 0}));
  stepper.accept();
  CHECK(stepper.shared()[0] == Approx(y).epsilon(1e-9));
  CHECK(stepper.state()[0] == Approx(y).epsilon(1e-9));
}

TEST_CASE("sdirk4: L-stable, a mode far beyond its relaxation is slaved in one step") {
  const LeastSquares system({1e12, 1.0}, {1e11, 0.1});
  std::vector<double> M{1.0, 1.0};
  Sdirk4().do_step(system, M, 0, 0.01);
  // Slaved: A M = b (M + M2), so M = M2 / 9; what is left of the initial 1 is of order 1 / (h A).
  CHECK(M[0] == Approx(M[1] / 9).epsilon(1e-8));
}

TEST_CASE("sdirk4: m > 1 shared scalars through the small dense solve") {
  // Modes in two groups, each group driven by the other's sum: p1' = -p1 + 0.5 p2, p2' = -p2 + 0.5 p1.
  struct Groups : CoupledModes {
    std::vector<double> w1{1, 1, 0, 0}, w2{0, 0, 1, 1};
    std::size_t size() const override { return 4; }
    std::size_t shared() const override { return 2; }
    std::span<const double> weights(std::size_t l) const override { return l == 0 ? w1 : w2; }
    void coefficients(double, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      for (std::size_t i = 0; i < 4; ++i) {
        rate[i] = 1;
        source[i] = 0.25 * (i < 2 ? p[1] : p[0]);
      }
    }
    void sensitivity(double, std::span<const double>, std::span<const double>, std::span<double> u) const override {
      for (std::size_t i = 0; i < 4; ++i) {
        u[i] = i < 2 ? 0 : 0.25;
        u[4 + i] = i < 2 ? 0.25 : 0;
      }
    }
    bool affine() const override { return true; }
    bool autonomous() const override { return true; }
  } system;
  Sdirk4DenseOutput stepper({1e-10});
  stepper.initialize({1, 2, 0.5, 0}, 0, 0);
  stepper.stop_at(5);
  while (stepper.current_time() < 5) stepper.do_step(system);
  CHECK(stepper.current_time() == 5);
  const double sum = 3.5 * std::exp(-2.5), difference = 2.5 * std::exp(-7.5);
  CHECK(stepper.current_shared()[0] == Approx((sum + difference) / 2).epsilon(1e-10));
  CHECK(stepper.current_shared()[1] == Approx((sum - difference) / 2).epsilon(1e-10));
}

TEST_CASE("sdirk4: the denominator test") {
  // Growing at rate 9: 1 - h gamma (10 - 1) turns negative beyond h = 4/9.
  const LeastSquares system({1.0}, {10.0});
  Sdirk4 stepper;
  const std::vector<double> M{1.0};
  stepper.begin(system, M, 0);
  CHECK(stepper.attempt(0.1, {}));
  CHECK_FALSE(stepper.attempt(0.5, {}));
  std::vector<double> x{1.0};
  CHECK_THROWS_WITH_AS(stepper.do_step(system, x, 0, 0.5), doctest::Contains("no stable step"), std::runtime_error);
  Disguised general;
  static_cast<LeastSquares&>(general) = system;
  stepper.begin(general, M, 0);
  CHECK_FALSE(stepper.attempt(0.5, {}));
  // A negative rate beyond the pole of one mode.
  const LeastSquares explosive({-10.0}, {0.0});
  stepper.begin(explosive, M, 0);
  CHECK_FALSE(stepper.attempt(0.5, {}));
}

TEST_CASE(
    "sdirk4: before the first step there is the start; another system is read anew, and the same one after a reset") {
  const LeastSquares system = problem.system();
  Sdirk4DenseOutput stepper({1e-8});
  stepper.initialize({2, 5}, 3, 0.1);
  std::vector<double> M;
  stepper.calc_state(3.05, M);
  CHECK(M == std::vector<double>{2, 5});
  CHECK(stepper.current_state() == M);
  stepper.do_step(system);
  CHECK(stepper.previous_state()[1] == Approx(5).epsilon(1e-15));
  check_rereads(stepper);
  // The controlled stepper: a step that is too large is a tenth as large at least, one without a solution a quarter.
  Sdirk4Controlled controlled({1e-8});
  std::vector<double> x{2, 5};
  double t = 3, dt = 1e3;
  CHECK_FALSE(controlled.try_step(system, x, t, dt).accepted);
  CHECK(x == std::vector<double>{2, 5});
  CHECK(t == 3);
  CHECK(dt == Approx(100).epsilon(1e-13));
  const LeastSquares growing({1.0}, {10.0});
  x = {1};
  dt = 0.5;
  CHECK_FALSE(controlled.try_step(growing, x, t, dt).accepted);
  CHECK(dt == 0.125);
  CHECK(controlled.statistics().rejected == 2);
  Sdirk4 single;
  dt = 1e-3;
  std::vector<double> expected{1};
  CHECK(controlled.try_step(growing, x, t, dt).accepted);
  single.do_step(growing, expected, 3, 1e-3);
  CHECK(x[0] == Approx(expected[0]).epsilon(1e-14));
  CHECK(t == 3.001);
  CHECK(dt == 1e-3);  // not larger, right after a rejection
}

TEST_CASE("sdirk4: bad input") {
  const LeastSquares system = problem.system();
  std::vector<double> wrong{1.0};
  CHECK_THROWS_WITH_AS(Sdirk4().do_step(system, wrong, 0, 1), doctest::Contains("1 modes, the system 2"),
                       std::invalid_argument);
  LeastSquares broken = problem.system();
  broken.A[0] = std::nan("");
  std::vector<double> M = problem.start();
  CHECK_THROWS_WITH_AS(Sdirk4().do_step(broken, M, 0, 1), doctest::Contains("not finite"), std::invalid_argument);
  broken.w = {1};
  CHECK_THROWS_WITH_AS(Sdirk4().do_step(broken, M, 0, 1), "sdirk4: row 0 of W has 1 entries, not 2",
                       std::invalid_argument);
  std::vector<double> none;
  CHECK_THROWS_WITH_AS(Sdirk4().do_step(LeastSquares{}, none, 0, 1),
                       "sdirk4: the system has no modes or no shared scalars", std::invalid_argument);
}
