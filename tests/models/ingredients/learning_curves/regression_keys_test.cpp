#include "models/ingredients/learning_curves/regression_keys.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "numerics/constants.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::ingredients::learning_curves;

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
  CHECK_THROWS_WITH_AS(solved("{ at = [0] }"), doctest::Contains("samples.max: must be at least 1"), settings::Error);
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

TEST_CASE("in few dimensions the last run of rows with a small E0 is claimed, or else the first") {
  const double most = 1 + 0.25 * 2;  // d = 3
  Trajectory late = curve({1, 2, 3, 4});
  limit_overfitting(late, std::array{1.0, most + 0.01, most, 1.0}, 3);
  CHECK(late.columns[0].valid_from == 3);
  CHECK(!late.valid_until);
  Trajectory early = curve({1, 2, 3, 4});
  limit_overfitting(early, std::array{1.0, most, most + 0.01, most + 0.01}, 3);
  CHECK(early.valid_until == 2);
  Trajectory never = curve({1, 2});
  limit_overfitting(never, std::array{2.0, 2.0}, 3);
  CHECK(never.valid_until == 0);
  Trajectory always = curve({1, 2});
  limit_overfitting(always, std::array{most, most}, 3);
  CHECK(!always.valid_until);
  CHECK(always.warnings.empty());
}

TEST_CASE("what is no error is refused, and what has no number is said") {
  CHECK_THROWS_WITH_AS(check_excess(5, infinity), doctest::Contains("at 5 samples"), std::invalid_argument);
  CHECK_NOTHROW(check_excess(5, 1));
  CHECK_THROWS_AS(check_samples({0, {}}, false), std::invalid_argument);
  CHECK_NOTHROW(check_samples({100000000, {}}, false));
  CHECK_THROWS_WITH_AS(check_samples({100000000, {}}, true), doctest::Contains("got 100000000"), std::invalid_argument);
  CHECK(samples_text(7, "known") == "known");
  CHECK(samples_text(infinity, "known").starts_with("never"));
  CHECK(samples_text(edgewise::nan, "known").starts_with("not known"));
}
