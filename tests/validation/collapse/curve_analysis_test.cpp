#include "validation/collapse/curve_analysis.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

TEST_CASE("losses that are recorded close together need no note, of several seeds neither") {
  CollapseOptions options;
  options.points = 20;
  const CollapseAnalysis a = analyse_collapse(sums_of_powers(0.5, 2, 0), options).front();
  CHECK(a.notes.empty());
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

namespace {

/// Five sizes at a few uneven steps up to 5 p^.8, and of size 40 a first run that goes on; losses with noise of the seeds.
LossCurves scattered() {
  LossCurves out;
  out.groups.push_back({"", {}});
  for (const double p : {10.0, 20.0, 40.0, 80.0, 160.0})
    for (std::uint64_t w = 0; w < (p == 80 ? 4U : 3U); ++w) {
      LossCurve curve{p, std::to_string(w), {}, {}, {}, fmt::format("size {} seed {}", p, w)};
      random::Stream stream(11, w, static_cast<std::uint64_t>(p));
      const double end = std::round(5 * std::pow(p, 0.8)), along = stream.normal();
      std::vector<double> shares{0.09, 0.22, 0.45, 0.7, 0.88, 1};
      if (p == 40 && w == 0) shares.push_back(1.4);
      for (const double share : shares) {
        curve.step.push_back(std::round(share * end));
        curve.compute.push_back(7 * p * curve.step.back());
        curve.loss.push_back(
            1.3 + 4 * std::pow(curve.compute.back(), -0.2) * std::exp(0.01 * along + 0.004 * stream.normal()) +
            0.2 * std::pow(share, -0.5) * std::pow(p, -0.1));
      }
      out.groups[0].curves.push_back(std::move(curve));
    }
  return out;
}

double straight(const std::vector<double>& x, const std::vector<double>& y, double at) {
  for (std::size_t i = 1; i < x.size(); ++i)
    if (at <= x[i]) return y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1]);
  return y.back();
}

}  // namespace

