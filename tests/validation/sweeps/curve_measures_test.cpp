#include "validation/sweeps/measures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "random/random.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/validation/sweeps/measures_support.hpp"
#include "validation/sweeps/exponent_fit.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using namespace edgewise::validation::testing;
using edgewise::tests::Approx;

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
  CHECK(v.at("end") == Approx(8e-3));
  CHECK(v.at("half_risk") == Approx(4e-2));
  CHECK(v.at("start") == 8);
  CHECK(v.at("least") == Approx(0.8));
  CHECK(v.at("most") == Approx(8));
  // 8 * 2 (sqrt(1e6) - 10)/(1e6 - 100), within the trapezoidal error of 20 points a decade.
  CHECK(v.at("average") == Approx(16 * 990 / 999900.0).epsilon(1e-3));
  // The value at 875000.
  CHECK(v.at("middle") == Approx(8 / std::sqrt(875000.0)).epsilon(0.05));
  CHECK(v.at("spread") == Approx(8e-4));
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
  CHECK(v.at("s") == Approx(-0.7).epsilon(1e-12));
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
  CHECK(v.at("above") == Approx(-0.7).epsilon(1e-8));
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
  CHECK(v.at("t") == Approx(1e4).epsilon(1e-10));
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
  CHECK(v.at("rho_min") == Approx(std::log(4) / 2 / std::log(1000)).epsilon(1e-10));
  CHECK(v.at("rho_max") == Approx(std::log(1e4) / 2 / std::log(1000)).epsilon(1e-10));
  CHECK(v.at("rho_missed") == 0);
  // sign ends at 8e-6: levels below are counted. 11 levels over ln(2e9), the first seven of them above 8e-6.
  CHECK(v.at("odd_missed") == 5);
  CHECK(v.at("odd_max") > 0);
  // Levels 2, sqrt(2 * 8e-8) = 4e-4 and 8e-8, of which sign meets the first two; of one level it is the highest.
  const auto levels = [&](const std::string& count) {
    return evaluated(
        "[[measure]]\nname = 'r'\nkind = 'passage-ratio'\nvariants = ['sign', 'svd']\nfrom = 2\nto = "
        "8e-8\ncount = " +
            count + "\n",
        runs, "solve", {"sign", "svd"});
  };
  CHECK(levels("3").at("r_min") == Approx(std::log(4) / 2).epsilon(1e-10));
  CHECK(levels("3").at("r_max") == Approx(std::log(2e4) / 2).epsilon(1e-10));
  CHECK(levels("3").at("r_missed") == 1);
  CHECK(levels("1").at("r_max") == Approx(std::log(4) / 2).epsilon(1e-10));
  CHECK(levels("1").at("r_missed") == 0);
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
    CHECK(v.at("m95") == Approx(2 * run.sample->mean.back()));
    CHECK(v.at("burst") == 0.25);
  }
  // 60 independent slopes: the ratio of scatter to stated error is 1 with a standard error of 9%; 5 of these are
  // passed with probability below 1e-6.
  CHECK(std::sqrt(squares / stated) == Approx(1).epsilon(0.45));
}

