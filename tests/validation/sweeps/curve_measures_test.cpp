#include "validation/sweeps/measures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "random/random.hpp"
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
