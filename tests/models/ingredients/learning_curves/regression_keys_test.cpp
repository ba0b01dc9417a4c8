#include "models/ingredients/learning_curves/regression_keys.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "models/framework/model.hpp"
#include "numerics/constants.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::ingredients::learning_curves;
using edgewise::tests::Approx;

namespace {

Trajectory curve(const std::vector<double>& n) {
  Trajectory out;
  out.steps = n;
  for (const char* name : {"excess_mse", "kappa"})
    out.columns.push_back({{name, "", ""}, std::vector<double>(n.size(), 1.0), {}});
  return out;
}

Trajectory solved(const std::string& samples) {
  const auto e = read_experiment(
      settings::read_text("model = 'kernel-regression'\ndata.dimension = 6\nkernel = { kind = 'ntk', ridge = 0.1 }\n"
                          "target.powers = [0.25, 0.5]\nnoise.variance = 3\nsamples = " +
                              samples,
                          "e.toml"));
  return find(e).prepare(e)->solve();
}

}  // namespace

TEST_CASE("no samples have the target's power as their error, and are shown where they are asked for") {
  const Trajectory asked = solved("{ at = [0, 20] }"), unasked = solved("{ at = [20] }"),
                   spaced = solved("{ max = 20, points = 3 }");
  CHECK(asked.steps == std::vector<double>{0, 20});
  CHECK(asked.find("excess_mse")->value[0] == 0.75);
  CHECK(asked.find("unlearned_1")->value[0] == 0.5);
  CHECK(asked.find("overfitting")->value[0] == 1);
  for (const char* later : {"kappa", "train_mse"}) {
    CHECK(std::isnan(asked.find(later)->value[0]));
    CHECK(asked.find(later)->valid_from > 0);
    CHECK(asked.find(later)->value[1] == unasked.find(later)->value[0]);
  }
  CHECK(unasked.steps == std::vector<double>{20});
  CHECK(spaced.steps.front() > 0);
  // Under the key that the file gives.
  CHECK_THROWS_WITH_AS(solved("{ at = [0] }"),
                       "e.toml: samples.at: must reach 1 or more: without samples there is nothing to learn from",
                       settings::Error);
  CHECK_THROWS_WITH_AS(solved("{ max = 0, at = [0] }"), doctest::Contains("samples.max: must reach 1 or more"),
                       settings::Error);
}

TEST_CASE("claims end before small errors, and where little is followed") {
  Trajectory t = curve({10, 20});
  limit_validity(t, 0.02, 1);
  CHECK(!t.valid_until);
  limit_truncation(t, 0.3);
  CHECK(!t.valid_until);
  limit_validity(t, 0.00999, 1);
  CHECK(t.valid_until == 20);
  REQUIRE(t.warnings.size() == 1);
  CHECK(t.warnings[0].starts_with("beyond 20 samples an excess is below 1%"));
  limit_validity(t, 0, 1);
  CHECK(t.warnings.size() == 1);
  std::vector<std::string> warnings;
  warn_of_truncation(warnings, 5, 0.3);
  CHECK(warnings.empty());
  warn_of_truncation(warnings, 5, 0.31);
  CHECK(warnings.size() == 1);
}

TEST_CASE("nothing is claimed where E0 exceeds 1 + (d - 1)/4, before or after") {
  CurvePoint at;
  CHECK(largest_overfitting(at, 5) == 2);
  at.learned = 28.0 / 33;  // sqrt(4 . 7/(4 . 28))
  CHECK(largest_overfitting(at, 5) == Approx(1.5));
  at.learned = 1e-3;
  CHECK(largest_overfitting(at, 5) == 2);
  std::vector<double> largest(4, 2.0);
  const auto limited = [&](const std::vector<double>& overfitting) {
    Trajectory out;
    out.steps = {1, 10, 100, 1000};
    out.columns.push_back({{"excess", "", ""}, {1, 1, 1, 1}, {}});
    limit_overfitting(out, overfitting, largest);
    return out;
  };
  const Trajectory none = limited({1, 2, 2, 1});
  CHECK(!none.valid_until);
  CHECK(none.columns[0].valid_from == 0);
  CHECK(none.warnings.empty());
  const Trajectory middle = limited({1, 2.1, 1, 1});
  CHECK(!middle.valid_until);
  CHECK(middle.columns[0].valid_from == 100);
  CHECK(middle.warnings.at(0).starts_with("up to 10 samples E0 exceeds 2: "));
  const Trajectory late = limited({1, 1, 2.1, 3});
  CHECK(late.valid_until == 10);
  CHECK(late.columns[0].valid_from == 0);
  CHECK(late.warnings.at(0).starts_with("from 100 samples E0 exceeds 2: "));
  CHECK(limited({3, 3, 3, 3}).valid_until == 0);
  // Limits of their own: both are told, since E0 is below the larger where it is beyond the smaller.
  largest = {2, 2, 1.37, 1.2};
  CHECK(limited({1, 3, 1.4, 1}).warnings.at(0).starts_with("up to 100 samples E0 exceeds its limit, 1.37 to 2: "));
  CHECK(limited({1, 3, 1.4, 1.21}).warnings.at(0).starts_with("from 10 samples E0 exceeds its limit, 1.2 to 2: "));
  CHECK(limited({1, 1, 1, 1.3}).warnings.at(0).starts_with("from 1000 samples E0 exceeds 1.2: "));
  largest.assign(4, 2);
  // What is not claimed anyway is not looked at.
  Trajectory cut;
  cut.steps = {1, 10, 100, 1000};
  cut.valid_until = 10;
  limit_overfitting(cut, std::vector<double>{1, 1, 3, 3}, largest);
  CHECK(cut.valid_until == 10);
  CHECK(cut.warnings.empty());
  limit_overfitting(cut, std::vector<double>{1, 3, 3, 1}, largest);
  CHECK(cut.valid_until == 1);
}

