#include "validation/verdicts/verdict.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/math/special_functions/erf.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "models/framework/absent.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/holds.hpp"
#include "tests/validation/verdicts/isotropic_sgd.hpp"
#include "validation/monte_carlo/statistics.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::expected::holds;
using edgewise::tests::Approx;
using tests::Isotropic;
using tests::isotropic_theory;
using tests::IsotropicSimulation;
using tests::Wrong;

namespace {

/// A small problem with a visible spread (std/mean = .34 at the end) and skewed early steps.
Isotropic small() {
  Isotropic p;
  p.d = 20;
  p.eta = 0.05;
  p.at = {0, 1, 2, 4, 8, 16, 32, 64};
  return p;
}

Verdict judged(const Isotropic& p, const models::Trajectory& theory, std::uint64_t replicas, std::uint64_t seed,
               const VerdictOptions& options = {}) {
  return judge(theory, run(IsotropicSimulation(p), p.experiment(replicas, seed), {}), options, seed);
}

struct Tally {
  std::uint64_t agree = 0, disagree = 0, inconclusive = 0;
};

Tally tally(const Isotropic& p, const models::Trajectory& theory, std::uint64_t replicas, std::uint64_t seeds,
            const VerdictOptions& options = {}) {
  Tally t;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto outcome = judged(p, theory, replicas, 1000 + seed, options).outcome;
    ++(outcome == Outcome::agree ? t.agree : outcome == Outcome::disagree ? t.disagree : t.inconclusive);
  }
  return t;
}

/// A sample of one observable at steps 0, 1, ... from a function of (replica, time).
template <class F>
Sample made(std::size_t replicas, std::size_t times, F value) {
  Sample s;
  s.observables = {{"excess_mse", "", ""}};
  s.replicas = replicas;
  for (std::size_t t = 0; t < times; ++t) {
    s.steps.push_back(t);
    s.values.emplace_back();
    for (std::size_t r = 0; r < replicas; ++r) s.values.back().push_back(value(r, t));
  }
  return s;
}

models::Trajectory flat(std::size_t times, double value, double std = 0) {
  models::Trajectory t;
  t.exact = true;
  t.method = "recursion";
  t.columns = {{{"excess_mse", "", ""}, std::vector<double>(times, value), {}}};
  if (std > 0) t.columns[0].std.assign(times, std);
  for (std::size_t i = 0; i < times; ++i) t.steps.push_back(static_cast<double>(i));
  return t;
}

}  // namespace

TEST_CASE("0 is a given start, but for samples, where a predictor has its error") {
  // At 0 theory and sample are apart by 100 deviations; elsewhere they are one.
  random::Stream stream(5, 0);
  Sample sample = made(400, 3, [&](std::size_t, std::size_t t) { return (t == 0 ? 2 : 1) + 0.2 * stream.normal(); });
  CHECK(judge(flat(3, 1), sample, {}, 1).outcome != Outcome::disagree);
  sample.axis = &models::samples_axis();
  const Verdict wrong = judge(flat(3, 1), sample, {}, 1);
  CHECK(wrong.outcome == Outcome::disagree);
  CHECK(wrong.rows.front().step == 0);
  // Beyond the theory's validity it is shown.
  models::Trajectory limited = flat(3, 1);
  limited.columns[0].valid_from = 1;
  const Verdict shown = judge(limited, sample, {}, 1);
  CHECK(shown.outcome != Outcome::disagree);
  REQUIRE(!shown.shown.empty());
  CHECK(shown.shown.front().step == 0);
}

TEST_CASE("calibration: the false-alarm rate is the stated one" * doctest::test_suite("slow")) {
  // 400 seeds, 64 replicas, exact standard deviations: at 1% and at 5%, within the binomial 99.9% interval.
  const auto p = small();
  const auto theory = isotropic_theory(p);
  for (const double rate : {0.01, 0.05}) {
    VerdictOptions options;
    options.false_alarm = rate;
    options.resolution = 0.3;  // 64 replicas see about 10%
    const auto t = tally(p, theory, 64, 400, options);
    const auto [low, high] = binomial_interval(t.disagree, 400, 0.999);
    CAPTURE(t.disagree);
    CHECK(low <= rate);
    CHECK(high >= rate);
    CHECK(t.inconclusive == 0);
  }
}

TEST_CASE("calibration without bands: the sample's standard deviation serves, at 256 replicas" *
          doctest::test_suite("slow")) {
  const auto p = small();
  const auto t = tally(p, isotropic_theory(p, false), 256, 300);
  const auto [low, high] = binomial_interval(t.disagree, 300, 0.999);
  CAPTURE(t.disagree);
  CHECK(low <= 0.01);
  CHECK(high >= 0.01);
  CHECK(t.inconclusive <= 3);
}

