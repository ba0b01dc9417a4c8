// The extrapolation in d: calibrated on gaps that vanish like a power of d, and blind to none that stay.
#include "validation/verdicts/extrapolation.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/holds.hpp"
#include "validation/monte_carlo/statistics.hpp"
#include "validation/verdicts/joint_test.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::expected::holds;
using edgewise::tests::Approx;

namespace {

/// Paths about a known curve: value = theory (1 + gap(d, t) + spread d^(-1/2) x_t), x_t correlated along the path.
struct Made {
  std::vector<double> dimensions{100, 200, 400};
  std::uint64_t replicas = 64;
  std::size_t times = 8;
  double spread = 0.85;
  double transient = 0, exponent = 1, lasting = 0;  // gap = lasting + transient d^-exponent (1 + t/times)

  std::vector<Level> levels(std::uint64_t seed) const {
    std::vector<Level> out;
    for (std::size_t l = 0; l < dimensions.size(); ++l) {
      Level level;
      level.dimension = dimensions[l];
      level.sample.observables = {{"excess_mse", "label^2", ""}};
      level.sample.replicas = replicas;
      level.sample.values.assign(times + 1, std::vector<double>(replicas));
      models::Column column{{"excess_mse", "label^2", ""}, {}, {}};
      for (std::size_t t = 0; t <= times; ++t) {
        level.sample.steps.push_back(t * static_cast<std::uint64_t>(dimensions[l]));
        level.theory.steps.push_back(static_cast<double>(level.sample.steps.back()));
        column.value.push_back(std::exp(-0.3 * static_cast<double>(t)) * (1 + 1 / dimensions[l]));
      }
      for (std::uint64_t r = 0; r < replicas; ++r) {
        random::Stream stream(seed, r, l);
        double x = 0;
        for (std::size_t t = 0; t <= times; ++t) {
          const double share = static_cast<double>(t) / static_cast<double>(times);
          x = 0.8 * x + 0.6 * stream.normal();
          const double gap = lasting + transient * std::pow(dimensions[l], -exponent) * (1 + share);
          level.sample.values[t][r] =
              t == 0 ? column.value[0] : column.value[t] * (1 + gap + spread / std::sqrt(dimensions[l]) * x);
        }
      }
      level.theory.columns = {column};
      out.push_back(std::move(level));
    }
    return out;
  }
};

struct Tally {
  std::uint64_t agree = 0, disagree = 0, inconclusive = 0;
};

Tally tally(const Made& made, const std::vector<double>& exponents, std::uint64_t seeds,
            const VerdictOptions& options) {
  Tally t;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto outcome = extrapolate(made.levels(seed), options, exponents, seed).verdict.outcome;
    ++(outcome == Outcome::agree ? t.agree : outcome == Outcome::disagree ? t.disagree : t.inconclusive);
  }
  return t;
}

const std::vector<double> several = ExtrapolationOptions().exponents;

template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("calibration: with the exponent known, the false-alarm rate is the stated one" *
          doctest::test_suite("slow")) {
  // A gap of 8/d: 16% at the end at d = 100, 4% at 400, where the standard error is 0.5%.
  Made made;
  made.transient = 8;
  VerdictOptions options;
  options.false_alarm = 0.05;
  options.resolution = 0.3;
  const auto t = tally(made, {1}, 300, options);
  const auto [low, high] = binomial_interval(t.disagree, 300, 0.999);
  CAPTURE(t.disagree);
  CHECK(low <= 0.05);
  CHECK(high >= 0.05);
  CHECK(t.inconclusive == 0);
}

TEST_CASE("calibration: with several exponents, at most the stated rate, whichever is right" *
          doctest::test_suite("slow")) {
  for (const double exponent : {0.5, 1.0, 2.0}) {
    CAPTURE(exponent);
    Made made;
    made.exponent = exponent;
    made.transient = 0.08 * std::pow(100, exponent);
    VerdictOptions options;
    options.false_alarm = 0.05;
    options.resolution = 0.5;
    const auto t = tally(made, several, 60, options);
    CAPTURE(t.disagree);
    CHECK(binomial_interval(t.disagree, 60, 0.999).first <= 0.05);
    CHECK(t.agree >= 50);
  }
}

TEST_CASE("a single dimension would cry wolf where the extrapolation does not") {
  Made made;
  made.transient = 8;
  made.replicas = 256;
  const auto levels = made.levels(3);
  CHECK(judge(levels.back().theory, levels.back().sample, {}, 3).outcome == Outcome::disagree);
  const auto extrapolated = extrapolate(levels, {}, std::vector<double>{1}, 3);
  CHECK(extrapolated.verdict.outcome == Outcome::agree);
  CHECK(holds(extrapolated.verdict.reason, "extrapolated from 3 dimensions up to 400 as d^-1"));
}

TEST_CASE("beyond the validity of any level's theory nothing is judged") {
  Made made;
  made.transient = 8;
  made.replicas = 1000;
  auto levels = made.levels(3);
  for (Level& level : levels)
    for (const std::size_t t : {7u, 8u}) level.theory.columns[0].value[t] *= 2;
  CHECK(extrapolate(levels, {}, std::vector<double>{1}, 3).verdict.outcome == Outcome::disagree);
  levels[1].theory.valid_until = levels[1].theory.steps[6];
  const auto cut = extrapolate(levels, {}, std::vector<double>{1}, 3);
  CHECK(cut.verdict.outcome != Outcome::disagree);
  CHECK(cut.verdict.rows.size() == 6);
}

