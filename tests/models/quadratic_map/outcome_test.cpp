// Where orbits of one-sample quadratic regression end, at degenerate starts and ends and in any units.
#include "models/quadratic_map/outcome.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_map/predictions.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::quadratic_map;
using edgewise::tests::Approx;
using models::testing::error_of;
using models::testing::finding;
using models::testing::holds;
using models::testing::prepare;

namespace {

std::string experiment(const std::string& curvature, const std::string& residual, const std::string& jacobian,
                       const std::string& optimizer = "", const std::string& theory = "") {
  return "model = 'quadratic-map'\n[data]\ncurvature = " + curvature + "\n[initial]\nresidual = " + residual +
         "\njacobian = " + jacobian + "\n[optimizer]\n" + optimizer + "\n[time]\nsteps = 3\n[theory]\n" + theory;
}

/// Gradient descent on z^2/2, z = z_0 + sum J_i theta_i + omega_i theta_i^2/2, in the parameters: z after `steps`.
double descended(const QuadraticRegression& p, double eta, int steps) {
  std::vector<double> theta(p.parameters(), 0.0);
  double z = p.residual;
  for (int k = 0; k < steps; ++k) {
    for (std::size_t i = 0; i < theta.size(); ++i) theta[i] -= eta * z * (p.jacobian[i] + p.curvature[i] * theta[i]);
    z = p.residual;
    for (std::size_t i = 0; i < theta.size(); ++i)
      z += p.jacobian[i] * theta[i] + 0.5 * p.curvature[i] * theta[i] * theta[i];
  }
  return z;
}

Fate fate(std::vector<double> curvature, double residual, std::vector<double> jacobian,
          std::uint64_t max_steps = 20000) {
  OutcomeOptions options;
  options.max_steps = max_steps;
  return outcome_of({std::move(curvature), residual, std::move(jacobian), MapRule::gd, 0}, options).fate;
}

}  // namespace

TEST_CASE("where no parameters fit, the orbit ends at J = 0, which is no convergence") {
  // z = E + J^2/(2 omega) never falls below E = 2 - .09/2.
  const auto found = prepare(experiment("[1.0]", "2.0", "[0.3]", "learning_rate = 0.3"))->stability();
  CHECK(finding<std::string>(found, "outcome") == "stationary");
  CHECK_FALSE(finding<bool>(found, "converged"));
  CHECK(finding<bool>(found, "bounded"));
  CHECK(finding<double>(found, "residual") == Approx(1.955).epsilon(1e-13));
  CHECK(finding<double>(found, "residual") == Approx(descended({{1}, 2, {0.3}, MapRule::gd, 0}, 0.3, 500)));
  CHECK(finding<double>(found, "sharpness_limit") < 1e-25);
  CHECK(finding<double>(found, "flow_sharpness_limit") == 0);
  CHECK(finding<double>(found, "flow_residual_limit") == Approx(1.955).epsilon(1e-14));
  CHECK_FALSE(finding<bool>(found, "flow_sharpens"));
  CHECK(finding<std::string>(found, "predicted_outcome") == "stationary");
  CHECK(finding<double>(found, "predicted_sharpness_limit") == 0);
  // Two curvatures of one sign, from either side.
  for (const double sign : {1.0, -1.0}) {
    const QuadraticRegression two{{sign, 2 * sign}, 0.3 * sign, {0.2, 0.3}, MapRule::gd, 0};
    const Outcome out = outcome_of(two, {});
    CHECK(out.fate == Fate::stationary);
    CHECK(out.residual == Approx(sign * (0.3 - 0.04 / 2 - 0.09 / 4)).epsilon(1e-13));
    CHECK(out.residual == Approx(descended(two, 1, 2000)));
    const FlowEnd flow = flow_end(two);
    CHECK_FALSE(flow.reaches_minimum);
    CHECK(flow.residual == Approx(out.residual).epsilon(1e-13));
    CHECK(flow.sharpness == 0);
  }
  // With the smallest part along the other sign there is a minimum, where the slow variable cannot be held.
  const auto pair = canonical_pair({{1, -0.02}, 0.5, {0.1, 0.05}, MapRule::gd, 0});
  REQUIRE(pair);
  CHECK(pair->minimum_sharpness() < 0);
  CHECK(predicted_fate(*pair) == Fate::converged);
  CHECK(predicted_sharpness(*pair) == Approx(flow_end_sharpness(*pair)).epsilon(1e-10));
  CHECK(fate({1, -0.02}, 0.5, {0.1, 0.05}) == Fate::converged);
}

