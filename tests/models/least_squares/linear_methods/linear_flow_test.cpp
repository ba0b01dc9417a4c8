#include "models/least_squares/linear_methods/linear_flow.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "models/least_squares/linear_methods/stability.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise::tests;
using edgewise::models::testing::error_with;
using edgewise::models::testing::holds;
using edgewise::models::testing::report;
using edgewise::tests::Approx;

namespace {

LinearProblem momentum(const std::string& kind, double eta, double bm, double batch, double sigma2,
                       std::vector<std::uint64_t> at, double unit = 1) {
  edgewise::spectra::Spectrum s;
  s.eigenvalue = {1 * unit, 0.3 * unit, 0.05 * unit};
  s.multiplicity = {1, 3, 2};
  s.target_power = {1 / unit, 0.5 / unit, 2 / unit};
  return problem_of(data_of(edgewise::spectra::checked(s), sigma2, std::move(at)), "momentum",
                    "learning_rate = " + std::to_string(eta) + "\nmomentum = " + std::to_string(bm) +
                        "\nmomentum_kind = '" + kind +
                        "'\nbatch = " + (std::isinf(batch) ? "inf" : std::to_string(static_cast<int>(batch))));
}

/// dD/dt, dX/dt, dM/dt of section 5 written out, by fourth-order Runge-Kutta; P at `end`.
double literal(const LinearProblem& problem, double c1, double c2, double bm, bool diff, double end, double step) {
  const auto& s = problem.data->spectrum;
  const double eta = problem.hyperparameters("learning_rate"), B = problem.hyperparameters("batch"), c = c1 + c2;
  const std::size_t n = s.modes();
  using State = std::vector<std::array<double, 3>>;
  const auto risk = [&](const State& C) {
    double P = 0;
    for (std::size_t a = 0; a < n; ++a) P += s.eigenvalue[a] * C[a][0];
    return P;
  };
  const auto rate = [&](const State& C) {
    State out(n);
    const double Q = risk(C) + problem.data->noise_variance();
    for (std::size_t a = 0; a < n; ++a) {
      const auto [D, X, M] = C[a];
      const double l = s.eigenvalue[a], N = (s.multiplicity[a] * l * Q + l * l * D) / B;
      const double a11 = -eta * c * l, a12 = -eta * c2 * bm, a21 = l, a22 = bm - 1;
      out[a][0] = 2 * (a11 * D + a12 * X) + N * eta * c * eta * c;
      out[a][1] = a11 * X + a12 * M + a21 * D + a22 * X - N * eta * c;
      out[a][2] = 2 * (a21 * X + a22 * M) + N;
      if (!diff) continue;
      out[a][0] += a11 * a11 * D + 2 * a11 * a12 * X + a12 * a12 * M;
      out[a][1] += a11 * a21 * D + (a11 * a22 + a12 * a21) * X + a12 * a22 * M;
      out[a][2] += a21 * a21 * D + 2 * a21 * a22 * X + a22 * a22 * M;
    }
    return out;
  };
  const auto moved = [&](State C, const State& by, double h) {
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t i = 0; i < 3; ++i) C[a][i] += h * by[a][i];
    return C;
  };
  State C(n);
  for (std::size_t a = 0; a < n; ++a) C[a] = {problem.data->initial_power[a], 0, 0};
  const int steps = static_cast<int>(std::lround(end / step));
  for (int k = 0; k < steps; ++k) {
    const State k1 = rate(C), k2 = rate(moved(C, k1, step / 2)), k3 = rate(moved(C, k2, step / 2)),
                k4 = rate(moved(C, k3, step));
    for (const auto& [by, share] : {std::pair(&k1, 1.0), std::pair(&k2, 2.0), std::pair(&k3, 2.0), std::pair(&k4, 1.0)})
      C = moved(C, *by, share * step / 6);
  }
  return risk(C);
}

double last_excess(const LinearProblem& problem, FlowLevel level, double rtol = 1e-10) {
  LeastSquaresTheory theory;
  theory.method = TheoryMethod::ode;
  theory.level = level;
  theory.rtol = rtol;
  return solve_linear(problem, theory).find("excess_mse")->value.back();
}

}  // namespace