TEST_CASE("power: 3% in a coefficient of the recursion is rejected in at least 99% of runs of 1000 replicas" *
          doctest::test_suite("slow")) {
  // 20 samples, each against every wrong theory; none may pass. Measured rejection rate: 100 of 100 at 400 replicas.
  const Isotropic p;
  std::vector<Wrong> wrongs(7);
  wrongs[0].drift = 1.03;
  wrongs[1].drift = 0.97;
  wrongs[2].gain = 1.03;
  wrongs[3].gain = 0.97;
  wrongs[4].noise = 1.03;
  wrongs[5].noise = 0.97;
  wrongs[6].initial = 1.03;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto sample = run(IsotropicSimulation(p), p.experiment(1000, seed), {});
    for (std::size_t w = 0; w < wrongs.size(); ++w) {
      CAPTURE(w);
      CHECK(judge(isotropic_theory(p, true, wrongs[w]), sample, {}, seed).outcome == Outcome::disagree);
    }
  }
}

TEST_CASE("a run with too few replicas is inconclusive, never agree" * doctest::test_suite("slow")) {
  const auto p = small();
  const auto t = tally(p, isotropic_theory(p), 8, 100);
  CHECK(t.agree <= 2);
  CHECK(t.disagree <= 7);  // 1% stated; P(more than 7 of 100) < 1e-5 at 1%, and 8 replicas are hard on the correction
  const auto verdict = judged(p, isotropic_theory(p), 8, 3);
  CHECK(verdict.detectable > 0.1);
  CHECK(holds(verdict.reason, "replicas would do"));
}

TEST_CASE("a resolution that is missed by little is told with the digits that show it") {
  const auto p = small();
  const auto theory = isotropic_theory(p);
  const double detectable = judged(p, theory, 64, 1).detectable;
  VerdictOptions options;
  options.resolution = detectable * 0.9999;
  const std::string reason = judged(p, theory, 64, 1, options).reason;
  CAPTURE(reason);
  const std::size_t first = reason.find("discrepancy of ") + 15, second = reason.find("resolution of ") + 14;
  const double missed = std::stod(reason.substr(first)), asked = std::stod(reason.substr(second));
  CHECK(missed > asked);
  CHECK(missed == Approx(100 * detectable).epsilon(1e-2));
}

TEST_CASE("replicas too few to know a spread or a skewness judge nothing that fluctuates, but what no law allows") {
  const auto p = small();
  const auto theory = isotropic_theory(p), unknown = isotropic_theory(p, false);
  for (const std::uint64_t replicas : {std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{least_replicas - 1}})
    for (const auto* of : {&theory, &unknown})
      for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(replicas);
        VerdictOptions lenient;
        lenient.resolution = 1;
        const auto verdict = judged(p, *of, replicas, seed, lenient);
        CHECK(verdict.outcome == Outcome::inconclusive);
        CHECK(verdict.detectable == std::numeric_limits<double>::infinity());
        CHECK(holds(verdict.reason, std::to_string(replicas) + " replicas are too few"));
        CHECK(std::isfinite(verdict.rows[0].z));
      }
  // One more is judged.
  CHECK_FALSE(holds(judged(p, theory, least_replicas, 1).reason, "too few"));
  // A hundred exact standard errors: 1/z^2 = 1e-4 whatever the law, and ten times that is allowed of each of 14 rows.
  auto wrong = theory;
  for (models::Column& column : wrong.columns)
    for (std::size_t i = 0; i < column.value.size(); ++i)
      column.value[i] += 200 / std::sqrt(3.0) * (column.std[i] + 1e-300);
  CHECK(judged(p, wrong, 3, 1).outcome == Outcome::disagree);
  // Two values that happen to lie together are no standard error.
  const auto together = made(2, 3, [](std::size_t r, std::size_t) { return 1 + 1e-6 * static_cast<double>(r); });
  CHECK(judge(flat(3, 2), together, {}, 1).outcome == Outcome::inconclusive);
}

TEST_CASE("detectable: a discrepancy of that size is detected with the stated power, and less is not") {
  const auto p = small();
  auto theory = isotropic_theory(p);
  VerdictOptions options;
  options.power = 0.9;
  const auto right = judged(p, theory, 128, 1, options);
  CHECK(right.outcome == Outcome::agree);
  // Applied to all steps, the discrepancy is at least as visible as on the harder half.
  for (auto& column : theory.columns)
    for (double& value : column.value) value *= 1 + right.detectable;
  CHECK(tally(p, theory, 128, 60, options).disagree >= 48);
}

TEST_CASE("rows, and the numbers of a verdict") {
  const Isotropic p;
  const auto verdict = judged(p, isotropic_theory(p), 200, 4);
  CHECK(verdict.outcome == Outcome::agree);
  CHECK(verdict.rows.size() == 2 * (p.at.size() - 1));
  CHECK(verdict.exact_std);
  CHECK(verdict.replicas == 200);
  CHECK(verdict.warnings.empty());
  CHECK(verdict.p_value > 0.01);
  CHECK(verdict.max_z < verdict.critical_z);
  CHECK(verdict.critical_z > 2.5758);
  CHECK(verdict.effective_comparisons < 11);  // risk is a copy of excess_mse and costs nothing
  CHECK(verdict.largest_gap > 0);
  const auto& row = verdict.rows[0];
  CHECK(row.step == 1);
  CHECK(row.observable == "risk");
  CHECK(row.std_used == isotropic_theory(p).columns[0].std[1]);
  const auto& copy = verdict.rows[p.at.size() - 1];
  CHECK(copy.observable == "excess_mse");
  CHECK(copy.z == Approx(row.z).epsilon(0.02));
}