TEST_CASE("orbits that start at rest") {
  // A saddle: no gradient where J = 0.
  const auto saddle = prepare(experiment("[1.0, -0.05]", "-0.1", "[0.0, 0.0]"))->stability();
  CHECK(finding<std::string>(saddle, "outcome") == "stationary");
  CHECK_FALSE(finding<bool>(saddle, "converged"));
  CHECK(finding<double>(saddle, "residual") == -0.1);
  CHECK(finding<double>(saddle, "sharpness_limit") == 0);
  CHECK(finding<double>(saddle, "flow_residual_limit") == -0.1);
  CHECK(finding<std::string>(saddle, "predicted_outcome") == "stationary");
  // 1 + .1 along the first curvature: it would be left.
  CHECK(finding<double>(saddle, "lyapunov_exponent") == Approx(std::log(1.1)).epsilon(0.01));
  // ... and is, from any J.
  CHECK(fate({1, -0.05}, -0.1, {1e-9, 0}) == Fate::converged);

  // A zero of z is one, on either side of the edge.
  for (const double J : {1.0, 1.7}) {
    const QuadraticRegression zero{{1, -0.1}, 0, {J, 0}, MapRule::gd, 0};
    const Outcome out = outcome_of(zero, {});
    CHECK(predicted_fate(*canonical_pair(zero)) == Fate::converged);
    CHECK(predicted_sharpness(*canonical_pair(zero)) == Approx(J * J));
    CHECK_FALSE(std::signbit(sharpening_rate(zero, zero.start())));
    CHECK(out.fate == Fate::converged);
    CHECK(out.steps == 0);
    CHECK(out.residual == 0);
    CHECK(out.sharpness == Approx(J * J));
    CHECK(out.edge == (J * J > 2));
  }
  CHECK(fate({1}, 0, {0}) == Fate::converged);
  // J = 0 by its sharpness.
  const auto flat =
      prepare(
          "model = 'quadratic-map'\n[data]\ncurvature = [1.0]\n[initial]\nresidual = -0.1\nsharpness = 0\n"
          "[time]\nsteps = 3\n")
          ->stability();
  CHECK(finding<std::string>(flat, "outcome") == "stationary");
  // Nothing moves, whatever the parameters.
  const Outcome still = outcome_of({{0}, 1, {0}, MapRule::gd, 0}, {});
  CHECK(still.fate == Fate::stationary);
  CHECK(still.lyapunov_exponent == 0);
}

TEST_CASE("a J of any size leaves J = 0: where J^2 is no number of double precision, too") {
  // E = z - J^2/(2 omega) is kept: at z = 0 J^2 = 2 .3 along the curvature that grows it.
  struct Start {
    std::vector<double> curvature;
    double residual;
  };
  for (const double J : {1e-100, 1e-140, 1e-145, 1e-150, 1e-154, 1e-160, 1e-170, 1e-200, 1e-300})
    for (const Start& s : {Start{{1}, -0.3}, {{-1}, 0.3}, {{1, -0.5}, -0.3}, {{-0.5, 1}, -0.3}}) {
      CAPTURE(J);
      CAPTURE(s.curvature.size());
      const QuadraticRegression problem{s.curvature, s.residual, std::vector<double>(s.curvature.size(), J),
                                        MapRule::gd, 0};
      const FlowEnd flow = flow_end(problem);
      CHECK(flow.reaches_minimum);
      CHECK(flow.sharpness == Approx(0.6).epsilon(1e-9));
      // J e^(|s|) = sqrt .6
      CHECK(std::abs(flow.exponent) == Approx(std::log(0.6) / 2 - std::log(J)).epsilon(1e-12));
      const auto pair = canonical_pair(problem);
      REQUIRE(pair.has_value());
      CHECK(predicted_fate(*pair) == Fate::converged);
      CHECK(predicted_sharpness(*pair) == Approx(0.6).epsilon(1e-9));
      CHECK(predicted_fate(*pair, 0.1) == Fate::converged);
      const Outcome out = outcome_of(problem, {});
      CHECK(out.fate == Fate::converged);
      CHECK_FALSE(out.edge);
      CHECK(out.sharpness == Approx(0.6).epsilon(1e-9));
      // At the minimum: 1 - J^2 across it, 1 along a line of minima.
      CHECK(out.lyapunov_exponent == Approx(s.curvature.size() == 1 ? std::log(0.4) : 0).epsilon(1e-9).scale(1e-9));
    }
  // Beyond the edge: at z = 0 J^2 = 3.
  const QuadraticRegression beyond{{1}, -1.5, {1e-200}, MapRule::gd, 0};
  CHECK(flow_end(beyond).sharpness == Approx(3).epsilon(1e-9));
  CHECK(predicted_fate(*canonical_pair(beyond)) == Fate::persistent_oscillation);
  CHECK(outcome_of(beyond, {}).fate == Fate::persistent_oscillation);
  CHECK(outcome_of(beyond, {}).edge);
  // J falls where the curvature has z's sign, and nothing moves the linear problem in any number of steps.
  const FlowEnd falling = flow_end({{1}, 0.3, {1e-200}, MapRule::gd, 0});
  CHECK_FALSE(falling.reaches_minimum);
  CHECK(falling.residual == 0.3);
  CHECK(falling.exponent == INFINITY);
  const FlowEnd linear = flow_end({{0}, -0.3, {1e-200}, MapRule::gd, 0});
  CHECK(linear.reaches_minimum);
  CHECK(linear.sharpness == 0);
  CHECK(linear.exponent == -INFINITY);
}