TEST_CASE("power: a discrepancy of 4% that stays is never passed" * doctest::test_suite("slow")) {
  Made made;
  made.transient = 8;
  made.lasting = 0.04;
  made.replicas = 1000;
  CHECK(tally(made, {1}, 20, {}).disagree == 20);
  made.dimensions = {100, 200, 400, 800};
  const auto t = tally(made, several, 20, {});
  CAPTURE(t.inconclusive);
  CHECK(t.agree == 0);
  CHECK(t.disagree >= 19);
}

TEST_CASE("too few replicas: inconclusive, never agree" * doctest::test_suite("slow")) {
  Made made;
  made.replicas = 12;
  made.dimensions = {20, 40, 80};
  const auto t = tally(made, several, 20, {});
  CHECK(t.agree == 0);
  CHECK(t.disagree <= 3);
}

TEST_CASE("learning curves begin at the first samples asked for, their samples at none") {
  Made made;
  made.transient = 3;
  const Extrapolation whole = extrapolate(made.levels(5), {}, several, 5);
  std::vector<Level> levels = made.levels(5);
  for (Level& level : levels) {
    level.theory.steps.erase(level.theory.steps.begin());
    level.theory.columns[0].value.erase(level.theory.columns[0].value.begin());
  }
  const Extrapolation later = extrapolate(levels, {}, several, 5);
  CHECK(later.verdict.max_z == whole.verdict.max_z);
  REQUIRE(later.verdict.rows.size() == whole.verdict.rows.size());
  CHECK(later.verdict.rows.back().step == whole.verdict.rows.back().step);
  CHECK(later.verdict.rows.back().mc_mean == whole.verdict.rows.back().mc_mean);
  // Samples that begin there as well have no row before.
  for (Level& level : levels) {
    level.sample.steps.erase(level.sample.steps.begin());
    level.sample.values.erase(level.sample.values.begin());
  }
  CHECK(extrapolate(levels, {}, several, 5).verdict.max_z == whole.verdict.max_z);
  // What is kept of the largest ends with the last row too.
  CHECK(later.sample.steps == whole.sample.steps);
  CHECK(later.sample.values == whole.sample.values);
}

TEST_CASE("a gap that does not decay like a power is said so") {
  // Large between two small ones.
  Made made;
  made.replicas = 400;
  auto levels = made.levels(5);
  for (auto& values : levels[1].sample.values)
    for (double& value : values) value *= 1.1;
  const auto result = extrapolate(levels, {}, several, 5);
  CHECK(result.verdict.outcome == Outcome::inconclusive);
  CHECK(holds(result.verdict.reason, "does not decay like a power"));
  CHECK(result.fit_p_value < 1e-4);
  const auto fixed = extrapolate(levels, {}, std::vector<double>{1}, 5);
  CHECK(holds(fixed.verdict.warnings.back(), "does not decay like a power"));
}

TEST_CASE("numbers: gaps at each dimension, their limit, and the rows of the verdict") {
  Made made;
  made.transient = 10;
  made.lasting = 0.05;
  made.replicas = 4000;
  const auto result = extrapolate(made.levels(9), {}, std::vector<double>{1}, 9);
  CHECK(result.gaps.size() == 3);
  for (const Gap& gap : result.gaps) {
    // Mean over t = 1..8 of 1 + t/8 is 1.5625.
    CHECK(std::abs(gap.mean - (0.05 + 15.625 / gap.dimension)) < 5 * gap.sem);
    CHECK(gap.sem < 0.002);
  }
  CHECK(std::abs(result.limit.mean - 0.05) < 5 * result.limit.sem);
  CHECK(std::isinf(result.limit.dimension));
  CHECK(result.verdict.rows.size() == 8);
  const auto& row = result.verdict.rows.back();
  CHECK(row.step == 3200);
  CHECK(row.observable == "excess_mse");
  CHECK(std::abs(row.mc_mean / row.theory - 1.05) < 5 * row.mc_sem / row.theory);
  CHECK(result.exponent == 1);
}

TEST_CASE("the exponent that fits best is near the right one") {
  Made made;
  made.dimensions = {50, 100, 200, 400};
  made.replicas = 4000;
  for (const double exponent : {0.5, 1.0, 2.0}) {
    made.exponent = exponent;
    made.transient = 0.3 * std::pow(50, exponent);
    CHECK(extrapolate(made.levels(2), {}, several, 2).exponent == exponent);
  }
}