TEST_CASE("the same sample and seed give the same verdict") {
  const auto p = small();
  const auto first = judged(p, isotropic_theory(p), 64, 4), second = judged(p, isotropic_theory(p), 64, 4);
  CHECK(first.critical_z == second.critical_z);
  CHECK(first.max_z == second.max_z);
  CHECK(first.detectable == second.detectable);
}

TEST_CASE("heavy tails are recognised, named, and never lead to agree") {
  // Log-normal with sigma = 3: mean exp(4.5), exact standard deviation exp(9) nearly; no sample of 200 shows it.
  const auto sample = made(200, 4, [](std::size_t r, std::size_t t) {
    random::Stream stream(1, r, t);
    return std::exp(3 * stream.normal());
  });
  const auto verdict = judge(flat(4, std::exp(4.5), std::sqrt(std::exp(18.0) - std::exp(9.0))), sample, {}, 1);
  CHECK(verdict.heavy_tailed);
  CHECK(verdict.outcome == Outcome::inconclusive);
  CHECK(verdict.detectable == std::numeric_limits<double>::infinity());  // nothing is judged
  REQUIRE_FALSE(verdict.warnings.empty());
  CAPTURE(verdict.warnings[0]);
  CHECK(holds(verdict.warnings[0], "first for excess_mse at step 1 (standard"));
  // A gross mismatch is rejected all the same.
  const auto wrong = judge(flat(4, 1e9, 1e5), sample, {}, 1);
  CHECK(wrong.outcome == Outcome::disagree);
  // Without exact deviations the sample's own skewness tells.
  const auto unknown = judge(flat(4, std::exp(4.5)), sample, {}, 1);
  CHECK(unknown.heavy_tailed);
  CHECK(unknown.outcome != Outcome::agree);
}

TEST_CASE("without fluctuation theory and simulation must be equal to rounding") {
  const auto sample = made(5, 4, [](std::size_t, std::size_t) { return 0.7; });
  const auto right = judge(flat(4, 0.7 * (1 + 1e-12)), sample, {}, 1);
  CHECK(right.outcome == Outcome::agree);
  CHECK(right.rows[0].z == 0);
  CHECK(right.detectable == 0);
  CHECK(right.largest_gap == 0);
  // A loss that is the rounding of what it is a difference of.
  models::Trajectory learned = flat(4, 1e-31);
  learned.columns[0].rounding = 1e-28;
  CHECK(judge(learned, made(5, 4, [](std::size_t, std::size_t) { return 5e-31; }), {}, 1).largest_gap == 0);
  const auto wrong = judge(flat(4, 0.7 * (1 + 1e-7)), sample, {}, 1);
  CHECK(wrong.largest_gap == Approx(1e-7).epsilon(1e-3));
  CHECK(wrong.outcome == Outcome::disagree);
  CHECK(std::isinf(wrong.rows[0].z));
  CHECK(holds(wrong.reason, "does not fluctuate"));
  VerdictOptions lenient;
  lenient.allowed = 0.01;
  CHECK(judge(flat(4, 0.7 * (1 + 1e-7)), sample, lenient, 1).outcome == Outcome::agree);
  CHECK(judge(flat(4, 0.7, 0.1), sample, {}, 1).outcome == Outcome::disagree);  // theory says it fluctuates
}

TEST_CASE("a theory that is not finite disagrees") {
  const auto sample = made(5, 4, [](std::size_t, std::size_t) { return 0.7; });
  const auto verdict = judge(flat(4, std::numeric_limits<double>::quiet_NaN()), sample, {}, 1);
  CHECK(verdict.outcome == Outcome::disagree);
  CHECK(holds(verdict.reason, "not finite"));
}

TEST_CASE("model error that is allowed is forgiven, more is not; an approximate theory is named") {
  const Isotropic p;
  auto theory = isotropic_theory(p);
  for (auto& column : theory.columns)
    for (double& value : column.value) value *= 1.05;
  theory.exact = false;
  theory.method = "ode";
  VerdictOptions options;
  options.allowed = 0.05;
  const auto forgiven = judged(p, theory, 1000, 1, options);
  CHECK(forgiven.outcome == Outcome::agree);
  CHECK(forgiven.detectable > 0.05);
  CHECK(holds(forgiven.reason, "approximate (ode)"));
  options.allowed = 0.02;
  CHECK(judged(p, theory, 1000, 1, options).outcome == Outcome::disagree);
  const auto strict = judged(p, theory, 1000, 1);
  CHECK(strict.outcome == Outcome::disagree);
  CHECK(holds(strict.reason, "the theory is approximate (ode), not exact here"));
}