TEST_CASE("the exponent is that of where the orbit has come to, not of the way there") {
  const auto exponent = [](double J, double residual) {
    return finding<double>(
        prepare(experiment("[1.0]", std::to_string(residual), "[" + std::to_string(J) + "]", "learning_rate = 0.3"))
            ->stability(),
        "lyapunov_exponent");
  };
  // Leaves J = 0 by 1.3 a step; at the minimum eta J^2 = 2 .3 + .3 J_0^2 falls by .4 less that.
  for (const double J : {1e-3, 0.1}) CHECK(exponent(J, -1) == Approx(std::log(0.4 - 0.3 * J * J)).epsilon(1e-6));
}

TEST_CASE("no curvature: gradient descent with the factor 1 - eta lambda") {
  for (const double size : {1e-30, 1.0, 1e30}) {
    CHECK(fate({0}, size, {1.2}) == Fate::converged);
    CHECK(fate({0, 0}, size, {1, 0.5}) == Fate::converged);
    CHECK(fate({0}, size, {std::sqrt(2.1)}) == Fate::diverged);
    CHECK(outcome_of({{0}, size, {std::sqrt(1.9)}, MapRule::gd, 0}, {}).lyapunov_exponent ==
          Approx(std::log(0.9)).epsilon(1e-3));
  }
}

TEST_CASE("no size of the residual or the learning rate is taken for convergence") {
  // Small residuals beyond the edge grow first.
  const Outcome grown = outcome_of({{1, -0.02}, 1e-18, {std::sqrt(2.1), 0.1}, MapRule::gd, 0}, {});
  CHECK(grown.fate == Fate::after_edge);
  CHECK(grown.steps > 100);
  CHECK(grown.sharpness < 2);
  CHECK(grown.sharpness > 1.9);
  // At small rates nothing has happened yet, which is neither convergence nor oscillation.
  for (const char* rate : {"1e-9", "1e-30", "1e-60"}) {
    const auto slow = prepare(experiment("[1.0, -0.1]", "-0.4", "[1.2, 0.5]", "learning_rate = " + std::string(rate),
                                         "limit_steps = 2000\n"))
                          ->stability();
    CHECK(finding<std::string>(slow, "outcome") == "slow");
    CHECK(finding<double>(slow, "residual") == Approx(-0.4).epsilon(1e-4));
    // eta |J|^2 over a tail in which J stands nearly still.
    CHECK(finding<double>(slow, "sharpness_limit") == Approx(std::stod(rate) * (1.44 + 0.25)).epsilon(1e-4));
  }
  CHECK(holds(error_of(experiment("[1.0, -0.1]", "-0.4", "[1.2, 0.5]", "learning_rate = 1e308")),
              "optimizer.learning_rate: 1e+308 makes the step overflow"));
}

TEST_CASE("units: (z, omega) -> (c z, omega/c) changes no outcome and no sharpness") {
  struct Case {
    std::vector<double> curvature;
    double residual;
    std::vector<double> jacobian;
    MapRule rule;
    double radius;
  };
  const std::vector<Case> cases = {{{1, -0.02}, -0.1, {1.4, 0.2}, MapRule::gd, 0},
                                   {{1, -0.1}, 0.3, {0.7, 0.4}, MapRule::gd, 0},
                                   {{1}, -0.1, {std::sqrt(2.1)}, MapRule::gd, 0},
                                   {{1}, 0.6, {0.16}, MapRule::gd, 0},
                                   {{1, -0.02}, -0.03, {1.2, 0.2}, MapRule::sam, 0.3},
                                   {{1, -0.05}, -0.1, {1.3, 0.3}, MapRule::normalized_sam, 0.05}};
  OutcomeOptions options;
  options.max_steps = 20000;
  for (const Case& c : cases) {
    const Outcome one = outcome_of({c.curvature, c.residual, c.jacobian, c.rule, c.radius}, options);
    for (const double unit : {std::exp2(-200), std::exp2(-7), std::exp2(200)}) {
      std::vector<double> curvature = c.curvature;
      for (double& omega : curvature) omega /= unit;
      const double radius = c.rule == MapRule::normalized_sam ? unit * c.radius : c.radius;
      const Outcome other = outcome_of({curvature, unit * c.residual, c.jacobian, c.rule, radius}, options);
      CHECK(other.fate == one.fate);
      CHECK(other.steps == one.steps);
      CHECK(other.period == one.period);
      CHECK(other.sharpness == one.sharpness);
      CHECK(other.residual == unit * one.residual);
      CHECK(other.residual_high == unit * one.residual_high);
      CHECK(other.invariant_drift == unit * one.invariant_drift);
    }
  }
}