TEST_CASE("the error of a slope is the jackknife's, of replicas left out one by one or by forties") {
  const std::string text = "[[measure]]\nname = 's'\nkind = 'slope'\nfrom = 10\n";
  for (const std::size_t replicas : {2, 3, 5, 43}) {
    CAPTURE(replicas);
    VariantRun run;
    run.sample = noisy(replicas, 0.3, 7);
    const Sample& sample = *run.sample;
    const auto v = evaluated(text, {run}, "simulate");
    const std::size_t groups = std::min<std::size_t>(replicas, 40);
    if (groups < 3) {
      // Of the residuals, where replicas are too few.
      const std::vector<double> steps(sample.steps.begin(), sample.steps.end());
      const ExponentFit fit = fit_exponent(steps, std::span(sample.mean).first(steps.size()), {.from = 10 - 1e-6});
      CHECK(v.at("s_se") == Approx(fit.standard_error).epsilon(1e-12));
      continue;
    }
    // Of other replicas, the slope that the measure gives their mean.
    double sum = 0, squares = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      VariantRun rest;
      rest.sample = sample;
      for (std::size_t at = 0; at < sample.values.size(); ++at) {
        double all = 0, count = 0;
        for (std::size_t r = 0; r < replicas; ++r)
          if (r % groups != g) {
            all += sample.values[at][r];
            ++count;
          }
        rest.sample->mean[at] = all / count;
      }
      const double slope = evaluated(text, {rest}, "simulate").at("s");
      sum += slope;
      squares += slope * slope;
    }
    const auto n = static_cast<double>(groups);
    CHECK(v.at("s_se") == Approx(std::sqrt((squares - sum * sum / n) * (n - 1) / n)).epsilon(1e-8));
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
    CHECK(v.at("before") == Approx(2 / std::sqrt(10.0)));
    CHECK(v.at("early_exponent") == Approx(-0.5));
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
  CHECK(whole.at("end") == Approx(1e-4).epsilon(0.02));
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

TEST_CASE("what each measure says of itself: of which curve, by which statistic, over which window") {
  const auto docs = [](const std::string& text, const std::string& what) {
    std::vector<std::string> out;
    for (const auto& measure : read_measures(parsed(text), {"u", "v"}, {"alpha", "n"}, what))
      for (const MeasureInfo& info : measure->infos()) out.push_back(info.name + ": " + info.doc);
    return out;
  };
  const std::string text = R"toml(
[[measure]]
name = "end"
variant = "u"
[[measure]]
name = "error"
variant = "u"
statistic = "std"
observable = "risk"
[[measure]]
name = "early"
kind = "at"
variant = "u"
step = "n/2"
[[measure]]
name = "low"
kind = "minimum"
variant = "u"
to = 100
[[measure]]
name = "high"
kind = "maximum"
variant = "u"
from = "first"
[[measure]]
name = "average"
kind = "mean"
variant = "u"
[[measure]]
name = "middle"
kind = "median"
variant = "u"
[[measure]]
name = "s"
kind = "slope"
variant = "u"
observable = "risk"
subtract = "alpha"
tolerance = 0.25
[[measure]]
name = "plain"
kind = "slope"
variant = "u"
[[measure]]
name = "down"
kind = "passage"
variant = "u"
level = "initial/9"
[[measure]]
name = "up"
kind = "passage"
variant = "u"
level = 3
direction = "above"
[[measure]]
name = "r"
kind = "passage-ratio"
variants = ["v", "u"]
observable = "risk"
from = "initial/2"
to = 1e-3
count = 7
normalizer = "ln(n)"
)toml";
  const std::vector<std::string> expected = {
      "end: first observable at the last recorded step",
      "error: risk (std) at the last recorded step",
      "early: first observable at step n/2",
      "low: minimum of first observable over steps 0 to 100",
      "high: maximum of first observable over steps first to last",
      "average: mean of first observable over steps 0.75*last to last",
      "middle: median of first observable over steps 0.75*last to last",
      "s: exponent d log (risk - alpha) / d log step over steps last/100 to last",
      "s_se: standard error of s: scatter of the residuals",
      "s_curvature: change of the local exponent over the window of s",
      "s_curved: 1 where that change is significant and beyond 0.25, else 0",
      "plain: exponent d log first observable / d log step over steps last/100 to last",
      "plain_se: standard error of plain: scatter of the residuals",
      "plain_curvature: change of the local exponent over the window of plain",
      "plain_curved: 1 where that change is significant and beyond 0.05, else 0",
      "down: first step at which first observable is below initial/9",
      "up: first step at which first observable is above 3",
      "r_min: least ln(T_v/T_u) / (ln(n)), T the first step with risk below a level, over 7 levels from initial/2 to "
      "0.001",
      "r_max: largest ln(T_v/T_u) / (ln(n)), T the first step with risk below a level, over 7 levels from initial/2 to "
      "0.001",
      "r_missed: levels that not both variants reach"};
  CHECK(docs(text, "solve") == expected);
  CHECK(docs("[[measure]]\nname = 's'\nkind = 'slope'\nvariant = 'v'\n", "simulate")[1] ==
        "s_se: standard error of s: replicas left out in turn");
}

