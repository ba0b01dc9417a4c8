#include "validation/sweeps/measures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "random/random.hpp"
#include "tests/approx.hpp"
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

TEST_CASE("outcomes are those of the measure's variant, and each says what it is") {
  VariantRun right = theory(power_law(1, 1)), wrong;
  right.theory->report = {{"nodes", 15}, {"steps", 7}};
  right.theory->labels = {{"phase", "II"}, {"outcome", "converged"}};
  right.theory->diverged_at = 12;
  right.findings = {{"first", 3.0, ""}, {"stable", false, ""}, {"regime", std::string("edge"), ""}};
  right.sample.emplace();
  right.sample->replicas = 8;
  right.sample->diverged = 2;
  const auto measured = [&](const std::string& keys, const std::string& what = "validate") {
    const std::string text = "[[measure]]\nname = 'x'\nvariant = 'v'\n" + keys;
    const auto v = evaluated(text, {wrong, right}, what, {"u", "v"});
    const auto infos = read_measures(parsed(text), {"u", "v"}, {"alpha", "n"}, what).front()->infos();
    return std::pair(v.at("x"), infos[0].doc);
  };
  using Pair = std::pair<double, std::string>;
  CHECK(measured("kind = 'diverged'\n") == Pair(12, "step at which the theory diverged"));
  CHECK(measured("kind = 'diverged-fraction'\n") == Pair(0.25, "share of the replicas that became infinite"));
  CHECK(measured("kind = 'report'\nreport = 'steps'\n") == Pair(7, "steps as the theory reports it"));
  CHECK(measured("kind = 'word'\nword = 'phase'\nequals = 'II'\n") ==
        Pair(1, "1 where the theory's phase is II, else 0"));
  CHECK(measured("kind = 'word'\nword = 'outcome'\nequals = 'II'\n").first == 0);
  CHECK(measured("kind = 'finding'\nfinding = 'first'\n") == Pair(3, "first of the stability"));
  CHECK(measured("kind = 'finding'\nfinding = 'stable'\n").first == 0);
  CHECK(measured("kind = 'finding'\nfinding = 'regime'\nequals = 'edge'\n") ==
        Pair(1, "1 where regime is edge, else 0"));
  CHECK(measured("kind = 'finding'\nfinding = 'regime'\nequals = 'bulk'\n").first == 0);
  for (const char* name : {"first", "stable"})
    CHECK_THROWS_WITH_AS(measured(std::string("kind = 'finding'\nfinding = '") + name + "'\nequals = '1'\n"),
                         (std::string("measure x: ") + name + " is no word, drop `equals`").c_str(), settings::Error);
  right.sample->replicas = 0;
  CHECK(std::isnan(measured("kind = 'diverged-fraction'\n").first));
  CHECK(evaluated("[[measure]]\nname = 'x'\nkind = 'value'\nvalue = 'n/alpha'\n", {right}).at("x") ==
        edgewise::tests::Approx(1000 / 1.5));
  CHECK(evaluated("[[measure]]\nname = 'x'\nkind = 'value'\nvalue = 2.5\n", {right}).at("x") == 2.5);
  // What is needed of the stability, and what is looked up where.
  const auto lookup = [](const std::string& keys) {
    return read_measures(parsed("[[measure]]\nname = 'x'\nvariant = 'v'\n" + keys), {"u", "v"}, {}, "validate");
  };
  CHECK(lookup("kind = 'finding'\nfinding = 'first'\n")[0]->needs_findings());
  CHECK_FALSE(lookup("kind = 'report'\nreport = 'first'\n")[0]->needs_findings());
  CHECK_FALSE(lookup("kind = 'verdict'\n")[0]->needs_findings());
  CHECK_FALSE(lookup("kind = 'verdict'\n")[0]->lookup());
  for (const auto& [keys, in] : {std::pair("kind = 'finding'\nfinding = 'first'\n", Lookup::In::findings),
                                 {"kind = 'report'\nreport = 'first'\n", Lookup::In::reports},
                                 {"kind = 'word'\nword = 'first'\nequals = 'a'\n", Lookup::In::words},
                                 {"kind = 'prediction'\nprediction = 'first'\n", Lookup::In::predictions}}) {
    const auto found = lookup(keys)[0]->lookup();
    REQUIRE(found);
    CHECK(found->in == in);
    CHECK(found->name == "first");
    CHECK(found->variant == 1);
  }
  for (const char* kind : {"diverged", "report", "word"}) {
    const std::string keys = std::string(kind) == "report" ? "report = 'a'\n"
                             : std::string(kind) == "word" ? "word = 'a'\nequals = 'b'\n"
                                                           : "";
    refuses(std::string("[[measure]]\nname = 'x'\nkind = '") + kind + "'\n" + keys,
            "needs a sweep that does solve or validate; this one does 'simulate'", "simulate");
  }
  refuses("[[measure]]\nname = 'x'\nkind = 'diverged-fraction'\n",
          "needs a sweep that does simulate or validate; this one does 'solve'");
}
