// What the quadratic map says of a run, against loops over its definition.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "models/quadratic_map/regression.hpp"
#include "solvers/flow.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/ingredients/central_flow_at_rest.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::flag;
using models::testing::number;
using models::testing::report;
using models::testing::there;
using models::testing::words;

namespace {

// z_0 = .4, J_0 = (.9, .5), omega = (1.5, -.3).
constexpr double eta = 0.7;
const std::vector<double> omega{1.5, -0.3};

struct State {
  double z = 0.4;
  std::vector<double> J{0.9, 0.5};
  double T(int k) const { return std::pow(omega[0], k) * J[0] * J[0] + std::pow(omega[1], k) * J[1] * J[1]; }
  double E() const { return z - T(-1) / 2; }
};

std::unique_ptr<models::Problem> problem(const std::string& more, const std::string& optimizer = "") {
  return models::testing::prepare(fmt::format(
      "model = 'quadratic-map'\n[data]\ncurvature = [1.5, -0.3]\n[initial]\nresidual = 0.4\njacobian = [0.9, "
      "0.5]\n[time]\nat = [1, 2, 3, 8]\n[optimizer]\nlearning_rate = 0.7\n{}\n{}",
      optimizer, more));
}

}  // namespace

TEST_CASE("steps of gradient descent and of SAM: every column, and what is reported") {
  for (const double rho : {0.0, 0.2}) {
    CAPTURE(rho);
    const auto of = problem("[theory]\nmethod = 'map'\n", rho == 0 ? "" : "kind = 'sam'\nrho = 0.2");
    const auto t = of->solve();
    const auto simulation = of->simulate();
    const auto run = simulation->replica(1, 0);
    std::vector<double> row(simulation->observables().size());
    REQUIRE(row.size() == 6);
    State s;
    std::size_t at = 0;
    const double E0 = s.E();
    for (int k = 0; k <= 8; ++k) {
      if (static_cast<double>(k) == t.steps[at]) {
        CAPTURE(k);
        CHECK(column(t, "loss")[at] == Approx(s.z * s.z / 2).epsilon(1e-12));
        CHECK(column(t, "residual")[at] == Approx(s.z).epsilon(1e-12));
        CHECK(column(t, "sharpness")[at] == Approx(s.T(0)).epsilon(1e-12));
        CHECK(column(t, "normalized_sharpness")[at] == Approx(eta * s.T(0)).epsilon(1e-12));
        CHECK(column(t, "curvature_moment")[at] == Approx(s.T(1)).epsilon(1e-12));
        CHECK(column(t, "invariant")[at] == Approx(E0).epsilon(1e-12));
        run->advance(static_cast<std::uint64_t>(k));
        run->observe(row);
        for (std::size_t o = 0; o < row.size(); ++o)
          CHECK(row[o] == Approx(column(t, simulation->observables()[o].name)[at]).epsilon(1e-11));
        ++at;
      }
      if (k == 8) break;
      // The gradient of z^2/2 at theta + rho times itself; z is quadratic in the step, J linear.
      State ahead = s;
      for (int i = 0; i < 2; ++i) {
        const double d = rho * s.z * s.J[i];
        ahead.z += s.J[i] * d + omega[i] * d * d / 2;
        ahead.J[i] += omega[i] * d;
      }
      State next = s;
      for (int i = 0; i < 2; ++i) {
        const double d = -eta * ahead.z * ahead.J[i];
        next.z += s.J[i] * d + omega[i] * d * d / 2;
        next.J[i] += omega[i] * d;
      }
      s = next;
    }
    CHECK(report(t, "last_normalized_sharpness") == Approx(eta * s.T(0)).epsilon(1e-12));
    CHECK(report(t, "invariant_drift") < 1e-14);
    CHECK(report(t, "invariant_drift") > 0);  // of rounding
    CHECK(models::testing::label(t, "outcome") == "bounded");
  }
}

