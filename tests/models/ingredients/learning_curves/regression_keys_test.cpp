#include "models/ingredients/learning_curves/regression_keys.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
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
