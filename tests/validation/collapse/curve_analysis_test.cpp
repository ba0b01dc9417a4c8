#include "validation/collapse/curve_analysis.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "random/random.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

constexpr double mu = 0.5, nu = 0.4, floor_of_all = 3.1;

/// L0 + t^-mu + p^-nu up to `length` times the horizon 4 p^(nu/mu); noise of a seed that lasts along the run.
LossCurves sums_of_powers(double length, std::size_t seeds, double noise, double exponent = nu / mu) {
  LossCurves out;
  out.groups.push_back({"", {}});
  for (const double p : {100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0})
    for (std::size_t w = 0; w < seeds; ++w) {
      LossCurve curve{p, std::to_string(w), {}, {}, {}, fmt::format("size {}", p)};
      random::Stream stream(7, w, static_cast<std::uint64_t>(p));
      const double factor = std::exp(noise * stream.normal());
      const double end = length * 100 * std::pow(p / 100, exponent);
      for (int k = 0; k <= 300; ++k) {
        const double t = end * std::pow(10.0, -3 * (1 - k / 300.0));
        curve.step.push_back(t);
        curve.compute.push_back(6 * p * t);
        curve.loss.push_back(floor_of_all + factor * (std::pow(t, -mu) + std::pow(p, -nu)));
      }
      out.groups[0].curves.push_back(std::move(curve));
    }
  return out;
}

}  // namespace

TEST_CASE("runs to their horizon: floor, horizon, slope and collapse of the sum of powers") {
  const auto all = analyse_collapse(sums_of_powers(0.5, 1, 0), {});
  REQUIRE(all.size() == 1);
  const CollapseAnalysis& a = all.front();
  CHECK(a.floor == Approx(floor_of_all).epsilon(1e-6));
  CHECK(a.floor_low == Approx(floor_of_all).epsilon(1e-5));
  CHECK(a.horizon->exponent == Approx(nu / mu).epsilon(1e-9));
  CHECK(a.fit->exponent == Approx(mu * nu / (mu + nu)).epsilon(1e-4));
  CHECK(a.verdict.outcome == Collapse::well_scaled);
  CHECK(a.verdict.spread < 1e-4);
  // t = 50 at p = 100 and t ~ p^(nu/mu): l = (c x^-mu + 1)/(c + 1), c = 50^-mu 100^nu, for every size.
  const double c = std::pow(50, -mu) * std::pow(100, nu);
  CHECK(a.spread.mean[9] == Approx((c * std::pow(0.1, -mu) + 1) / (c + 1)).epsilon(1e-4));
  CHECK(a.slope == Approx(-mu * c / (c + 1)).epsilon(2e-3));
}

TEST_CASE("the envelope of long constant-rate runs finds horizon and floor; wrong ones break the collapse") {
  CollapseOptions options;
  options.horizon = CollapseOptions::Horizon::envelope;
  const LossCurves runs = sums_of_powers(50, 1, 0);
  const CollapseAnalysis a = analyse_collapse(runs, options).front();
  CHECK(a.floor == Approx(floor_of_all).epsilon(1e-3));
  CHECK(a.horizon->exponent == Approx(nu / mu).epsilon(0.02));
  CHECK(a.slope == Approx(-mu * nu / (mu + nu)).epsilon(0.02));
  CHECK(a.verdict.outcome == Collapse::well_scaled);
  // One horizon for all sizes, and a floor far too low at the right horizon, which then counts as excess.
  options.horizon = CollapseOptions::Horizon::formula;
  options.floor = floor_of_all;
  options.formula = [](double) { return 400.0; };
  CHECK(analyse_collapse(runs, options).front().verdict.outcome == Collapse::broken);
  options.formula = [](double p) { return std::pow(nu / mu, -1 / mu) * std::pow(p, nu / mu); };
  CHECK(analyse_collapse(runs, options).front().verdict.outcome == Collapse::well_scaled);
  options.floor = floor_of_all + 0.055;
  CHECK(analyse_collapse(runs, options).front().verdict.outcome == Collapse::broken);
}