TEST_CASE("an analysis of noisy runs, written out: frontier, resampled floor, horizon, curves and sensitivity") {
  const LossCurves runs = scattered();
  std::map<double, std::vector<const LossCurve*>> sizes;
  for (const LossCurve& curve : runs.groups[0].curves) sizes[curve.size].push_back(&curve);
  CollapseOptions options;
  options.points = 20;
  options.seed = 5;
  const CollapseAnalysis a = analyse_collapse(runs, options).front();

  // Ends: the last record that all of a size's runs have.
  const auto fit_of = [&](const std::map<double, std::vector<const LossCurve*>>& some) {
    std::vector<double> c, loss;
    for (const auto& [size, of_size] : some) {
      std::size_t records = 7;
      for (const LossCurve* run : of_size) records = std::min(records, run->step.size());
      c.push_back(of_size[0]->compute[records - 1]);
      double sum = 0;
      for (const LossCurve* run : of_size) sum += run->loss[records - 1];
      loss.push_back(sum / static_cast<double>(of_size.size()));
    }
    return fit_floor(c, loss);
  };
  const FloorFit fit = fit_of(sizes);
  CHECK(a.floor == Approx(fit.floor).epsilon(1e-6));
  CHECK(a.fit->exponent == Approx(fit.exponent).epsilon(1e-6));
  REQUIRE(a.frontier.size() == 5);
  std::vector<double> floors;
  for (std::uint64_t b = 0; b < 200; ++b) {
    random::Stream stream(5, b, 0, random::Purpose::other);
    std::map<double, std::vector<const LossCurve*>> drawn;
    for (const auto& [size, of_size] : sizes)
      for (std::size_t w = 0; w < of_size.size(); ++w) drawn[size].push_back(of_size[stream.below(of_size.size())]);
    floors.push_back(fit_of(drawn).floor);
  }
  std::ranges::sort(floors);
  // 199 gaps between order statistics: levels .025 and .975 are at 4.975 and 194.025.
  CHECK(a.floor_low == Approx(floors[4] + 0.975 * (floors[5] - floors[4])).epsilon(1e-6));
  CHECK(a.floor_high == Approx(floors[194] + 0.025 * (floors[195] - floors[194])).epsilon(1e-6));
  CHECK(a.floor_from == "fitted to the frontier (5 sizes); 95% interval of 200 resamplings of the seeds");

  std::vector<double> p, t;
  for (const auto& [size, of_size] : sizes) p.push_back(size), t.push_back(of_size[0]->step[5]);
  CHECK(a.curves.size == p);
  CHECK(a.curves.horizon == t);
  CHECK(a.horizon->exponent == Approx(fit_power(p, t).exponent).epsilon(1e-13));
  CHECK(a.horizon->prefactor == Approx(fit_power(p, t).prefactor).epsilon(1e-13));
  // The last run to begin, at 3 of 32 steps, does so before x = .1: of .05, .1, ... the first is left out.
  REQUIRE(a.curves.x.size() == 19);
  CHECK(a.curves.x.front() == 0.1);
  CHECK_FALSE(a.curves.unrecorded);
  for (std::size_t s = 0; s < 5; ++s) {
    CHECK(a.frontier[s].size == p[s]);
    CHECK(a.frontier[s].step == t[s]);
    CHECK(a.frontier[s].compute == 7 * p[s] * t[s]);
    REQUIRE(a.curves.loss[s].size() == sizes[p[s]].size());
    for (std::size_t w = 0; w < a.curves.loss[s].size(); ++w)
      for (std::size_t k = 0; k < 19; ++k)
        CHECK(a.curves.loss[s][w][k] ==
              Approx(straight(sizes[p[s]][w]->step, sizes[p[s]][w]->loss, 0.05 * static_cast<double>(k + 2) * t[s]))
                  .epsilon(1e-12));
  }
  const CollapseSpread spread = spread_of(a.curves, a.floor);
  CHECK(a.spread.delta == spread.delta);
  CHECK(a.slope == end_slope(spread));
  CHECK(a.supercollapse == supercollapse_fraction(spread));
  CHECK(a.supercollapse_late == supercollapse_fraction(spread, 0.5));
  CHECK(a.supercollapse_bounds == supercollapse_bounds(a.curves, a.floor));
  CHECK(a.verdict.high == judge_collapse(a.curves, a.floor).high);

  double least = INFINITY;
  for (const auto& of_size : a.curves.loss)
    for (const auto& run : of_size) least = std::min(least, run.back());
  const double above = least - a.floor;
  double best = INFINITY, best_floor = 0;
  for (int k = -60; k <= 30; ++k) {
    const double floor = least - above / std::pow(2, k / 10.0);
    const CollapseSpread s = spread_of(a.curves, floor);
    double largest = 0;
    for (std::size_t i = 0; i < s.x.size(); ++i)
      if (s.x[i] > 0.29 && s.x[i] < 0.81) largest = std::max(largest, s.between[i] * s.mean[i] / (s.mean[i] - 1));
    if (largest < best) best = largest, best_floor = floor;
  }
  const std::pair<double, std::string> rows[] = {
      {a.floor, "the floor used"},
      {a.floor_low, "low end of its interval"},
      {a.floor_high, "high end of its interval"},
      {a.floor - 0.1 * above, "10% of the least excess lower"},
      {a.floor + 0.1 * above, "10% of the least excess higher"},
      {best_floor, "least Delta of sizes over mean l - 1, x in [0.3, 0.8]: the best collapse"}};
  REQUIRE(a.sensitivity.size() == 6);
  for (std::size_t k = 0; k < 6; ++k) {
    const FloorSensitivity& row = a.sensitivity[k];
    CHECK(row.floor == Approx(rows[k].first).epsilon(1e-12));
    CHECK(row.what == rows[k].second);
    if (row.floor >= least) {
      CHECK(std::isnan(row.spread));
      CHECK(row.outcome == Collapse::inconclusive);
      continue;
    }
    CHECK(row.spread == judge_collapse(a.curves, row.floor).spread);
    CHECK(row.outcome == judge_collapse(a.curves, row.floor).outcome);
    CHECK(row.supercollapse == supercollapse_fraction(spread_of(a.curves, row.floor)));
  }
  REQUIRE(a.notes.size() >= 3);
  CHECK(a.notes[0] == "runs of size 40 end at different steps; all are cut at the first end, 96");
  CHECK(a.notes[1].starts_with("runs are compared from x = 0.1 on"));
  CHECK(a.notes[2].starts_with("losses are recorded as far apart as 0.25 of the horizon; between them"));
  CHECK(std::ranges::count(a.notes, "sizes have 3 to 4 seeds; every size weighs the same") == 1);

  // One seed a size: 4 + 1 fits with a size left out each, the jackknife's error twice.
  LossCurves single = runs;
  std::erase_if(single.groups[0].curves, [](const LossCurve& curve) { return curve.seed != "0"; });
  const CollapseAnalysis one = analyse_collapse(single, options).front();
  std::map<double, std::vector<const LossCurve*>> firsts;
  for (const auto& [size, of_size] : sizes) firsts[size] = {of_size[0]};
  const auto end_fit = [&](double left_out) {
    std::vector<double> c, loss;
    for (const auto& [size, of_size] : firsts)
      if (size != left_out) c.push_back(of_size[0]->compute.back()), loss.push_back(of_size[0]->loss.back());
    return fit_floor(c, loss).floor;
  };
  double sum = 0, squares = 0;
  for (const double size : p) sum += end_fit(size) / 5;
  for (const double size : p) squares += std::pow(end_fit(size) - sum, 2) * 4 / 5;
  CHECK(one.floor == Approx(end_fit(0)).epsilon(1e-12));
  CHECK(one.floor_low == Approx(one.floor - 2 * std::sqrt(squares)).epsilon(1e-9));
  CHECK(one.floor_high == Approx(one.floor + 2 * std::sqrt(squares)).epsilon(1e-9));
  CHECK(one.floor_from.ends_with(
      "interval of two standard errors by leaving out one size at a time (fewer than 3 seeds a size)"));
  CHECK(std::ranges::count(one.notes,
                           "a size with one seed has no noise floor; seed noise counts as spread between sizes") == 1);
  CHECK(std::isnan(one.supercollapse_bounds.first));
  // Of four sizes three are left, too few for a floor: there is no interval.
  std::erase_if(single.groups[0].curves, [](const LossCurve& curve) { return curve.size == 160; });
  const CollapseAnalysis four = analyse_collapse(single, options).front();
  CHECK(four.floor_from == "fitted to the frontier (4 sizes)");
  CHECK(std::isnan(four.floor_low));
  CHECK(std::isnan(four.floor_high));
}