TEST_CASE("exact standard deviations are used where every level has them") {
  Made made;
  auto levels = made.levels(4);
  for (Level& level : levels)
    for (std::size_t t = 0; t <= made.times; ++t) {
      double variance = 0;
      for (std::size_t s = 0; s <= t; ++s) variance += 0.36 * std::pow(0.64, static_cast<double>(s));
      level.theory.columns[0].std.push_back(level.theory.columns[0].value[t] * made.spread *
                                            std::sqrt(variance / level.dimension));
    }
  const auto result = extrapolate(levels, {}, std::vector<double>{1}, 4);
  CHECK(result.verdict.exact_std);
  // Least squares with variances 1/d, x = 4, 2, 1: weights of the intercept 1/7 (-3.5/..): checked by their sums.
  const double spread = result.verdict.rows[0].std_used / result.verdict.rows[0].theory;
  const double s0 = 7, s1 = 4 + 4 + 4, s2 = 16 + 8 + 4, det = s0 * s2 - s1 * s1;
  double variance = 0;
  const double weights[] = {(s2 - 4 * s1) / det, 2 * (s2 - 2 * s1) / det, 4 * (s2 - s1) / det};
  for (std::size_t l = 0; l < 3; ++l) variance += weights[l] * weights[l] / made.dimensions[l];
  CHECK(weights[0] + weights[1] + weights[2] == Approx(1));
  double path = 0.36 + 0.36 * 0.64;
  CHECK(spread == Approx(made.spread * std::sqrt(variance * path)).epsilon(1e-12));
}

TEST_CASE("levels that do not fit together are refused") {
  Made made;
  auto levels = made.levels(1);
  CHECK(holds(message([&] { extrapolate(std::span(levels).first(2), {}, several, 1); }), "at least 3"));
  CHECK(holds(message([&] { extrapolate(levels, {}, {}, 1); }), "exponent"));
  std::swap(levels[0], levels[1]);
  CHECK(holds(message([&] { extrapolate(levels, {}, several, 1); }), "must increase"));
  std::swap(levels[0], levels[1]);
  levels[0].theory.columns[0].observable.name = "other";
  CHECK(holds(message([&] { extrapolate(levels, {}, several, 1); }), "do not share"));
  levels = made.levels(1);
  levels[1].theory.columns[0].value[2] = std::numeric_limits<double>::infinity();
  CHECK(holds(message([&] { extrapolate(levels, {}, several, 1); }), "is inf at step"));
  levels = made.levels(1);
  levels[1].theory.steps[2] += 1;
  CHECK(holds(message([&] { extrapolate(levels, {}, several, 1); }), "different steps"));
}

TEST_CASE("experiments at several dimensions: scaled keys and corresponding steps") {
  const std::string text =
      "model = \"least-squares\"\n[spectrum]\nkind = \"isotropic\"\ndimension = 100\n[optimizer]\nlearning_rate = "
      "0.01\n[time]\nsteps = 1000\npoints = 12\n[verdict]\ndimensions = [400, 50, 200]\n[verdict.scaling]\n"
      "optimizer.learning_rate = -1\ntime.steps = 1\n";
  const auto base = models::read_experiment(settings::read_text(text, "x.toml"));
  const auto options = read_extrapolation(base.table);
  REQUIRE(options);
  CHECK(options->dimensions == std::vector<double>{50, 200, 400});
  const auto experiments = at_dimensions(base, *options);
  REQUIRE(experiments.size() == 3);
  for (std::size_t l = 0; l < 3; ++l) {
    const double d = options->dimensions[l];
    const auto& e = experiments[l];
    CHECK(*e.table.table("spectrum")->find("dimension") == settings::Value(static_cast<std::int64_t>(d)));
    CHECK(std::get<double>(*e.table.table("optimizer")->find("learning_rate")) == Approx(1 / d));
    CHECK(e.time.steps == static_cast<std::uint64_t>(10 * d));
    CHECK(e.time.at.size() == experiments[0].time.at.size());
    CHECK(e.monte_carlo.seed == base.monte_carlo.seed + l);
    CHECK(e.time.at.front() == 0);
    CHECK(e.time.at.back() == e.time.steps);
    for (std::size_t t = 1; t < e.time.at.size(); ++t) CHECK(e.time.at[t] > e.time.at[t - 1]);
  }
}

TEST_CASE("an experiment without a dimension says which have one") {
  const auto refusal = [](const std::string& text) {
    return message([&] {
      models::Experiment base;
      base.table = settings::read_text(text + "[verdict]\ndimensions = [10, 20, 30]\n", "x.toml");
      base.model = std::get<std::string>(*base.table.find("model"));
      at_dimensions(base, *read_extrapolation(base.table));
    });
  };
  for (const std::string text : {"model = \"least-squares\"\n[spectrum]\nkind = \"file\"\npath = \"a.csv\"\n",
                                 "model = \"least-squares\"\n[spectrum]\nkind = \"dataset\"\n",
                                 "model = \"least-squares\"\n[spectrum]\nkind = \"list\"\neigenvalues = [1, 2]\n",
                                 "model = \"matrix-least-squares\"\n"}) {
    CAPTURE(text);
    const std::string said = refusal(text);
    CHECK(holds(said, "x.toml: verdict.dimensions"));
    CHECK(holds(said, "no dimension to change"));
    CHECK(holds(said, "isotropic"));
    CHECK(holds(said, "power-law"));
    CHECK(said.find('\n') == std::string::npos);
  }
  CHECK(holds(refusal("model = \"least-squares\"\n[spectrum]\nkind = \"isotropic\"\ndimension = \"ten\"\n"),
              "spectrum.dimension"));
}

