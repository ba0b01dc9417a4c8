// The large limit of second-order regression under rate rules: its loss along a step, rates that are chosen, linear models
// by the Marchenko-Pastur law, and where the slope of a step is lost.
#include "models/quadratic_regression/memory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

TEST_CASE("the limit's loss along a step is its polynomial, and a rate that is chosen is a rate that is given") {
  using namespace models::quadratic_regression;
  QuadraticMemoryProblem problem;
  problem.ensemble = {0.5, 4, 1, 1};
  problem.steps = 25;
  std::vector<QuadraticDescent> seen;
  problem.choose_rate = [&](std::size_t t, const QuadraticDescent& now) {
    seen.push_back(now);
    return t % 3 == 0 ? .3 : now.slope / now.curvature;
  };
  const QuadraticMemorySolution chosen = solve_quadratic_memory(problem);
  REQUIRE(chosen.chosen.size() == 25);
  for (std::size_t t = 0; t < 25; ++t) {
    const QuadraticDescent& s = seen[t];
    const double eta = chosen.chosen[t];
    const double after =
        s.loss - s.slope * eta + s.curvature * eta * eta / 2 + s.third * eta * eta * eta + s.fourth * std::pow(eta, 4);
    CHECK(after == Approx(chosen.loss[t + 1]).epsilon(1e-9));
    // |theta' - theta|^2/P = q' - 2 C + q with C = q - eta g.theta/P, and |g|^2/D = delta^-1 |g|^2/P.
    CHECK(eta * eta * s.slope * .5 == Approx(chosen.q[t + 1] - s.q + 2 * eta * s.along).epsilon(1e-9));
  }
  QuadraticMemoryProblem given = problem;
  given.choose_rate = {};
  given.learning_rate = chosen.chosen;
  const QuadraticMemorySolution same = solve_quadratic_memory(given);
  for (std::size_t t = 0; t <= 25; ++t) CHECK(same.loss[t] == Approx(chosen.loss[t]).epsilon(1e-12));
  // At the start: E|g|^2/D = tr K/D = 1 and E g'Hg/D = tr K^2/D = 1 + delta, of Marchenko and Pastur.
  CHECK(seen[0].slope == Approx(1).epsilon(1e-12));
  CHECK(seen[0].curvature == Approx(1.5).epsilon(1e-12));
  problem.batch_fraction = .5;
  CHECK_THROWS_AS(solve_quadratic_memory(problem), std::invalid_argument);
}

TEST_CASE("a chosen rate leaves the limit where the bulk edge's modes have grown tenfold since they last fell") {
  using namespace models::quadratic_regression;
  // Along a mode of eta lambda = 1 + m + f + m/f steps settle at a factor -f, of eta lambda = 1 at sqrt m.
  for (const double momentum : {0.0, 0.3, 0.8}) {
    CAPTURE(momentum);
    QuadraticMemoryProblem problem;
    problem.ensemble = {.5, 0, 1, 1};
    problem.steps = 40;
    problem.momentum = momentum;
    const double edge = std::pow(1 + std::sqrt(.5), 2);
    const auto leaves = [&](double f, const std::vector<std::size_t>& at_one) {
      problem.choose_rate = [&](std::size_t t, const QuadraticDescent&) {
        const bool one = std::ranges::find(at_one, t) != at_one.end();
        return (one ? 1 : 1 + momentum + f + momentum / f) / edge;
      };
      return solve_quadratic_memory(problem).post_eos;
    };
    const double eighth = std::pow(10, 1. / 8), lost = std::log(std::max(momentum, 1e-9)) / 2;
    CHECK(leaves(1.001 * eighth, {}) == 7);
    CHECK(leaves(.999 * eighth, {}) == 8);
    CHECK(leaves(1.001 * eighth, {0, 1, 2}) == 10);
    // What a step takes off is grown again, and no more than all of it.
    double growth = 0;
    std::size_t last = 0;
    for (; growth <= std::log(10.0); ++last)
      growth = std::max(growth, 0.0) + (last == 3 ? lost : std::log(1.001 * eighth));
    CHECK(leaves(1.001 * eighth, {3}) == last - 1);
  }
}

TEST_CASE("where curvature makes steps of the bulk edge overshoot, the limit still reads the slopes, in all units") {
  using namespace models::quadratic_regression;
  // As above for any kappa: the loss' curvature along the first step knows nothing of the second derivatives. Its fourth
  // order does, 1e8 of it against 1: at steps that long nine digits of the curvature are lost.
  for (const double c0 : {1., 1e-20})
    for (const double unit : {1., 1e14}) {
      CAPTURE(c0);
      CAPTURE(unit);
      QuadraticMemoryProblem problem;
      problem.ensemble = {0.5, 1e8 * unit * unit / c0, c0, unit};
      problem.steps = 1;
      problem.choose_rate = [&](std::size_t, const QuadraticDescent& now) {
        CHECK(now.loss == Approx(c0 / 2).epsilon(1e-14));
        CHECK(now.slope == Approx(c0 * unit).epsilon(1e-12));
        CHECK(now.curvature == Approx(1.5 * c0 * unit * unit).epsilon(1e-11));
        return 1e-6 / unit;
      };
      CHECK(solve_quadratic_memory(problem).chosen.size() == 1);
    }
}

