#include "validation/sweeps/measures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "random/random.hpp"

using namespace edgewise;
using namespace edgewise::validation;

namespace {

settings::Table parsed(const std::string& text) {
  return settings::read_text(text, "sweep.toml");
}

std::vector<double> log_steps(double last, std::size_t count) {
  std::vector<double> out = {0};
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(std::pow(last, static_cast<double>(i) / static_cast<double>(count - 1)));
  return out;
}

/// P = c step^-p from P_0 = c at step 0, risk = P/2.
models::Trajectory power_law(double c, double p, double last = 1e6, std::size_t count = 121) {
  models::Trajectory out;
  out.steps = log_steps(last, count);
  out.columns = {{{"excess_mse", "", ""}, {}, {}}, {{"risk", "", ""}, {}, {}}};
  for (const double step : out.steps) {
    const double value = step > 0 ? c * std::pow(step, -p) : c;
    out.columns[0].value.push_back(value);
    out.columns[1].value.push_back(value / 2);
    out.columns[0].std.push_back(value / 10);
  }
  return out;
}

VariantRun theory(models::Trajectory trajectory) {
  VariantRun out;
  out.theory = std::move(trajectory);
  return out;
}

/// Reads the measures of `text` and evaluates them in order.
std::map<std::string, double> evaluated(const std::string& text, const std::vector<VariantRun>& runs,
                                        const std::string& what = "solve",
                                        const std::vector<std::string>& variants = {""},
                                        const std::vector<std::string>& names = {"alpha", "n"},
                                        std::vector<double> values = {1.5, 1000}) {
  std::map<std::string, double> out;
  for (const auto& measure : read_measures(parsed(text), variants, names, what)) {
    const auto infos = measure->infos();
    std::vector<double> numbers(infos.size(), -99);
    measure->evaluate(runs, values, numbers);
    for (std::size_t i = 0; i < infos.size(); ++i) out[infos[i].name] = numbers[i];
    values.insert(values.end(), numbers.begin(), numbers.end());
  }
  return out;
}

void refuses(const std::string& text, const std::string& message, const std::string& what = "solve",
             const std::vector<std::string>& variants = {""}) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(read_measures(parsed(text), variants, {"alpha", "n"}, what), doctest::Contains(message.c_str()),
                       settings::Error);
}

/// Replicas whose every value is exp(noise_r(t)) / step, independent from step to step.
Sample noisy(std::size_t replicas, double scatter, std::uint64_t seed) {
  Sample s;
  s.observables = {{"excess_mse", "", ""}, {"risk", "", ""}};
  s.replicas = replicas;
  for (const double step : log_steps(1e4, 25)) s.steps.push_back(static_cast<std::uint64_t>(std::round(step)));
  s.steps.erase(std::unique(s.steps.begin(), s.steps.end()), s.steps.end());
  random::Stream stream(seed, 0);
  for (std::size_t o = 0; o < 2; ++o)
    for (const std::uint64_t step : s.steps) {
      std::vector<double> values;
      double sum = 0, squares = 0;
      for (std::size_t r = 0; r < replicas; ++r) {
        values.push_back((1 + scatter * stream.normal()) / std::max(1.0, static_cast<double>(step)));
        sum += values.back();
      }
      const double mean = sum / static_cast<double>(replicas);
      for (const double v : values) squares += (v - mean) * (v - mean);
      s.mean.push_back(mean);
      s.std.push_back(std::sqrt(squares / static_cast<double>(replicas - 1)));
      s.sem.push_back(s.std.back() / std::sqrt(static_cast<double>(replicas)));
      s.q05.push_back(0.5 * mean);
      s.q50.push_back(0.9 * mean);
      s.q95.push_back(2 * mean);
      s.values.push_back(std::move(values));
    }
  return s;
}

}  // namespace