TEST_CASE("quadratic regression changes its outputs, with parameters and batch in proportion") {
  const std::string text =
      "model = \"quadratic-regression\"\n[data]\noutputs = 60\nparameters = 120\n[optimizer]\nkind = \"sgd\"\n"
      "learning_rate = 0.3\nbatch = 12\n[time]\nsteps = 20\n[verdict]\ndimensions = ";
  const auto at = [&](const std::string& dimensions) {
    const auto base = models::read_experiment(settings::read_text(text + dimensions + "\n", "x.toml"));
    return at_dimensions(base, *read_extrapolation(base.table));
  };
  const auto experiments = at("[20, 40, 100]");
  REQUIRE(experiments.size() == 3);
  const std::int64_t outputs[] = {20, 40, 100};
  for (std::size_t l = 0; l < 3; ++l) {
    const auto& table = experiments[l].table;
    CHECK(*table.table("data")->find("outputs") == settings::Value(outputs[l]));
    CHECK(*table.table("data")->find("parameters") == settings::Value(2 * outputs[l]));
    CHECK(*table.table("optimizer")->find("batch") == settings::Value(outputs[l] / 5));
    CHECK(!table.table("spectrum"));
  }
  CHECK(holds(message([&] { at("[20, 41, 100]"); }), "optimizer.batch goes in proportion to data.outputs"));
}

TEST_CASE("a model without a spectrum names its dimension") {
  const auto at = [&](const std::string& text) {
    const auto base = models::read_experiment(settings::read_text(text, "x.toml"));
    return at_dimensions(base, *read_extrapolation(base.table));
  };
  const std::string cdat =
      "model = \"mini-batch-cdat\"\n[data]\ndimension = 50\n[optimizer]\nbatch = 25\n[rate]\n"
      "kind = \"cdat\"\n[time]\nsteps = 4\n[verdict]\ndimensions = [50, 100, 400]\n";
  const auto batch = [](const models::Experiment& e) {
    return settings::text_of(*e.table.table("optimizer")->find("batch"));
  };
  const auto followed = at(cdat);
  CHECK(batch(followed[0]) == "25");
  CHECK(batch(followed[1]) == "50");
  CHECK(batch(followed[2]) == "200");
  // What the experiment scales itself follows that exponent alone.
  const auto scaled = at(cdat + "scaling.optimizer.batch = 0.5\n");
  CHECK(batch(scaled[0]) == "25.0");
  CHECK(batch(scaled[2]) == settings::text_of(25 * std::sqrt(8.0)));

  const auto width =
      at("model = \"equilibrium-network\"\n[network]\nscale = 0.5\nwidth = 40\n[depth]\nmax = 4\n[verdict]\n"
         "dimensions = [20, 40, 80]\n");
  CHECK(*width[2].table.table("network")->find("width") == settings::Value(std::int64_t{80}));
  CHECK(holds(message([&] {
                at("model = \"quadratic-regression\"\n[data]\nparameters = 10\n[time]\nsteps = 4\n[verdict]\n"
                   "dimensions = [20, 40, 80]\n");
              }),
              "no dimension to change; in quadratic-regression it is [data] outputs"));
  const std::string network = message([&] {
    at("model = \"network\"\n[time]\nsteps = 4\n[optimizer]\nlearning_rate = 0.1\n[verdict]\ndimensions = [20, 40, "
       "80]\n");
  });
  CHECK(holds(network, "verdict.dimensions: the model network has no dimension to change; leave it out"));
}

TEST_CASE("what the theory does not claim at every dimension is shown as it is at the largest, and not judged") {
  auto levels = Made().levels(1);
  for (Level& level : levels) {
    const models::Observable observable{"unclaimed", "", ""};
    models::Column column{observable, std::vector<double>(level.theory.steps.size(), 7.0), {}};
    column.valid_from = level.theory.steps[6];
    level.theory.columns.push_back(column);
    level.sample.observables.push_back(observable);
    level.sample.values.insert(level.sample.values.end(), 9, std::vector<double>(64, 5.0));
    // What is claimed is right, and fluctuates a little.
    for (std::size_t t = 6; t <= 8; ++t)
      for (std::size_t r = 0; r < 64; ++r)
        level.sample.values[9 + t][r] = 7 * (1 + 1e-3 * random::Stream(1, r, level.sample.steps[t]).normal());
  }
  const Verdict verdict = extrapolate(levels, {}, std::vector<double>{1}, 1).verdict;
  CHECK(verdict.outcome != Outcome::disagree);
  const auto of = [](const std::vector<Comparison>& rows, double mean) {
    std::size_t count = 0;
    for (const Comparison& row : rows)
      if (row.observable == "unclaimed") {
        CHECK(row.theory == 7);
        CHECK(row.mc_mean == Approx(mean).epsilon(0.01));
        ++count;
      }
    return count;
  };
  CHECK(of(verdict.shown, 5) == 5);
  CHECK(of(verdict.rows, 7) == 3);
}