TEST_CASE("gradient flow by Runge and Kutta, where it ends, and its rates at the start") {
  const auto of = problem("[theory]\nmethod = 'flow'\n");
  const auto t = of->solve();
  const auto findings = of->stability();
  State s;
  const auto slope = [](const State& x) {
    State out;
    out.z = -x.z * x.T(0);
    for (int i = 0; i < 2; ++i) out.J[i] = -x.z * omega[i] * x.J[i];
    return out;
  };
  const auto moved = [](State x, const State& by, double dt) {
    x.z += dt * by.z;
    for (int i = 0; i < 2; ++i) x.J[i] += dt * by.J[i];
    return x;
  };
  const auto advance = [&](double time, int steps) {
    const double dt = time / steps;
    for (int k = 0; k < steps; ++k) {
      const State a = slope(s), b = slope(moved(s, a, dt / 2)), c = slope(moved(s, b, dt / 2)),
                  d = slope(moved(s, c, dt));
      s = moved(moved(moved(moved(s, a, dt / 6), b, dt / 3), c, dt / 3), d, dt / 6);
    }
  };
  for (std::size_t k = 1; k < t.steps.size(); ++k) {
    advance(eta * (t.steps[k] - t.steps[k - 1]), 500);
    CHECK(column(t, "residual")[k] == Approx(s.z).epsilon(1e-8));
    CHECK(column(t, "sharpness")[k] == Approx(s.T(0)).epsilon(1e-8));
  }
  advance(200, 20000);
  CHECK(std::abs(s.z) < 1e-12);
  CHECK(number(findings, "flow_sharpness_limit") == Approx(eta * s.T(0)).epsilon(1e-8));
  CHECK(report(t, "flow_sharpness_limit") == Approx(eta * s.T(0)).epsilon(1e-8));
  CHECK(number(findings, "flow_residual_limit") == 0);
  // A step takes the time eta: eta lambda moves by eta^2 dT/dt a step.
  const State start;
  CHECK(number(findings, "sharpening_rate") == Approx(eta * eta * -2 * start.z * start.T(1)).epsilon(1e-13));
  const double h = 1e-4;
  const auto rate = [](const State& x) { return -2 * x.z * x.T(1); };
  const State a = slope(start);
  const double bend = (rate(moved(start, a, h)) - rate(moved(start, a, -h))) / (2 * h);
  CHECK(number(findings, "sharpening_acceleration") == Approx(eta * eta * eta * bend).epsilon(1e-6));
  CHECK(flag(findings, "flow_sharpens") == (s.T(0) > start.T(0)));
  // E in units where the larger curvature is 1: z eta omega.
  CHECK(number(findings, "invariant") == Approx(start.E()).epsilon(1e-13));
  CHECK(number(findings, "normalized_invariant") == Approx(eta * 1.5 * start.E()).epsilon(1e-13));
  CHECK(number(findings, "epsilon") == Approx(0.2).epsilon(1e-13));
  // u - 2 z; with J_2 held T(0) = u - 2 z + eta .25 < 0 at z = 0, which is thus never reached.
  const double u = eta * 0.81, z = eta * 1.5 * 0.4;
  CHECK(number(findings, "mu") == Approx(u - 2 * z).epsilon(1e-12));
  CHECK(!there(findings, "minimum_sharpness"));
  CHECK(number(findings, "sharpness_edge") == 2);
}

TEST_CASE("what is predicted of the edge holds far from small epsilon") {
  // mu + epsilon W_0 is on the other side of 2 than the orbit's end in the first three.
  for (const auto& c : {std::array{1.0, -.12, 2.2, .3}, {.6, .2, 1.9, .3}, {.3, .2, 1.9, .3}, {.6, -.3, 1.5, .3}}) {
    CAPTURE(c[0]);
    CAPTURE(c[1]);
    const auto found = models::testing::prepare(
                           fmt::format("model = 'quadratic-map'\n[time]\nsteps = 1\n[data]\nepsilon = {}\n[initial]\n"
                                       "residual = {}\nminimum_sharpness = {}\ninvariant = {}\n",
                                       c[0], c[1], c[2], c[3]))
                           ->stability();
    CHECK(words(found, "predicted_outcome") == words(found, "outcome"));
    if (words(found, "outcome") == "converged")
      CHECK(number(found, "predicted_sharpness_limit") == Approx(number(found, "sharpness_limit")).epsilon(.05));
  }
}