TEST_CASE("what cannot be judged is inconclusive") {
  const auto sample = made(1, 4, [](std::size_t, std::size_t) { return 0.7; });
  CHECK(judge(flat(4, 0.7), sample, {}, 1).outcome == Outcome::inconclusive);
  auto other = flat(4, 0.7);
  other.columns[0].observable.name = "sharpness";
  const auto two = made(2, 4, [](std::size_t, std::size_t) { return 0.7; });
  CHECK(judge(other, two, {}, 1).outcome == Outcome::inconclusive);
  CHECK(judge(flat(1, 0.7), two, {}, 1).outcome == Outcome::inconclusive);  // step 0 only
  const Isotropic p;
  auto interrupted = run(IsotropicSimulation(p), p.experiment(200, 4), {});
  interrupted.interrupted = true;
  CHECK(holds(judge(isotropic_theory(p), interrupted, {}, 1).warnings.at(0), "interrupted"));
  interrupted.diverged = 2;
  CHECK(judge(isotropic_theory(p), interrupted, {}, 1).outcome == Outcome::inconclusive);
}

TEST_CASE("the section [verdict]") {
  const auto read = [](const std::string& text) { return read_verdict_options(settings::read_text(text, "x.toml")); };
  CHECK(read("").false_alarm == 0.01);
  CHECK(read("[verdict]\nresolution = 0.2\nallowed = 0.03\npower = 0.5\n").resolution == 0.2);
  CHECK_THROWS_WITH_AS(read("[verdict]\nfalse_alarm = 0\n"),
                       doctest::Contains("x.toml: verdict.false_alarm: must be >= 1e-09 and <= 0.5"), settings::Error);
  CHECK_THROWS_WITH_AS(read("[verdict]\nresoluton = 1\n"), doctest::Contains("did you mean 'resolution'?"),
                       settings::Error);
  CHECK_THROWS_WITH_AS(read("[verdict]\nallowed = -1\n"), doctest::Contains("verdict.allowed"), settings::Error);
  // What would make a verdict say nothing, or is beyond what its draws resolve.
  for (const char* line : {"false_alarm = 5e-324", "false_alarm = 0.6", "power = 1e-9", "power = 0.49",
                           "power = 0.9999", "resolution = 1.5", "allowed = 1", "gap_exponent = 0.01"}) {
    const std::string text(line), key = text.substr(0, text.find(' '));
    CHECK_THROWS_WITH_AS(read("[verdict]\n" + text + "\n"), doctest::Contains(("x.toml: verdict." + key).c_str()),
                         settings::Error);
  }
  CHECK(read("[verdict]\nfalse_alarm = 1e-9\npower = 0.999\nresolution = 1\nallowed = 0.99\n").power == 0.999);
  CHECK(name(Outcome::agree) == "agree");
  CHECK(name(Outcome::disagree) == "disagree");
  CHECK(name(Outcome::inconclusive) == "inconclusive");
}

TEST_CASE("values of any size are judged alike: squares neither overflow nor vanish") {
  // The same sample in units of 1e200 and 1e-200: the same scores to rounding.
  const auto p = small();
  const auto theory = isotropic_theory(p, false);
  const auto sample = run(IsotropicSimulation(p), p.experiment(128, 4), {});
  const auto usual = judge(theory, sample, {}, 4);
  for (const double scale : {0x1p-660, 0x1p660}) {
    auto scaled_theory = theory;
    auto scaled_sample = sample;
    for (auto& column : scaled_theory.columns)
      for (double& x : column.value) x *= scale;
    for (auto& cell : scaled_sample.values)
      for (double& x : cell) x *= scale;
    const auto verdict = judge(scaled_theory, scaled_sample, {}, 4);
    CHECK(verdict.outcome == usual.outcome);
    CHECK(verdict.max_z == Approx(usual.max_z).epsilon(1e-12));
    CHECK(verdict.critical_z == Approx(usual.critical_z).epsilon(1e-12));
  }
}

TEST_CASE("a standard deviation that overflowed is no disagreement") {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto still = made(5, 4, [](std::size_t, std::size_t) { return 1e170; });
  CHECK(judge(flat(4, 1e170, infinity), still, {}, 1).outcome == Outcome::inconclusive);
  const auto moving = made(200, 4, [](std::size_t r, std::size_t t) {
    random::Stream stream(1, r, t);
    return 1e170 * (1 + 0.1 * stream.normal());
  });
  CHECK(judge(flat(4, 1e170, infinity), moving, {}, 1).outcome == Outcome::inconclusive);
  // A deviation that is not known is the sample's.
  const auto unknown = judge(flat(4, 1e170, std::numeric_limits<double>::quiet_NaN()), moving, {}, 1);
  CHECK(unknown.outcome == Outcome::agree);
  CHECK_FALSE(unknown.exact_std);
}

