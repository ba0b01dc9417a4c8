#include "validation/sweeps/measures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "random/random.hpp"
#include "tests/validation/sweeps/measures_support.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using namespace edgewise::validation::testing;

TEST_CASE("verdicts, findings, reports and words") {
  VariantRun run = theory(power_law(1, 1));
  run.theory->report = {{"nodes", 15}};
  run.theory->labels = {{"outcome", "converged"}};
  run.verdict.emplace();
  run.verdict->outcome = Outcome::disagree;
  run.verdict->max_z = 6;
  run.verdict->p_value = 1e-4;
  run.verdict->largest_gap = 0.2;
  run.findings = {{"kernel_norm", 0.5, ""}, {"stable", true, ""}, {"regime", std::string("edge"), ""}};
  const auto v = evaluated(R"toml(
[[measure]]
name = "v"
kind = "verdict"
[[measure]]
name = "kappa"
kind = "finding"
finding = "kernel_norm"
[[measure]]
name = "stable"
kind = "finding"
finding = "stable"
[[measure]]
name = "edge"
kind = "finding"
finding = "regime"
equals = "edge"
[[measure]]
name = "none"
kind = "finding"
finding = "eta_max"
[[measure]]
name = "nodes"
kind = "report"
report = "nodes"
[[measure]]
name = "converged"
kind = "word"
word = "outcome"
equals = "converged"
[[measure]]
name = "other"
kind = "word"
word = "outcome"
equals = "diverged"
[[measure]]
name = "nothing"
kind = "word"
word = "phase"
equals = "I"
)toml",
                           {run}, "validate");
  CHECK(v.at("v") == 1);
  CHECK(v.at("v_max_z") == 6);
  CHECK(v.at("v_p") == 1e-4);
  CHECK(v.at("v_gap") == 0.2);
  CHECK(v.at("kappa") == 0.5);
  CHECK(v.at("stable") == 1);
  CHECK(v.at("edge") == 1);
  CHECK(std::isnan(v.at("none")));
  CHECK(v.at("nodes") == 15);
  CHECK(v.at("converged") == 1);
  CHECK(v.at("other") == 0);
  CHECK(std::isnan(v.at("nothing")));
  const std::string bare = "[[measure]]\nname = \"x\"\nkind = \"finding\"\nfinding = \"regime\"";
  CHECK_THROWS_WITH_AS(evaluated(bare, {run}), "measure x: regime is a word ('edge'): say which in `equals`",
                       settings::Error);
  CHECK(read_measures(parsed(bare), {""}, {}, "solve").front()->needs_findings());
}

TEST_CASE("what became of a prediction about whole runs") {
  VariantRun run;
  run.verdict.emplace();
  PredictionVerdict plateau, unjudged;
  plateau.prediction.name = "plateau";
  plateau.judged = true;
  plateau.outcome = Outcome::inconclusive;
  plateau.estimate = 1.98;
  plateau.error = 0.01;
  plateau.runs = 20;
  unjudged.prediction.name = "edge";
  run.verdict->predictions = {plateau, unjudged};
  const auto of = [](const std::string& name, const std::string& prediction) {
    return "[[measure]]\nname = \"" + name + "\"\nkind = \"prediction\"\nprediction = \"" + prediction + "\"\n";
  };
  const auto v = evaluated(of("p", "plateau") + of("edge", "edge") + of("absent", "none"), {run}, "validate");
  CHECK(v.at("p") == 1.98);
  CHECK(v.at("p_error") == 0.01);
  CHECK(v.at("p_runs") == 20);
  CHECK(v.at("p_outcome") == 2);
  CHECK(v.at("edge_runs") == 0);
  CHECK(std::isnan(v.at("edge")));
  CHECK(std::isnan(v.at("edge_outcome")));
  CHECK(std::isnan(v.at("absent_runs")));
  CHECK_THROWS_AS(read_measures(parsed(of("p", "plateau")), {""}, {}, "simulate"), settings::Error);
}
