// The linear model's exact means: against the simulation's own steps averaged over all batches.
#include "models/quadratic_regression/theory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "models/ingredients/kernel_stability.hpp"
#include "models/quadratic_regression/steps.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::quadratic_regression::QuadraticProblem;
using models::testing::column;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

QuadraticProblem linear_problem(std::size_t batch, double rho) {
  QuadraticProblem p;
  p.law.outputs = 4;
  p.law.parameters = 5;
  p.law.curvature = 0;
  p.shared_initial = true;
  p.sam = rho > 0;
  p.rule.learning_rate = 0.3;
  p.rule.rho = rho;
  p.batch = batch;
  p.time.steps = 3;
  p.time.at = {0, 1, 2, 3};
  p.seed = 6;
  return p;
}

/// Means over all sequences of batches, of z and of the loss per output.
struct Means {
  std::vector<double> overlap, loss;
};

void follow(const QuadraticProblem& p, const models::quadratic_regression::QuadraticState& state,
            const std::vector<double>& z0, std::size_t step, double weight, Means& out) {
  double overlap = 0, square = 0;
  for (std::size_t a = 0; a < z0.size(); ++a) {
    overlap += z0[a] * state.residual()[a];
    square += z0[a] * z0[a];
  }
  out.overlap[step] += weight * overlap / square;
  out.loss[step] += weight * state.loss() / static_cast<double>(z0.size());
  if (step + 1 == out.loss.size()) return;
  std::vector<bool> in(z0.size(), false);
  std::fill(in.end() - static_cast<std::ptrdiff_t>(p.batch), in.end(), true);
  std::vector<std::vector<std::size_t>> batches;
  do {
    batches.emplace_back();
    for (std::size_t a = 0; a < in.size(); ++a)
      if (in[a]) batches.back().push_back(a);
  } while (std::next_permutation(in.begin(), in.end()));
  for (const auto& batch : batches) {
    models::quadratic_regression::QuadraticState next = state;
    models::quadratic_regression::QuadraticRule rule = p.rule;
    rule.learning_rate = p.learning_rate(static_cast<double>(step));
    next.step(rule, batch);
    follow(p, next, z0, step + 1, weight / static_cast<double>(batches.size()), out);
  }
}

Means enumerated(const QuadraticProblem& p, const models::ingredients::QuadraticInstance& instance) {
  Means out{std::vector<double>(4, 0.0), std::vector<double>(4, 0.0)};
  follow(p, models::quadratic_regression::QuadraticState(instance), instance.z0, 0, 1, out);
  return out;
}

models::ingredients::QuadraticInstance instance_of(const QuadraticProblem& p) {
  const models::ingredients::QuadraticStart start = models::quadratic_regression::quadratic_start(p, p.seed, 0);
  return {
      start.z0, start.j0,
      models::ingredients::CurvatureTensor(p.law, p.seed, 0, models::ingredients::CurvatureTensor::Storage::stored)};
}

const std::string text =
    "model = 'quadratic-regression'\n[data]\noutputs = 6\nparameters = 9\ncurvature = 0\nshared_initial = true\n"
    "[optimizer]\nkind = 'sam'\nlearning_rate = 0.2\nrho = 0.3\nbatch = 2\n[time]\nsteps = 9\n"
    "[theory]\nmethod = 'linear-mean'\n";

std::string with(std::string out, const std::string& part, const std::string& other) {
  out.replace(out.find(part), part.size(), other);
  return out;
}

}  // namespace

TEST_CASE("means are those over all sequences of batches") {
  for (const double rho : {0.0, 0.4})
    for (const std::size_t batch : {1u, 2u, 3u, 4u}) {
      const QuadraticProblem p = linear_problem(batch, rho);
      const models::Trajectory theory = models::quadratic_regression::solve_linear_mean(p);
      const Means exact = enumerated(p, instance_of(p));
      CAPTURE(rho);
      CAPTURE(batch);
      CHECK(theory.exact);
      for (std::size_t t = 0; t < 4; ++t)
        CHECK(theory.find("residual_overlap")->value[t] == Approx(exact.overlap[t]).epsilon(1e-12));
      for (std::size_t t = 0; t < 4; ++t) CHECK(theory.find("loss")->value[t] == Approx(exact.loss[t]).epsilon(1e-12));
    }
}

TEST_CASE("residuals that are drawn: the average over an orthogonal frame of them") {
  QuadraticProblem p = linear_problem(2, 0.3);
  const models::ingredients::QuadraticInstance instance = instance_of(p);
  p.shared_initial = false;
  p.given_j0 = instance.j0;
  p.law.residual_variance = 1.7;
  const models::Trajectory theory = models::quadratic_regression::solve_linear_mean(p);
  std::vector<double> overlap(4, 0.0), loss(4, 0.0);
  for (std::size_t a = 0; a < 4; ++a) {
    models::ingredients::QuadraticInstance unit = instance;
    std::ranges::fill(unit.z0, 0.0);
    unit.z0[a] = 1;
    const Means means = enumerated(p, unit);
    for (std::size_t t = 0; t < 4; ++t) {
      overlap[t] += means.overlap[t] / 4;
      loss[t] += 1.7 * means.loss[t];
    }
  }
  for (std::size_t t = 0; t < 4; ++t) {
    CHECK(theory.find("residual_overlap")->value[t] == Approx(overlap[t]).epsilon(1e-12));
    CHECK(theory.find("loss")->value[t] == Approx(loss[t]).epsilon(1e-12));
  }
}