TEST_CASE("without fluctuation: 0 and the rounding of what has vanished are equal, a negative rest is not") {
  const auto falling = [](double last) {
    return made(3, 4, [last](std::size_t, std::size_t t) { return t == 0 ? 1.0 : t == 1 ? 1e-20 : last; });
  };
  const auto theory = [](double last) {
    auto t = flat(4, last);
    t.columns[0].value[0] = 1;
    t.columns[0].value[1] = 1e-20;
    return t;
  };
  CHECK(judge(theory(0), falling(0), {}, 1).outcome == Outcome::agree);
  CHECK(judge(theory(0), falling(4.9e-324), {}, 1).outcome == Outcome::agree);
  CHECK(judge(theory(4.9e-32), falling(0), {}, 1).outcome == Outcome::agree);  // (1 - x)^2 at x = 1 to rounding
  CHECK(judge(theory(4.8e-47), falling(4.8e-47), {}, 1).outcome == Outcome::agree);
  CHECK(judge(theory(-9.8e-16), falling(4.8e-47), {}, 1).outcome == Outcome::disagree);
  CHECK(judge(theory(1e-16), falling(4.8e-47), {}, 1).outcome == Outcome::disagree);
}

TEST_CASE("without fluctuation: a value whose terms cancel is judged to the rounding that the theory states") {
  const Sample sample = made(3, 3, [](std::size_t, std::size_t) { return -2.1e-17; });
  auto theory = flat(3, 8.3e-18);
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::disagree);
  theory.columns[0].rounding = 4e-16;
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::agree);
  // More than that is a difference.
  for (double& v : theory.columns[0].value) v = 1e-15;
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::disagree);
  // It forgives nothing that fluctuates by more than that; a smaller spread is rounding too.
  const Sample noisy = made(400, 3, [](std::size_t r, std::size_t t) {
    random::Stream stream(1, r, t);
    return 1e-3 * (1 + stream.normal());
  });
  theory.columns[0].rounding = 5e-4;
  for (double& v : theory.columns[0].value) v = 2e-3;
  CHECK(judge(theory, noisy, {}, 1).outcome == Outcome::disagree);
  for (double& v : theory.columns[0].value) v = 1.2e-3;  // four standard errors off
  CHECK(judge(theory, noisy, {}, 1).outcome == Outcome::disagree);
  theory.columns[0].rounding = 2e-3;
  CHECK(judge(theory, noisy, {}, 1).outcome == Outcome::agree);
}

TEST_CASE("label noise too rare to be met is named, and its steps are not judged") {
  // The theory says 1, of which .9 comes of values that no replica has met.
  const auto sample = made(200, 4, [](std::size_t r, std::size_t t) {
    random::Stream stream(1, r, t);
    return 0.1 * (1 + 0.1 * stream.normal());
  });
  auto theory = flat(4, 1);
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::disagree);
  theory.columns[0].unmet.assign(4, 0.9);
  const auto verdict = judge(theory, sample, {}, 1);
  CHECK(verdict.outcome == Outcome::inconclusive);
  CHECK(verdict.heavy_tailed);
  REQUIRE(verdict.warnings.size() >= 1);
  CHECK(holds(verdict.warnings[0], "rare label noise"));
  CHECK(holds(verdict.warnings[0], "90% of excess_mse at step 1; 3 of 3 comparisons are not judged"));
  // Less than half a standard error of it does no harm; where it is only at some steps the others are judged.
  theory = flat(4, 0.1);
  theory.columns[0].unmet.assign(4, 0.0002);
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::agree);
  theory = flat(4, 0.1);
  theory.columns[0].value[1] = 1;
  theory.columns[0].unmet = {0, 0.9, 0, 0};
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::inconclusive);
  theory.columns[0].value[3] = 0.2;
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::disagree);
}

TEST_CASE("what is 0 in theory is compared in units of one replica's deviation, whatever the units") {
  for (const double unit : {1.0, 1e-60, 1e60}) {
    const auto sample = [unit](double shift) {
      random::Stream stream(3, 0);
      return made(4000, 3, [&](std::size_t, std::size_t t) { return t == 0 ? 0 : unit * (stream.normal() + shift); });
    };
    // The mean of 4000 is known to .016 deviations.
    const Verdict none = judge(flat(3, 0), sample(0), {}, 1);
    CHECK(none.outcome == Outcome::agree);
    CHECK(none.detectable == Approx(0.06).epsilon(0.5));
    CHECK(judge(flat(3, 0), sample(0.15), {}, 1).outcome == Outcome::disagree);
    // By the theory's own rounding it is 0 as well.
    models::Trajectory rounded = flat(3, 1e-17 * unit);
    rounded.columns[0].rounding = 1e-14 * unit;
    CHECK(judge(rounded, sample(0), {}, 1).outcome == Outcome::agree);
  }
}