TEST_CASE("what there is not is no finding") {
  const auto found = [](const std::string& text) {
    return models::testing::prepare("model = 'quadratic-map'\n[time]\nsteps = 10\n" + text)->stability();
  };
  const std::string diverges = "[data]\ncurvature = [-0.382]\n[initial]\nresidual = -0.029\njacobian = [-2.17]\n";
  const std::string settles =
      "[data]\ncurvature = [0.627, -0.715]\n[initial]\nresidual = 0.182\njacobian = [-0.456, 0.734]\n[optimizer]\nkind "
      "= 'sam'\nlearning_rate = 1.0\nrho = 0.2\n";
  const auto diverged = found(diverges + "[optimizer]\nlearning_rate = 1.0\n"), settled = found(settles);
  CHECK(!flag(diverged, "bounded"));
  for (const char* name : {"residual", "residual_low", "residual_high", "sharpness_limit", "lyapunov_exponent"}) {
    CHECK(!there(diverged, name));
    CHECK(there(settled, name));
  }
  CHECK(flag(settled, "converged"));
  CHECK(words(settled, "predicted_outcome") == "converged");
  // Below E = -T*/2 no minimum is stable under SAM: an outcome, no limit.
  const auto unstable = found(
      "[data]\nepsilon = 0.02\n[initial]\nresidual = 0.05\njacobian = [1.5, 0.1]\n[optimizer]\nkind = 'sam'\n"
      "learning_rate = 1.0\nrho = 0.2\n[theory]\nlimit_steps = 5000\n");
  CHECK(number(unstable, "normalized_invariant") < -0.5 * number(unstable, "sharpness_edge"));
  CHECK(words(unstable, "predicted_outcome") == "persistent_oscillation");
  CHECK(words(unstable, "outcome") == "persistent_oscillation");
  CHECK(!there(unstable, "predicted_sharpness_limit"));
  // Curvatures of one sign and z_0 > J^2/(2 omega): J falls to 0 before z does, and no minimum has a sharpness.
  const auto stuck = found(
      "[data]\ncurvature = [1.0]\n[initial]\nresidual = 2.0\njacobian = [0.3]\n[optimizer]\nlearning_rate = 0.3\n");
  CHECK(words(stuck, "predicted_outcome") == "stationary");
  CHECK(!there(stuck, "minimum_sharpness"));
  // J^2 = 2 omega z: both reach 0 together, and the sharpness there is 0.
  const auto edge = found(
      "[data]\ncurvature = [1.0]\n[initial]\nresidual = 0.5\njacobian = [1.0]\n[optimizer]\nlearning_rate = 1.0\n"
      "[theory]\nlimit_steps = 100\n");
  CHECK(number(edge, "minimum_sharpness") == 0);
  // J_2^2 - 2 z omega_2 at z = 0, and J_1^2, which is held.
  CHECK(number(settled, "minimum_sharpness") ==
        Approx(0.734 * 0.734 + 2 * 0.182 * 0.715 + 0.456 * 0.456).epsilon(1e-12));
  for (const auto& list : {diverged, settled})
    for (const auto& f : list)
      if (const auto* value = std::get_if<double>(&f.value)) CHECK(!std::isnan(*value));
}

