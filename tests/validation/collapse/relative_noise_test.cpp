// The relative noise model on runs that it was made for, on SGD itself, and on bad input.
#include "validation/collapse/relative_noise.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using models::testing::holds;

namespace {

/// Runs of the model itself, L = g(tau) + .21 rate S(tau), S = 3/(1 + tau), tau the sum of the rates of the steps before,
/// as rows of a table, every so many steps.
std::string made_of_it(const std::string& schedule, int steps, double (*rate)(double), double size = 1, int every = 1) {
  std::string out;
  double tau = 0;
  for (int k = 0; k <= steps; ++k) {
    const double eta = rate(static_cast<double>(k) / steps), noise = 3 / (1 + tau);
    if (k % every == 0)
      out += fmt::format("{},{},{},{:.17g},{:.17g},{:.17g}\n", schedule, size, k,
                         1 + 2 * std::exp(-tau) + 0.21 * eta * noise, eta, noise);
    tau += eta;
  }
  return out;
}

double constant_rate(double) {
  return 0.01;
}
double falling_rate(double x) {
  return 0.01 * (1 - x);
}

constexpr const char* head = "schedule,size,step,loss,rate,noise\n";

RelativeNoise fit(const std::string& text, const std::string& reference) {
  return fit_relative_noise(read_loss_curves(std::vector{CurveTable{"c.csv", text}}), reference);
}

std::string said(const std::string& text, const std::string& reference) {
  try {
    fit(text, reference);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("the relative form's one factor by least squares") {
  const std::vector<double> reference = {3, 2, 1.5}, difference = {0.1, -0.2, 0.05}, noise = {5, 4, 3};
  std::vector<double> loss;
  for (std::size_t i = 0; i < 3; ++i) loss.push_back(reference[i] + 0.21 * difference[i] * noise[i]);
  CHECK(relative_noise_factor(loss, reference, difference, noise) == doctest::Approx(0.21).epsilon(1e-13));
  CHECK(std::isnan(relative_noise_factor(loss, reference, std::vector<double>(3, 0.0), noise)));
}

TEST_CASE("runs made of the relative model give back its factor, at several sizes") {
  const std::string text = head + made_of_it("constant", 400, constant_rate) + made_of_it("linear", 800, falling_rate) +
                           made_of_it("constant", 400, constant_rate, 4) + made_of_it("linear", 400, falling_rate, 4);
  const RelativeNoise noise = fit(text, "constant");
  CHECK(noise.factor == doctest::Approx(0.21).epsilon(1e-3));  // tau by the trapezoidal rule, losses interpolated
  REQUIRE(noise.runs.size() == 2);
  for (const RelativeRun& run : noise.runs) {
    CHECK(run.rms < 1e-5);
    CHECK(run.rms_none > 5e-4);
    CHECK(run.tau.back() <= 4.0 + 1e-9);
  }
  CHECK(noise.notes.empty());
}

TEST_CASE("tau is the sum of the rates before a row, of rows that are apart too") {
  // Rates of .1: half a difference of rates in tau would move the factor by |L'|/(2 S), up to a third of it.
  const auto constant = [](double) { return 0.1; };
  const auto linear = [](double x) { return 0.1 * (1 - x); };
  for (const int every : {1, 3, 4}) {
    CAPTURE(every);
    const RelativeNoise noise =
        fit(head + made_of_it("constant", 1200, constant) + made_of_it("linear", 240, linear, 1, every), "constant");
    CHECK(noise.factor == doctest::Approx(0.21).epsilon(2e-2));  // losses interpolated in tau, .1 apart
    CHECK(noise.runs.at(0).tau.at(1) == doctest::Approx(0.1 * every - 0.1 * every * (every - 1) / 480).epsilon(1e-12));
  }
}

TEST_CASE("a reference whose rate is not constant is told") {
  const RelativeNoise noise =
      fit(head + made_of_it("constant", 400, constant_rate) + made_of_it("linear", 400, falling_rate), "linear");
  REQUIRE(noise.notes.size() == 1);
  CHECK(holds(noise.notes[0], "the rate of schedule 'linear' at size 1 is not constant (0 to 0.01)"));
}

TEST_CASE("SGD on least squares has a factor near 1/4 of the gradients' covariance") {
  std::string text = head;
  for (const char* schedule : {"kind = 'constant'", "kind = 'linear'", "kind = 'linear'\nlast_fraction = 0.3"}) {
    const std::string name = std::string(schedule).substr(8, 3) + (std::string(schedule).size() > 20 ? "late" : "");
    const auto problem = models::testing::prepare(
        std::string(
            "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 100\nalpha = 1.0\nbeta = 0.5\n"
            "[noise]\nvariance = 0.3\n[optimizer]\nlearning_rate = 0.2\nbatch = 4\n[schedule]\n") +
        schedule + "\n[time]\nsteps = 600\npoints = 601\n");
    const models::Trajectory theory = problem->solve();
    const models::Column* excess = theory.find("excess_mse");
    REQUIRE(excess);
    double trace = 0;
    for (int i = 1; i <= 100; ++i) trace += std::pow(i, -2.0);
    for (std::size_t k = 0; k + 1 < theory.steps.size(); ++k) {
      const double x = theory.steps[k] / 600, late = name.ends_with("late") ? std::max(0.0, (x - 0.7) / 0.3) : x;
      const double rate = 0.2 * (name == "con" ? 1 : 1 - late), V = excess->value[k] + 0.3;
      text += fmt::format("{},1,{},{:.17g},{:.17g},{:.17g}\n", name, theory.steps[k], V / 2, rate, trace * V / 4);
    }
  }
  const RelativeNoise noise = fit(text, "con");
  // The adiabatic limit is 1/4; a power law's slow modes keep some of the noise in a cooldown.
  CHECK(noise.factor == doctest::Approx(0.25).epsilon(0.3));
  REQUIRE(noise.runs.size() == 2);
  for (const RelativeRun& run : noise.runs) {
    CHECK(run.rms < 0.02);
    CHECK(run.rms < 0.5 * run.rms_none);
  }
}

TEST_CASE("what the relative model lacks is named") {
  CHECK(holds(said("schedule,size,step,loss\na,1,1,1\na,1,2,1\n", "a"), "c.csv: line 2: has no column rate"));
  const std::string two = head + made_of_it("constant", 40, constant_rate) + made_of_it("linear", 40, falling_rate, 2);
  CHECK(holds(said(two, "constant"), "schedule 'constant' has no run of size 2"));
  CHECK(holds(said(two, "constnt"), "there is no schedule 'constnt', did you mean 'constant'?"));
  CHECK(holds(said(head + made_of_it("a", 40, constant_rate) + made_of_it("b", 40, constant_rate), "a"),
              "no run of another schedule has another rate"));
  const RelativeNoise noise =
      fit("schedule,size,step,loss,rate\na,1,0,2,.1\na,1,9,1,.1\nb,1,0,2,.1\nb,1,9,.9,.05\n", "a");
  REQUIRE(noise.notes.size() == 1);
  CHECK(holds(noise.notes[0], "the loss stands for it"));
}