TEST_CASE("bad input for the extrapolation") {
  const auto read = [](const std::string& verdict) {
    return message([&] { read_extrapolation(settings::read_text("[verdict]\n" + verdict, "x.toml")); });
  };
  CHECK(!read_extrapolation(settings::read_text("[verdict]\nresolution = 0.1\n", "x.toml")));
  CHECK(!read_extrapolation(settings::read_text("title = \"a\"\n", "x.toml")));
  CHECK(holds(read("dimensions = [10, 20]"), "at least 3"));
  CHECK(holds(read("dimensions = [10, 20, 20]"), "twice"));
  CHECK(holds(read("dimensions = [10, 20, 30.5]"), "whole"));
  CHECK(holds(read("dimensions = [10, 20, 1e300]"), "verdict.dimensions: are whole numbers up to 1e+15, got 1e+300"));
  CHECK(holds(read("dimensions = [10, 20, 0]"), ">= 1"));
  CHECK(holds(read("gap_exponent = 1.0"), "dimensions"));
  CHECK(holds(read("scaling.time.steps = 1"), "dimensions"));
  CHECK(holds(read("dimensions = [10, 20, 30]\ngap_exponent = 0"), ">= 0.1"));
  CHECK(holds(read("dimensions = [10, 20, 30]\nscaling.steps = 1"), "SECTION.KEY"));
  CHECK(holds(read("dimensions = [10, 20, 30]\nscaling.time.steps = \"one\""), "number"));
  const auto scaled = [](const std::string& scaling) {
    return message([&] {
      const auto base = models::read_experiment(settings::read_text(
          "model = \"least-squares\"\n[spectrum]\nkind = \"isotropic\"\ndimension = 100\n[time]\nsteps = 10\n"
          "[verdict]\ndimensions = [10, 20, 30]\nscaling." +
              scaling + "\n",
          "x.toml"));
      at_dimensions(base, *read_extrapolation(base.table));
    });
  };
  CHECK(holds(scaled("optimizer.learning_rate = 1"), "gives no number"));
  CHECK(holds(scaled("time.points = 1"), "only `steps`"));
}

TEST_CASE("several exponents share the false alarm with the choice among them: half of it is left for the limit") {
  Made made;
  made.transient = 8;
  const auto levels = made.levels(3);
  const auto critical = [&](double false_alarm, const std::vector<double>& exponents) {
    VerdictOptions options;
    options.false_alarm = false_alarm;
    options.resolution = 1;
    const Verdict verdict = extrapolate(levels, options, exponents, 3).verdict;
    return std::pair(verdict.critical_z, verdict.effective_comparisons);
  };
  // The critical value of the same comparisons, by the law of their maximum at the false alarm that is left, widened for few
  // replicas.
  const auto [of_two, comparisons] = critical(0.02, {1, 1});
  CHECK(of_two == critical(0.01, {1}).first);
  CHECK(of_two > critical(0.02, {1}).first);
  const double law = -normal_quantile(-std::expm1(std::log1p(-0.01) / comparisons) / 2);
  CHECK(of_two == Approx(widening_of_few(static_cast<double>(made.replicas)) * law).epsilon(1e-12));
}

TEST_CASE("limits, their errors and the misfit are those of weighted least squares, replica by replica") {
  Made made;
  made.dimensions = {50, 80, 200, 400};
  made.replicas = 60;
  made.transient = 3;
  made.lasting = 0.01;
  const auto levels = made.levels(6);
  for (const double exponent : {0.5, 1.5}) {
    CAPTURE(exponent);
    const Extrapolation result = extrapolate(levels, {}, std::vector<double>{exponent}, 6);
    const auto deviation = [&](std::size_t l, std::size_t t, std::size_t r) {
      return levels[l].sample.values[t][r] / levels[l].theory.columns[0].value[t] - 1;
    };
    // g + c d^-p to the four levels with weights d: a column of the design for g and one for c.
    linear_algebra::Matrix design(4, 2);
    for (std::size_t l = 0; l < 4; ++l) {
      design(l, 0) = std::sqrt(made.dimensions[l]);
      design(l, 1) = std::sqrt(made.dimensions[l]) * std::pow(made.dimensions[l], -exponent);
    }
    std::vector<double> average(60, 0.0);
    for (std::size_t t = 1; t <= 8; ++t) {
      std::vector<double> values;
      const double theory = levels[3].theory.columns[0].value[t];
      for (std::size_t r = 0; r < 60; ++r) {
        std::vector<double> right;
        for (std::size_t l = 0; l < 4; ++l) right.push_back(std::sqrt(made.dimensions[l]) * deviation(l, t, r));
        const double g = linear_algebra::least_squares(design, right)[0];
        average[r] += g / 8;
        values.push_back(theory * (1 + g));
      }
      const Moments m = moments(values);
      const Comparison& row = result.verdict.rows[t - 1];
      CHECK(row.theory == theory);
      CHECK(row.mc_mean == Approx(m.mean).epsilon(1e-10));
      CHECK(row.mc_sem == Approx(m.sem).epsilon(1e-9));
    }
    CHECK(result.limit.mean == Approx(moments(average).mean).epsilon(1e-9));
    CHECK(result.limit.sem == Approx(moments(average).sem).epsilon(1e-9));
    for (std::size_t l = 0; l < 4; ++l) {
      std::vector<double> own(60, 0.0);
      for (std::size_t t = 1; t <= 8; ++t)
        for (std::size_t r = 0; r < 60; ++r) own[r] += deviation(l, t, r) / 8;
      CHECK(result.gaps[l].dimension == made.dimensions[l]);
      CHECK(result.gaps[l].mean == Approx(moments(own).mean).epsilon(1e-10));
      CHECK(result.gaps[l].sem == Approx(moments(own).sem).epsilon(1e-10));
    }
    // Of levels 1, 2, 3 and 2, 3, 4: what 1 and d^-p leave, judged against none, the larger one in units of its weight.
    Sample bent;
    models::Trajectory none;
    none.exact = true;
    bent.replicas = 60;
    for (std::size_t t = 0; t <= 8; ++t) {
      bent.steps.push_back(t);
      none.steps.push_back(static_cast<double>(t));
    }
    for (std::size_t first = 0; first < 2; ++first) {
      const models::Observable name{std::to_string(first), "", ""};
      bent.observables.push_back(name);
      none.columns.push_back({name, std::vector<double>(9, 0.0), {}});
      const auto x = [&](std::size_t l) { return std::pow(made.dimensions[first + l], -exponent); };
      // y_1 less what a line through the two others has there.
      const double share = (x(1) - x(2)) / (x(0) - x(2));
      for (std::size_t t = 0; t <= 8; ++t) {
        bent.values.emplace_back(60, 0.0);
        for (std::size_t r = 0; r < 60 && t > 0; ++r)
          bent.values.back()[r] -=
              deviation(first + 1, t, r) - share * deviation(first, t, r) - (1 - share) * deviation(first + 2, t, r);
      }
    }
    CHECK(result.fit_p_value == Approx(judge(none, bent, {}, 6).p_value).epsilon(1e-12));
  }
}