TEST_CASE("a cycle of two: its ends, its sharpness, its exponent, and the longest cycle looked for") {
  // One parameter, omega = 1: J^2 = 2 (z - E), z' = z (1 - (z - E)(2 - z)); below E = -1 no minimum is stable.
  const auto found = [](const std::string& theory) {
    return models::testing::prepare(
               "model = 'quadratic-map'\n[data]\ncurvature = [1.0]\n[initial]\nresidual = 0.1\n"
               "sharpness = 2.4\n[time]\nsteps = 10\n[theory]\n" +
               theory)
        ->stability();
  };
  constexpr double E = -1.1;
  const auto step = [](double z) { return z * (1 - (z - E) * (2 - z)); };
  const auto slope = [&](double z) { return (step(z + 1e-6) - step(z - 1e-6)) / 2e-6; };
  double z = 0.1;
  for (int k = 0; k < 20000; ++k) z = step(z);
  const double other = step(z);
  REQUIRE(std::abs(step(other) - z) < 1e-13);
  REQUIRE(std::abs(other - z) > 0.01);
  const auto findings = found("");
  CHECK(words(findings, "outcome") == "persistent_oscillation");
  CHECK(number(findings, "period") == 2);
  CHECK(number(findings, "residual_low") == Approx(std::min(z, other)).epsilon(1e-8));
  CHECK(number(findings, "residual_high") == Approx(std::max(z, other)).epsilon(1e-8));
  CHECK(number(findings, "sharpness_limit") == Approx((z - E) + (other - E)).epsilon(1e-8));
  CHECK(number(findings, "lyapunov_exponent") == Approx(std::log(std::abs(slope(z) * slope(other))) / 2).epsilon(1e-2));
  CHECK(flag(findings, "bounded"));
  CHECK_FALSE(flag(findings, "converged"));
  const auto shorter = found("max_period = 1\nlimit_steps = 3000\n");
  CHECK(number(shorter, "period") == 0);
  CHECK(number(shorter, "steps") == 3000);
}

TEST_CASE("starts given by sharpness, minimum sharpness, invariant or moment are the Jacobians they stand for") {
  const State s;
  const double lambda = s.T(0);
  const auto with = [&](const std::string& start) {
    return models::testing::prepare(
               "model = 'quadratic-map'\n[data]\ncurvature = [1.5, -0.3]\n[initial]\nresidual = "
               "0.4\n" +
               start + "\n[time]\nat = [1, 5]\n")
        ->solve();
  };
  const auto expected = with("jacobian = [0.9, 0.5]");
  for (const std::string& sharpness :
       {fmt::format("sharpness = {}", lambda), fmt::format("minimum_sharpness = {}", lambda - 2 * 1.5 * 0.4)})
    for (const std::string& other :
         {fmt::format("invariant = {}", s.E()), fmt::format("curvature_moment = {}", s.T(1))}) {
      const auto t = with(sharpness + "\n" + other);
      for (const char* name : {"residual", "sharpness", "curvature_moment"})
        for (std::size_t k = 0; k < 3; ++k)
          CHECK(column(t, name)[k] == Approx(column(expected, name)[k]).epsilon(1e-10));
    }
}

TEST_CASE("the two-step normal form by its map, in the units of the problem") {
  const auto t = problem("[theory]\nmethod = 'two-step'\n")->solve();
  // omega = (1, -epsilon) with z times eta 1.5 and J^2 times eta.
  const double z = eta * 1.5 * 0.4, u = eta * 0.81, w = eta * 0.25, epsilon = 0.2, E = z - u / 2 + w / (2 * epsilon);
  double y = z * z, m = u - 2 * z + w - 2 + w * z;
  REQUIRE(t.steps == std::vector<double>{0, 2, 8});
  std::size_t at = 0;
  for (int k = 0; k <= 4; ++k) {
    if (t.steps[at] == 2 * k) {
      CHECK(column(t, "loss")[at] == Approx(0.5 * y / std::pow(eta * 1.5, 2)).epsilon(1e-12));
      CHECK(column(t, "minimum_sharpness")[at] == Approx(2 + m).epsilon(1e-12));
      ++at;
    }
    const double W = (m + 2 + 2 * E) / (1 + epsilon), next = y + y * (4 * m - 8 * y);
    m -= 2 * epsilon * W * y;
    y = next;
  }
  CHECK(t.warnings.size() == 1);  // odd steps are left out
}

