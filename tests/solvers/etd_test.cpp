#include "solvers/etd.hpp"

#include <doctest/doctest.h>

#include <boost/numeric/odeint/integrate/integrate_adaptive.hpp>
#include <boost/numeric/odeint/integrate/integrate_const.hpp>
#include <boost/numeric/odeint/integrate/integrate_times.hpp>
#include <cmath>
#include <functional>

#include "solvers/mode_kernels.hpp"
#include "solvers/sdirk4.hpp"
#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using namespace edgewise::solvers::test;
using edgewise::tests::Approx;
namespace odeint = boost::numeric::odeint;

namespace {
const TwoModes problem{3.0, 0.02, 0.6, 0.004, 0.25, 2.0, 5.0};
}

TEST_CASE("etd: exponential moments against quadrature, over thirty decades of z") {
  std::vector<double> z;
  for (double x = 1e-20; x < 1e10; x *= 1.7) z.push_back(x);
  for (const double x : {0.0, 1.99999999, 2.0, 2.00000001, 699.0, 701.0, -1.5}) z.push_back(x);
  const std::size_t n = z.size(), stride = kernels::padded(n);
  z.resize(stride, 0.0);
  std::vector<double> decay(stride), moments(5 * stride);
  kernels::exponential_moments(stride, 1.0, z.data(), 4, decay.data(), moments.data());
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(std::abs(decay[i] - std::exp(-z[i])) <= 4e-16 * std::max(1.0, std::exp(-z[i])));
    // Substituting y = z (1 - x) resolves the boundary layer; the weight below 1e-20 of it is cut off.
    for (std::size_t m = 0; m <= 4; ++m) {
      const auto power = static_cast<double>(m);
      const double last = std::min(z[i], 50.0);
      const auto density = [&](double y) { return std::exp(-y) * std::pow(1 - y / z[i], power); };
      double exact = 0;
      if (std::abs(z[i]) < 1e-3) {
        exact = (1 - z[i] / (power + 2) * (1 - z[i] / (power + 3))) / (power + 1);
      } else {
        for (int k = 0; k < 10; ++k)
          exact += boost::math::quadrature::gauss<double, 20>::integrate(density, last * k / 10, last * (k + 1) / 10);
        exact /= z[i];
      }
      CHECK(moments[m * stride + i] == Approx(exact).epsilon(2e-14 + (std::abs(z[i]) < 1e-3 ? 1e-10 : 0)));
    }
  }
}

TEST_CASE("etd: Odeint integrates with it") {
  const LeastSquares system = problem.system();
  for (const std::size_t stages : {2U, 3U, 4U}) {
    double worst = 0;
    std::size_t seen = 0;
    const auto watch = [&](const std::vector<double>& M, double t) {
      const auto exact = problem.at(t);
      worst = std::max({worst, std::abs(M[0] / exact[0] - 1), std::abs(M[1] / exact[1] - 1)});
      ++seen;
    };
    const std::vector<double> times{0, 0.01, 0.5, 3, 40, 41, 500};
    auto M = problem.start();
    odeint::integrate_times(EtdDenseOutput({1e-8}, stages), std::cref(system), M, times, 0.01, watch);
    CHECK(seen == times.size());
    M = problem.start();
    odeint::integrate_adaptive(EtdDenseOutput({1e-8}, stages), std::cref(system), M, 0.0, 500.0, 0.01, watch);
    M = problem.start();
    odeint::integrate_const(EtdDenseOutput({1e-8}, stages), std::cref(system), M, 0.0, 100.0, 2.5, watch);
    CHECK(worst < 1e-8);
  }
}

TEST_CASE("etd: without coupling every step is exact") {
  const LeastSquares system({1.0, 1e-3, 1e-9}, {0.0, 0.0, 0.0});
  EtdDenseOutput stepper({1e-8});
  stepper.initialize({1, 2, 3}, 0, 1e7);
  stepper.do_step(system);
  std::vector<double> M(3);
  stepper.calc_state(700, M);
  CHECK(M[1] == Approx(2 * std::exp(-0.7)).epsilon(1e-14));
  CHECK(stepper.current_state()[2] == Approx(3 * std::exp(-1e-2)).epsilon(1e-14));
}

