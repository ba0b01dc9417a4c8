#include "solvers/etd.hpp"

#include <doctest/doctest.h>

#include <boost/numeric/odeint/integrate/integrate_adaptive.hpp>
#include <boost/numeric/odeint/integrate/integrate_const.hpp>
#include <boost/numeric/odeint/integrate/integrate_times.hpp>
#include <cmath>
#include <functional>

#include "rereads.hpp"
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

/// Two shared scalars, of weights of either sign, that drive all modes; affine, or not by the square of the first; with the
/// time or without.
struct Pair : CoupledModes {
  std::vector<double> A{2, 0.7, 0.1}, w[2] = {{1, 0.5, -0.4}, {0.2, -1, 1}};
  bool straight, clock;
  Pair(bool affine_, bool autonomous_) : straight(affine_), clock(!autonomous_) {}
  std::size_t size() const override { return 3; }
  std::size_t shared() const override { return 2; }
  std::span<const double> weights(std::size_t l) const override { return w[l]; }
  double source_of(std::size_t i, double t, double p, double q) const {
    const double b[3] = {0.3, 0.2, -0.1}, c[3] = {-0.1, 0.25, 0.05};
    return 0.5 + 0.1 * static_cast<double>(i) + b[i] * (straight ? p : p * p / 4) + c[i] * q +
           (clock ? 0.2 * std::sin(t) : 0.0);
  }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    for (std::size_t i = 0; i < 3; ++i) {
      rate[i] = A[i];
      source[i] = source_of(i, t, p[0], p[1]);
    }
  }
  void sensitivity(double, std::span<const double> p, std::span<const double>, std::span<double> u) const override {
    const double b[3] = {0.3, 0.2, -0.1}, c[3] = {-0.1, 0.25, 0.05};
    for (std::size_t i = 0; i < 3; ++i) {
      u[i] = b[i] * (straight ? 1 : p[0] / 2);
      u[3 + i] = c[i];
    }
  }
  bool affine() const override { return straight; }
  bool autonomous() const override { return !clock; }
};

/// int_0^upper e^{-rate (upper - x)} f(x) dx
template <class F>
double memory(double rate, double upper, const F& f) {
  return boost::math::quadrature::gauss<double, 20>::integrate(
      [&](double x) { return std::exp(-rate * (upper - x)) * f(x); }, 0.0, upper);
}

/// A step by its definition: every mode is driven by the polynomial through its sources at the nodes, found by repetition; and
/// what of the source of highest power a formula without the first stage would leave.
struct LiteralStep {
  std::vector<double> node;
  std::vector<std::vector<double>> source;  ///< [node][mode]
  std::vector<double> start, end, rate;
  double t = 0, h = 0;

  LiteralStep(const CoupledModes& system, std::vector<double> M, double time, double size, std::size_t stages)
      : start(std::move(M)), rate(start.size()), t(time), h(size) {
    const double r = std::sqrt(6.0);
    if (stages == 2) node = {0, 1.0 / 3, 1};
    if (stages == 3) node = {0, (4 - r) / 10, (4 + r) / 10, 1};
    if (stages == 4) node = {0, 0.08858795951270395, 0.4094668644407347, 0.787659461760847, 1};
    source.assign(stages + 1, std::vector<double>(start.size()));
    for (int sweep = 0; sweep < 60; ++sweep)
      for (std::size_t k = 0; k < node.size(); ++k) {
        const std::vector<double> at = state(node[k]);
        system.coefficients(t + node[k] * h, shared(system, at), rate, source[k]);
      }
    end = state(1);
  }
  double lagrange(std::size_t l, double x) const {
    double y = 1;
    for (std::size_t k = 0; k < node.size(); ++k)
      if (k != l) y *= (x - node[k]) / (node[l] - node[k]);
    return y;
  }
  std::vector<double> state(double theta) const {
    std::vector<double> out;
    for (std::size_t i = 0; i < start.size(); ++i) {
      double y = std::exp(-rate[i] * theta * h) * start[i];
      for (std::size_t l = 0; l < node.size(); ++l)
        if (source[l][i] != 0)
          y += h * source[l][i] * memory(rate[i] * h, theta, [&](double x) { return lagrange(l, x); });
      out.push_back(y);
    }
    return out;
  }
  static std::vector<double> shared(const CoupledModes& system, const std::vector<double>& M) {
    std::vector<double> p(system.shared(), 0.0);
    for (std::size_t l = 0; l < p.size(); ++l)
      for (std::size_t i = 0; i < M.size(); ++i) p[l] += system.weights(l)[i] * M[i];
    return p;
  }
  /// x (x - c_2) .. (x - c_s)
  double dropped(double x) const {
    double y = x;
    for (std::size_t k = 2; k < node.size(); ++k) y *= x - node[k];
    return y;
  }
  /// What multiplies x^s in mode i's source.
  double highest(std::size_t i) const {
    double sum = 0;
    for (std::size_t l = 0; l < node.size(); ++l) {
      double scale = 1;
      for (std::size_t k = 0; k < node.size(); ++k)
        if (k != l) scale *= node[l] - node[k];
      sum += source[l][i] / scale;
    }
    return sum;
  }
  /// sum of sizes by a row of weights, of the end of the step.
  double left_out(std::span<const double> w, double upper, bool sizes) const {
    double sum = 0;
    for (std::size_t i = 0; i < start.size(); ++i) {
      const double e = w[i] * h * highest(i) * memory(rate[i] * h, upper, [&](double x) { return dropped(x); });
      sum += sizes ? std::abs(e) : e;
    }
    return std::abs(sum);
  }
};
}  // namespace

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