TEST_CASE("runs so rare that no replica met one are no disagreement; runs that must have been met are") {
  // All replicas fluctuate around 1 at step 1 and are 0 at step 2.
  const auto sample = [](std::size_t replicas) {
    return made(replicas, 3, [](std::size_t r, std::size_t t) { return t == 2 ? 0.0 : r % 2 ? 0.5 : 1.5; });
  };
  const auto theory = [](double mean, double std) {
    models::Trajectory t = flat(3, 1, std > 0 ? 0.5 : 0);
    t.columns[0].value[2] = mean;
    if (std > 0) t.columns[0].std[2] = std;
    return t;
  };
  const auto outcome = [&](double mean, double std, std::size_t replicas = 200) {
    return judge(theory(mean, std), sample(replicas), {}, 1).outcome;
  };
  // Where P(x != 0) = p and x = 1 there: mean p, variance p (1 - p). All of 200 miss it with probability .99^200 = .13,
  // and .9^200 = 7e-10.
  CHECK(outcome(0.01, std::sqrt(0.01 * 0.99)) == Outcome::inconclusive);
  CHECK(outcome(0.1, std::sqrt(0.1 * 0.9)) == Outcome::disagree);
  CHECK(outcome(0.01, std::sqrt(0.01 * 0.99), 2000) == Outcome::disagree);
  // Without the deviation: by the largest that was met, 1.5 at most.
  CHECK(outcome(0.01, 0) == Outcome::inconclusive);
  CHECK(outcome(0.2, 0) == Outcome::disagree);
  // Where nothing fluctuates at all, 0 is 0.
  models::Trajectory t = theory(0.01, 0);
  CHECK(judge(t, made(200, 3, [](std::size_t, std::size_t k) { return k == 2 ? 0.0 : 1.0; }), {}, 1).outcome ==
        Outcome::disagree);
}

TEST_CASE("a share of which all are right where some may be wrong: not judged, or equal to one draw") {
  // All replicas fluctuate around .5 at step 1 and are 1 at step 2, where a replica has 10 draws, wrong with probability p.
  const auto outcome = [](double p, std::size_t replicas, double rounding = 0) {
    const auto sample = made(replicas, 3, [](std::size_t r, std::size_t t) {
      return t == 2 ? 1.0 : r % 2 ? 0.4 : 0.6;
    });
    models::Trajectory theory = flat(3, 0.5, 0.1);
    theory.columns[0].value[2] = 1 - p;
    theory.columns[0].std[2] = std::sqrt(p * (1 - p) / 10);
    theory.columns[0].rounding = rounding;
    return judge(theory, sample, {}, 1).outcome;
  };
  // All of 200 x 10 are right with probability .999^2000 = .14, and .99^2000 = 2e-9.
  CHECK(outcome(0.001, 200) == Outcome::inconclusive);
  CHECK(outcome(0.01, 200) == Outcome::disagree);
  CHECK(outcome(0.001, 2000) == Outcome::disagree);
  // Fewer than one wrong draw of all is none.
  CHECK(outcome(1e-5, 200, 1.0 / 2000) == outcome(0, 200));
  // One number that is not near an end is no such share: variance .01, gap .05, runs at .2 away must have been met.
  models::Trajectory theory = flat(2, 0.75, 0.1);
  const auto still = made(50, 2, [](std::size_t, std::size_t) { return 0.7; });
  CHECK(judge(theory, still, {}, 1).outcome == Outcome::disagree);
  theory = flat(2, 0.7001, 0.1);
  CHECK(judge(theory, still, {}, 1).outcome == Outcome::disagree);
}

TEST_CASE("a mean that a log-normal law of the sample's spread would hide is not judged; that of a square is") {
  // exp(sigma z) at the quantiles of z: at sigma = 4 its mean is carried by one run of exp(16).
  const auto sample = [](double sigma) {
    return made(200, 2, [=](std::size_t r, std::size_t) {
      return std::exp(sigma * std::sqrt(2) * boost::math::erf_inv(2 * (static_cast<double>(r) + 0.5) / 200 - 1));
    });
  };
  CHECK(judge(flat(2, std::exp(8.0)), sample(4), {}, 1).heavy_tailed);
  CHECK(judge(flat(2, std::exp(8.0)), sample(4), {}, 1).outcome == Outcome::inconclusive);
  CHECK(judge(flat(2, 3 * std::exp(0.125)), sample(0.5), {}, 1).outcome == Outcome::disagree);
  // z^2, of which the logarithm reaches down to -infinity but not far up.
  const auto squares = made(200, 2, [](std::size_t r, std::size_t) {
    const double z = std::sqrt(2) * boost::math::erf_inv(2 * (static_cast<double>(r) + 0.5) / 200 - 1);
    return z * z;
  });
  CHECK(!judge(flat(2, 1), squares, {}, 1).heavy_tailed);
  CHECK(judge(flat(2, 2), squares, {}, 1).outcome == Outcome::disagree);
}

TEST_CASE("what remains of a difference has the rounding of what it is a difference of") {
  // The difference is off by 1e-14 of its start: its square, 1e-20 of the start's, by 2e-4 of itself.
  const auto sample = made(16, 3, [](std::size_t, std::size_t t) {
    return t == 0 ? 1.0 : t == 1 ? 1e-20 * (1 + 2e-4) : 1e-3;
  });
  models::Trajectory theory = flat(3, 1);
  theory.columns[0].value = {1, 1e-20, 1e-3};
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::agree);
  theory.columns[0].value[2] *= 1 + 1e-7;
  CHECK(judge(theory, sample, {}, 1).outcome == Outcome::disagree);
}