TEST_CASE("a linear model under CDAT in the limit: by the Marchenko-Pastur law") {
  // K's law by a Gauss rule, z's power mode by mode under eta = sigma n/d.
  const std::string text =
      "model = 'quadratic-regression'\n[data]\noutputs = 40\nparameters = 80\ncurvature = 0\n[time]\nsteps = "
      "20\n[rate]\n"
      "kind = 'cdat'\nsigma = 1.3\nema = 0.5\n";
  const auto theory = prepare(text)->solve();
  constexpr std::size_t n = 400;
  constexpr double delta = .5, pi = 3.14159265358979323846;
  std::vector<double> lambda(n), weight(n), power(n, 1.0);
  for (std::size_t k = 0; k < n; ++k) {
    const double phi = pi * static_cast<double>(k + 1) / (n + 1.0), sine = std::sin(phi);
    lambda[k] = 1 + delta + 2 * std::sqrt(delta) * std::cos(phi);
    weight[k] = 2 / (n + 1.0) * sine * sine / lambda[k];
  }
  double mean_n = 0, mean_d = 0;
  for (std::size_t t = 0; t < theory.steps.size(); ++t) {
    double loss = 0, slope = 0, curvature = 0;
    for (std::size_t k = 0; k < n; ++k) {
      loss += weight[k] * power[k] / 2;
      slope += weight[k] * power[k] * lambda[k];
      curvature += weight[k] * power[k] * lambda[k] * lambda[k];
    }
    CHECK(models::testing::column(theory, "loss")[t] == Approx(loss).epsilon(1e-9));
    mean_n = t == 0 ? slope : .5 * (mean_n + slope);
    mean_d = t == 0 ? curvature : .5 * (mean_d + curvature);
    const double eta = 1.3 * mean_n / mean_d;
    if (t + 1 < theory.steps.size())
      CHECK(models::testing::column(theory, "learning_rate")[t + 1] == Approx(eta).epsilon(1e-8));
    for (std::size_t k = 0; k < n; ++k) power[k] *= (1 - eta * lambda[k]) * (1 - eta * lambda[k]);
  }
}

TEST_CASE("a linear model with momentum in the limit, tuned and at a schedule: by the Marchenko-Pastur law") {
  // A mode's residual a z_0, and b z_0 of J u: b' = momentum b + lambda a, a' = a - eta b'; g.u = sum a b', u.Hu = sum b'^2.
  constexpr std::size_t n = 400;
  constexpr double delta = .5, momentum = .6, pi = 3.14159265358979323846;
  for (const bool tuned : {true, false}) {
    CAPTURE(tuned);
    const auto theory =
        prepare(
            "model = 'quadratic-regression'\n[data]\noutputs = 40\nparameters = 80\ncurvature = 0\n[time]\nsteps = "
            "60\n[optimizer]\nmomentum = 0.6\n" +
            std::string(tuned ? "[rate]\nkind = 'cdat'\nsigma = 1.3\n"
                              : "learning_rate = 0.6\n[schedule]\nkind = 'linear'\n"))
            ->solve();
    std::vector<double> lambda(n), weight(n), a(n, 1.0), b(n);
    for (std::size_t k = 0; k < n; ++k) {
      const double phi = pi * static_cast<double>(k + 1) / (n + 1.0), sine = std::sin(phi);
      lambda[k] = 1 + delta + 2 * std::sqrt(delta) * std::cos(phi);
      weight[k] = 2 / (n + 1.0) * sine * sine / lambda[k];
    }
    for (std::size_t t = 0; t < theory.steps.size(); ++t) {
      double loss = 0, slope = 0, curvature = 0;
      for (std::size_t k = 0; k < n; ++k) {
        loss += weight[k] * a[k] * a[k] / 2;
        b[k] = momentum * b[k] + lambda[k] * a[k];
        slope += weight[k] * a[k] * b[k];
        curvature += weight[k] * b[k] * b[k];
      }
      CHECK(models::testing::column(theory, "loss")[t] == Approx(loss).epsilon(1e-8));
      const double eta = tuned ? 1.3 * std::max(slope, 0.0) / curvature : .6 * (1 - static_cast<double>(t) / 60);
      if (tuned && t + 1 < theory.steps.size())
        CHECK(models::testing::column(theory, "learning_rate")[t + 1] == Approx(eta).epsilon(1e-8));
      for (std::size_t k = 0; k < n; ++k) a[k] -= eta * b[k];
    }
  }
}

TEST_CASE("where the limit cannot tell the slope of a step it says so, or keeps its rate") {
  const auto text = [](const std::string& data) {
    return "model = 'quadratic-regression'\n[data]\noutputs = 40\n" + data +
           "[time]\nsteps = 60\n[rate]\nkind = 'cdat'\nsigma = 1.5\n";
  };
  CHECK(holds(error_of(text("parameters = 80\njacobian_variance = 1e-60\n"), true), "too far apart"));
  // More outputs than parameters: the loss has a floor, (1 - 1/delta)/2, and nothing falls there.
  const auto floor = prepare(text("parameters = 10\ncurvature = 0\n"))->solve();
  REQUIRE(floor.valid_until);
  CHECK(*floor.valid_until < 60);
  CHECK(holds(floor.warnings.back(), "the rate stays"));
  CHECK(models::testing::column(floor, "loss").back() == Approx(.375).epsilon(1e-9));
  // In other units of the outputs and of the parameters: the same loss, relative.
  const auto one = prepare(text("parameters = 80\n"))->solve();
  const auto other =
      prepare(text("parameters = 80\nresidual_variance = 1e-12\njacobian_variance = 1e8\ncurvature = 1e28\n"))->solve();
  for (std::size_t k = 0; k < one.steps.size(); k += 5)
    CHECK(models::testing::column(other, "loss")[k] ==
          Approx(1e-12 * models::testing::column(one, "loss")[k]).epsilon(1e-6));
}
