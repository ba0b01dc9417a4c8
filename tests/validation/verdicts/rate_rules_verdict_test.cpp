// Verdicts on rate rules: theory and replicas agree where the closure of means holds, at batches of 1 and of many, and a
// theory that is wrong by some is told apart; where it does not hold nothing is judged.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "validation/verdicts/verdict.hpp"

using namespace edgewise;
using namespace edgewise::validation;

namespace {

struct Judged {
  Verdict verdict;
  models::Trajectory theory;
};

/// A shipped experiment, made small; the theory with further overrides.
Judged judged(const std::string& name, std::vector<std::string> overrides,
              const std::vector<std::string>& of_theory = {}) {
  settings::Table table = settings::read_file(EDGEWISE_TEST_DATA "/experiments/" + name + ".toml");
  for (const auto& o : overrides) settings::override_value(table, o);
  const models::Experiment experiment = models::read_experiment(table);
  const auto problem = models::find(experiment).prepare(experiment);
  const auto simulation = problem->simulate();
  for (const auto& o : of_theory) settings::override_value(table, o);
  const models::Experiment wrong = models::read_experiment(table);
  Judged out;
  out.theory = models::find(wrong).prepare(wrong)->reference();
  out.verdict = judge(out.theory, run(*simulation, experiment, {}), read_verdict_options(experiment.table), 1);
  return out;
}

std::vector<std::string> with(std::vector<std::string> list, const std::string& more) {
  list.push_back(more);
  return list;
}

const std::vector<std::string> one_sample = {"optimizer.batch=1", "time.steps=400", "time.points=8",
                                             "monte_carlo.replicas=300"};
const std::vector<std::string> many_samples = {"optimizer.batch=40", "time.steps=150", "time.points=8",
                                               "monte_carlo.replicas=300"};

}  // namespace

TEST_CASE("AdaGrad-norm and Polyak agree with their closure at batches of 1 and 40, a wrong one does not" *
          doctest::test_suite("slow")) {
  for (const char* name : {"adagrad-norm", "polyak", "stochastic-polyak"})
    for (const auto& size : {one_sample, many_samples}) {
      CAPTURE(name);
      CAPTURE(size.front());
      const Judged right = judged(name, size);
      CHECK_MESSAGE(right.verdict.outcome == Outcome::agree, right.verdict.reason);
      CHECK_FALSE(right.theory.valid_until);
      const Judged wrong = judged(name, size, {"theory.scale_contraction=1.15"});
      CHECK_MESSAGE(wrong.verdict.outcome == Outcome::disagree, wrong.verdict.reason);
    }
}

TEST_CASE("DoG agrees with its closure for large batches, a wrong one does not") {
  const Judged right = judged("dog", many_samples);
  CHECK_MESSAGE(right.verdict.outcome == Outcome::agree, right.verdict.reason);
  CHECK(judged("dog", many_samples, {"theory.scale_contraction=1.15"}).verdict.outcome == Outcome::disagree);
}

TEST_CASE("where a rule is not self-averaging nothing is judged beyond where it is") {
  const Judged lost = judged("dog", with(one_sample, "spectrum.dimension=8"));
  REQUIRE(lost.theory.valid_until);
  CHECK(lost.verdict.outcome != Outcome::disagree);
  CHECK(std::ranges::all_of(lost.verdict.rows, [&](const Comparison& row) {
    return static_cast<double>(row.step) <= *lost.theory.valid_until;
  }));
  CHECK_FALSE(lost.verdict.shown.empty());
}

TEST_CASE("the rate of a first step, whose mean is infinite, is shown and not judged") {
  // E 1/|g| with one sample.
  const Judged j = judged("dog", with(one_sample, "time.steps=20"));
  const auto at_first = [](const Comparison& row) { return row.step == 1 && row.observable == "learning_rate"; };
  CHECK(std::ranges::none_of(j.verdict.rows, at_first));
  CHECK(std::ranges::any_of(j.verdict.shown, at_first));
  CHECK_FALSE(j.verdict.heavy_tailed);
}

TEST_CASE("DoG by exact gradients: nothing fluctuates, theory and replica are one") {
  const Judged j = judged("dog-quadratic", {});
  CHECK_MESSAGE(j.verdict.outcome == Outcome::agree, j.verdict.reason);
  CHECK(j.theory.exact);
}