TEST_CASE("the floor's interval by resampled seeds holds the floor, and the sensitivity names it" *
          doctest::test_suite("slow")) {
  const CollapseAnalysis a = analyse_collapse(sums_of_powers(0.5, 3, 0.02), {}).front();
  CHECK(a.floor_low < floor_of_all);
  CHECK(a.floor_high > floor_of_all);
  CHECK(a.floor_low < a.floor_high);
  CHECK(a.sensitivity.size() == 6);
  CHECK(a.sensitivity[0].spread == a.verdict.spread);
  CHECK(a.supercollapse == 1);  // noise that lasts along a run cancels
  CHECK(a.supercollapse_late == 1);
  // Every row is the verdict of another floor.
  double least = INFINITY;
  for (const auto& of_size : a.curves.loss)
    for (const auto& run : of_size) least = std::min(least, run.back());
  const double floors[] = {a.floor, a.floor_low, a.floor_high, a.floor - .1 * (least - a.floor),
                           a.floor + .1 * (least - a.floor)};
  for (std::size_t k = 0; k < 5; ++k) {
    CAPTURE(a.sensitivity[k].what);
    CHECK(a.sensitivity[k].floor == Approx(floors[k]).epsilon(1e-13));
    CHECK(a.sensitivity[k].spread == judge_collapse(a.curves, a.sensitivity[k].floor).spread);
    CHECK(a.sensitivity[k].outcome == judge_collapse(a.curves, a.sensitivity[k].floor).outcome);
    CHECK(a.sensitivity[k].supercollapse == supercollapse_fraction(spread_of(a.curves, a.sensitivity[k].floor)));
  }
  // The same bits from the same seed, others from another.
  CollapseOptions other;
  CHECK(analyse_collapse(sums_of_powers(0.5, 3, 0.02), other).front().floor_low == a.floor_low);
  other.seed = 2;
  CHECK(analyse_collapse(sums_of_powers(0.5, 3, 0.02), other).front().floor_low != a.floor_low);
}

TEST_CASE("another floor beside a given one: that of the best collapse, which without noise is the floor") {
  // Without noise the floor of the best collapse is the floor, next to a grid of steps of 7% of the least excess.
  CollapseOptions given;
  given.floor = floor_of_all - .02;
  const CollapseAnalysis off = analyse_collapse(sums_of_powers(0.5, 1, 0), given).front();
  double lowest = INFINITY;
  for (const auto& of_size : off.curves.loss) lowest = std::min(lowest, of_size[0].back());
  CHECK(off.sensitivity.size() == 4);
  CHECK(std::abs(off.sensitivity.back().floor - floor_of_all) < .04 * (lowest - floor_of_all));
  // The others lie 10% of the least excess below and above.
  CHECK(off.sensitivity[0].floor == given.floor);
  CHECK(off.sensitivity[1].floor == Approx(*given.floor - .1 * (lowest - *given.floor)).epsilon(1e-13));
  CHECK(off.sensitivity[2].floor == Approx(*given.floor + .1 * (lowest - *given.floor)).epsilon(1e-13));
  for (const FloorSensitivity& row : off.sensitivity) {
    CAPTURE(row.what);
    CHECK(row.spread == judge_collapse(off.curves, row.floor).spread);
    CHECK(row.spread >= off.sensitivity.back().spread);
  }
}

TEST_CASE("curves that no scaling could have broken are not well scaled") {
  // Losses of two runs at the given steps; the larger run is twice as long.
  const auto verdict = [](std::vector<double> steps, std::vector<double> losses, double factor) {
    LossCurves runs;
    runs.groups.push_back({"", {}});
    for (const double p : {10.0, 20.0}) {
      LossCurve curve{p, "0", {}, {}, {}, "run"};
      for (std::size_t i = 0; i < steps.size(); ++i) {
        curve.step.push_back(steps[i] * p);
        curve.compute.push_back(6 * p * curve.step.back());
        curve.loss.push_back(losses[i] * (p > 10 && i == 1 ? factor : 1));
      }
      runs.groups[0].curves.push_back(std::move(curve));
    }
    CollapseOptions options;
    options.floor = 0;
    return analyse_collapse(runs, options).front().verdict;
  };
  CHECK(verdict({0, .5, 1}, {3, 2, 1}, 1).outcome == Collapse::well_scaled);
  CHECK(verdict({0, .5, 1}, {3, 2, 1}, 1.5).outcome == Collapse::broken);
  // They never move, or by less than the thresholds.
  const CollapseVerdict still = verdict({0, .5, 1}, {2, 2, 2}, 1);
  CHECK(still.outcome == Collapse::inconclusive);
  CHECK(still.reason.find("no scaling would show") != std::string::npos);
  CHECK(verdict({0, .5, 1}, {1.05, 1.03, 1}, 1).outcome == Collapse::inconclusive);
  // A straight line of the interpolation, or records before the range that is judged alone.
  const CollapseVerdict line = verdict({0, 1}, {2, 1}, 1);
  CHECK(line.outcome == Collapse::inconclusive);
  CHECK(line.reason.find("no loss recorded at 0.3 <= x < 1") != std::string::npos);
  CHECK(verdict({0, .2, 1}, {3, 2, 1}, 1).outcome == Collapse::inconclusive);
  CHECK(verdict({0, .2, 1}, {3, 2, 1}, 2).outcome == Collapse::broken);
}