TEST_CASE("values of a curve: final, at, minimum, maximum, mean, median") {
  const auto v = evaluated(R"toml(
[[measure]]
name = "end"
[[measure]]
name = "half_risk"
kind = "at"
observable = "risk"
step = "n*10"
[[measure]]
name = "start"
kind = "at"
step = 0
[[measure]]
name = "least"
kind = "minimum"
to = 100
[[measure]]
name = "most"
kind = "maximum"
from = "first"
[[measure]]
name = "average"
kind = "mean"
from = 100
to = "last"
[[measure]]
name = "middle"
kind = "median"
[[measure]]
name = "spread"
statistic = "std"
[[measure]]
name = "beyond"
kind = "at"
step = 1e7
)toml",
                           {theory(power_law(8, 0.5))});
  CHECK(v.at("end") == doctest::Approx(8e-3));
  CHECK(v.at("half_risk") == doctest::Approx(4e-2));
  CHECK(v.at("start") == 8);
  CHECK(v.at("least") == doctest::Approx(0.8));
  CHECK(v.at("most") == doctest::Approx(8));
  // 8 * 2 (sqrt(1e6) - 10)/(1e6 - 100), within the trapezoidal error of 20 points a decade.
  CHECK(v.at("average") == doctest::Approx(16 * 990 / 999900.0).epsilon(1e-3));
  // The value at 875000.
  CHECK(v.at("middle") == doctest::Approx(8 / std::sqrt(875000.0)).epsilon(0.05));
  CHECK(v.at("spread") == doctest::Approx(8e-4));
  CHECK(std::isnan(v.at("beyond")));
}

TEST_CASE("slopes: exact, beside a floor, curved, too short") {
  const std::string text = R"toml(
[[measure]]
name = "s"
kind = "slope"
from = 1e2
to = 1e5
[[measure]]
name = "limit"
kind = "value"
value = "0.25"
[[measure]]
name = "above"
kind = "slope"
subtract = "limit"
from = 1e2
[[measure]]
name = "late"
kind = "slope"
from = "last/1.05"
[[measure]]
name = "uncovered"
kind = "slope"
from = 10
to = "2*last"
)toml";
  auto v = evaluated(text, {theory(power_law(3, 0.7))});
  CHECK(v.at("s") == doctest::Approx(-0.7).epsilon(1e-12));
  CHECK(v.at("s_se") < 1e-12);
  CHECK(v.at("s_curved") == 0);
  CHECK(std::isnan(v.at("late")));
  CHECK(std::isnan(v.at("late_curved")));
  CHECK(std::isnan(v.at("uncovered")));
  models::Trajectory floored = power_law(3, 0.7);
  for (double& y : floored.columns[0].value) y += 0.25;
  v = evaluated(text, {theory(floored)});
  CHECK(v.at("s_curved") == 1);
  CHECK(v.at("s_curvature") > 0.1);
  CHECK(v.at("above") == doctest::Approx(-0.7).epsilon(1e-8));
}

TEST_CASE("first passages, and divergence") {
  const std::string text = R"toml(
[[measure]]
name = "t"
kind = "passage"
level = "initial/100"
[[measure]]
name = "never"
kind = "passage"
level = 1e-30
[[measure]]
name = "up"
kind = "passage"
level = 7
direction = "above"
[[measure]]
name = "burst"
kind = "diverged"
)toml";
  models::Trajectory trajectory = power_law(5, 0.5);
  auto v = evaluated(text, {theory(trajectory)});
  CHECK(v.at("t") == doctest::Approx(1e4).epsilon(1e-10));
  CHECK(std::isnan(v.at("never")));
  CHECK(std::isnan(v.at("up")));
  CHECK(std::isnan(v.at("burst")));
  trajectory.diverged_at = 77;
  CHECK(evaluated(text, {theory(trajectory)}).at("burst") == 77);
}