TEST_CASE("the flow of momentum is the equations of its three moments") {
  struct Row {
    std::string kind;
    double c1, c2;
  };
  for (const Row& row : {Row{"heavy-ball", 0, 1}, Row{"nesterov", 1, 0.8}})
    for (const bool diff : {false, true}) {
      CAPTURE(row.kind);
      CAPTURE(diff);
      const LinearProblem problem = momentum(row.kind, 0.1, 0.8, 2, 0.2, {0, 7, 40});
      CHECK(last_excess(problem, diff ? FlowLevel::diff : FlowLevel::homog) ==
            Approx(literal(problem, row.c1, row.c2, 0.8, diff, 40, 0.01)).epsilon(2e-9));
    }
}

TEST_CASE("without noise a coordinate rotates as exp(A t)") {
  // Heavy ball, one mode: A = [[-a, -eta bm], [lambda, bm - 1]] has the eigenvalues -mu +- i omega.
  const double eta = 0.2, bm = 0.9, end = 30;
  edgewise::spectra::Spectrum s;
  s.eigenvalue = {0.7};
  s.multiplicity = {1};
  s.target_power = {2};
  const LinearProblem problem = problem_of(data_of(edgewise::spectra::checked(s), 0.3, {30}), "momentum",
                                           "learning_rate = 0.2\nmomentum = 0.9\nbatch = inf");
  const double a = eta * 0.7, mu = (a + 1 - bm) / 2, gap = (a - (1 - bm)) / 2, omega2 = eta * bm * 0.7 - gap * gap;
  REQUIRE(omega2 > 0);
  const double omega = std::sqrt(omega2);
  const double v = std::exp(-mu * end) * (std::cos(omega * end) - gap / omega * std::sin(omega * end));
  CHECK(last_excess(problem, FlowLevel::homog, 1e-11) == Approx(0.7 * 2 * v * v).epsilon(1e-8));
}

TEST_CASE("a moment that vanishes beside others takes no more steps") {
  // b = 1 - eta lambda: in the slow direction of T (x) T the error and the momentum are uncorrelated, and their covariance
  // dies out beside their variances. vech C by exp((T (x) T - I) t), of that matrix's eigenvalues by hand: T = .9 +- .3 i has
  // the squared modulus .9, and the squares .72 +- .54 i; from C = diag(1, 0) P = (e^(-.1 t) + e^(-.28 t) cos .54 t)/2.
  edgewise::spectra::Spectrum s;
  s.eigenvalue = {1};
  s.multiplicity = {1};
  s.target_power = {1};
  const LinearProblem problem = problem_of(data_of(edgewise::spectra::checked(s), 0, {40, 400}), "momentum",
                                           "learning_rate = 0.1\nmomentum = 0.9\nbatch = inf");
  LeastSquaresTheory theory;
  theory.method = TheoryMethod::ode;
  theory.level = FlowLevel::diff;
  const Trajectory out = solve_linear(problem, theory);
  const std::vector<double>& P = out.find("excess_mse")->value;
  CHECK(P[0] == Approx((std::exp(-4.0) + std::exp(-0.28 * 40) * std::cos(0.54 * 40)) / 2).epsilon(1e-7));
  CHECK(P[1] == Approx(std::exp(-40.0) / 2).epsilon(1e-5));
  CHECK(report(out, "integration_steps") < 1000);
  // Before the first step the momentum is 0 and, at this level, does not begin to move.
  theory.level = FlowLevel::homog;
  theory.rtol = 1e-12;
  const Trajectory drift = solve_linear(problem_of(data_of(edgewise::spectra::checked(s), 0, {1}), "momentum",
                                                   "learning_rate = 0.1\nmomentum = 0.9\nbatch = inf"),
                                        theory);
  CHECK(drift.find("excess_mse")->value[0] == Approx(std::exp(-0.2) * std::pow(std::cos(0.3), 2)).epsilon(1e-11));
  CHECK(report(drift, "integration_steps") < 100);
}

TEST_CASE("level diff ends where the recursion ends, in any unit") {
  for (const double unit : {1.0, 1e-40, 1e40}) {
    CAPTURE(unit);
    LinearProblem problem = momentum("nesterov", 0.1, 0.5, 2, 0.2, {2000}, unit);
    problem.hyperparameters.set("learning_rate", 0.1 / unit);
    LinearRecursion run(problem);
    run.advance(2000);
    CHECK(last_excess(problem, FlowLevel::diff) == Approx(run.excess_mse()).epsilon(1e-8));
  }
}

