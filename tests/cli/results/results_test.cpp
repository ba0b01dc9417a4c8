// Every column and every line of provenance of a result is what it was made from, under its own name.
#include "cli/results/results.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/cli/results/sample_verdict.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using Numbers = std::vector<double>;

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

Provenance provenance() {
  Provenance out{
      models::read_experiment(settings::read_text("model = 'least-squares'\ntitle = 'T'\n[time]\nsteps = "
                                                  "4\n[monte_carlo]\nreplicas = 9\nseed = 9007199254740993\n",
                                                  "e.toml")),
      "e.toml",
      {"--set a.b=1", "--seed 3"},
      {"of the problem", "of both"},
      {{"rtol", 1e-6}, {"atol", 1e-9}},
      2.5};
  return out;
}

/// Two observables at steps 0, 2 and 4; the second has no bands.
models::Trajectory theory() {
  models::Trajectory out;
  out.steps = {0, 2, 4};
  out.columns = {{{"risk", "loss", "R"}, {1, 2, 3}, {0.1, 0.2, 0.3}}, {{"width", "", "W"}, {4, 5, 6}, {}}};
  out.columns[1].valid_from = 2;
  out.method = "recursion";
  out.exact = true;
  out.valid_until = 3;
  out.diverged_at = 7;
  out.labels = {{"outcome", "settles"}};
  out.report = {{"steps taken", 11}};
  out.warnings = {"of both", "of the theory"};
  return out;
}

validation::Sample sample() {
  validation::Sample out;
  out.steps = {0, 2, 4};
  out.observables = {{"width", "", "W"}, {"risk", "loss", "R"}, {"other", "", "O"}};
  out.replicas = 8;
  out.diverged = 1;
  out.sampler = "naive";
  out.interrupted = true;
  out.warnings = {"of the sample"};
  // 100 for the statistic, 10 for the observable, 1 for the step.
  double hundreds = 100;
  for (Numbers* column : {&out.mean, &out.sem, &out.q05, &out.q50, &out.q95}) {
    for (int o = 0; o < 3; ++o)
      for (int t = 0; t < 3; ++t) column->push_back(hundreds + 10 * o + t);
    hundreds += 100;
  }
  return out;
}

validation::Verdict verdict() {
  validation::Verdict v = cli::testing::sample_verdict();
  v.heavy_tailed = true;
  v.rows = {{2, "risk", 2, 2.5, 0.25, 0.2, -0.75}};
  v.shown = {{4, "width", 6, 6.5, 0.75, 0.3, unknown}};
  v.warnings = {"of the verdict"};
  validation::PredictionVerdict p = cli::testing::sample_prediction();
  p.prediction.quantity = "lambda";
  p.prediction.observable = "risk";
  p.prediction.high = 2.1;
  p.step = 5;
  v.predictions = {p, p};
  v.predictions[1].prediction.name = "edge";
  v.predictions[1].judged = false;
  return v;
}

Numbers of(const Result& result, const char* field, const char* observable) {
  return result.find(field)->values[static_cast<std::size_t>(result.index(observable))];
}
void same(const Numbers& a, const Numbers& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CAPTURE(a[i]);
    CAPTURE(b[i]);
    CHECK((a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))));
  }
}

/// The lines that a result has, but for the program's version and the text of the experiment.
void lines_are(const Result& result, std::map<std::string, std::string> expected) {
  for (const auto& [name, text] : std::map<std::string, std::string>{{"title", "T"},
                                                                     {"model", "least-squares"},
                                                                     {"file", "e.toml"},
                                                                     {"overrides", "--set a.b=1\n--seed 3"},
                                                                     {"seed", "9007199254740993"},
                                                                     {"wall_time_s", "2.5"}})
    expected[name] = text;
  for (const Attribute& line : result.provenance) {
    if (line.name == "version" || line.name == "experiment") continue;
    CAPTURE(line.name);
    const auto found = expected.find(line.name);
    REQUIRE(found != expected.end());
    CHECK(line.text == found->second);
    expected.erase(found);
  }
  CHECK(expected.empty());
  CHECK(result.get("version").starts_with("edgewise "));
  CHECK(result.get("experiment").find("replicas = 9\n") != std::string::npos);
}
const std::map<std::string, std::string> of_theory = {{"method", "recursion"},
                                                      {"exact_at_finite_dimension", "true"},
                                                      {"rtol", "1e-06"},
                                                      {"atol", "1e-09"},
                                                      {"diverged_at", "7"},
                                                      {"theory_valid_until", "3"},
                                                      {"theory_valid_from", "width 2"},
                                                      {"outcome", "settles"},
                                                      {"solver_steps_taken", "11"}};
