// The worked example of docs/developer.md keeps working: every way of following its law against the law written out, and
// the verdict of its theory on its simulation is in tests/validation.
#include "tests/models/example/masked_sgd.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "models/framework/experiment.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using edgewise::tests::Approx;

namespace {

std::unique_ptr<Problem> problem(const std::string& changes = "", const std::string& at = "0, 3, 40, 600") {
  const Experiment experiment = read_experiment(settings::read_text(
      "model = 'masked-sgd'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\n"
      "multiplicities = [4, 9]\ntarget_power = [1.0, 0.5]\n[noise]\nlaw = 'gaussian'\nvariance = 0.2\n"
      "[optimizer]\nlearning_rate = 0.04\nkept = 0.3\n[time]\nat = [" +
          at + "]\n" + changes,
      "masked.toml"));
  return masked_sgd::masked_sgd_model().prepare(experiment);
}

/// D of the two eigenspaces after `steps` steps of the recursion, written out.
std::pair<double, double> by_hand(int steps) {
  double a = 1, b = 0.5;
  for (int k = 0; k < steps; ++k) {
    const double Q = a + 0.3 * b + 0.2;
    a += -2 * 0.3 * 0.04 * 1.0 * a + 2 * 0.3 * 0.04 * 0.04 * 1.0 * a + 0.3 * 0.04 * 0.04 * 4 * 1.0 * Q;
    b += -2 * 0.3 * 0.04 * 0.3 * b + 2 * 0.3 * 0.04 * 0.04 * 0.09 * b + 0.3 * 0.04 * 0.04 * 9 * 0.3 * Q;
  }
  return {a, b};
}

}  // namespace

TEST_CASE("a coupled law: recursion and jump are the recursion written out") {
  for (const char* method : {"recursion", "jump"}) {
    CAPTURE(method);
    const Trajectory theory = problem(std::string("[theory]\nmethod = '") + method + "'\n")->solve();
    CHECK(theory.exact);
    REQUIRE(theory.steps == std::vector<double>{0, 3, 40, 600});
    for (std::size_t t = 0; t < 4; ++t) {
      const auto D = by_hand(static_cast<int>(theory.steps[t]));
      CHECK(theory.columns[0].value[t] == Approx(D.first + 0.3 * D.second).epsilon(1e-10));
      CHECK(theory.columns[1].value[t] == Approx(D.first + D.second).epsilon(1e-10));
    }
  }
}

TEST_CASE("a coupled law: the flow, by every integrator") {
  // d/dt (a, b) = A (a, b) + c: a fine Runge-Kutta of order 4, written out.
  const auto slope = [](double a, double b) {
    const double Q = a + 0.3 * b + 0.2;
    return std::pair(-0.024 * a + 0.00096 * a + 0.00192 * Q, -0.0072 * b + 8.64e-5 * b + 0.001296 * Q);
  };
  double a = 1, b = 0.5;
  for (int k = 0; k < 600; ++k) {
    const auto k1 = slope(a, b), k2 = slope(a + k1.first / 2, b + k1.second / 2),
               k3 = slope(a + k2.first / 2, b + k2.second / 2), k4 = slope(a + k3.first, b + k3.second);
    a += (k1.first + 2 * k2.first + 2 * k3.first + k4.first) / 6;
    b += (k1.second + 2 * k2.second + 2 * k3.second + k4.second) / 6;
  }
  for (const char* integrator : {"auto", "sdirk4", "etd", "explicit"}) {
    CAPTURE(integrator);
    const Trajectory theory =
        problem(std::string("[theory]\nmethod = 'ode'\nintegrator = '") + integrator + "'\n", "600")->solve();
    CHECK(!theory.exact);
    CHECK(theory.columns[0].value.back() == Approx(a + 0.3 * b).epsilon(1e-7));
    CHECK(theory.columns[1].value.back() == Approx(a + b).epsilon(1e-7));
  }
}

TEST_CASE("a coupled law: the mean over paths of its stochastic equation is the flow") {
  // False alarm: 4.5 standard errors twice, 1.4e-5; the scheme's own error at steps of 1/2 is below 1e-3.
  const Trajectory paths = problem("[theory]\nmethod = 'sde'\npaths = 3000\ntime_step = 0.5\n", "10, 80")->solve();
  const Trajectory flow = problem("[theory]\nmethod = 'ode'\n", "10, 80")->solve();
  REQUIRE(paths.columns.size() == 4);
  CHECK(paths.columns[2].observable.name == "excess_mse_sde_sem");
  for (std::size_t t = 0; t < paths.steps.size(); ++t)
    for (std::size_t o = 0; o < 2; ++o) {
      const double gap = paths.columns[o].value[t] - flow.columns[o].value[t];
      CHECK(std::abs(gap) < 4.5 * paths.columns[o + 2].value[t] + 1e-3 * flow.columns[o].value[t]);
    }
}

TEST_CASE("a coupled law: what cannot be followed is said, and divergence is a result") {
  CHECK_THROWS_WITH_AS(problem("[schedule]\nkind = 'linear'\n[theory]\nmethod = 'jump'\n")->solve(),
                       doctest::Contains("the schedule changes the learning rate"), settings::Error);
  CHECK_THROWS_WITH_AS(problem("[theory]\nmethod = 'jump'\nlevel = 'log'\n"), doctest::Contains("level"),
                       settings::Error);
  const Trajectory scheduled = problem("[schedule]\nkind = 'linear'\n")->solve();
  CHECK(scheduled.columns[0].value.back() > 0);
  for (const char* method : {"recursion", "ode", "sde"}) {
    CAPTURE(method);
    settings::Table table = settings::read_text(
        std::string("model = 'masked-sgd'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0]\nmultiplicities = [40]\n"
                    "[noise]\nlaw = 'none'\n[optimizer]\nlearning_rate = 0.5\n[time]\nat = [0, 100000]\n"
                    "[theory]\nmethod = '") +
            method + (std::string_view(method) == "sde" ? "'\npaths = 2\n" : "'\n"),
        "masked.toml");
    const Trajectory theory = masked_sgd::masked_sgd_model().prepare(read_experiment(std::move(table)))->solve();
    CHECK(theory.diverged_at.has_value());
    CHECK(theory.steps == std::vector<double>{0});
  }
  // n eta/(2 - 2 eta) of 40 coordinates at eta = 1/2
  const auto findings = problem()->stability();
  CHECK(std::get<double>(findings[0].value) == Approx(4 * 0.04 / (2 - 0.08) + 9 * 0.012 / (2 - 0.024)).epsilon(1e-13));
  CHECK(std::get<bool>(findings[1].value));
}