TEST_CASE("etd: a step, its inside and the next step's size by the definition of collocation") {
  const LeastSquares linear = problem.system();
  struct Forced : LeastSquares {
    using LeastSquares::LeastSquares;
    void coefficients(double t, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      LeastSquares::coefficients(t, p, rate, source);
      source[0] += 0.7;
    }
  } forced;
  static_cast<LeastSquares&>(forced) = linear;
  forced.w = {0.5, 2};
  const Pair pair(true, true), curved(false, true), clocked(true, false);
  const CoupledModes* const systems[] = {&linear, &forced, &pair, &curved, &clocked};
  for (std::size_t which = 0; which < 5; ++which)
    for (const std::size_t stages : {2U, 3U, 4U}) {
      CAPTURE(which);
      CAPTURE(stages);
      const CoupledModes& system = *systems[which];
      const bool one = which < 2;
      const std::vector<double> start = one ? std::vector<double>{2, 5} : std::vector<double>{1, 2, 3};
      const double h = stages == 2 ? 0.02 : stages == 3 ? 0.1 : 0.3;
      const LiteralStep literal(system, start, 3, h, stages);
      // The error: of one scalar that drives all, at its worst stage; else mode by mode at the end.
      double error = 0, worst = 0;
      const std::vector<double> end = LiteralStep::shared(system, literal.end);
      for (std::size_t l = 0; l < end.size(); ++l) {
        double size = 0;
        for (std::size_t i = 0; i < start.size(); ++i) size += std::abs(system.weights(l)[i] * literal.end[i]);
        if (one) {
          for (std::size_t k = 1; k <= stages; ++k)
            error = std::max(error, literal.left_out(system.weights(l), literal.node[k], false));
          size = std::abs(end[l]);
        } else {
          error = literal.left_out(system.weights(l), 1, true);
        }
        worst = std::max(worst, error / size);
      }
      // So that it is a fiftieth of what is allowed, and the next step by (1/50)^(-1/(s + 1)) longer.
      const double rtol = 50 * worst / (stages == 2 ? 2 : 10);
      REQUIRE(rtol < 1e-3);
      EtdDenseOutput stepper({rtol}, stages);
      stepper.initialize(start, 3, h);
      CHECK(stepper.do_step(system) == std::pair(3.0, 3 + h));
      // Newton's method ends where what is left is a hundredth of the tolerance.
      const double within = which == 3 ? 0.01 * rtol : 1e-13;
      for (std::size_t i = 0; i < start.size(); ++i)
        CHECK(stepper.current_state()[i] == Approx(literal.end[i]).epsilon(within));
      for (std::size_t l = 0; l < end.size(); ++l) CHECK(stepper.current_shared()[l] == Approx(end[l]).epsilon(within));
      for (const double theta : {0.0, 0.3, 0.9}) {
        const std::vector<double> inside = literal.state(theta);
        std::vector<double> M(start.size()), p(end.size());
        stepper.calc_state(3 + theta * h, M);
        stepper.calc_shared(3 + theta * h, p);
        for (std::size_t i = 0; i < M.size(); ++i) CHECK(M[i] == Approx(inside[i]).epsilon(within));
        const std::vector<double> expected = LiteralStep::shared(system, inside);
        for (std::size_t l = 0; l < p.size(); ++l) CHECK(p[l] == Approx(expected[l]).epsilon(within));
      }
      CHECK(stepper.previous_state()[1] == Approx(start[1]).epsilon(1e-15));
      CHECK(stepper.current_time_step() ==
            Approx(h * 0.9 * std::pow(50, 1 / (static_cast<double>(stages) + 1))).epsilon(which == 3 ? 1e-2 : 1e-6));
      CHECK(stepper.statistics().rejected == 0);
      CHECK((stepper.statistics().newton_iterations > 0) ==
            (which == 3));  // one correction is exact where all is affine
    }
}