TEST_CASE("the recipe of the phases of Muon: passage ratios between two variants") {
  // P = 8 t^-1 and 8 t^-2: at the level 8 x the times are 1/x and x^-1/2, so that the ratio of logarithms is
  // ln(1/x)/2.
  const std::vector<VariantRun> runs = {theory(power_law(8, 1)), theory(power_law(8, 2))};
  const auto v = evaluated(R"toml(
[[measure]]
name = "start"
kind = "at"
variant = "svd"
step = 0
[[measure]]
name = "deep"
kind = "at"
variant = "svd"
step = "5*20"
[[measure]]
name = "rho"
kind = "passage-ratio"
variants = ["sign", "svd"]
from = "start/4"
to = "min(start/8, deep)"
normalizer = "ln(n)"
[[measure]]
name = "odd"
kind = "passage-ratio"
variants = ["sign", "svd"]
from = "start/4"
to = 1e-9
count = 11
)toml",
                           runs, "solve", {"sign", "svd"});
  CHECK(v.at("rho_min") == doctest::Approx(std::log(4) / 2 / std::log(1000)).epsilon(1e-10));
  CHECK(v.at("rho_max") == doctest::Approx(std::log(1e4) / 2 / std::log(1000)).epsilon(1e-10));
  CHECK(v.at("rho_missed") == 0);
  // sign ends at 8e-6: levels below are counted. 11 levels over ln(2e9), the first seven of them above 8e-6.
  CHECK(v.at("odd_missed") == 5);
  CHECK(v.at("odd_max") > 0);
}

TEST_CASE("a measure of every variant") {
  const std::string text =
      "[[measure]]\nname = \"end\"\n[[measure]]\nname = \"r\"\nkind = \"value\"\nvalue = "
      "\"end_sgd/end_sign_sgd\"";
  const auto v = evaluated(text, {theory(power_law(2, 1)), theory(power_law(1, 1))}, "solve", {"sgd", "sign-sgd"});
  CHECK(v.at("end_sgd") == doctest::Approx(2e-6));
  CHECK(v.at("r") == doctest::Approx(2));
}

TEST_CASE("simulations: statistics, and a slope whose error is that of the replicas") {
  const std::string text = R"toml(
[[measure]]
name = "m"
[[measure]]
name = "m95"
statistic = "q95"
observable = "risk"
[[measure]]
name = "s"
kind = "slope"
from = 10
[[measure]]
name = "burst"
kind = "diverged-fraction"
)toml";
  double squares = 0, stated = 0;
  constexpr int trials = 60;
  for (int trial = 0; trial < trials; ++trial) {
    VariantRun run;
    run.sample = noisy(40, 0.3, static_cast<std::uint64_t>(trial));
    run.sample->diverged = 10;
    const auto v = evaluated(text, {run}, "simulate");
    squares += (v.at("s") + 1) * (v.at("s") + 1);
    stated += v.at("s_se") * v.at("s_se");
    if (trial > 0) continue;
    CHECK(v.at("m") == run.sample->mean[run.sample->steps.size() - 1]);
    CHECK(v.at("m95") == doctest::Approx(2 * run.sample->mean.back()));
    CHECK(v.at("burst") == 0.25);
  }
  // 60 independent slopes: the ratio of scatter to stated error is 1 with a standard error of 9%; 5 of these are
  // passed with probability below 1e-6.
  CHECK(std::sqrt(squares / stated) == doctest::Approx(1).epsilon(0.45));
}

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

TEST_CASE("nothing there: not a number everywhere, no crash") {
  const std::string text = R"toml(
[[measure]]
name = "a"
[[measure]]
name = "b"
kind = "slope"
[[measure]]
name = "c"
kind = "median"
[[measure]]
name = "d"
kind = "passage"
level = 1
[[measure]]
name = "g"
kind = "diverged"
[[measure]]
name = "f"
kind = "report"
report = "x"
)toml";
  models::Trajectory empty = power_law(1, 1);
  empty.steps.clear();
  for (auto& c : empty.columns) c.value.clear();
  models::Trajectory infinite = power_law(1, 1);
  for (double& y : infinite.columns[0].value) y = NAN;
  for (const VariantRun& run : {VariantRun{}, theory(empty), theory(infinite)})
    for (const auto& number : evaluated(text, {run})) {
      CAPTURE(number.first);
      CHECK(std::isnan(number.second));
    }
}

