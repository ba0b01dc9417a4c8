#include "solvers/dop853.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using namespace edgewise::solvers::test;
using edgewise::tests::Approx;

namespace {

const TwoModes problem{1.0, 0.4, 0.3, 0.1, 0.25, 2.0, 1.0};

double error_at(const std::vector<double>& M, double t, double unit = 1) {
  const auto exact = problem.at(t);
  return std::max(std::abs(M[0] / (unit * exact[0]) - 1), std::abs(M[1] / (unit * exact[1]) - 1));
}

/// Largest errors at the ends of `steps` equal steps to time 4, and inside them. The tolerance accepts any step.
struct Errors {
  double end = 0, inside = 0;
};
Errors of_equal_steps(const CoupledModes& system, int steps, double (*exact_time)(double)) {
  Dop853DenseOutput stepper({1e3, 0});
  const double h = 4.0 / steps;
  stepper.initialize(problem.start(), 0, h);
  Errors out;
  std::vector<double> M, p(1);
  for (int k = 1; k <= steps; ++k) {
    stepper.stop_at(k * h);
    const auto [begin, end] = stepper.do_step(system);
    REQUIRE(end == k * h);
    out.end = std::max(out.end, error_at(stepper.current_state(), exact_time(end)));
    for (const double x : {0.3, 0.5, 0.8}) {
      stepper.calc_state(begin + x * h, M);
      out.inside = std::max(out.inside, error_at(M, exact_time(begin + x * h)));
      stepper.calc_shared(begin + x * h, p);
      CHECK(p[0] == Approx(M[0] + M[1]).epsilon(1e-14));
    }
    stepper.calc_state(begin, M);
    CHECK(M == stepper.previous_state());
    stepper.calc_state(end, M);
    CHECK(M == stepper.current_state());
  }
  return out;
}

/// A clock that runs unevenly: dM/dt = s'(t) f(M) has the solution M(s(t)), and asks every node for its own time.
struct Clocked : LeastSquares {
  using LeastSquares::LeastSquares;
  static double at_time(double t) { return t + 0.3 * std::sin(t); }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    LeastSquares::coefficients(t, p, rate, source);
    const double speed = 1 + 0.3 * std::cos(t);
    for (double& x : rate) x *= speed;
    for (double& x : source) x *= speed;
  }
  bool autonomous() const override { return false; }
};

}  // namespace

TEST_CASE("dop853: order 8 at the ends of steps and inside them, with and without a clock") {
  const LeastSquares plain = problem.system();
  Clocked clocked;
  static_cast<LeastSquares&>(clocked) = plain;
  const auto own_time = [](double t) { return t; };
  for (const bool with_clock : {false, true}) {
    CAPTURE(with_clock);
    const CoupledModes& system = with_clock ? static_cast<const CoupledModes&>(clocked) : plain;
    double (*const time)(double) = with_clock ? &Clocked::at_time : +own_time;
    const Errors coarse = of_equal_steps(system, 8, time), fine = of_equal_steps(system, 16, time);
    CHECK(fine.end > 1e-14);  // else rounding is measured
    CHECK(std::log2(coarse.end / fine.end) > 7.5);
    // Of order 7, which from a start without error is 8 in a step.
    CHECK(std::log2(coarse.inside / fine.inside) > 7.5);
  }
}

TEST_CASE("dop853: every mode keeps the tolerance, in any unit") {
  for (const double unit : {1e-60, 1.0, 1e60}) {
    const LeastSquares system({1.0, 0.4}, {0.3, 0.1}, 0.25 * unit);
    for (const double rtol : {1e-4, 1e-8, 1e-12}) {
      CAPTURE(unit);
      CAPTURE(rtol);
      Dop853DenseOutput stepper({rtol, 0});
      stepper.initialize({2 * unit, unit}, 0, 0);
      std::vector<double> M;
      double worst = 0;
      while (stepper.current_time() < 60) {
        const auto [begin, end] = stepper.do_step(system);
        for (int k = 1; k <= 8; ++k) {
          const double t = begin + (end - begin) * k / 8;
          stepper.calc_state(t, M);
          worst = std::max(worst, error_at(M, t, unit));
        }
      }
      CHECK(worst < 3 * rtol);
      CHECK(stepper.statistics().steps < 60 * 3);
    }
  }
}