TEST_CASE("the misfit knows no sign: deviations turned over have the same p-value") {
  Made made;
  made.replicas = 60;
  for (const double bend : {0.0, 20.0}) {  // none, and gaps like d^-3 taken for d^-1
    made.transient = 1e3 * bend;
    made.exponent = 3;
    auto levels = made.levels(6);
    for (const bool known : {false, true}) {
      auto turned = levels;
      for (std::size_t l = 0; l < levels.size(); ++l)
        for (std::size_t t = 0; t < turned[l].sample.values.size(); ++t) {
          const double theory = turned[l].theory.columns[0].value[t],
                       spread = made.spread / std::sqrt(made.dimensions[l]);
          for (std::size_t r = 0; r < made.replicas; ++r) {
            // Skewed, as risks are.
            double& value = levels[l].sample.values[t][r];
            if (!known) value = theory * (value / theory + std::pow(value / theory - 1, 2) / spread);
            turned[l].sample.values[t][r] = 2 * theory - value;
          }
          for (auto* level : {&levels[l], &turned[l]})
            level->theory.columns[0].std.push_back(known && t > 0 ? 1.6 * spread * theory : 0);
        }
      for (auto* side : {&levels, &turned})
        for (Level& level : *side)
          if (!known) level.theory.columns[0].std.clear();
      const double p = extrapolate(levels, {}, std::vector<double>{1}, 6).fit_p_value;
      CHECK(p < 1);
      CHECK(extrapolate(turned, {}, std::vector<double>{1}, 6).fit_p_value == Approx(p).epsilon(1e-9));
    }
  }
}

TEST_CASE("label noise that has not been met adds up over the levels") {
  Made made;
  made.replicas = 400;
  auto levels = made.levels(6);
  // Weights of the intercept at x = 4, 2, 1 under variances 1/d: (s2 - s1 x) d over the determinant.
  const double s0 = 7, s1 = 12, s2 = 28, det = s0 * s2 - s1 * s1;
  const double weights[] = {(s2 - 4 * s1) / det, 2 * (s2 - 2 * s1) / det, 4 * (s2 - s1) / det};
  const Comparison row = extrapolate(levels, {}, std::vector<double>{1}, 6).verdict.rows[3];
  double total = 0;
  for (const double w : weights) total += std::abs(w);
  for (const double factor : {0.98, 1.02}) {
    // Half a standard error of the limit is where it counts.
    const double unmet = factor * 0.5 * row.mc_sem / row.theory / total;
    for (Level& level : levels) {
      level.theory.columns[0].unmet.assign(9, 0.0);
      level.theory.columns[0].unmet[4] = unmet * level.theory.columns[0].value[4];
    }
    CHECK(extrapolate(levels, {}, std::vector<double>{1}, 6).verdict.heavy_tailed == (factor > 1));
  }
}