TEST_CASE("bad measures: one clear line") {
  const std::string m = "[[measure]]\n";
  refuses(m + "kind = \"final\"", "sweep.toml: measure[0].name: is required");
  refuses(m + "name = \"a b\"", "measure[0].name: 'a b' must be a word of letters");
  refuses(m + "name = \"e\"", "none of pi, e, inf, nan");
  refuses(m + "name = \"label\"", "measure[0].name: 'label' is taken");
  refuses(m + "name = \"last\"", "'last' is taken");
  refuses(m + "name = \"alpha\"", "is the name of an axis, a derived value or an earlier measure");
  refuses(m + "name = \"a\"\n" + m + "name = \"a\"", "measure[1].name: 'a' is the name of");
  refuses(m + "name = \"a\"\nkind = \"slop\"", "measure[0].kind: 'slop' is not one of");
  refuses(m + "name = \"a\"\nkind = \"slop\"", "did you mean 'slope'?");
  refuses(m + "name = \"a\"\nkind = \"slope\"\nform = 1", "measure[0].form: unknown key, did you mean 'from'?");
  refuses(m + "name = \"a\"\nkind = \"slope\"\nfrom = \"alhpa\"", "measure[0].from: 'alhpa'");
  refuses(m + "name = \"a\"\nkind = \"slope\"\nfrom = \"1 +\"", "measure[0].from: \"1 +\" cannot be read");
  refuses(m + "name = \"a\"\nkind = \"at\"", "measure[0].step: is required");
  refuses(m + "name = \"a\"\nkind = \"value\"\nvalue = \"b\"\n" + m + "name = \"b\"", "'b' in \"b\" is not known here");
  refuses(m + "name = \"a\"\nvariant = \"svd\"", "this sweep has no variants");
  refuses(m + "name = \"a\"\nvariant = \"svg\"", "there is no variant 'svg', did you mean 'svd'?; known: svd, sgd",
          "solve", {"svd", "sgd"});
  refuses(m + "name = \"a\"\nkind = \"passage-ratio\"\nvariants = [\"a\"]\nfrom = 1\nto = 1",
          "must be the names of two variants", "solve", {"a", "b"});
  refuses(m + "name = \"a\"\nkind = \"passage-ratio\"\nvariants = [\"a\", \"c\"]\nfrom = 1\nto = 1",
          "there is no variant 'c'", "solve", {"a", "b"});
  refuses(m + "name = \"a\"\nkind = \"verdict\"", "needs a sweep that does validate; this one does 'solve'");
  refuses(m + "name = \"a\"", "needs a sweep that does solve or simulate or validate", "stability");
  refuses(m + "name = \"a\"\nsource = \"simulation\"", "needs a sweep that does validate or simulate");
  refuses(m + "name = \"a\"\nstatistic = \"q95\"", "a theory has mean and std, not 'q95'");
  CHECK_THROWS_WITH_AS(read_measures(parsed(m + "name = \"a\""), {""}, {"last"}, "solve"),
                       doctest::Contains("'last' is taken"), settings::Error);
  CHECK_THROWS_WITH_AS(evaluated(m + "name = \"a\"\nobservable = \"risky\"", {theory(power_law(1, 1))}),
                       "measure a: the theory has no observable 'risky', did you mean 'risk'?; it has excess_mse, risk",
                       settings::Error);
}

TEST_CASE("every kind describes itself") {
  CHECK(measure_kinds().size() == 17);
  for (const settings::Description* kind : measure_kinds()) {
    CHECK_FALSE(kind->summary.empty());
    for (const settings::Parameter& p : kind->parameters) CHECK_FALSE(p.doc.empty());
  }
}