TEST_CASE("two outputs by their kernel: means, loss and the step of divergence") {
  // K = J J' = [[1.04, .46], [.46, .89]]; E z_t = (I - eta b K)^t z_0.
  const auto solve = [](double eta, int batch, const std::string& at) {
    return prepare(
               "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nJ0 = [[1, 0.2, 0], [0.3, 0.8, -0.4]]\nz0 "
               "= [0.7, -0.5]\ncurvature = 0\n[theory]\nmethod = 'linear-mean'\n[optimizer]\nkind = "
               "'sgd'\nlearning_rate = " +
               std::to_string(eta) + "\nbatch = " + std::to_string(batch) + "\n[time]\n" + at + "\n")
        ->solve();
  };
  const auto step = [](double(&z)[2], double eta) {
    const double a = z[0] - eta * (1.04 * z[0] + .46 * z[1]), b = z[1] - eta * (.46 * z[0] + .89 * z[1]);
    z[0] = a, z[1] = b;
  };
  for (const int batch : {1, 2}) {
    const auto t = solve(.3, batch, "at = [1, 2, 3, 4, 5]");
    double z[2] = {.7, -.5};
    for (std::size_t k = 0; k < 6; ++k) {
      CHECK(column(t, "residual_overlap")[k] == Approx((.7 * z[0] - .5 * z[1]) / .74).epsilon(1e-12));
      CHECK(column(t, "ntk_mean")[k] == Approx((1.04 + .89) / 2).epsilon(1e-12));
      if (batch == 2) CHECK(column(t, "loss")[k] == Approx((z[0] * z[0] + z[1] * z[1]) / 4).epsilon(1e-12));
      step(z, .3 * batch / 2);
    }
  }
  // Recorded at every step: the first where the loss is above a million of the first.
  double z[2] = {.7, -.5};
  int steps = 0;
  for (; z[0] * z[0] + z[1] * z[1] <= 1e6 * .74; ++steps) step(z, 2.5);
  std::string every = "at = [1";
  for (int k = 2; k < 40; ++k) every += ", " + std::to_string(k);
  REQUIRE(steps > 5);
  REQUIRE(steps < 40);
  const auto grows = solve(2.5, 2, every + "]");
  REQUIRE(grows.diverged_at);
  CHECK(*grows.diverged_at == steps);
  CHECK(grows.steps.back() == steps - 1);
}

TEST_CASE("schedules; divergence of the mean at its critical rate, of the mean square before") {
  const auto constant = prepare(text)->solve(), cosine = prepare(text + "[schedule]\nkind = 'cosine'\n")->solve();
  CHECK(constant.find("residual_overlap")->value[1] == Approx(cosine.find("residual_overlap")->value[1]));
  CHECK(constant.find("residual_overlap")->value.back() < cosine.find("residual_overlap")->value.back());
  const auto critical = [](const std::string& experiment) {
    for (const models::Finding& f : prepare(experiment)->stability())
      if (f.name == "eta_mean") return std::get<double>(f.value);
    return 0.0;
  };
  const auto diverges = [](const std::string& experiment, double eta) {
    std::string now = with(experiment, "learning_rate = 0.2", "learning_rate = " + std::to_string(eta));
    return prepare(with(now, "steps = 9", "steps = 3000"))->solve().diverged_at.has_value();
  };
  const std::string full = with(text, "batch = 2", "batch = 6");
  CHECK_FALSE(diverges(full, 0.98 * critical(full)));
  CHECK(diverges(full, 1.02 * critical(full)));
  CHECK_FALSE(diverges(text, 0.1 * critical(text)));
  CHECK(diverges(text, 0.98 * critical(text)));
  // Without SAM the mean is stable to larger rates.
  CHECK(critical(with(with(text, "'sam'", "'sgd'"), "rho = 0.3\n", "")) > critical(text));
}

TEST_CASE("what the linear mean cannot do is named") {
  CHECK(error_of(text, true, true) == "no error");
  CHECK(holds(error_of(with(text, "curvature = 0", "curvature = 1"), true), "data.curvature = 0"));
  CHECK(holds(error_of(with(text, "shared_initial = true\n", ""), true), "needs one Jacobian in all replicas"));
  CHECK(holds(error_of(with(text, "rho = 0.3", "rho = 0.3\nnormalised = true"), true), "normalised SAM"));
}