TEST_CASE(
    "what is kept of the largest dimension: the observables and steps that all levels share, with all their "
    "statistics") {
  auto levels = Made().levels(2);
  for (Level& level : levels) {
    // A second observable that no theory has, in front of the one that is shared.
    Sample& sample = level.sample;
    sample.observables.insert(sample.observables.begin(), {"unshared", "", ""});
    sample.values.insert(sample.values.begin(), 9, std::vector<double>(64, 1.0));
    double number = level.dimension * 1000;
    for (auto* list : {&sample.mean, &sample.sem, &sample.std, &sample.skewness, &sample.q05, &sample.q50, &sample.q95})
      for (std::size_t c = 0; c < 18; ++c) list->push_back(number++);
  }
  levels[0].theory.valid_until = levels[0].theory.steps[5];
  levels[1].sample.replicas = 50;
  const Extrapolation result = extrapolate(levels, {}, std::vector<double>{1}, 2);
  CHECK(result.verdict.replicas == 50);
  CHECK(result.verdict.rows.size() == 5);
  CHECK(result.theory.steps == levels[2].theory.steps);
  const Sample &kept = result.sample, &whole = levels[2].sample;
  REQUIRE(kept.observables.size() == 1);
  CHECK(kept.observables[0].name == "excess_mse");
  CHECK(kept.steps == std::vector<std::uint64_t>(whole.steps.begin(), whole.steps.begin() + 6));
  const auto part = [](const std::vector<double>& of) { return std::vector<double>(of.begin() + 9, of.begin() + 15); };
  CHECK(kept.mean == part(whole.mean));
  CHECK(kept.sem == part(whole.sem));
  CHECK(kept.std == part(whole.std));
  CHECK(kept.skewness == part(whole.skewness));
  CHECK(kept.q05 == part(whole.q05));
  CHECK(kept.q50 == part(whole.q50));
  CHECK(kept.q95 == part(whole.q95));
  REQUIRE(kept.values.size() == 6);
  for (std::size_t t = 0; t < 6; ++t) CHECK(kept.values[t] == whole.values[9 + t]);
  REQUIRE(result.gaps.size() == 3);
  CHECK(result.limit.dimension == std::numeric_limits<double>::infinity());
}

TEST_CASE("levels of one replica, without a shared step, or interrupted") {
  const auto of = [](const std::function<void(Level&)>& change, bool all = true) {
    auto levels = Made().levels(2);
    for (std::size_t l = 0; l < 3; ++l)
      if (all || l == 1) change(levels[l]);
    return extrapolate(levels, {}, std::vector<double>{1}, 2);
  };
  const Extrapolation one = of([](Level& level) { level.sample.replicas = 1; }, false);
  CHECK(one.verdict.outcome == Outcome::inconclusive);
  CHECK(one.verdict.reason == "1 replica finished, at least 2 are needed");
  CHECK(one.verdict.replicas == 1);
  CHECK(one.verdict.detectable == std::numeric_limits<double>::infinity());
  CHECK(one.gaps[2].dimension == 400);
  const Extrapolation none = of([](Level& level) { level.theory.valid_until = 0; });
  CHECK(none.verdict.reason == "the levels share no observable at a step after 0");
  CHECK(none.verdict.replicas == 64);
  CHECK(none.gaps[1].dimension == 200);
  CHECK(none.gaps[1].mean == 0);
  CHECK(none.limit.dimension == std::numeric_limits<double>::infinity());
  const Extrapolation stopped = of([](Level& level) { level.sample.interrupted = true; }, false);
  CHECK(std::ranges::count(stopped.verdict.warnings, "a simulation was interrupted; judged on what is there") == 1);
}

TEST_CASE(
    "of exponents that are not rejected the least resolved decides; of rejected ones the least rejected is told") {
  Made made;
  made.transient = 8;
  made.replicas = 300;
  const auto levels = made.levels(3);
  VerdictOptions half;
  half.false_alarm = 0.005;
  half.resolution = 1;
  VerdictOptions options = half;
  options.false_alarm = 0.01;
  const std::vector<double> exponents{0.5, 1, 2};
  std::vector<Extrapolation> alone;
  for (const double p : exponents) alone.push_back(extrapolate(levels, half, std::vector<double>{p}, 3));
  const Extrapolation together = extrapolate(levels, options, exponents, 3);
  const Extrapolation *kept = nullptr, *best = nullptr;
  for (const Extrapolation& one : alone) {
    if (!best || one.fit_p_value > best->fit_p_value) best = &one;
    if (one.fit_p_value >= 0.005 && one.verdict.outcome != Outcome::disagree &&
        (!kept || one.verdict.detectable > kept->verdict.detectable))
      kept = &one;
  }
  REQUIRE(kept);
  CHECK(together.exponent == best->exponent);
  CHECK(together.fit_p_value == best->fit_p_value);
  CHECK(together.limit.mean == best->limit.mean);
  CHECK(together.verdict.detectable == kept->verdict.detectable);
  CHECK(together.verdict.max_z == kept->verdict.max_z);
  CHECK(together.verdict.reason == kept->verdict.reason);
  CHECK(together.verdict.reason.starts_with(
      fmt::format("gap extrapolated from 3 dimensions up to 400 as d^-{:.3g}: the largest z-score, ", kept->exponent)));

  // A gap that lasts: all are rejected.
  made.lasting = 0.2;
  const auto lasting = made.levels(3);
  const Extrapolation wrong = extrapolate(lasting, options, exponents, 3);
  CHECK(wrong.verdict.outcome == Outcome::disagree);
  bool told = false;
  for (const double p : exponents) {
    const Extrapolation one = extrapolate(lasting, half, std::vector<double>{p}, 3);
    if (one.fit_p_value < 0.005) continue;
    CHECK(one.verdict.outcome == Outcome::disagree);
    CHECK(wrong.verdict.p_value >= one.verdict.p_value);
    told = told || (wrong.verdict.p_value == one.verdict.p_value && wrong.verdict.max_z == one.verdict.max_z);
  }
  CHECK(told);
}