TEST_CASE(
    "every statistic of a simulation is its own column of the observable; a theory's are its value and its spread") {
  VariantRun run;
  run.sample = noisy(9, 0.2, 3);
  Sample& sample = *run.sample;
  for (std::size_t i = 0; i < sample.mean.size(); ++i) {
    // Each another number, and none that one could be taken for.
    const auto at = static_cast<double>(i + 1);
    sample.mean[i] = 1000 + at, sample.std[i] = 2000 + at, sample.sem[i] = 3000 + at;
    sample.q05[i] = 4000 + at, sample.q50[i] = 5000 + at, sample.q95[i] = 6000 + at;
  }
  const auto times = static_cast<double>(sample.steps.size());
  run.theory = power_law(4, 1, 1e4, 25);
  const auto value = [&](const std::string& keys, const std::string& what) {
    return evaluated("[[measure]]\nname = 'x'\n" + keys, {run}, what).at("x");
  };
  double base = 1000;
  for (const char* statistic : {"mean", "std", "sem", "q05", "q50", "q95"}) {
    const std::string is = std::string("statistic = '") + statistic + "'\n";
    CHECK(value(is, "simulate") == base + times);
    CHECK(value(is + "observable = 'risk'\n", "simulate") == base + 2 * times);
    CHECK(value(is + "observable = 'risk'\nkind = 'at'\nstep = 0\n", "simulate") == base + times + 1);
    CHECK(value(is + "observable = 'risk'\nsource = 'simulation'\n", "validate") == base + 2 * times);
    base += 1000;
  }
  // Where there are both, the theory's unless it is said.
  CHECK(value("", "validate") == Approx(4e-4));
  CHECK(value("source = 'theory'\nobservable = 'risk'\n", "validate") == Approx(2e-4));
  CHECK(value("statistic = 'std'\n", "validate") == Approx(4e-5));
  // The second column has no spread.
  CHECK(std::isnan(value("statistic = 'std'\nobservable = 'risk'\n", "solve")));
  run.sample->replicas = 0;
  CHECK(std::isnan(value("", "simulate")));
  run.sample.reset();
  CHECK(std::isnan(value("", "simulate")));
  run.theory.reset();
  CHECK(std::isnan(value("", "solve")));
  refuses("[[measure]]\nname = 'x'\nstatistic = 'q50'\n", "measure[0].statistic: a theory has mean and std, not 'q50'");
  refuses("[[measure]]\nname = 'x'\nsource = 'simulation'\n", "source");
  refuses("[[measure]]\nname = 'x'\nsource = 'theory'\n", "source", "simulate");
  refuses("[[measure]]\nname = 'x'\n", "kind", "stability");
  refuses("[[measure]]\nname = 'x'\nkind = 'passage-ratio'\nvariants = ['']\nfrom = 1\nto = 1\n",
          "measure[0].variants: must be the names of two variants");
  refuses("[[measure]]\nname = 'x'\nkind = 'passage-ratio'\nvariants = ['one', 'tow']\nfrom = 1\nto = 1\n",
          "measure[0].variants: there is no variant 'tow', did you mean 'two'?; known: one, two", "solve",
          {"one", "two"});
}

