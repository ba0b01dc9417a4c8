#include "models/least_squares/sgd_flow.hpp"

#include <cmath>

#include "models/least_squares/sgd_modes.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/sensitivity.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise;
using namespace edgewise::models::least_squares;
using edgewise::tests::Approx;

namespace {

struct Setting {
  std::shared_ptr<LeastSquares> data;
  SgdModes modes;
  FlowProblem flow;
  /// eta = .3, B = 2, sigma^2 = .2, K of 1, 1, .4, .4, .4.
  explicit Setting(FlowLevel level, const std::string& schedule = "")
      : data([] {
          spectra::Spectrum s;
          s.eigenvalue = {1, 0.4};
          s.multiplicity = {2, 3};
          s.target_power = {1, 0.5};
          auto out = tests::data_of(s, 0.2, {0, 10});
          out->batch = 2;
          return out;
        }()),
        modes(*data),
        flow{modes, {1, 0.5}, 0.2, level, 1.1, 0.9, 0.3, read(schedule)} {}

  static std::shared_ptr<const models::ingredients::Schedule> read(const std::string& text) {
    return models::ingredients::read_schedule(settings::read_text(text, "x.toml"), "schedule", 10);
  }
};

}  // namespace

TEST_CASE("rates of every level by their definitions, with factors") {
  for (const FlowLevel level : {FlowLevel::homog, FlowLevel::diff, FlowLevel::log, FlowLevel::sde}) {
    CAPTURE(static_cast<int>(level));
    const Setting of(level);
    const models::ingredients::CoupledLaw law = flow_law(of.flow);
    std::vector<models::ingredients::ModeCoefficients> at(2);
    flow_coefficients(of.flow, 0.3, at);
    const double lambda[] = {1, 0.4}, many[] = {2, 3};
    for (std::size_t a = 0; a < 2; ++a) {
      const double x = 0.3 * lambda[a], kept = (1 - x) * (1 - x) + x * x / 2, feedback = x * x / 2 * many[a];
      const double rate = level == FlowLevel::homog  ? 2 * x
                          : level == FlowLevel::diff ? 1 - kept
                          : level == FlowLevel::log  ? -std::log(kept)
                                                     : x * (2 - x / 2);
      CHECK(at[a].rate == Approx(1.1 * rate).epsilon(1e-13));
      // The logarithm's flow puts in so much that a step of constant P gives what the recursion gives.
      CHECK(at[a].input ==
            Approx(0.9 * feedback * (level == FlowLevel::log ? -std::log(kept) / (1 - kept) : 1)).epsilon(1e-12));
      CHECK(law.start[a] == Approx(lambda[a] * of.flow.power[a]).epsilon(1e-14));
    }
    models::testing::check_sensitivity(*law.modes, 0, {0.7}, {0.5, 0.1}, 1e-9);
  }
}