TEST_CASE("a formula's horizon: its frontier is read there, of sizes that come to it where they are four") {
  const LossCurves runs = scattered();
  CollapseOptions options;
  options.horizon = CollapseOptions::Horizon::formula;
  options.floor = 1;
  const auto end = [](double p) { return std::round(5 * std::pow(p, 0.8)); };
  const auto of = [&](double size) -> const LossCurve& {
    return *std::ranges::find(runs.groups[0].curves, size, &LossCurve::size);
  };
  const auto loss_of = [&](double size, double step) {
    double sum = 0, count = 0;
    for (const LossCurve& run : runs.groups[0].curves)
      if (run.size == size)
        sum += straight(
            of(size).step,
            [&] {
              std::vector<double> y;
              for (const double at : of(size).step) y.push_back(straight(run.step, run.loss, at));
              return y;
            }(),
            step),
            ++count;
    return sum / count;
  };
  for (const double too_far : {160.0, 80.0}) {
    options.formula = [&](double p) { return p >= too_far ? 3 * end(p) : 0.8 * end(p); };
    const CollapseAnalysis a = analyse_collapse(runs, options).front();
    const bool four = too_far == 160;
    REQUIRE(a.frontier.size() == (four ? 4 : 5));
    for (const FrontierPoint& point : a.frontier) {
      const double step = point.size >= too_far ? end(point.size) : 0.8 * end(point.size);
      CHECK(point.step == Approx(step).epsilon(1e-14));
      CHECK(point.compute == Approx(7 * point.size * step).epsilon(1e-12));
      CHECK(point.loss == Approx(loss_of(point.size, step)).epsilon(1e-12));
    }
    CHECK(a.curves.size == (four ? std::vector<double>{10, 20, 40, 80} : std::vector<double>{10, 20, 40}));
    for (std::size_t s = 0; s < a.curves.size.size(); ++s) CHECK(a.curves.horizon[s] == 0.8 * end(a.curves.size[s]));
    CHECK(
        std::ranges::count(a.notes, fmt::format("size 160 is left out: its runs end at step {}, before its horizon {}",
                                                end(160), 3 * end(160))) == 1);
  }
  // The end itself is reached however it is rounded.
  options.formula = [&](double p) { return end(p) * (1 + 0.9e-9); };
  const CollapseAnalysis edge = analyse_collapse(runs, options).front();
  CHECK(edge.curves.size.size() == 5);
  CHECK(edge.curves.horizon[1] == end(20));
  for (const double by : {0.9e-9, 1.1e-9}) {
    options.formula = [&](double p) { return p == 160 ? 3 * end(p) : p == 80 ? end(p) * (1 + by) : 0.8 * end(p); };
    CHECK(analyse_collapse(runs, options).front().frontier.size() == (by < 1e-9 ? 4 : 5));
  }
  options.formula = [&](double p) { return end(p) * (1 + 1.1e-9); };
  CHECK_THROWS_WITH_AS(analyse_collapse(runs, options),
                       doctest::Contains("within the horizon; a collapse needs two or more"), settings::Error);
}