TEST_CASE("dop853: a mode that rests at zero, one mode, and a state that leaves the numbers") {
  Dop853DenseOutput stepper({1e-8, 0});
  const LeastSquares decay({0.5, 1.0}, {0.0, 0.0});
  stepper.initialize({1.0, 0.0}, 0, 0);
  stepper.stop_at(2);
  while (stepper.current_time() < 2) stepper.do_step(decay);
  CHECK(stepper.current_state()[0] == Approx(std::exp(-1)).epsilon(1e-8));
  CHECK(stepper.current_state()[1] == 0);
  CHECK(stepper.current_shared()[0] == stepper.current_state()[0]);

  const LeastSquares growth({-1.0}, {0.0});
  Dop853DenseOutput overflowing({1e-8, 0});
  overflowing.initialize({1e300}, 0, 0);
  // Beyond 1.8e308 there is no step: they shorten before it.
  for (int k = 0; k < 100; ++k) overflowing.do_step(growth);
  CHECK(overflowing.current_time() < std::log(1.8e8));
  CHECK(overflowing.current_state()[0] > 1e307);
  CHECK(std::isfinite(overflowing.current_state()[0]));

  Dop853DenseOutput wrong;
  wrong.initialize({1.0}, 0, 0);
  CHECK_THROWS_WITH_AS(wrong.do_step(decay), "explicit: the state has 1 modes, the system 2", std::invalid_argument);
}

TEST_CASE("dop853: a mode that has decayed to nothing does not shorten the steps of the others") {
  const LeastSquares system({1.0, 1e-4}, {0.0, 0.0});
  Dop853DenseOutput stepper({1e-8, 0});
  stepper.initialize({1.0, 3.0}, 0, 0);
  stepper.stop_at(2000);  // exp(-700) is the last normal number
  while (stepper.current_time() < 2000 && stepper.statistics().steps < 5000) stepper.do_step(system);
  CHECK(stepper.current_time() == 2000);
  CHECK(stepper.current_state()[1] == Approx(3 * std::exp(-0.2)).epsilon(1e-8));
}

TEST_CASE("dop853: a step that ends at a jump reads its coefficients from the left") {
  LeastSquares system({1.0}, {0.0});
  system.eta = [](double t) { return t < 1 ? 1.0 : 100.0; };
  Dop853DenseOutput stepper({1e-10, 0});
  stepper.initialize({1.0}, 0, 0);
  stepper.stop_at(1);
  while (stepper.current_time() < 1) stepper.do_step(system);
  CHECK(stepper.current_state()[0] == Approx(std::exp(-1)).epsilon(1e-9));
  std::vector<double> M;
  stepper.calc_state(1, M);
  CHECK(M == stepper.current_state());
}

TEST_CASE("dop853: it tells where stability holds the steps down") {
  const LeastSquares system({100.0, 0.01}, {1.0, 0.01});
  Dop853DenseOutput stepper({1e-6, 0});
  stepper.initialize({1.0, 1.0}, 0, 0);
  CHECK(!stepper.stiff(1000));
  for (int k = 0; k < 100; ++k) stepper.do_step(system);
  CHECK(stepper.current_time_step() * 100 <= 4);
  CHECK(stepper.stiff(1000));
  CHECK(!stepper.stiff(stepper.current_time() + 1));
  // 150 more steps, of which each takes three quarters of the longest that is stable.
  const double step = stepper.current_time_step();
  CHECK(!stepper.stiff(stepper.current_time() + 148 * step));
  CHECK(stepper.stiff(stepper.current_time() + 152 * step));
  // At rest there is no error, and a step is five times the one before.
  for (const double size : {2.95, 3.05}) {
    Dop853DenseOutput resting({1e-6, 0});
    resting.initialize({0.0, 0.0}, 0, size / 500);
    resting.do_step(system);
    REQUIRE(resting.current_time_step() * 100 == Approx(size).epsilon(1e-13));
    CHECK(resting.stiff(1000) == (size > 3));
  }
}