TEST_CASE("every observable of an average and of weight decay, by the step's own map") {
  // Where a step changes little, the recursion, the flow and both levels are one.
  struct Row {
    std::string name, text;
  };
  for (const Row& row : {Row{"ema", "average_decay = 0.999\nbatch = 2"}, Row{"sgd", "weight_decay = 0.3\nbatch = 2"}}) {
    const std::string &name = row.name, &text = row.text;
    CAPTURE(name);
    CAPTURE(text);
    const LinearProblem problem =
        problem_of(data_of(power_law(6, 0.5, 0.3), 0.1, {0, 3000, 20000}), name, "learning_rate = 1e-5\n" + text);
    LeastSquaresTheory theory;
    const Trajectory exact = solve_linear(problem, theory);
    theory.method = TheoryMethod::ode;
    for (const FlowLevel level : {FlowLevel::homog, FlowLevel::diff}) {
      theory.level = level;
      const Trajectory flow = solve_linear(problem, theory);
      REQUIRE(flow.columns.size() == exact.columns.size());
      CHECK(flow.steps == exact.steps);
      for (std::size_t c = 0; c < exact.columns.size(); ++c)
        for (std::size_t k = 0; k < 3; ++k) {
          CAPTURE(exact.columns[c].observable.name);
          CHECK(flow.columns[c].value[k] == Approx(exact.columns[c].value[k]).epsilon(1e-3));
        }
      CHECK(flow.find("excess_mse")->value.back() < 0.9 * flow.find("excess_mse")->value.front());
    }
  }
}

TEST_CASE("steps of half the size are half as far from level homog") {
  // h = 1 - bm = eta/.4 at t = 5/h: coordinates, momentum and average keep their shape in h t.
  std::vector<double> gap;
  for (const int parts : {100, 200, 400, 800}) {
    const double h = 1.0 / parts;
    LinearProblem problem =
        problem_of(data_of(power_law(6, 0.5, 0.3), 0.1, {static_cast<std::uint64_t>(5 * parts)}), "ema",
                   "learning_rate = 1\nmomentum = 0.5\nmomentum_kind = 'nesterov'\nbatch = inf\naverage_decay = 0.5");
    problem.hyperparameters.set("learning_rate", 0.4 * h * h);
    problem.hyperparameters.set("momentum", 1 - h);
    problem.hyperparameters.set("average_decay", 1 - h);
    LeastSquaresTheory theory;
    const double exact = solve_linear(problem, theory).find("average_excess_mse")->value.back();
    theory.method = TheoryMethod::ode;
    theory.level = FlowLevel::homog;
    gap.push_back(solve_linear(problem, theory).find("average_excess_mse")->value.back() / exact - 1);
  }
  for (std::size_t i = 1; i < gap.size(); ++i) CHECK(gap[i - 1] / gap[i] == Approx(2).epsilon(0.02));
  CHECK(std::abs(gap.back()) < 0.01);
}

TEST_CASE("the flow diverges at the limit of the recursion, and is refused where a step is not all there is") {
  const LinearProblem problem = momentum("heavy-ball", 0.9, 0.9, 1, 0.2, {0, 100000});
  LeastSquaresTheory theory;
  theory.method = TheoryMethod::ode;
  theory.level = FlowLevel::diff;
  const Trajectory out = solve_linear(problem, theory);
  REQUIRE(out.diverged_at);
  LinearRecursion run(problem);
  run.advance(100000);
  REQUIRE(run.diverged());
  // Per step the recursion grows by r, the flow by exp(r - 1).
  CHECK(*out.diverged_at < static_cast<double>(run.step()) + 2);
  CHECK(*out.diverged_at > 0.5 * static_cast<double>(run.step()));
  CHECK(out.steps.size() == 1);

  const std::string head =
      "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 5\nalpha = 1\nbeta = 0.5\n[time]\nsteps = "
      "20\n[theory]\nmethod = 'ode'\n[optimizer]\nlearning_rate = 0.1\nkind = ";
  const auto said = [&](const std::string& kind, const std::vector<std::string>& overrides = {}) {
    return error_with(head + kind, overrides);
  };
  CHECK(holds(said("'diloco'"), "theory.method: the ode of optimizer diloco is not known: it works in rounds"));
  CHECK(holds(said("'tail-average'"), "its average counts steps"));
  CHECK(holds(said("'momentum'\n[schedule.momentum]\nkind = 'linear'"), "needs constant hyperparameters"));
  CHECK(holds(said("'lookahead'", {"theory.level=diff"}), "theory.level: "));
  CHECK(holds(said("'momentum'", {"theory.level=log"}), "theory.level: "));
}