TEST_CASE("the flow by Runge and Kutta, under a schedule and by every integrator") {
  for (const std::string schedule : {"", "[schedule]\nkind = 'linear'\n"}) {
    CAPTURE(schedule);
    const Setting of(FlowLevel::diff, schedule);
    const models::ingredients::CoupledLaw law = flow_law(of.flow);
    models::testing::check_sensitivity(*law.modes, 4, {0.7}, {0.5, 0.1}, 1e-9);
    double q[2] = {1, 0.2};
    const auto slope = [&](double t, const double* at, double* out) {
      const double eta = 0.3 * (schedule.empty() ? 1 : 1 - t / 10), P = at[0] + at[1];
      const double lambda[] = {1, 0.4}, many[] = {2, 3};
      for (int a = 0; a < 2; ++a) {
        const double x = eta * lambda[a];
        out[a] = -1.1 * (2 * x - 1.5 * x * x) * at[a] + 0.9 * x * x / 2 * many[a] * (P + 0.2);
      }
    };
    constexpr int steps = 2000;
    const double dt = 10.0 / steps;
    for (int i = 0; i < steps; ++i) {
      double k[4][2], at[2];
      for (int s = 0; s < 4; ++s) {
        const double share = s == 0 ? 0 : s == 3 ? 1 : 0.5;
        for (int a = 0; a < 2; ++a) at[a] = q[a] + (s == 0 ? 0 : share * dt * k[s - 1][a]);
        slope(i * dt + share * dt, at, k[s]);
      }
      for (int a = 0; a < 2; ++a) q[a] += dt / 6 * (k[0][a] + 2 * k[1][a] + 2 * k[2][a] + k[3][a]);
    }
    using models::ingredients::Following;
    using solvers::Integrator;
    std::vector<Following> ways{{.method = Following::Method::ode, .integrator = Integrator::sdirk4},
                                {.method = Following::Method::ode, .integrator = Integrator::explicit_}};
    if (schedule.empty()) {
      ways.push_back({.method = Following::Method::ode, .integrator = Integrator::etd});
      ways.push_back({.method = Following::Method::jump});
    }
    for (Following& how : ways) {
      CAPTURE(static_cast<int>(how.integrator));
      how.rtol = 1e-9;
      how.atol = 1e-14;
      const models::Trajectory result = models::ingredients::follow(law, {10, {0, 10}}, how);
      REQUIRE(result.steps.size() == 2);
      const auto &P = result.find("excess_mse")->value, &error = result.find("parameter_error")->value;
      CHECK(P[0] == Approx(1.2).epsilon(1e-12));
      CHECK(error[0] == Approx(1.5).epsilon(1e-12));
      CHECK(P[1] == Approx(q[0] + q[1]).epsilon(1e-7));
      CHECK(error[1] == Approx(q[0] + q[1] / 0.4).epsilon(1e-7));
    }
  }
}

TEST_CASE("the Volterra equation is the homogenised flow") {
  const Setting of(FlowLevel::homog);
  const models::Time time{10, {0, 1, 5, 10}};
  const models::Trajectory volterra = solve_volterra(of.flow, time, 1e-9),
                           flow = models::ingredients::follow(flow_law(of.flow), time,
                                                              {.method = models::ingredients::Following::Method::ode,
                                                               .integrator = solvers::Integrator::sdirk4,
                                                               .rtol = 1e-10,
                                                               .atol = 1e-14});
  REQUIRE(volterra.steps.size() == 4);
  CHECK(volterra.columns.size() == 1);
  for (std::size_t k = 0; k < 4; ++k)
    CHECK(volterra.columns[0].value[k] == Approx(flow.columns[0].value[k]).epsilon(1e-7));
  CHECK_THROWS_AS(solve_volterra(Setting(FlowLevel::homog, "[schedule]\nkind = 'linear'\n").flow, time, 1e-9),
                  std::invalid_argument);
}

TEST_CASE("the Volterra equation's P is not below 0 where it has decayed out of range") {
  spectra::Spectrum spectrum;
  spectrum.eigenvalue = {1, 0.5};
  spectrum.multiplicity = {1, 1};
  spectrum.target_power = {1, 1};
  auto data = tests::data_of(spectrum, 0, {0, 10});
  for (const double eta : {0.5, 0.6666666, 0.75, 0.9}) {
    CAPTURE(eta);
    const SgdModes modes(*data);
    const FlowProblem flow{modes, {1, 1}, 0, FlowLevel::homog, 1, 1, eta, Setting::read("")};
    const std::vector<double> P =
        solve_volterra(flow, {1000000000, {1000, 100000000, 1000000000}}, 1e-8).columns[0].value;
    // d(P, P')/dt of two modes: the slower of the roots s of 1 = sum eta^2 lambda^2/(s + 2 eta lambda), alone at step 1000.
    const double b = 3 * eta - 1.25 * eta * eta, c = 2 * eta * eta - 1.5 * eta * eta * eta,
                 s = (-b + std::sqrt(b * b - 4 * c)) / 2;
    CHECK(std::log(P[0]) / 1000 == Approx(s).epsilon(2e-3));
    CHECK(P[1] >= 0);
    CHECK(P[2] >= 0);
    CHECK(P[2] < 1e-300);
    CHECK_FALSE(std::signbit(P[2]));
  }
}