TEST_CASE("dop853: the next step is as long as the two error estimates of the last one say") {
  // One mode of which every slope that is asked for is kept: one at the start, eleven stages, one at the end of a good step.
  struct Watched : LeastSquares {
    mutable std::vector<double> slopes, rates;
    Watched() : LeastSquares({1.0}, {0.0}) {}
    void coefficients(double t, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      rate[0] = 1 + 0.5 * std::cos(3 * t);
      source[0] = 0.5 + 0.4 * std::sin(5 * t);
      slopes.push_back(source[0] - rate[0] * p[0]);
      rates.push_back(rate[0]);
    }
    bool autonomous() const override { return false; }
  } system;
  // Hairer, Norsett and Wanner's er and bhh; the weights of the step itself.
  const double fifth[12] = {0.01312004499419488,
                            0,
                            0,
                            0,
                            0,
                            -1.225156446376204,
                            -0.4957589496572502,
                            1.664377182454986,
                            -0.3503288487499737,
                            0.3341791187130175,
                            0.08192320648511571,
                            -0.02235530786388630};
  const double weight[12] = {0.05429373411656876,
                             0,
                             0,
                             0,
                             0,
                             4.450312892752409,
                             1.891517899314500,
                             -5.801203960010585,
                             0.3111643669578199,
                             -0.1521609496625161,
                             0.2013654008040303,
                             0.04471061572777259};
  const double lower[12] = {0.2440944881889764, 0, 0, 0, 0, 0, 0, 0, 0.7338466882816116, 0, 0, 0.02205882352941176};
  const double rtol = 1e-7, atol = 1e-8;
  Dop853DenseOutput stepper({rtol, atol});
  stepper.initialize({2.0}, 0, 1.5);
  StepSize size(8, 1);
  std::size_t steps = 0;
  while (stepper.current_time() < 20) {
    const double before = stepper.current_state()[0];
    double h = stepper.current_time_step();
    const std::size_t first = steps == 0 ? 0 : system.slopes.size() - 1;
    const std::size_t rejected = stepper.statistics().rejected;
    const auto [begin, end] = stepper.do_step(system);
    std::size_t stages = first + 1;
    for (std::size_t attempt = 0;; ++attempt, stages += 11) {
      double of_5 = 0, of_3 = 0;
      for (std::size_t k = 0; k < 12; ++k) {
        const double slope = system.slopes[k == 0 ? first : stages + k - 1];
        of_5 += fifth[k] * slope;
        of_3 += (weight[k] - lower[k]) * slope;
      }
      const double scale = atol + rtol * (std::abs(before) + h * std::abs(system.slopes[first]));
      of_5 = std::abs(h * of_5) / scale;
      of_3 = std::abs(h * of_3) / scale;
      const double ratio = of_5 * of_5 / std::sqrt(of_5 * of_5 + 0.01 * of_3 * of_3);
      if (attempt < stepper.statistics().rejected - rejected) {
        CHECK(ratio > 1);
        h = size.rejected(h, ratio);
        continue;
      }
      CHECK(ratio <= 1);
      CHECK(end - begin == Approx(h).epsilon(1e-9));
      h = std::min(size.accepted(h, ratio), 4 / system.rates.back());
      break;
    }
    CHECK(stepper.current_time_step() == Approx(h).epsilon(1e-7));
    ++steps;
  }
  CHECK(steps > 15);
  CHECK(stepper.statistics().rejected > 0);
}