namespace {

/// n values `mean` +- `spread` in turn at step 1 of two, the last one of them larger by `outlier`.
Sample in_turn(std::size_t n, double mean, double spread, double outlier = 0) {
  return made(n, 2, [=](std::size_t r, std::size_t t) {
    return t == 0 ? 1.0 : mean + (r % 2 ? spread : -spread) + (r + 1 == n ? outlier : 0);
  });
}

std::string in_percent(double share) {
  return fmt::format("{:.2g}%", 100 * share);
}

}  // namespace

TEST_CASE("what a verdict says, word by word") {
  SUBCASE("agreement, and disagreement") {
    const Verdict right = judge(flat(2, 1.005), in_turn(400, 1, 0.1), {}, 1);
    CHECK(right.outcome == Outcome::agree);
    CHECK(right.reason ==
          fmt::format("the largest z-score, {:.2f}, is below {:.2f} (p = {:.2g}); a discrepancy of {} would have "
                      "been detected",
                      right.max_z, right.critical_z, right.p_value, in_percent(right.detectable)));
    CHECK(right.warnings.empty());
    CHECK(right.replicas == 400);
    // A fifth of the theory, with an error of .1/20.
    const Verdict wrong = judge(flat(2, 1.25), in_turn(400, 1, 0.1), {}, 1);
    CHECK(wrong.outcome == Outcome::disagree);
    CHECK(wrong.reason ==
          fmt::format("the largest z-score, {:.2f}, exceeds {:.2f} (p = {:.2g}); excess_mse at step 1 is 20% off, "
                      "with a standard error of 0.4%",
                      wrong.max_z, wrong.critical_z, wrong.p_value));
    CHECK(wrong.largest_gap == Approx(0.2));
    auto approximate = flat(2, 1.005);
    approximate.exact = false;
    approximate.method = "ode";
    CHECK(judge(approximate, in_turn(400, 1, 0.1), {}, 1).reason == right.reason + "; the theory is approximate (ode)");
    approximate.columns[0].value.assign(2, 1.25);
    CHECK(judge(approximate, in_turn(400, 1, 0.1), {}, 1).reason ==
          wrong.reason + "; the theory is approximate (ode), not exact here");
    VerdictOptions allowed;
    allowed.allowed = 0.01;
    CHECK_FALSE(holds(judge(approximate, in_turn(400, 1, 0.1), allowed, 1).reason, "approximate"));
  }
  SUBCASE("what no statistics excuses") {
    const Verdict still = judge(flat(2, 2), in_turn(5, 1.5, 0), {}, 1);
    CHECK(still.reason == "excess_mse at step 1 does not fluctuate, yet theory says 2 and simulation 1.5");
    CHECK(still.outcome == Outcome::disagree);
    CHECK(still.p_value == 0);
    CHECK(std::isinf(still.max_z));
    CHECK(still.rows[0].z == -std::numeric_limits<double>::infinity());
    CHECK(judge(flat(2, 1.5, 0.25), in_turn(500, 1.5, 0), {}, 1).reason ==
          "excess_mse at step 1 does not fluctuate in the simulation; theory says a standard deviation of 0.25");
    const Verdict none = judge(flat(2, std::numeric_limits<double>::infinity()), in_turn(50, 1.5, 0.1), {}, 1);
    CHECK(none.reason == "the theory is not finite: excess_mse at step 1");
    CHECK(none.rows[0].z == -std::numeric_limits<double>::infinity());
    CHECK(judge(flat(2, 1.5), in_turn(5, 1.5, 0), {}, 1).reason ==
          "nothing fluctuates, and theory and simulation are equal to rounding");
    CHECK(judge(flat(2, 1.5), in_turn(5, 1.5, 0), {}, 1).exact_std);
  }
  SUBCASE("what cannot be judged") {
    const Verdict few = judge(flat(2, 1), in_turn(7, 1, 0.1), {}, 1);
    CHECK(few.reason == "7 replicas are too few to judge what fluctuates; at least 8 are needed, better hundreds");
    CHECK(few.detectable == std::numeric_limits<double>::infinity());
    CHECK_FALSE(few.exact_std);
    CHECK(judge(flat(2, 1), in_turn(1, 1, 0.1), {}, 1).reason == "1 replica finished, at least 2 are needed");
    auto other = flat(2, 1);
    other.columns[0].observable.name = "sharpness";
    CHECK(judge(other, in_turn(9, 1, 0.1), {}, 1).reason ==
          "theory and simulation share no observable at a step after 0");
    const Verdict coarse = judge(flat(2, 1), in_turn(10, 1, 0.5), {}, 1);
    CHECK(coarse.outcome == Outcome::inconclusive);
    CHECK(coarse.reason ==
          fmt::format("the run could have missed a discrepancy of {}, more than the resolution of {} asked; about "
                      "{:.0f} replicas would do",
                      in_percent(coarse.detectable), in_percent(VerdictOptions().resolution),
                      std::ceil(10 * std::pow(coarse.detectable / VerdictOptions().resolution, 2))));
    CHECK(coarse.warnings ==
          std::vector<std::string>{"z-scores use the sample's standard deviation; with fewer than 200 replicas "
                                   "it can be too small, where runs that none of them has met carry much of it"});
    auto diverging = flat(2, 1.005);
    diverging.diverged_at = 7;
    Sample cut = in_turn(400, 1, 0.1);
    cut.interrupted = true;
    cut.diverged = 2;
    const Verdict open = judge(diverging, cut, {}, 1);
    CHECK(open.outcome == Outcome::inconclusive);
    CHECK(open.reason == "2 of 400 replicas diverged, and no step before it disagrees");
    CHECK(open.warnings == std::vector<std::string>{"the simulation was interrupted; judged on the finished replicas",
                                                    "the theory diverges at step 7; compared before it"});
  }
  SUBCASE("tails") {
    // One of 100 larger by 5: mean 1.05, a skewness near 10.
    const Sample sample = in_turn(100, 1, 0.01, 5);
    const Moments m = moments(sample.values[1]);
    const Verdict heavy = judge(flat(2, 1.1), sample, {}, 1);
    CHECK(heavy.outcome == Outcome::inconclusive);
    CHECK(heavy.heavy_tailed);
    CHECK(heavy.reason ==
          "heavy tails: the sample's mean cannot be trusted at some steps, and no other step disagrees");
    const auto warning = [&](const std::string& exactly) {
      return fmt::format(
          "heavy-tailed: the mean is carried by replicas too rare to be sampled, first for excess_mse at step 1 "
          "(standard "
          "deviation {}{:.3g} in the sample, skewness {:.2g}); 1 of 1 comparisons are not judged for that; compare "
          "medians or shorter times",
          exactly, m.std, m.skewness);
    };
    CHECK(heavy.warnings == std::vector<std::string>{warning("")});
    CHECK(judge(flat(2, 1.1, 1.25), sample, {}, 1).warnings == std::vector<std::string>{warning("1.25 exactly, ")});
    // Far beyond what any law of its deviation allows: sqrt(10/.01) standard errors; what is forgiven is not counted.
    const double limit = std::sqrt(10 / 0.01) * 1.25 / 10;
    for (const double by : {0.99, 1.01}) {
      VerdictOptions options;
      options.allowed = 0.1;
      // Of the distance a tenth of the theory is forgiven: theory - mean - theory/10 is at the limit.
      const double theory = (m.mean + by * limit) / 0.9;
      const Verdict bounded = judge(flat(2, theory, 1.25), sample, options, 1);
      CHECK(bounded.outcome == (by < 1 ? Outcome::inconclusive : Outcome::disagree));
      CHECK(bounded.rows[0].z == Approx(-by * std::sqrt(1000)).epsilon(1e-9));
      if (by > 1)
        CHECK(bounded.reason ==
              fmt::format("excess_mse at step 1 is {:.1f} exact standard errors off, more than any law of that "
                          "variance allows",
                          by * std::sqrt(1000)));
    }
    // Without an exact deviation there is no such bound.
    CHECK(judge(flat(2, 100), sample, {}, 1).outcome == Outcome::inconclusive);
    auto rare = flat(2, 2);
    rare.columns[0].unmet = {0, 0.5};
    const Verdict unmet = judge(rare, in_turn(400, 1.5, 0.1), {}, 1);
    CHECK(unmet.reason ==
          "rare label noise: the sample's mean cannot be trusted at some steps, and no other step disagrees");
    CHECK(unmet.warnings ==
          std::vector<std::string>{"rare label noise: values so large that the replicas are not expected to have met "
                                   "them carry 25% of excess_mse at step 1; 1 of 1 comparisons are not judged for "
                                   "that; more replicas, or quantiles, would tell"});
    CHECK(unmet.detectable == std::numeric_limits<double>::infinity());
    CHECK_FALSE(unmet.exact_std);
  }
}