TEST_CASE("an envelope's horizon is the power law through its points") {
  CollapseOptions options;
  options.horizon = CollapseOptions::Horizon::envelope;
  options.floor = floor_of_all;
  const LossCurves runs = sums_of_powers(50, 1, 0);
  const CollapseAnalysis a = analyse_collapse(runs, options).front();
  const std::vector<FrontierPoint> points = envelope(runs.groups[0].curves);
  REQUIRE(a.frontier.size() == points.size());
  std::vector<double> p, t;
  for (const FrontierPoint& point : points) p.push_back(point.size), t.push_back(point.step);
  const PowerFit law = fit_power(p, t);
  CHECK(a.horizon->exponent == Approx(law.exponent).epsilon(1e-9));
  CHECK(a.horizon->prefactor == Approx(law.prefactor).epsilon(1e-9));
  for (std::size_t s = 0; s < a.curves.size.size(); ++s)
    CHECK(a.curves.horizon[s] == Approx(law.prefactor * std::pow(a.curves.size[s], law.exponent)).epsilon(1e-9));
  CHECK(a.floor == floor_of_all);
  CHECK(a.floor_from == "given");
  CHECK(std::isnan(a.floor_low));
  CHECK(std::isnan(a.floor_high));
}

TEST_CASE("what runs lack for an analysis is told") {
  const auto said = [](const LossCurves& runs, const CollapseOptions& options = {}) {
    try {
      analyse_collapse(runs, options);
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const LossCurves runs = sums_of_powers(0.5, 1, 0);
  LossCurves three = runs;
  three.groups[0].schedule = "wsd";
  three.groups[0].curves.resize(3);
  CHECK(said(three) ==
        "the runs of schedule 'wsd' have a frontier of 3 sizes: too few for a floor, a prefactor and an exponent (four "
        "are "
        "needed); give --floor VALUE, 0 where there is none");
  CollapseOptions options;
  options.horizon = CollapseOptions::Horizon::envelope;
  CHECK(said(three, options)
            .ends_with("at which a middle size is best: too few for a floor, a prefactor and an exponent (four "
                       "are needed); give --floor VALUE, 0 where there is none, or --horizon ends"));
  options.floor = 0;
  LossCurves two = runs;
  two.groups[0].curves.resize(2);
  CHECK(said(two, options).starts_with("these runs have no frontier to read a horizon from: no compute at which"));
  options.horizon = CollapseOptions::Horizon::formula;
  options.formula = [](double p) { return p - 100; };
  CHECK(said(runs, options) == "--horizon: gives 0 steps at size 100; it must be a number > 0");
  options.formula = [](double p) { return p == 200 ? NAN : 1; };
  CHECK(said(runs, options) == "--horizon: gives nan steps at size 200; it must be a number > 0");
  options = {};
  options.floor = 3.2;
  CHECK(said(runs, options).starts_with("size 1600: its loss at the horizon, 3.1"));
  CHECK(said(runs, options).ends_with("is not above the floor 3.2 (given); give --floor VALUE"));
  options = {};
  options.reference = "wds";
  CHECK(said(runs, options) == "--reference: there is no schedule 'wds'; the curves name none (column schedule)");
  CHECK(said(three, options) == "--reference: there is no schedule 'wds', did you mean 'wsd'?; there is wsd");
  // A run that begins at its end has nothing in common with the others; a size whose runs share one step alone.
  LossCurves late = runs;
  LossCurve& curve = late.groups[0].curves[0];
  curve.step = {0.999 * curve.step.back(), curve.step.back()};
  curve.compute.resize(2), curve.loss.resize(2);
  options = {};
  options.floor = 0;
  CHECK(said(late, options) == "these runs: the runs have next to nothing in common before their horizon");
  LossCurves apart = runs;
  apart.groups[0].curves.push_back(apart.groups[0].curves[0]);
  for (double& step : apart.groups[0].curves.back().step) step *= 2000;
  CHECK(said(apart) == "the runs of size 100 have no steps in common");
}

TEST_CASE(
    "from which gap between records on it is said that they are far apart, and where several seeds are averaged") {
  // Every run of two sizes has a record every .005 of its horizon, but for a gap.
  const auto said = [](double from, double to, std::size_t seeds, std::size_t of_second) {
    LossCurves runs;
    runs.groups.push_back({"", {}});
    for (const double p : {10.0, 20.0})
      for (std::size_t w = 0; w < (p > 10 ? of_second : seeds); ++w) {
        LossCurve curve{p, std::to_string(w), {}, {}, {}, "run"};
        for (int k = 0; k <= 200; ++k)
          if (const double x = 0.005 * k; x <= from + 1e-9 || x >= to - 1e-9) curve.step.push_back(1e5 * x);
        curve.step.insert(std::ranges::lower_bound(curve.step, 1e5 * to), 1e5 * to);
        for (const double step : curve.step) {
          curve.compute.push_back(p * step);
          curve.loss.push_back(1 + 1 / (1 + step / 1000));
        }
        runs.groups[0].curves.push_back(std::move(curve));
      }
    CollapseOptions options;
    options.floor = 0;
    const CollapseAnalysis a = analyse_collapse(runs, options).front();
    std::string out;
    for (const std::string& note : a.notes)
      if (note.find("as far apart as") != std::string::npos) out += note;
    return out;
  };
  CHECK(said(0.5, 0.5995, 1, 1) == "");
  const std::string far =
      "losses are recorded as far apart as 0.1 of the horizon; between them they are interpolated linearly";
  CHECK(said(0.5, 0.6005, 1, 1) == far);
  CHECK(said(0.5, 0.6005, 2, 2) == far);
  CHECK(said(0.1, 0.2995, 1, 1) == "");
  CHECK(said(0.1, 0.3005, 1, 1).starts_with("losses are recorded as far apart as 0.2 of the horizon; "));
  CHECK(said(0.5, 0.5149, 2, 2) == "");
  CHECK(
      said(0.5, 0.5151, 2, 2) ==
      "losses are recorded as far apart as 0.015 of the horizon: between records two are averaged, and Delta and floor "
      "are up to 29% low where noise changes from one to the next");
  CHECK(said(0.5, 0.5151, 2, 1) == "");
}

TEST_CASE("a floor's interval that reaches the loss at any run's horizon is told") {
  // Ends about a power law with a floor, further and further off it; of two seeds the second ends lower.
  const double off[] = {0.2, -0.5, 0.4, -1, 1};
  std::size_t none = 0, second_alone = 0, both = 0;
  for (int k = 1; k <= 20; ++k) {
    LossCurves runs;
    runs.groups.push_back({"", {}});
    double ends[2] = {};
    for (int i = 0; i < 5; ++i)
      for (const int seed : {0, 1}) {
        const double size = std::pow(2.0, i), end = 100 * size,
                     excess = std::pow(size, -0.6) * (seed == 0 ? 1.25 : 0.75);
        const double loss = ends[seed] = 1 + excess * std::exp(0.003 * k * off[i]);
        runs.groups[0].curves.push_back(
            {size, "", {0, 0.5 * end, end}, {0, 3 * end * size, 6 * end * size}, {3 * loss, 2 * loss, loss}, "run"});
      }
    const CollapseAnalysis a = analyse_collapse(runs, {}).front();
    const bool told =
        std::ranges::count(a.notes, "the floor's interval reaches the losses: the verdict hangs on the floor") == 1;
    CHECK(told == (a.floor_high >= ends[1]));
    none += a.floor_high < ends[1];
    second_alone += a.floor_high >= ends[1] && a.floor_high < ends[0];
    both += a.floor_high >= ends[0];
  }
  CHECK(none > 0);
  CHECK(second_alone > 0);
  CHECK(both > 0);
}

TEST_CASE("a frontier between steps is read off the mean at the steps of the first run of every size") {
  // The second seed has other steps than the first: 5 and 12 between 0, 10 and 20.
  LossCurves runs;
  runs.groups.push_back({"", {}});
  for (const double p : {1.0, 2.0, 4.0, 8.0}) {
    runs.groups[0].curves.push_back({p, "0", {0, 10, 20}, {0, 60 * p, 120 * p}, {9, 5 + 1 / p, 4 + 1 / p}, "a"});
    runs.groups[0].curves.push_back({p, "1", {0, 5, 12, 20}, {0, 30 * p, 72 * p, 120 * p}, {9, 8, 5, 4 + 1 / p}, "b"});
  }
  CollapseOptions options;
  options.horizon = CollapseOptions::Horizon::formula;
  options.formula = [](double) { return 6.0; };
  options.floor = 0;
  const CollapseAnalysis a = analyse_collapse(runs, options).front();
  REQUIRE(a.frontier.size() == 4);
  for (const FrontierPoint& point : a.frontier) {
    // At step 10 the second has 8 - 3 5/7, the mean from 9 at 0 goes straight to that of both.
    const double there = (5 + 1 / point.size + 8 - 15 / 7.0) / 2;
    CHECK(point.loss == Approx(9 + 0.6 * (there - 9)).epsilon(1e-12));
    CHECK(point.compute == Approx(36 * point.size).epsilon(1e-12));
  }
}
