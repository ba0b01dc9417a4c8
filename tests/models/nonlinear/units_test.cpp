// Units: under K -> c K, theta* -> a theta* and noise, thresholds and rates that go with them, every result is the same but
// for its own unit, for c and a from 1e-60 to 1e60.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/nonlinear/coordinate_drift.hpp"
#include "models/nonlinear/findings.hpp"
#include "models/nonlinear/simulation.hpp"
#include "models/nonlinear/theory.hpp"
#include "tests/approx.hpp"
#include "tests/models/nonlinear/dense_covariance.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::models::testing::dense_covariance;
using edgewise::tests::Approx;

namespace {

struct Case {
  std::string method;
  std::function<std::shared_ptr<const Noise>(double)> noise;  ///< at a scale
  double eta = 0.01, batch = 1;
  std::string rule = "constant";
  bool greedy = false, dense = false;
};

NonlinearProblem problem(const Case& one, double c, double a) {
  const std::size_t d = 12;
  const double label = a * std::sqrt(c);  // of r, sqrt P and sigma
  NonlinearProblem p;
  p.covariance.d = d;
  for (std::size_t j = 1; j <= d; ++j) {
    p.covariance.eigenvalue.push_back(c / static_cast<double>(j));
    p.covariance.target.push_back(a / std::sqrt(static_cast<double>(j)));
  }
  if (one.dense) {
    std::vector<double> matrix(d * d);
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < d; ++j)
        matrix[i * d + j] = c * std::pow(0.4, std::abs(static_cast<double>(i) - static_cast<double>(j))) /
                            std::sqrt(static_cast<double>((i + 1) * (j + 1)));
    p.covariance = dense_covariance(std::move(matrix), p.covariance.target);
  }
  p.noise = one.noise(label);
  p.method = one.method;
  p.threshold_rule = one.rule;
  const bool norms = one.method == "clip" || one.method == "mean-clip";
  p.threshold = one.rule == "quantile" || one.method == "quantile" ? 0.6
                : one.rule == "sqrt-risk"                          ? 1.5
                                                                   : 0.7 * (norms ? a * c : label);
  const bool signs = p.coordinatewise(), flat = one.method == "lad" || one.method == "quantile";
  p.greedy = one.greedy;
  p.learning_rate = one.greedy ? 0.5 : one.eta * (signs ? a : flat ? a / std::sqrt(c) : 1 / c);
  p.batch = one.batch;
  p.ema = 0.8;
  p.ema_square = 0.95;
  p.floor = 1e-3 * a * c;
  p.zeta = 0.5;
  p.schedule = read_schedule(settings::Table("test", ""), "schedule", 200);
  p.time.steps = 200;
  p.time.at = {0, 50, 200};
  return p;
}

const std::vector<Case>& cases() {
  const auto gaussian = [](double k) { return gaussian_noise(0.2 * k * k); };
  const auto laplace = [](double k) { return laplace_noise(0.2 * k * k); };
  const auto cauchy = [](double k) { return cauchy_noise(0.3 * k); };
  const auto uniform = [](double k) { return uniform_noise(0.2 * k * k); };
  const auto three = [](double k) { return three_point_noise(k, 0.2); };
  static const std::vector<Case> all = {{"sgd", laplace},
                                        {"sgd", gaussian, 0.01, 3, "constant", false, true},
                                        {"clip", cauchy, 0.02, 2},
                                        {"huber", uniform},
                                        {"huber", cauchy, 0.02, 1, "quantile"},
                                        {"huber", laplace, 0.02, 1, "sqrt-risk", true},
                                        {"huber", three, 0.02, 1, "optimal"},
                                        {"reject", laplace},
                                        {"lad", cauchy},
                                        {"quantile", uniform},
                                        {"mean-clip", gaussian, 0.02, 4},
                                        {"sign-late", cauchy, 0.01, 3},
                                        {"sign-late", gaussian, 0.01, 2, "constant", true},
                                        {"sign-late", laplace, 0.01, 2, "constant", false, true},
                                        {"sign-early", three, 0.01, 2},
                                        {"sign-majority", uniform, 0.01, 3},
                                        {"sign-ema", gaussian},
                                        {"ema-sign", laplace},
                                        {"adam", gaussian, 0.003},
                                        {"per-example-adam", gaussian, 0.003, 4}};
  return all;
}