TEST_CASE("etd: two shared scalars over many steps, against sdirk4") {
  for (const bool affine : {true, false})
    for (const bool autonomous : {true, false}) {
      CAPTURE(affine);
      CAPTURE(autonomous);
      const Pair system(affine, autonomous);
      Sdirk4DenseOutput other({1e-11});
      EtdDenseOutput stepper({1e-9});
      other.initialize({1, 2, 3}, 0, 0);
      stepper.initialize({1, 2, 3}, 0, 0);
      for (const double stop : {2.0, 7.0}) {
        other.stop_at(stop);
        stepper.stop_at(stop);
        while (other.current_time() < stop) other.do_step(system);
        while (stepper.current_time() < stop) stepper.do_step(system);
        for (std::size_t l = 0; l < 2; ++l)
          CHECK(stepper.current_shared()[l] == Approx(other.current_shared()[l]).epsilon(1e-9));
        for (std::size_t i = 0; i < 3; ++i)
          CHECK(stepper.current_state()[i] == Approx(other.current_state()[i]).epsilon(1e-8));
      }
    }
}

TEST_CASE("etd: before the first step there is the start, and a new start keeps the system") {
  const LeastSquares system = problem.system();
  EtdDenseOutput stepper({1e-8}), fresh({1e-8});
  stepper.initialize({2, 5}, 3, 0.1);
  std::vector<double> M;
  stepper.calc_state(3.05, M);
  CHECK(M == std::vector<double>{2, 5});
  CHECK(stepper.current_state() == M);
  CHECK(stepper.previous_state() == M);
  stepper.do_step(system);
  stepper.initialize({4, 1}, 7, 0.1);
  fresh.initialize({4, 1}, 7, 0.1);
  stepper.do_step(system);
  fresh.do_step(system);
  CHECK(stepper.current_state() == fresh.current_state());
  CHECK(stepper.current_shared()[0] == fresh.current_shared()[0]);
  check_rereads(stepper);
  // Growth by more than e^4 in a step is refused: 10 is quartered, once.
  const LeastSquares growing({-1.0}, {0.0});
  EtdDenseOutput growth({1e-8});
  growth.initialize({1}, 0, 10);
  CHECK(growth.do_step(growing).second == 2.5);
  CHECK(growth.statistics().rejected == 1);
  CHECK(growth.current_state()[0] == Approx(std::exp(2.5)).epsilon(1e-14));
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
  // Newton's step from 5 over a long time lands below 0, where there is no logarithm.
  const Logarithm system;
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
  LeastSquares broken = problem.system();
  broken.w = {1};
  stepper.initialize(problem.start(), 0, 0.1);
  CHECK_THROWS_WITH_AS(stepper.do_step(broken), "etd: row 0 of W has 1 entries, not 2", std::invalid_argument);
  broken = problem.system();
  broken.b[1] = INFINITY;
  CHECK_THROWS_WITH_AS(stepper.do_step(broken), "etd: the system's coefficients are not finite", std::invalid_argument);
  stepper.initialize({}, 0, 0.1);
  CHECK_THROWS_WITH_AS(stepper.do_step(LeastSquares{}), "etd: the system has no modes or no shared scalars",
                       std::invalid_argument);
  stepper.initialize({0.5}, 0, 0.1);
  CHECK_THROWS_WITH_AS(stepper.do_step(sign), doctest::Contains("1 modes, the system 2"), std::invalid_argument);
}