TEST_CASE(
    "a theory outside of its validity is shown at the steps that the sample has, before its first and after its last") {
  auto theory = flat(8, 1);
  theory.columns[0].valid_from = 2;
  theory.valid_until = 4;
  for (std::size_t t = 0; t < 8; ++t) theory.columns[0].value[t] = 10 + static_cast<double>(t);
  Sample sample = made(50, 6, [](std::size_t r, std::size_t t) {
    return t == 5 ? models::absent : static_cast<double>(t) + 11 + (r % 2 ? 0.1 : -0.1);
  });
  sample.steps = {1, 2, 4, 5, 6, 7};
  const Verdict verdict = judge(theory, sample, {}, 1);
  CHECK(verdict.rows.size() == 2);
  REQUIRE(verdict.shown.size() == 3);
  const std::uint64_t steps[] = {1, 5, 6};
  const double means[] = {11, 14, 15};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(verdict.shown[i].step == steps[i]);
    CHECK(verdict.shown[i].observable == "excess_mse");
    CHECK(verdict.shown[i].theory == 10 + static_cast<double>(steps[i]));
    CHECK(verdict.shown[i].mc_mean == Approx(means[i]).epsilon(1e-12));
    CHECK(verdict.shown[i].std_used == Approx(0.1 * std::sqrt(50 / 49.)).epsilon(1e-9));
    CHECK(verdict.shown[i].mc_sem == Approx(0.1 / 7).epsilon(1e-9));
    CHECK(std::isnan(verdict.shown[i].z));
  }
}