TEST_CASE("etd: nonlinear source and constant rates, against sdirk4") {
  struct Quadratic : LeastSquares {
    using LeastSquares::LeastSquares;
    void coefficients(double, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      for (std::size_t i = 0; i < A.size(); ++i) {
        rate[i] = A[i];
        source[i] = b[i] * p[0] * p[0] / (1 + p[0]);
      }
    }
    void sensitivity(double, std::span<const double> p, std::span<const double>, std::span<double> u) const override {
      const double slope = (p[0] * p[0] + 2 * p[0]) / ((1 + p[0]) * (1 + p[0]));
      for (std::size_t i = 0; i < A.size(); ++i) u[i] = b[i] * slope;
    }
    bool affine() const override { return false; }
  };
  const Quadratic system({2, 0.3, 0.01}, {0.5, 0.1, 0.003});
  const std::vector<double> start{1, 2, 3};
  Sdirk4DenseOutput other({1e-11});
  other.initialize(start, 0, 0);
  other.stop_at(50);
  while (other.current_time() < 50) other.do_step(system);
  for (const std::size_t stages : {2U, 3U, 4U}) {
    EtdDenseOutput stepper({1e-9}, stages);
    stepper.initialize(start, 0, 0);
    stepper.stop_at(50);
    while (stepper.current_time() < 50) stepper.do_step(system);
    CHECK(stepper.current_shared()[0] == Approx(other.current_shared()[0]).epsilon(1e-9));
    CHECK(stepper.statistics().newton_iterations > 0);
    // Inside a step: dense output is consistent between modes and shared scalars and continuous at both ends.
    std::vector<double> M(3), p(1);
    stepper.calc_state(stepper.previous_time(), M);
    CHECK(M[2] == Approx(stepper.previous_state()[2]).epsilon(1e-13));
    stepper.calc_state(50, M);
    CHECK(M[2] == Approx(stepper.current_state()[2]).epsilon(1e-12));
    stepper.calc_shared(49.9, p);
    stepper.calc_state(49.9, M);
    CHECK(p[0] == Approx(M[0] + M[1] + M[2]).epsilon(1e-14));
  }
}

TEST_CASE("etd: a guess that leaves the domain of the source comes back half way") {
  // q' = -q - log q, whose Newton step from 5 over a long time lands below 0, where there is no logarithm.
  struct Logarithm : LeastSquares {
    Logarithm() : LeastSquares({1.0}, {1.0}) {}
    void coefficients(double, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      rate[0] = 1;
      source[0] = -std::log(p[0]);
    }
    void sensitivity(double, std::span<const double> p, std::span<const double>, std::span<double> u) const override {
      u[0] = -1 / p[0];
    }
    bool affine() const override { return false; }
  } system;
  EtdDenseOutput stepper({0.1}, 4);
  stepper.initialize({5}, 0, 8);
  stepper.do_step(system);
  CHECK(stepper.statistics().rejected == 0);
  CHECK(stepper.current_time() == 8);
  CHECK(stepper.current_shared()[0] == Approx(0.5671432904097838).epsilon(0.02));
}

TEST_CASE("etd: a general constant source beside the coupling") {
  struct Forced : LeastSquares {
    Forced() : LeastSquares({1, 0.1, 0.01}, {0.2, 0.02, 0.001}) {}
    void coefficients(double t, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      LeastSquares::coefficients(t, p, rate, source);
      for (std::size_t i = 0; i < source.size(); ++i) source[i] += 0.3 + static_cast<double>(i);
    }
  } system;
  Sdirk4DenseOutput other({1e-11});
  EtdDenseOutput stepper({1e-9});
  std::vector<double> p(1), M(3), reference(3);
  other.initialize({1, 2, 3}, 0, 0);
  stepper.initialize({1, 2, 3}, 0, 0);
  while (other.current_time() < 100) other.do_step(system);
  while (stepper.current_time() < 100) stepper.do_step(system);
  stepper.calc_state(100, M);
  other.calc_state(100, reference);
  for (std::size_t i = 0; i < 3; ++i) CHECK(M[i] == Approx(reference[i]).epsilon(1e-9));
}

TEST_CASE("etd: bad input") {
  CHECK_THROWS_WITH_AS(EtdDenseOutput({}, 5), doctest::Contains("5 stages"), std::invalid_argument);
  LeastSquares scheduled = problem.system();
  scheduled.eta = [](double t) { return 1 / (1 + t); };
  EtdDenseOutput stepper;
  stepper.initialize(problem.start(), 0, 0.1);
  CHECK_THROWS_WITH_AS(stepper.do_step(scheduled), doctest::Contains("use the integrator sdirk4"),
                       std::invalid_argument);
  const IsotropicSign sign(0.01, 10, 2);
  stepper.initialize({0.5, 0.5}, 0, 0.1);
  CHECK_THROWS_WITH_AS(stepper.do_step(sign), doctest::Contains("use the integrator sdirk4"), std::invalid_argument);
  stepper.initialize({0.5}, 0, 0.1);
  CHECK_THROWS_WITH_AS(stepper.do_step(sign), doctest::Contains("1 modes, the system 2"), std::invalid_argument);
}