const std::map<std::string, std::string> of_sample = {{"sampler", "naive"},
                                                      {"replicas", "8"},
                                                      {"replicas_asked", "9"},
                                                      {"replicas_diverged", "1"},
                                                      {"interrupted", "true"}};

}  // namespace

TEST_CASE("a solution: values, and bands where any observable has them") {
  const Result r = solution(theory(), provenance());
  CHECK(r.steps == Numbers{0, 2, 4});
  REQUIRE(r.fields.size() == 2);
  same(of(r, "", "risk"), {1, 2, 3});
  same(of(r, "", "width"), {4, 5, 6});
  same(of(r, "std", "risk"), {0.1, 0.2, 0.3});
  CHECK(of(r, "std", "width").empty());
  CHECK(r.observables[0].unit == "loss");
  std::map<std::string, std::string> lines = of_theory;
  lines["kind"] = "solution";
  lines["warnings"] = "of the problem\nof both\nof the theory";
  lines_are(r, lines);
  models::Trajectory bare = theory();
  bare.columns[0].std.clear();
  bare.exact = false;
  const Result without = solution(bare, provenance());
  CHECK(without.fields.size() == 1);
  CHECK(without.get("exact_at_finite_dimension") == "false");
}

TEST_CASE("a simulation: five statistics of every observable") {
  const Result r = simulation(sample(), provenance());
  CHECK(r.steps == Numbers{0, 2, 4});
  double hundreds = 100;
  for (const char* field : {"mean", "sem", "q05", "q50", "q95"}) {
    CAPTURE(field);
    same(of(r, field, "width"), {hundreds, hundreds + 1, hundreds + 2});
    same(of(r, field, "risk"), {hundreds + 10, hundreds + 11, hundreds + 12});
    same(of(r, field, "other"), {hundreds + 20, hundreds + 21, hundreds + 22});
    hundreds += 100;
  }
  std::map<std::string, std::string> lines = of_sample;
  lines["kind"] = "simulation";
  lines["warnings"] = "of the problem\nof both\nof the sample";
  lines_are(r, lines);
}