TEST_CASE("the central flow of one parameter: at rest from its edge on, beside a cycle of two") {
  // eta lambda = u + z is held at 2 with u = 2 (z - E): z = 2 (1 + E)/3, and the oscillation's pull 3 w^2/2 J is that of
  // z J, so that w^2 = -2 z/3. Averaged over J -+ w and z -+ J w + w^2/2. In units where eta = omega = 1.
  constexpr double E = -1.1, z = 2 * (1 + E) / 3, u = 2 * (z - E), w2 = -2 * z / 3;
  const double loss = 0.5 * (std::pow(z + w2 / 2, 2) + u * w2);
  constexpr double rate = 0.5, curvature = 1.6, unit = rate * curvature;
  const auto of = [&](double invariant, double start) {  // z at the start
    return models::testing::prepare(
        fmt::format("model = 'quadratic-map'\n[data]\ncurvature = [{}]\n[initial]\nresidual = {}\njacobian = "
                    "[{}]\n[time]\nat = [3, 1000, 2000]\n[optimizer]\nlearning_rate = {}\n[theory]\nmethod = "
                    "'central-flow'\n",
                    curvature, start / unit, std::sqrt(2 * (start - invariant) / rate), rate));
  };
  const auto flow = of(E, -0.2);
  const auto t = flow->solve();
  CHECK(models::testing::label(t, "edge") == "held");
  CHECK(models::testing::label(of(-0.5, -0.3)->solve(), "edge") == "not reached");  // u = 1 where z = 0
  for (const std::size_t k : {2u, 3u}) {
    CHECK(column(t, "eta_sharpness")[k] == Approx(2).epsilon(1e-6));
    CHECK(column(t, "oscillation")[k] == Approx(w2 / (unit * curvature)).epsilon(1e-6));
    CHECK(column(t, "loss")[k] == Approx(loss / (unit * unit)).epsilon(1e-6));
    CHECK(column(t, "normalized_sharpness")[k] == Approx(u + w2).epsilon(1e-6));
  }
  CHECK(column(t, "mean_loss")[3] == Approx(loss / (unit * unit)).epsilon(1e-6));
  CHECK(column(t, "mean_normalized_sharpness")[3] == Approx(u + w2).epsilon(1e-6));
  const auto cycle = models::testing::check_play_at_rest(t, E, 2000, loss);
  // The flow is at its edge after one step, of descent |z| J, half of which is off its mean along w.
  const double off = 0.2 * std::sqrt(2 * (-0.2 - E)) / 2 / std::sqrt(w2);
  models::testing::check_claim_at_rest(*flow, t, loss / (unit * unit), off, 0.75, 1.33);
  // A run comes to the cycle: eta lambda = 2 (z - E) at both of its ends.
  const auto simulation = flow->simulate();
  const auto run = simulation->replica(1, 0);
  std::vector<double> row(simulation->observables().size());
  for (const std::uint64_t at : {1000, 2000}) run->advance(at);
  run->observe(row);
  REQUIRE(row.size() == 8);
  CHECK(simulation->observables()[6].name == "mean_loss");
  CHECK(row[6] == Approx(cycle.ratio * loss / (unit * unit)).epsilon(1e-5));
  CHECK(simulation->observables()[7].name == "mean_normalized_sharpness");
  CHECK(row[7] == Approx(cycle.first + cycle.second - 2 * E).epsilon(1e-5));
}

