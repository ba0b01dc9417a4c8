#include "solvers/sdirk4.hpp"

#include <doctest/doctest.h>

#include <array>
#include <boost/numeric/odeint/integrate/integrate_adaptive.hpp>
#include <boost/numeric/odeint/integrate/integrate_const.hpp>
#include <boost/numeric/odeint/integrate/integrate_times.hpp>
#include <cmath>
#include <functional>

#include "systems.hpp"

using namespace edgewise::solvers;
using namespace edgewise::solvers::test;
namespace odeint = boost::numeric::odeint;

namespace {
const TwoModes problem{3.0, 0.02, 0.6, 0.004, 0.25, 2.0, 5.0};

double error_at(const std::vector<double>& M, double t) {
  const auto exact = problem.at(t);
  return std::max(std::abs(M[0] / exact[0] - 1), std::abs(M[1] / exact[1] - 1));
}
}  // namespace

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
      CHECK(a[i] == doctest::Approx(b[i]).epsilon(2e-13));
      CHECK(a[i] == doctest::Approx(c[i]).epsilon(2e-13));
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
    CHECK(sa.second == doctest::Approx(sb.second).epsilon(1e-6));
    std::vector<double> ma(3), mb(3), pa(1), pb(1);
    const double t = sa.first + 0.4 * (sa.second - sa.first);
    a.calc_state(t, ma);
    b.calc_state(t, mb);
    a.calc_shared(t, pa);
    b.calc_shared(t, pb);
    for (std::size_t i = 0; i < 3; ++i) CHECK(ma[i] == doctest::Approx(mb[i]).epsilon(1e-9));
    CHECK(pa[0] == doctest::Approx(ma[0] + ma[1] + ma[2]).epsilon(1e-13));
    CHECK(pb[0] == doctest::Approx(pa[0]).epsilon(1e-9));
  }
}

TEST_CASE("sdirk4: L-stable, a mode far beyond its relaxation is slaved in one step") {
  const LeastSquares system({1e12, 1.0}, {1e11, 0.1});
  std::vector<double> M{1.0, 1.0};
  Sdirk4().do_step(system, M, 0, 0.01);
  // Slaved: A M = b (M + M2), so M = M2 / 9; what is left of the initial 1 is of order 1 / (h A).
  CHECK(M[0] == doctest::Approx(M[1] / 9).epsilon(1e-8));
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
  CHECK(stepper.current_shared()[0] == doctest::Approx((sum + difference) / 2).epsilon(1e-10));
  CHECK(stepper.current_shared()[1] == doctest::Approx((sum - difference) / 2).epsilon(1e-10));
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

TEST_CASE("sdirk4: bad input") {
  const LeastSquares system = problem.system();
  std::vector<double> wrong{1.0};
  CHECK_THROWS_WITH_AS(Sdirk4().do_step(system, wrong, 0, 1), doctest::Contains("1 modes, the system 2"),
                       std::invalid_argument);
  LeastSquares broken = problem.system();
  broken.A[0] = std::nan("");
  std::vector<double> M = problem.start();
  CHECK_THROWS_WITH_AS(Sdirk4().do_step(broken, M, 0, 1), doctest::Contains("not finite"), std::invalid_argument);
}