TEST_CASE("a validation: rows that were judged, rows that are shown, and predictions, each at its step") {
  validation::VerdictOptions options;
  options.false_alarm = 0.02;
  options.resolution = 0.15;
  const Result r = validation_result(theory(), sample(), verdict(), options, provenance());
  CHECK(r.steps == Numbers{2, 4, 5});
  // What was not compared has no place; observables stand as in the sample, predictions behind them.
  REQUIRE(r.observables.size() == 4);
  const char* names[] = {"width", "risk", "plateau", "edge"};
  for (std::size_t o = 0; o < 4; ++o) CHECK(r.observables[o].name == names[o]);
  CHECK(r.observables[2].doc == "it holds");
  same(of(r, "theory", "risk"), {2, unknown, unknown});
  same(of(r, "mc_mean", "risk"), {2.5, unknown, unknown});
  same(of(r, "mc_sem", "risk"), {0.25, unknown, unknown});
  same(of(r, "z", "risk"), {-0.75, unknown, unknown});
  same(of(r, "theory_std", "risk"), {0.2, 0.3, unknown});
  same(of(r, "mc_q05", "risk"), {311, unknown, unknown});
  same(of(r, "mc_q50", "risk"), {411, unknown, unknown});
  same(of(r, "mc_q95", "risk"), {511, unknown, unknown});
  same(of(r, "theory", "width"), {unknown, 6, unknown});
  same(of(r, "mc_mean", "width"), {unknown, 6.5, unknown});
  same(of(r, "mc_sem", "width"), {unknown, 0.75, unknown});
  same(of(r, "z", "width"), {unknown, unknown, unknown});
  same(of(r, "theory_std", "width"), {unknown, unknown, unknown});
  same(of(r, "mc_q05", "width"), {unknown, 302, unknown});
  same(of(r, "mc_q95", "width"), {unknown, 502, unknown});
  for (const char* prediction : {"plateau", "edge"}) {
    same(of(r, "theory", prediction), {unknown, unknown, 2});
    same(of(r, "mc_mean", prediction), {unknown, unknown, 2.01});
    same(of(r, "mc_sem", prediction), {unknown, unknown, 0.011});
  }
  same(of(r, "z", "plateau"), {unknown, unknown, 0.7});
  same(of(r, "z", "edge"), {unknown, unknown, unknown});
  CHECK(prediction_names(r) == std::vector<std::string>{"plateau", "edge"});
  CHECK(prediction_names(simulation(sample(), provenance())).empty());

  models::Trajectory without_label = theory();
  without_label.labels.clear();
  std::map<std::string, std::string> lines = of_theory;
  lines.insert(of_sample.begin(), of_sample.end());
  for (const auto& [name, text] :
       std::map<std::string, std::string>{{"kind", "validation"},
                                          {"outcome", "disagree"},
                                          {"reason", "because"},
                                          {"max_z", "1.5"},
                                          {"critical_z", "2.5"},
                                          {"p_value", "0.125"},
                                          {"false_alarm", "0.02"},
                                          {"detectable", "0.03"},
                                          {"resolution", "0.15"},
                                          {"largest_gap", "0.04"},
                                          {"effective_comparisons", "17.5"},
                                          {"heavy_tailed", "true"},
                                          {"exact_std", "false"},
                                          {"predictions", "plateau, edge"},
                                          {"warnings",
                                           "of the problem\nof both\nof the theory\nof the sample\nof the "
                                           "verdict"}})
    lines[name] = text;
  for (const std::string name : {"plateau", "edge"})
    for (const auto& [key, text] :
         std::map<std::string, std::string>{{"statement", "it holds"},
                                            {"quantity", "median of lambda"},
                                            {"observable", "risk"},
                                            {"nominal", "2"},
                                            {"low", "1.9"},
                                            {"high", "2.1"},
                                            {"runs", "41"},
                                            {"p_value", "0.48"},
                                            {"detectable", "0.021"},
                                            {"outcome", name == "edge" ? "not judged" : "agree"},
                                            {"reason", "inside"}})
      lines["prediction_" + name + "_" + key] = text;
  lines_are(validation_result(without_label, sample(), verdict(), options, provenance()), lines);
}

TEST_CASE("a table of modes has no wall time: the same experiment gives the same file") {
  Result r;
  r.provenance = mode_provenance(provenance());
  r.provenance.push_back(attribute("wall_time_s", 2.5));
  lines_are(r, {{"kind", "modes"}, {"warnings", "of the problem\nof both"}});
  for (const Attribute& line : mode_provenance(provenance())) CHECK(line.name != "wall_time_s");
}

TEST_CASE("columns are named by observable and field, attributes keep no line end") {
  CHECK(column_name({"risk", "", ""}, {"", "", false, {}}) == "risk");
  CHECK(column_name({"risk", "", ""}, {"sem", "", false, {}}) == "risk_sem");
  CHECK(attribute("a", std::string_view("text\n\n")).text == "text");
  CHECK_FALSE(attribute("a", std::string_view("1")).number);
  CHECK(attribute("a", 0.1).number);
  CHECK(attribute("a", 0.1).text == "0.1");
  CHECK(Result{}.find("mean") == nullptr);
  CHECK(Result{}.get("title").empty());
  CHECK(Result{}.index("risk") == -1);
}