TEST_CASE("SAM without a look-ahead is gradient descent, and what is known of that is known of it") {
  for (const char* kind : {"sam", "normalized-sam"}) {
    const auto text = [&](const std::string& optimizer, const std::string& method) {
      return experiment("[1.0, -0.02]", "-0.1", "[1.4, 0.2]", optimizer, "method = '" + method + "'\n");
    };
    const std::string sam = "kind = '" + std::string(kind) + "'\nrho = 0";
    for (const char* method : {"map", "moments", "flow", "two-step"}) {
      const Trajectory one = prepare(text("kind = 'gd'", method))->solve(), other = prepare(text(sam, method))->solve();
      for (std::size_t c = 0; c < one.columns.size(); ++c) CHECK(one.columns[c].value == other.columns[c].value);
    }
    const auto found = prepare(text(sam, "map"))->stability();
    CHECK(finding<std::string>(found, "predicted_outcome") == "EOS");
    CHECK(finding<double>(found, "sharpness_edge") == 2);
  }
}

TEST_CASE("a flow that ends beyond the edge says that gradient descent does not follow") {
  const auto warnings = [](const std::string& jacobian) {
    return prepare(experiment("[1.0, -0.02]", "-0.1", jacobian, "", "method = 'flow'\n"))->solve().warnings;
  };
  CHECK(warnings("[1.0, 0.2]").empty());
  REQUIRE(warnings("[1.5, 0.2]").size() == 1);
  CHECK(holds(warnings("[1.5, 0.2]")[0], "beyond the edge of stability"));
}

TEST_CASE("SAM rests where it sees no residual ahead") {
  // omega = -1, r = 2: s = z (1 + r T) - r^2 z^2 T/2 vanishes at z = 2 (1 + r T)/(r^2 T).
  const Outcome out = outcome_of({{-1}, 2, {0.05}, MapRule::sam, 2}, {});
  CHECK(out.fate == Fate::stationary);
  CHECK(out.residual == Approx((1 + 2 * out.sharpness) / (2 * out.sharpness)).epsilon(1e-13));
  CHECK(out.residual == Approx(1.4756171887203253).epsilon(1e-12));
  CHECK(out.sharpness > 0.1);
}

TEST_CASE("predicted and final sharpnesses are not negative") {
  int series = 0;
  for (const double eps : {0.0, 0.02, 0.5, 1.0})
    for (double z = -3; z < 3; z += 0.37)
      for (const double u : {0.0, 0.1, 1.0, 3.0, 9.0})
        for (const double w : {0.0, 1e-3, 1.0, 20.0}) {
          const QuadraticRegression problem{{1, -eps}, z, {std::sqrt(u), std::sqrt(w)}, MapRule::gd, 0};
          const FlowEnd flow = flow_end(problem);
          CHECK(flow.sharpness >= 0);
          CHECK(std::isfinite(flow.sharpness));
          // Without a minimum J falls to 0.
          CHECK((flow.residual == 0) == flow.reaches_minimum);
          if (!flow.reaches_minimum) CHECK(flow.sharpness == 0);
          const double predicted = predicted_sharpness(*canonical_pair(problem));
          CHECK_FALSE(predicted < 0);
          series += predicted > 0 ? 1 : 0;
        }
  CHECK(series > 100);
}

TEST_CASE("the invariant by the moments, where a curvature is 0") {
  for (const bool first : {true, false}) {
    CAPTURE(first);
    const auto columns = [first](const std::string& method) {
      return prepare(experiment(first ? "[0.5, 0.0]" : "[0.0, 0.5]", "0.3", first ? "[1.1, 0.0]" : "[0.0, 1.1]", "",
                                "method = '" + method + "'\n"))
          ->solve();
    };
    const Trajectory map = columns("map"), moments = columns("moments");
    REQUIRE(map.find("invariant"));
    for (std::size_t k = 0; k < map.steps.size(); ++k) {
      CHECK(map.find("invariant")->value[k] == Approx(0.3 - 1.21).epsilon(1e-13));
      CHECK(moments.find("invariant")->value[k] == Approx(0.3 - 1.21).epsilon(1e-13));
    }
  }
}