const std::vector<std::pair<double, double>>& units() {
  static const std::vector<std::pair<double, double>> all = {{1e60, 1}, {1, 1e-60}, {1e60, 1e60}, {1e-60, 1e-60}};
  return all;
}

}  // namespace

TEST_CASE("trajectories and bands do not depend on units" * doctest::test_suite("slow")) {
  for (const Case& one : cases()) {
    CAPTURE(one.method);
    CAPTURE(one.rule);
    const NonlinearProblem plain = problem(one, 1, 1);
    for (const char* how : {"recursion", "ode"}) {
      CAPTURE(how);
      NonlinearTheory theory;
      theory.method = how;
      const bool steps = theory.method == "recursion", memory = one.method == "sign-ema" || one.method == "ema-sign";
      if (one.method == "per-example-adam" && !steps) continue;
      theory.effects = one.method != "per-example-adam";
      theory.bands =
          steps && one.rule == "constant" && one.method != "mean-clip" && !memory && !plain.method.averages_squares();
      const Trajectory reference = solve_nonlinear(plain, modes_of(plain), theory);
      REQUIRE(reference.steps.size() == 3);
      for (const auto& unit : units()) {
        const double c = unit.first, a = unit.second;
        if (one.rule == "optimal" && (c < 1e60 || a < 1e60)) continue;  // dear
        CAPTURE(c);
        CAPTURE(a);
        const NonlinearProblem p = problem(one, c, a);
        const Trajectory scaled = solve_nonlinear(p, modes_of(p), theory);
        REQUIRE(scaled.steps.size() == 3);
        const double risk = a * c * a;
        // The best threshold jumps to infinity at some P, which a table finds to a thousandth of an e-fold.
        const double fine = one.rule == "optimal" ? 5e-5 : 1e-7;
        for (std::size_t i = 0; i < 3; ++i) {
          CHECK(scaled.find("excess_mse")->value[i] / risk ==
                Approx(reference.find("excess_mse")->value[i]).epsilon(fine));
          if (theory.bands)
            CHECK(scaled.find("excess_mse")->std[i] / risk ==
                  Approx(reference.find("excess_mse")->std[i]).epsilon(1e-6));
          for (const char* name : {"efficiency", "noise_compression", "phi", "clipping_gain", "localisation"})
            if (reference.find(name))
              CHECK(scaled.find(name)->value[i] == Approx(reference.find(name)->value[i]).epsilon(10 * fine));
        }
      }
    }
  }
}

TEST_CASE("findings and tables do not depend on units" * doctest::test_suite("slow")) {
  // What a finding's value is counted in, given those of rates; everything else has none.
  for (const Case& one : cases()) {
    CAPTURE(one.method);
    CAPTURE(one.rule);
    const auto found = [&](double c, double a) {
      const NonlinearProblem p = problem(one, c, a);
      std::map<std::string, std::pair<double, std::string>> out;
      const double label = a * std::sqrt(c), rate = p.greedy ? 0 : p.learning_rate;
      const bool signs = p.coordinatewise(), flat = one.method == "lad" || one.method == "quantile";
      const double eta = rate != 0 ? rate : signs ? a : flat ? a / std::sqrt(c) : 1 / c;
      const double kappa = signs ? std::sqrt(c) : c;
      const std::map<std::string, double> unit = {{"steady_excess_mse", label * label},
                                                  {"largest_steady_excess_mse", label * label},
                                                  {"noise_power", kappa},
                                                  {"noise_trace", kappa * kappa},
                                                  {"noise_trace_linear", c},
                                                  {"noise_trace_own", c},
                                                  {"noise_trace_rest", c},
                                                  {"kappa_max", kappa},
                                                  {"drift", 1 / eta / kappa},
                                                  {"noise", label / eta / kappa * (label / eta / kappa)},
                                                  {"drift_power", label * kappa * label},
                                                  {"greedy_learning_rate", eta},
                                                  {"eta_decrease", eta},
                                                  {"eta_stable_step", eta},
                                                  {"residual_information", 1 / label / label},
                                                  {"mu", 1 / eta / kappa},
                                                  {"q", label / eta / kappa * (label / eta / kappa)},
                                                  {"c2", signs ? 1 : 1 / eta / kappa * (1 / eta / kappa)},
                                                  {"threshold", label},
                                                  {"optimal_threshold", label},
                                                  {"optimal_learning_rate", 1 / c}};
      for (const Finding& f : nonlinear_findings(p, modes_of(p), Steps::small)) {
        const auto it = unit.find(f.name);
        if (const double* number = std::get_if<double>(&f.value))
          out[f.name] = {it == unit.end() ? *number : *number / it->second, ""};
        else if (const bool* flag = std::get_if<bool>(&f.value))
          out[f.name] = {0, *flag ? "true" : "false"};
        else
          out[f.name] = {0, std::get<std::string>(f.value)};
      }
      return out;
    };
    const auto reference = found(1, 1);
    for (const auto& unit : units()) {
      const double c = unit.first, a = unit.second;
      CAPTURE(c);
      CAPTURE(a);
      const auto scaled = found(c, a);
      CHECK(scaled.size() == reference.size());
      for (const auto& entry : reference) {
        const auto& name = entry.first;
        const auto& value = entry.second;
        CAPTURE(name);
        REQUIRE(scaled.count(name) == 1);
        if (std::isfinite(value.first))
          CHECK(std::abs(scaled.at(name).first - value.first) <= 2e-6 * std::abs(value.first) + 1e-9);
        else
          CHECK(scaled.at(name).first == value.first);
        CHECK(scaled.at(name).second == value.second);
      }
    }
  }
}