TEST_CASE("losses that do not fall with compute have no floor to fit, and with a given one that is said") {
  for (const double power : {0.0, 0.1}) {
    CAPTURE(power);
    LossCurves rising = sums_of_powers(0.5, 1, 0);
    for (LossCurve& curve : rising.groups[0].curves)
      for (std::size_t k = 0; k < curve.step.size(); ++k) curve.loss[k] = 2 + std::pow(curve.step[k], power);
    CHECK_THROWS_WITH_AS(analyse_collapse(rising, {}), doctest::Contains("do not fall as compute grows"),
                         settings::Error);
    CollapseOptions options;
    options.floor = 1.0;
    CHECK(analyse_collapse(rising, options).front().notes.front() ==
          "the losses at the horizons do not fall as compute grows");
  }
}

TEST_CASE("losses that are recorded far apart are said to be") {
  // Every run at `rows` steps up to its horizon.
  const auto notes = [](std::size_t rows) {
    LossCurves runs = sums_of_powers(0.5, 1, 0);
    for (LossCurve& curve : runs.groups[0].curves) {
      const double end = curve.step.back(), p = curve.size;
      curve.step.clear(), curve.compute.clear(), curve.loss.clear();
      for (std::size_t k = 1; k <= rows; ++k) {
        curve.step.push_back(end * static_cast<double>(k) / static_cast<double>(rows));
        curve.compute.push_back(6 * p * curve.step.back());
        curve.loss.push_back(floor_of_all + std::pow(curve.step.back(), -mu) + std::pow(p, -nu));
      }
    }
    CollapseOptions options;
    options.floor = floor_of_all;
    const CollapseAnalysis a = analyse_collapse(runs, options).front();
    std::string out;
    for (const std::string& note : a.notes) out += note + "\n";
    return out;
  };
  CHECK(notes(5).find("as far apart as 0.2 of the horizon") != std::string::npos);
  CHECK(notes(5).find("from x = 0.2 on") != std::string::npos);
  CHECK(notes(20).find("as far apart") == std::string::npos);
  CHECK(notes(20).find("from x = 0.05 on") != std::string::npos);
  CHECK(notes(100).find("from x") == std::string::npos);
}

TEST_CASE("unequal ends are cut, short runs are left out, and both are said") {
  LossCurves runs = sums_of_powers(0.5, 2, 0);
  LossCurve& longer = runs.groups[0].curves[1];
  longer.step.push_back(2 * longer.step.back());
  longer.compute.push_back(2 * longer.compute.back());
  longer.loss.push_back(longer.loss.back());
  const CollapseAnalysis a = analyse_collapse(runs, {}).front();
  CHECK(a.curves.horizon[0] == Approx(50));
  REQUIRE_FALSE(a.notes.empty());
  CHECK(a.notes[0] == "runs of size 100 end at different steps; all are cut at the first end, 50");
  CollapseOptions options;
  options.horizon = CollapseOptions::Horizon::formula;
  options.formula = [](double) { return 200.0; };
  const CollapseAnalysis b = analyse_collapse(sums_of_powers(0.5, 1, 0), options).front();
  CHECK(b.curves.size == std::vector<double>{800, 1600, 3200});
  CHECK(b.notes[0] == "size 100 is left out: its runs end at step 50, before its horizon 200");
  // Cut at the ends of the schedule that is the reference.
  LossCurves two = sums_of_powers(0.5, 1, 0);
  two.groups[0].schedule = "short";
  two.groups.push_back({"long", sums_of_powers(1, 1, 0).groups[0].curves});
  CollapseOptions against;
  against.reference = "short";
  const CollapseAnalysis c = analyse_collapse(two, against)[1];
  CHECK(c.schedule == "long");
  CHECK(c.curves.horizon[0] == Approx(50));
  CHECK(std::ranges::count(c.notes, "runs of size 100 end at different steps; all are cut at the first end, 50") == 1);
  LossCurves one = sums_of_powers(0.5, 1, 0);
  one.groups[0].curves.resize(1);
  CHECK_THROWS_WITH_AS(analyse_collapse(one, {}), "these runs have one size alone, 100; a collapse needs two or more",
                       settings::Error);
}