TEST_CASE("an observable that a curve does not have is named with those that it has") {
  const auto said = [](const std::string& keys, const std::string& what, VariantRun run) {
    try {
      evaluated("[[measure]]\nname = 'x'\nobservable = 'rsik'\n" + keys, {std::move(run)}, what);
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  VariantRun simulated;
  simulated.sample = noisy(3, 0.1, 1);
  CHECK(said("", "solve", theory(power_law(1, 1))) ==
        "measure x: the theory has no observable 'rsik', did you mean 'risk'?; it has excess_mse, risk");
  CHECK(said("", "simulate", simulated) ==
        "measure x: the simulation has no observable 'rsik', did you mean 'risk'?; it has excess_mse, risk");
  models::Trajectory none = power_law(1, 1);
  none.columns.clear();
  CHECK(said("", "solve", theory(none)) == "measure x: the theory has no observables");
  // Before anything is computed: by what either side is known to have, of the measure's own variant.
  const auto checked = [](const std::string& keys, std::size_t variant, const std::string& what) {
    KnownObservables known;
    known.theory = {"risk"};
    known.simulation = {"norm"};
    try {
      for (const auto& measure : read_measures(parsed("[[measure]]\nname = 'x'\n" + keys), {"u", "v", "w"}, {}, what))
        measure->check(variant, known);
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(checked("variant = 'v'\nobservable = 'risk'\n", 1, "solve").empty());
  CHECK(checked("variant = 'v'\nobservable = 'norm'\n", 1, "solve")
            .ends_with("the theory has no observable 'norm'; it has risk"));
  CHECK(checked("variant = 'v'\nobservable = 'norm'\n", 0, "solve").empty());
  CHECK(checked("variant = 'v'\nobservable = 'norm'\nsource = 'simulation'\n", 1, "validate").empty());
  CHECK(checked("variant = 'v'\nobservable = 'risk'\n", 1, "simulate")
            .ends_with("the simulation has no observable 'risk'; it has norm"));
  CHECK(checked("variant = 'v'\n", 1, "solve").empty());
  const std::string ratio = "kind = 'passage-ratio'\nvariants = ['w', 'u']\nfrom = 1\nto = 1\nobservable = 'norm'\n";
  CHECK_FALSE(checked(ratio, 0, "solve").empty());
  CHECK(checked(ratio, 1, "solve").empty());
  CHECK_FALSE(checked(ratio, 2, "solve").empty());
}

TEST_CASE("a slope's numbers are those of the fit over its window, whose ends are in it") {
  // The fifth root of e apart, with a bend and scatter.
  models::Trajectory bent;
  bent.columns = {{{"loss", "", ""}, {}, {}}};
  random::Stream stream(2, 0);
  for (int k = 0; k <= 30; ++k) {
    bent.steps.push_back(std::exp(0.2 * k));
    bent.columns[0].value.push_back(0.5 + std::exp(-0.1 * k - 0.002 * k * k + 0.02 * stream.normal()));
  }
  std::vector<double> above;
  for (const double y : bent.columns[0].value) above.push_back(y - 0.5);
  const double from = bent.steps[8], to = bent.steps[25];
  const auto slope = [&](double first, double last, const std::string& more = "") {
    const auto v =
        evaluated("[[measure]]\nname = 's'\nkind = 'slope'\nsubtract = 0.5\nfrom = " + settings::text_of(first) +
                      "\nto = " + settings::text_of(last) + "\n" + more,
                  {theory(bent)});
    return std::vector<double>{v.at("s"), v.at("s_se"), v.at("s_curvature"), v.at("s_curved")};
  };
  const auto expected = [&](double first, double last, double tolerance) {
    ExponentOptions options{first, last, tolerance};
    const ExponentFit fit = fit_exponent(bent.steps, above, options);
    return std::vector<double>{fit.exponent, fit.standard_error, fit.curvature, fit.curved ? 1. : 0.};
  };
  const auto same = [](const std::vector<double>& a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < 4; ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-12));
  };
  const std::vector<double> whole = expected(from * 0.99, to * 1.01, 0.05);
  same(slope(from * (1 + 0.9e-9), to * (1 - 0.9e-9)), whole);
  same(slope(from * (1 - 1e-3), to * (1 + 1e-3)), whole);
  same(slope(from * (1 + 1.1e-9), to), expected(from * 1.01, to * 1.01, 0.05));
  same(slope(from, to * (1 - 1.1e-9)), expected(from * 0.99, to * 0.99, 0.05));
  CHECK(whole[3] == 1);
  for (const double by : {0.99, 1.01})
    CHECK(slope(from, to, "tolerance = " + settings::text_of(by * std::abs(whole[2])) + "\n")[3] == (by < 1 ? 1 : 0));
  // The record must reach the window's end, to a billionth, and have numbers there alone.
  const double last = bent.steps.back();
  CHECK(std::isfinite(slope(from, last * (1 + 0.9e-9))[0]));
  CHECK(std::isnan(slope(from, last * (1 + 1.1e-9))[0]));
  bent.columns[0].value[7] = INFINITY;
  bent.columns[0].value[26] = NAN;
  same(slope(from, to), whole);
  bent.columns[0].value[8] = INFINITY;
  CHECK(std::isnan(slope(from, to)[0]));
  bent.columns[0].value[8] = 1;
  bent.columns[0].value[25] = INFINITY;
  CHECK(std::isnan(slope(from, to)[0]));
  // Three points have a slope, no error of a curvature, and so no word on whether it is curved.
  CHECK(std::isnan(slope(bent.steps[10], bent.steps[12])[3]));
  CHECK(std::isfinite(slope(bent.steps[10], bent.steps[12])[2]));
}

TEST_CASE("formulas of a curve know where it starts, its first step after 0 and its last") {
  const auto at = [](const std::string& step, models::Trajectory curve) {
    return evaluated("[[measure]]\nname = 'x'\nkind = 'at'\nstep = '" + step + "'\n", {theory(std::move(curve))})
        .at("x");
  };
  models::Trajectory line;
  line.steps = {0, 2, 8};
  line.columns = {{{"loss", "", ""}, {5, -1, 3}, {}}};
  CHECK(at("first", line) == -1);
  CHECK(at("last", line) == 3);
  CHECK(at("initial + 3", line) == 3);
  CHECK(at("alpha + 0.5", line) == -1);
  line.steps = {0};
  line.columns[0].value = {5};
  CHECK(std::isnan(at("first", line)));
  CHECK(at("0", line) == 5);
}

TEST_CASE(
    "what was asked after the last record is infinite, before the step of divergence too; levels must be above 0") {
  VariantRun run = theory(power_law(2, 0.5, 100, 41));
  run.theory->diverged_at = 5000;
  run.asked = {0, 100, 1000, 10000};
  const auto at = [&](const std::string& step) {
    return evaluated("[[measure]]\nname = 'x'\nkind = 'at'\nstep = " + step + "\n", {run}).at("x");
  };
  CHECK(at("1000") == INFINITY);
  CHECK(at("300") == INFINITY);
  CHECK(at("10000") == INFINITY);
  CHECK(std::isnan(at("10001")));
  CHECK(at("100") == Approx(0.2));
  const std::vector<VariantRun> runs = {theory(power_law(8, 1)), theory(power_law(8, 2))};
  const auto missed = [&](const std::string& from, const std::string& to, const std::string& normalizer = "1") {
    return evaluated("[[measure]]\nname = 'r'\nkind = 'passage-ratio'\nvariants = ['a', 'b']\nfrom = '" + from +
                         "'\nto = '" + to + "'\nnormalizer = '" + normalizer + "'\n",
                     runs, "solve", {"a", "b"})
        .at("r_missed");
  };
  CHECK(missed("1", "0.1") == 0);
  // The lowest level is the last value of the first curve, to its last digit.
  const std::string last = settings::text_of(runs[0].theory->columns[0].value.back());
  for (const char* from : {"0.1", "0.3", "0.7", "1.1", "1.3", "1.7", "1.9", "2.3", "2.9", "3.1", "3.7", "4.3"})
    CHECK(missed(from, last) == 0);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"0", "1"}, {"1", "0"}, {"-1", "1"}, {"1", "-1"}, {"inf", "1"}, {"1", "inf"}}) {
    CHECK(std::isnan(missed(from, to)));
  }
  CHECK(std::isnan(missed("1", "0.1", "ln(-1)")));
}