TEST_CASE("the flow reports the steps that its solver takes at its tolerance") {
  using namespace models::quadratic_map;
  const QuadraticRegression direct{{1.5, -0.3}, 0.4, {0.9, 0.5}, MapRule::gd, 0};
  for (const double rtol : {1e-4, 1e-8}) {
    const auto t =
        models::testing::prepare(
            fmt::format("model = 'quadratic-map'\n[data]\ncurvature = [1.5, -0.3]\n[initial]\nresidual = "
                        "0.4\njacobian = [0.9, 0.5]\n[time]\nat = [5, 40]\n[theory]\nmethod = 'flow'\nrtol = {}\n",
                        rtol))
            ->solve();
    solvers::FlowOptions options;
    options.rtol = rtol;
    options.atol = 1e-3 * rtol;
    const auto flow =
        solvers::integrate_flow(regression_flow(direct), direct.start(), std::vector<double>{0, 5, 40}, options);
    CHECK(report(t, "integration_steps") == static_cast<double>(flow.steps));
    CHECK(column(t, "residual").back() == Approx(flow.states.back()[0]).epsilon(1e-12));
  }
}

TEST_CASE("the invariant's drift is the largest of its column, in units of the residual") {
  // In powers of 2 units change no digit, and every step is recorded.
  std::string every = "1";
  for (int k = 2; k <= 300; ++k) every += fmt::format(", {}", k);
  const auto of = models::testing::prepare(
      "model = 'quadratic-map'\n[data]\ncurvature = [2.0, -0.3]\n[initial]\nresidual = 0.4\njacobian = [0.9, "
      "0.5]\n[optimizer]\nlearning_rate = 0.5\n[time]\nat = [" +
      every + "]\n");
  const auto largest = [](const models::Trajectory& t, double until) {
    const auto& E = column(t, "invariant");
    double out = 0;
    for (std::size_t k = 0; k < E.size() && static_cast<double>(k) <= until; ++k)
      out = std::max(out, std::abs(E[k] - E[0]));
    return out;
  };
  const auto t = of->solve();
  REQUIRE(t.steps.size() == 301);
  CHECK(report(t, "invariant_drift") > 0);
  CHECK(report(t, "invariant_drift") == Approx(largest(t, 300)).epsilon(1e-9));
  const auto found = of->stability();
  REQUIRE(number(found, "steps") <= 300);
  CHECK(number(found, "invariant_drift") > 0);
  CHECK(number(found, "invariant_drift") == Approx(largest(t, number(found, "steps"))).epsilon(1e-9));
}

TEST_CASE("the edge is ahead where the flow from the start ends beyond it, and a run diverges beyond its limit") {
  // One parameter: the flow ends at u - 2 z in units where eta = omega = 1.
  for (const auto& [z, u, ahead] : {std::tuple{-0.1, 1.9, true}, {-0.1, 1.7, false}}) {
    const auto found = models::testing::prepare(
                           fmt::format("model = 'quadratic-map'\n[data]\ncurvature = [1.0]\n[initial]\nresidual = "
                                       "{}\nsharpness = {}\n[time]\nsteps = 3\n[theory]\nlimit_steps = 2000\n",
                                       z, u))
                           ->stability();
    CHECK(flag(found, "edge") == ahead);
  }
  // z' = z (1 - J^2) + z^2 J^2 omega/2, J' = J (1 - omega z); beyond a million of 1 + z_0 or J_0 + 1/omega.
  const double curvature = -0.382;
  double z = -0.029, J = -2.17;
  const double limit = 1e6 * (1 - J - 1 / curvature);
  int steps = 0;
  for (; std::abs(z) <= limit && std::abs(J) <= limit; ++steps) {
    const double next = z * (1 - J * J) + z * z * J * J * curvature / 2;
    J *= 1 - curvature * z;
    z = next;
  }
  const auto t = models::testing::prepare(
                     "model = 'quadratic-map'\n[data]\ncurvature = [-0.382]\n[initial]\nresidual = -0.029\njacobian "
                     "= [-2.17]\n[time]\nsteps = 1000\n")
                     ->solve();
  CHECK(models::testing::label(t, "outcome") == "diverged");
  REQUIRE(t.diverged_at);
  CHECK(*t.diverged_at == steps);
}