TEST_CASE("a run that ended early: infinite, or not a number, never an earlier value") {
  const std::string text = R"toml(
[[measure]]
name = "end"
[[measure]]
name = "spread"
statistic = "std"
[[measure]]
name = "late"
kind = "at"
step = 5000
[[measure]]
name = "before"
kind = "at"
step = 10
[[measure]]
name = "average"
kind = "mean"
[[measure]]
name = "whole_average"
kind = "mean"
from = 0
[[measure]]
name = "most"
kind = "maximum"
[[measure]]
name = "least"
kind = "minimum"
[[measure]]
name = "middle"
kind = "median"
from = 0
[[measure]]
name = "exponent"
kind = "slope"
from = 1
[[measure]]
name = "early_exponent"
kind = "slope"
from = 1
to = 50
[[measure]]
name = "below"
kind = "passage"
level = 1e-9
[[measure]]
name = "above"
kind = "passage"
level = 1e9
direction = "above"
[[measure]]
name = "gone"
kind = "diverged"
)toml";
  // Recorded to step 100 of 10000 asked.
  VariantRun run = theory(power_law(2, 0.5, 100, 41));
  run.theory->diverged_at = 123;
  for (const bool asked : {true, false}) {
    if (asked) run.asked = {0, 1, 10, 100, 1000, 10000};
    if (!asked) run.asked.clear();
    const auto v = evaluated(text, {run});
    for (const char* name : {"end", "spread", "average", "whole_average", "most"}) {
      CAPTURE(name);
      CHECK(v.at(name) == INFINITY);
    }
    CHECK((asked ? v.at("late") == INFINITY : std::isnan(v.at("late"))));
    for (const char* name : {"least", "middle", "exponent", "below"}) {
      CAPTURE(name);
      CHECK(std::isnan(v.at(name)));
    }
    CHECK(v.at("above") == (asked ? 1000 : 123));
    CHECK(v.at("before") == doctest::Approx(2 / std::sqrt(10.0)));
    CHECK(v.at("early_exponent") == doctest::Approx(-0.5));
    CHECK(v.at("gone") == 123);
  }
}

TEST_CASE("a simulation of which a replica diverged ends there too") {
  const std::string text = R"toml(
[[measure]]
name = "end"
[[measure]]
name = "error"
statistic = "sem"
[[measure]]
name = "middle"
statistic = "q50"
[[measure]]
name = "early"
kind = "at"
step = 10
[[measure]]
name = "exponent"
kind = "slope"
from = 10
to = 1000
[[measure]]
name = "all"
kind = "slope"
from = 10
)toml";
  VariantRun run;
  run.sample = noisy(20, 0.01, 1);
  const auto whole = evaluated(text, {run}, "simulate");
  CHECK(whole.at("end") == doctest::Approx(1e-4).epsilon(0.02));
  run.sample->diverged = 1;
  run.sample->later_steps = {20000, 100000};
  const auto v = evaluated(text, {run}, "simulate");
  CHECK(v.at("end") == INFINITY);
  CHECK(v.at("error") == INFINITY);
  CHECK(std::isnan(v.at("middle")));
  CHECK(std::isnan(v.at("all")));
  CHECK(v.at("early") == whole.at("early"));
  CHECK(v.at("exponent") == whole.at("exponent"));
  CHECK(v.at("exponent_se") == whole.at("exponent_se"));
}

TEST_CASE("reversed windows are errors: at once where they are numbers, else of the cell") {
  const std::string m = "[[measure]]\nname = \"s\"\n";
  for (const char* kind : {"slope", "minimum", "maximum", "mean", "median"}) {
    const std::string window = std::string("kind = \"") + kind + "\"\nfrom = 100\nto = ";
    refuses(m + window + "10", "sweep.toml: measure[0].to: the window of s is reversed: from 100 = 100 to 10 = 10");
    CHECK_THROWS_WITH_AS(evaluated(m + window + "\"first\"", {theory(power_law(1, 1))}),
                         doctest::Contains("the window of s is reversed: from 100 = 100 to first = 1"),
                         settings::Error);
    CHECK_NOTHROW(evaluated(m + window + "\"last\"", {theory(power_law(1, 1))}));
  }
}