TEST_CASE("recorded steps that fall together at any dimension are left out at all; steps scale, and so do keys") {
  const std::string text =
      "model = \"least-squares\"\n[spectrum]\nkind = \"isotropic\"\ndimension = 64\n[optimizer]\nlearning_rate = "
      "0.5\nbatch = 8\n[time]\n"
      "steps = 100\nat = [0, 1, 2, 3, 5, 8, 50, 99, 100]\n[verdict]\ndimensions = [16, 64, 256]\n[verdict.scaling]\n"
      "optimizer.batch = 0.5\noptimizer.learning_rate = -0.5\ntime.steps = 0.5\n";
  const auto base = models::read_experiment(settings::read_text(text, "x.toml"));
  const auto options = read_extrapolation(base.table);
  REQUIRE(options);
  CHECK(options->exponents == std::vector<double>{0.5, 0.75, 1, 1.5, 2});
  const auto experiments = at_dimensions(base, *options);
  // Half as many steps at 16, rounded: 0, 1 (.5), 1, 2 (1.5), 3 (2.5), 4, 25, 50 (49.5), 50.
  const std::vector<std::vector<std::uint64_t>> at{
      {0, 1, 2, 3, 4, 25, 50}, {0, 1, 3, 5, 8, 50, 99}, {0, 2, 6, 10, 16, 100, 198}};
  const std::uint64_t steps[] = {50, 100, 200};
  for (std::size_t l = 0; l < 3; ++l) {
    CHECK(experiments[l].time.at == at[l]);
    CHECK(experiments[l].time.steps == steps[l]);
    const double factor = l == 0 ? 0.5 : l == 1 ? 1 : 2;
    CHECK(std::get<double>(*experiments[l].table.table("optimizer")->find("learning_rate")) ==
          Approx(0.5 / factor).epsilon(1e-14));
    CHECK(std::get<double>(*experiments[l].table.table("optimizer")->find("batch")) ==
          Approx(8 * factor).epsilon(1e-14));
    CHECK(experiments[l].title == base.title);
  }
  const auto one =
      read_extrapolation(settings::read_text("[verdict]\ndimensions = [10, 20, 30]\ngap_exponent = 0.7\n", "x.toml"));
  CHECK(one->exponents == std::vector<double>{0.7});
}

TEST_CASE("the misfit's own deviations are those of the levels, known where every level knows them") {
  Made made;
  made.replicas = 80;
  auto levels = made.levels(6);
  for (std::size_t l = 0; l < 3; ++l)
    for (std::size_t t = 0; t <= 8; ++t)
      levels[l].theory.columns[0].std.push_back(levels[l].theory.columns[0].value[t] * 1.1 * made.spread /
                                                std::sqrt(made.dimensions[l]));
  const auto misfit = [&](bool known) {
    // y_2 less the middle of a line through y_1 and y_3 at x = 1/d, 1/100, 1/200, 1/400: weights -1/3, 1, -2/3.
    const double weight[] = {-1 / 3.0, 1, -2 / 3.0};
    Sample bent;
    models::Trajectory none;
    none.exact = true;
    bent.replicas = 80;
    const models::Observable name{"bent", "", ""};
    bent.observables = {name};
    models::Column column{name, std::vector<double>(9, 0.0), {}};
    column.rounding = 1e-9;
    double variance = 0;
    for (std::size_t l = 0; l < 3; ++l) variance += std::pow(weight[l] * 1.1 * made.spread, 2) / made.dimensions[l];
    for (std::size_t t = 0; t <= 8; ++t) {
      bent.steps.push_back(t);
      none.steps.push_back(static_cast<double>(t));
      column.std.push_back(known && t > 0 ? std::sqrt(variance) : 0);
      bent.values.emplace_back(80, 0.0);
      for (std::size_t l = 0; l < 3; ++l)
        for (std::size_t r = 0; r < 80 && t > 0; ++r)
          bent.values[t][r] += weight[l] * (levels[l].sample.values[t][r] / levels[l].theory.columns[0].value[t] - 1);
    }
    none.columns = {column};
    return judge(none, bent, {}, 6).p_value;
  };
  const Extrapolation known = extrapolate(levels, {}, std::vector<double>{1}, 6);
  CHECK(known.fit_p_value == Approx(misfit(true)).epsilon(1e-9));
  CHECK(known.verdict.exact_std);
  CHECK(misfit(true) != Approx(misfit(false)).epsilon(1e-3));
  for (const std::size_t unknown : {0U, 1U, 2U}) {
    auto some = levels;
    some[unknown].theory.columns[0].std.assign(9, 0.0);
    const Extrapolation other = extrapolate(some, {}, std::vector<double>{1}, 6);
    CHECK(other.fit_p_value == Approx(misfit(false)).epsilon(1e-9));
    CHECK_FALSE(other.verdict.exact_std);
  }
}