TEST_CASE("simulated signs and clips do not depend on units") {
  // The same random numbers: one replica, compared to rounding as it grows along the run.
  for (const Case& one : cases()) {
    if (one.rule != "constant" || one.greedy) continue;
    CAPTURE(one.method);
    const auto last = [&](double c, double a) {
      const auto p = std::make_shared<NonlinearProblem>(problem(one, c, a));
      const auto simulation = simulate_nonlinear(p);
      const auto replica = simulation->replica(5, 0);
      replica->advance(20);
      std::vector<double> seen(simulation->observables().size());
      replica->observe(seen);
      return seen[0] / (a * c * a);
    };
    const double reference = last(1, 1);
    for (const auto& unit : units()) {
      const double c = unit.first, a = unit.second;
      CAPTURE(c);
      CAPTURE(a);
      CHECK(last(c, a) == Approx(reference).epsilon(1e-6));
    }
  }
}

TEST_CASE("coordinates and directions of rounding size read as none") {
  const auto findings = [](const NonlinearProblem& p) {
    std::map<std::string, double> out;
    for (const Finding& f : nonlinear_findings(p, modes_of(p), Steps::small))
      if (const double* number = std::get_if<double>(&f.value)) out[f.name] = *number;
    return out;
  };
  for (const char* method : {"sign-late", "huber", "sign-early", "adam"}) {
    CAPTURE(method);
    const auto with = [&](double tiny) {
      NonlinearProblem p = problem({method, [](double) { return gaussian_noise(0.2); }, 0.003}, 1, 1);
      p.covariance = {};
      p.covariance.d = 4;
      p.covariance.eigenvalue = {1, 0.5, 0.25, tiny};
      p.covariance.target = {1, 1, 1, 1};
      return findings(p);
    };
    const auto none = with(0), tiny = with(1e-17);
    CHECK(none.size() == tiny.size());
    for (const auto& entry : none) {
      const std::string& name = entry.first;
      const double value = entry.second;
      CAPTURE(name);
      CHECK(!std::isnan(tiny.at(name)));
      if (std::isfinite(value)) CHECK(std::abs(tiny.at(name) - value) <= 2e-8 * std::abs(value) + 1e-12);
    }
  }
  // x_3 = (x_1 + x_2)/sqrt 2: the direction u = (1, 1, -sqrt 2)/2 is null, and P never sees what the signs do along it,
  // u'K_sigma u = 1 - 1/sqrt 2 of sum s = 3.
  const double half = std::sqrt(0.5);
  NonlinearProblem p = problem({"sign-late", [](double) { return gaussian_noise(0.2); }, 0.003}, 1, 1);
  p.covariance = dense_covariance({1, 0, half, 0, 1, half, half, half, 1}, {1, 0.5, 0});
  const auto found = findings(p);
  CHECK(found.at("noise_power") == Approx(2 + half).epsilon(1e-12));
  const double c = std::acos(-1.0) * 0.003 * (2 + half) / 4;
  CHECK(found.at("steady_excess_mse") ==
        Approx((c * c + std::sqrt(c * c * c * c + 4 * c * c * 0.2)) / 2).epsilon(1e-10));
  NonlinearTheory bands;
  bands.bands = true;
  CHECK(solve_nonlinear(p, modes_of(p), bands).find("excess_mse")->std.back() > 0);
}