TEST_CASE("a constant, which is the same at every sample, is claimed where it hardly matters that it is") {
  Levels levels;
  levels.eigenvalue = {0.5, 0.1};
  levels.multiplicity = {1, 5};
  levels.power = {0.75, 0.25};
  levels.degree = {0, 1};
  const LearningCurve both(levels, 0.01, 0);
  // kappa = .5: L = 1 - L = 1/2; E0 (1 - L)^2 v^2 = 1.25 .75/4 is half of .46875; 2 L^2 E0/n = .5 1.25/5.
  CurvePoint point;
  point.kappa = 0.5;
  point.overfitting = 1.25;
  point.excess = 0.46875;
  CHECK(change_by_constant(both, point, 5) == Approx(0.0625 + 0.0625 * 0.0625).epsilon(1e-14));
  CHECK(change_by_constant(LearningCurve(levels, 0.01, 0.46875), point, 5) ==
        Approx(0.0625 + 2 * 0.0625 * 0.0625).epsilon(1e-14));
  CHECK(change_by_constant(both, point, 0) == 0);
  // To first order it is what a level that takes up no sample changes: the same curve with n + L samples.
  for (const double n : {100.0, 200.0}) {
    levels.power = {1, 0};
    const LearningCurve constant(levels, 20, 0);
    const CurvePoint here = constant.at(n);
    const double L = 0.5 / (0.5 + here.kappa), there = constant.at(n + L).kappa;
    const double change = 2 * std::log((here.kappa / (0.5 + here.kappa)) / (there / (0.5 + there)));
    CHECK(change_by_constant(constant, here, n) == Approx(change).epsilon(0.02));
  }
  // A kernel of the constant alone: the labels' noise leaves a mean of variance 1/n, shrunk by n/(n + ridge), where the theory
  // has E0 - 1.
  levels.eigenvalue = {1, 0};
  levels.power = {0, 0};
  for (const double n : {10.0, 30.0, 300.0}) {
    const LearningCurve alone(levels, 0.1, 2);
    const CurvePoint here = alone.at(n);
    const double exact = 2 * n / ((n + 0.1) * (n + 0.1));
    CHECK(change_by_constant(alone, here, n) == Approx(here.excess / exact - 1).epsilon(3 / n));
  }
  levels.eigenvalue[0] = 0;
  CHECK(change_by_constant(LearningCurve(levels, 0.01, 0), point, 5) == 0);

  const auto limited = [](const std::vector<double>& change) {
    Trajectory out = curve({1, 10, 100});
    limit_constant(out, change, std::vector<std::string_view>{"excess_mse"});
    CHECK(out.columns[1].valid_from == 0);
    CHECK_FALSE(out.valid_until);
    return out;
  };
  CHECK(limited({0.1, 0.1, 0.1}).columns[0].valid_from == 0);
  CHECK(limited({0.1, 0.1, 0.1}).warnings.empty());
  CHECK(limited({0.2, 0.11, 0}).columns[0].valid_from == 100);
  CHECK(limited({0, 0.11, 0}).columns[0].valid_from == 100);
  CHECK(limited({1, 1, 0.11}).columns[0].valid_from == infinity);
  CHECK(limited({0.11, 0, 0}).warnings.at(0) ==
        "up to 1 samples excess_mse is shown, not judged: a constant, the same at every sample, takes up "
        "none of "
        "them, and the theory's random feature in its place changes this by more than a tenth");
  Trajectory none = curve({1, 10, 100});
  none.valid_until = 0;
  limit_constant(none, std::vector<double>{1, 1, 1}, std::vector<std::string_view>{"excess_mse"});
  CHECK(none.warnings.empty());
}

TEST_CASE("what is no error is refused, and what has no number is said") {
  CHECK_THROWS_WITH_AS(check_excess(5, infinity), doctest::Contains("at 5 samples"), std::invalid_argument);
  CHECK_NOTHROW(check_excess(5, 1));
  RegressionSetting many;
  many.last_key = "samples.at";
  CHECK_THROWS_AS(check_samples(many, false), std::invalid_argument);
  many.time.steps = 100000000;
  CHECK_NOTHROW(check_samples(many, false));
  CHECK_THROWS_WITH_AS(check_samples(many, true),
                       "samples.at: a simulation solves n equations for n samples: at most 20000, got 100000000; the "
                       "theory has no limit",
                       std::invalid_argument);
  CHECK(samples_text(7, "known") == "known");
  CHECK(samples_text(infinity, "known").starts_with("never"));
  CHECK(samples_text(edgewise::nan, "known").starts_with("not known"));
}
