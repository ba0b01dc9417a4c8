#include "validation/collapse/scaling_experiment.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/scaling_law.hpp"
#include "random/random.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

const std::string small = R"(model = "least-squares"
[spectrum]
kind = "power-law"
dimension = 1
alpha = 1.0
beta = 0.5
tail = "noise"
[optimizer]
learning_rate = 0.3
[monte_carlo]
replicas = 200
[time]
steps = 100
)";

models::Experiment read(const std::string& text) {
  return models::read_experiment(settings::read_text(text, "e.toml"));
}

ScalingCollapse collapsed(const std::string& text, unsigned threads = 1) {
  const models::Experiment base = read(text);
  const ScalingOptions options = read_scaling(base.table);
  const auto sizes = at_sizes(base, options);
  return collapse_of(sizes, options, [&](const ScaledProblem& one) {
    const auto simulation = one.problem->simulate();
    RunOptions how;
    how.threads = threads;
    return run(*simulation, one.experiment, how);
  });
}

/// A run of loss .2 + scale/(1 + step) with known fluctuations.
class Known : public models::Problem {
 public:
  Known(double scale, std::uint64_t last, double noise = 0.3, bool has_runs = false)
      : scale_(scale), last_(last), noise_(noise), has_runs_(has_runs) {}
  double above(double step) const { return scale_ / (1 + step); }
  double std(double step) const { return noise_ * above(step) * scale_ / (2 + step); }
  double correlation(double step) const { return 0.5 * step / static_cast<double>(last_); }

  models::Trajectory solve() const override {
    models::Trajectory out;
    out.columns.push_back({{"loss", "", ""}, {}, {}});
    for (std::uint64_t t = 0; t <= last_; ++t) {
      out.steps.push_back(static_cast<double>(t));
      out.columns[0].value.push_back(0.2 + above(static_cast<double>(t)));
    }
    return out;
  }
  std::unique_ptr<models::Simulation> simulate() const override { return nullptr; }
  std::vector<models::Finding> stability() const override { return {}; }
  std::unique_ptr<models::ScalingLaw> scaling_law() const override {
    class Law : public models::ScalingLaw {
     public:
      explicit Law(const Known& of) : of_(of) {}
      double floor() const override { return 0.2; }
      bool simulated() const override { return of_.has_runs_; }
      double horizon() const override { return 10; }
      double limit(double x) const override { return 1 / x; }
      std::optional<Fluctuations> fluctuations(std::span<const std::uint64_t> steps) const override {
        Fluctuations out;
        for (const std::uint64_t step : steps) {
          out.std.push_back(of_.std(static_cast<double>(step)));
          out.correlation.push_back(of_.correlation(static_cast<double>(step)));
        }
        return out;
      }

     private:
      const Known& of_;
    };
    return std::make_unique<Law>(*this);
  }

 private:
  double scale_;
  std::uint64_t last_;
  double noise_;
  bool has_runs_;
};

/// Sizes of known curves, and runs around them: replicas of size p from `seeds`, at every step.
struct KnownSizes {
  std::vector<ScaledProblem> sizes;
  std::vector<const Known*> known;
  ScalingOptions options;
  std::vector<Sample> samples;

  KnownSizes(const std::string& collapse, double noise, std::vector<std::size_t> replicas) {
    const models::Experiment base = read(small + "[collapse]\nsizes = [8, 32, 64]\nhorizon = '10*size/8'\n" + collapse);
    options = read_scaling(base.table);
    sizes = at_sizes(base, options);
    for (std::size_t p = 0; p < 3; ++p) {
      auto problem =
          std::make_unique<Known>(1 + 0.4 * static_cast<double>(p), sizes[p].experiment.time.steps, noise, true);
      known.push_back(problem.get());
      sizes[p].problem = std::move(problem);
      Sample& sample = samples.emplace_back();
      sample.axis = sizes[p].experiment.axis;
      sample.observables = {{"loss", "", ""}};
      sample.replicas = replicas[p];
      for (std::uint64_t t = 0; t <= sizes[p].experiment.time.steps; ++t) sample.steps.push_back(t);
      sample.values.resize(sample.steps.size());
      for (std::size_t r = 0; r < replicas[p]; ++r) {
        random::Stream stream(4, r, p);
        double walk = 0;
        for (std::size_t t = 0; t < sample.steps.size(); ++t) {
          const auto step = static_cast<double>(t);
          walk = 0.7 * walk + std::sqrt(0.51) * stream.normal();
          sample.values[t].push_back(0.2 + known[p]->above(step) *
                                               std::exp(known[p]->std(step) / known[p]->above(step) * walk));
        }
      }
    }
  }
  ScalingCollapse collapse() {
    std::size_t next = 0;
    return collapse_of(sizes, options, [&](const ScaledProblem&) { return samples[next++]; });
  }
};

}  // namespace

TEST_CASE("what [collapse] is where nothing is said") {
  const ScalingOptions options = read_scaling(read(small + "[collapse]\nsizes = [8, 32]\n").table);
  CHECK(options.key == "spectrum.dimension");
  CHECK(!options.floor);
  CHECK(options.set.empty());
  CHECK(options.points == 20);
  CHECK_FALSE(options.simulate.has_value());  // as the model has runs to simulate
  CHECK(options.rule.from == 0.3);
  CHECK(options.rule.well == 0.03);
  CHECK(options.rule.broken == 0.06);
}

TEST_CASE("each size has its horizon, its keys and random numbers of its own") {
  const models::Experiment base =
      read(small + "[collapse]\nsizes = [32, 8]\nhorizon = '2 * optimal + size'\nset = ['optimizer.batch = size/8']\n");
  const auto sizes = at_sizes(base, read_scaling(base.table));
  REQUIRE(sizes.size() == 2);
  CHECK(sizes[0].size == 8);
  for (const ScaledProblem& one : sizes)
    CHECK(one.experiment.time.steps == std::round(2 * 0.383265888744 * one.size * one.size / 0.3 + one.size));
  CHECK(sizes[1].experiment.table.table("spectrum")->find("dimension") != nullptr);
  CHECK(*sizes[1].experiment.table.table("optimizer")->find("batch") == settings::Value(std::int64_t{4}));
  CHECK(sizes[0].experiment.monte_carlo.seed != sizes[1].experiment.monte_carlo.seed);
}

TEST_CASE("good scaling, and what breaks it" * doctest::test_suite("slow")) {
  const auto theory = [](const std::string& more) {
    return collapsed(small + "[collapse]\nsimulate = false\n" + more);
  };
  const std::string sizes = "sizes = [16, 32, 64]\n";
  const ScalingCollapse good = theory(sizes);
  CHECK(good.verdict.outcome == Collapse::well_scaled);
  CHECK(good.limit_gap < 0.05);
  CHECK(good.predicted_supercollapse < 0.1);                                                       // constant rate
  CHECK(theory(sizes + "horizon = 'optimal * 64/size'\n").verdict.outcome == Collapse::broken);    // t ~ p
  CHECK(theory(sizes + "horizon = '3000'\n").verdict.outcome == Collapse::broken);                 // t fixed
  CHECK(theory(sizes + "floor = -1e-3\n").verdict.outcome == Collapse::broken);                    // wrong L0
  CHECK(theory(sizes + "set = ['noise.variance = 0.05']\n").verdict.outcome == Collapse::broken);  // label noise
  CHECK(theory(sizes + "set = ['noise.variance = 0.05', 'optimizer.batch = max(1, size^2/256)']\n").verdict.outcome ==
        Collapse::well_scaled);
  // Rates that fall with the size at the steps of an unscaled rate.
  CHECK(theory(sizes + "horizon = '4 * size^2'\nset = ['optimizer.learning_rate = 0.3 * (size/64)^-0.5']\n")
            .verdict.outcome == Collapse::broken);
}

TEST_CASE("simulated sizes agree with the theory of curves, spread and floor; another theory is found out" *
          doctest::test_suite("slow")) {
  const std::string more = "[schedule]\nkind = 'linear'\n[collapse]\nsizes = [4, 8, 16]\nhorizon = '2 * optimal'\n";
  std::string quiet = small;
  quiet.replace(quiet.find("0.3"), 3, "0.1");
  const ScalingCollapse right = collapsed(quiet + more);
  CHECK(right.simulation() == Outcome::agree);
  REQUIRE(right.delta_check);
  CHECK(right.delta_check->judged);
  CHECK(right.delta_check->agrees);
  CHECK(right.floor_check->agrees);
  // What the checks say follows from what they list, over x in [.2, .95] where no more than .3 is predicted.
  for (const SpreadCheck* check : {&*right.delta_check, &*right.floor_check}) {
    double largest = 0;
    bool agrees = true;
    std::size_t left_out = 0;
    for (std::size_t k = 0; k < right.simulated->x.size(); ++k) {
      const double x = right.simulated->x[k], gap = std::abs(check->measured[k] - check->predicted[k]);
      if (x < 0.2 - 1e-9 || x > 0.95 + 1e-9 || check->predicted[k] > 0.3) {
        ++left_out;
        continue;
      }
      largest = std::max(largest, gap / check->predicted[k]);
      agrees = agrees && gap <= std::max(4 * check->error[k], 0.1 * check->predicted[k]);
      CHECK(check->error[k] > 0);
    }
    CHECK(check->largest == largest);
    CHECK(check->agrees == agrees);
    CHECK(largest > 0);
    CHECK(left_out > 0);
    CHECK(left_out < right.simulated->x.size());
  }
  // The same bits for any number of threads.
  const ScalingCollapse threaded = collapsed(quiet + more, 3);
  CHECK(threaded.simulated_spread->delta == right.simulated_spread->delta);
  CHECK(threaded.simulated_spread->floor == right.simulated_spread->floor);
  CHECK(collapsed(quiet + "[theory]\nscale_label_noise = 1.5\n" + more).simulation() == Outcome::disagree);
  // A constant rate leaves losses that spread too much for second moments: Delta is shown, and not judged.
  const ScalingCollapse rough = collapsed(small + "[collapse]\nsizes = [4, 8]\n");
  REQUIRE(rough.delta_check);
  CHECK_FALSE(rough.delta_check->judged);
}

TEST_CASE(
    "a floor far below the losses makes their spread small, and its errors no smaller than the runs' tails allow") {
  const std::string sizes = "[collapse]\nsizes = [4, 8]\n";
  const ScalingCollapse own = collapsed(small + sizes), low = collapsed(small + sizes + "floor = -1\n");
  REQUIRE(low.floor_check);
  double seeds = 0, largest = 0;
  for (const auto& of_size : low.simulated->loss) seeds += static_cast<double>(of_size.size());
  std::size_t left_out = 0;
  for (std::size_t k = 0; k < low.simulated->x.size(); ++k) {
    const double x = low.simulated->x[k], predicted = low.predicted_floor[k], tail = own.predicted_floor[k];
    CHECK(predicted < 0.5 * tail);
    const double w = 1 + tail * tail, kurtosis = w * w * (w * w + 2 * w + 3) - 6;
    CHECK(low.floor_check->error[k] >= 0.999999 * predicted * std::sqrt((kurtosis + 2) / (4 * seeds)));
    if (x < 0.2 - 1e-9 || x > 0.95 + 1e-9 || tail > 0.3)
      ++left_out;
    else
      largest = std::max(largest, std::abs(low.floor_check->measured[k] / predicted - 1));
  }
  CHECK(left_out > 5);
  CHECK(low.floor_check->largest == Approx(largest).epsilon(1e-12));
}

TEST_CASE("predicted spreads are (4.4) of each size's fluctuations, averaged as the measured ones") {
  const models::Experiment base = read(small + "[collapse]\nsizes = [8, 32, 64]\npoints = 5\nhorizon = '10*size/8'\n");
  const ScalingOptions options = read_scaling(base.table);
  std::vector<ScaledProblem> sizes = at_sizes(base, options);
  REQUIRE(sizes.size() == 3);
  std::vector<const Known*> known;
  for (std::size_t p = 0; p < 3; ++p) {
    auto problem = std::make_unique<Known>(1 + 0.4 * static_cast<double>(p), sizes[p].experiment.time.steps);
    known.push_back(problem.get());
    sizes[p].problem = std::move(problem);
  }
  const ScalingCollapse r = collapse_of(sizes, options, {});
  CHECK(!r.simulated);
  CHECK(r.floor == 0.2);
  REQUIRE(r.predicted_delta.size() == 5);
  double below = 0, gap = 0;
  for (std::size_t k = 0; k < 5; ++k) {
    CAPTURE(k);
    const double x = 0.2 * static_cast<double>(k + 1);
    double sum = 0, squares = 0, within = 0, spreads = 0;
    for (std::size_t p = 0; p < 3; ++p) {
      const auto T = static_cast<double>(sizes[p].experiment.time.steps), at = x * T;
      const double ratio = known[p]->above(at) / known[p]->above(T), s = known[p]->std(at) / known[p]->above(at),
                   end = known[p]->std(T) / known[p]->above(T), c = k == 4 ? 1 : known[p]->correlation(at);
      const double mean = ratio * (1 + end * end) / (1 + c * s * end);
      sum += mean / 3;
      squares += mean * mean / 3;
      within += mean * mean * ((1 + s * s) * (1 + end * end) / std::pow(1 + c * s * end, 2) - 1) / 3;
      spreads += s * s / 3;
      if (p == 2 && x > 0.3 - 1e-9) gap = std::max(gap, std::abs(ratio * x - 1));
    }
    const double delta = std::sqrt(std::max(0.0, squares - sum * sum) + within) / sum;
    CHECK(r.predicted_delta[k] == Approx(delta).epsilon(1e-6));
    CHECK(r.predicted_floor[k] == Approx(std::sqrt(spreads)).epsilon(1e-9));
    CHECK(r.limit[k] == Approx(1 / x));
    if (x >= 0.2 - 1e-9 && x <= 0.95) below += delta < std::sqrt(spreads) ? 0.25 : 0;
  }
  CHECK(r.limit_gap == Approx(gap).epsilon(1e-9));
  CHECK(r.predicted_supercollapse == Approx(below));
}

TEST_CASE("sums of powers run through the same measures, without a simulation") {
  const ScalingCollapse sum = collapsed(
      "model = 'sum-of-powers'\n[powers]\nterms = [[1, 0.5, 0], [1, 0, 0.5]]\nfloor = 0.3\n[time]\nsteps = 9\n"
      "[collapse]\nkey = 'powers.size'\nsizes = [1e4, 1e6, 1e8]\nsimulate = false\n");
  CHECK(sum.verdict.outcome == Collapse::well_scaled);
  CHECK(sum.verdict.spread < 1e-6);
  CHECK(sum.theory_spread.mean[1] == Approx(2.081139).epsilon(1e-6));  // x = .1
  CHECK(end_slope(sum.theory_spread, 0.7) == Approx(-0.25).epsilon(2e-3));
}

TEST_CASE(
    "where fourth moments of single runs grow without bound their spread is infinite, not a number of the horizon") {
  std::string text = small;
  text.replace(text.find("0.3"), 3, "0.6");  // eta tr K/2 = .5: the mean is stable
  const ScalingCollapse r = collapsed(text + "[collapse]\nsizes = [16, 64]\nsimulate = false\n");
  REQUIRE(r.predicted_floor.size() == r.theory.x.size());
  for (std::size_t k = 0; k < r.theory.x.size(); ++k) {
    CHECK(std::isfinite(r.theory_spread.mean[k]));
    CHECK(r.predicted_floor[k] == std::numeric_limits<double>::infinity());
    CHECK(r.predicted_delta[k] == std::numeric_limits<double>::infinity());
  }
  CHECK(std::isnan(r.predicted_supercollapse));
}

TEST_CASE("bad sections are refused with their key") {
  const auto message = [](const std::string& more) {
    try {
      collapsed(small + more);
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string("done");
  };
  CHECK(message("").starts_with("e.toml: collapse: this section is needed"));
  CHECK(message("[collapse]\nsizes = [8]\n").starts_with("e.toml: collapse.sizes: two or more different sizes"));
  CHECK(message("[collapse]\nsizes = [8, 9]\nhorizon = 'sise'\n").starts_with("e.toml: collapse.horizon: "));
  CHECK(message("[collapse]\nsizes = [8, 9]\nhorizon = '2'\n").starts_with("e.toml: collapse.horizon: gives 2 steps"));
  CHECK(message("[collapse]\nsizes = [8, 9]\nset = ['batch']\n").starts_with("e.toml: collapse.set: must be"));
  CHECK(message("[collapse]\nsizes = [8, 9]\nset = ['time.steps = 3']\n")
            .starts_with("e.toml: collapse.set: time.steps"));
  CHECK(message("[collapse]\nsizes = [9, 10]\nset = ['optimizer.learning_rate = sqrt(8 - size)']\n")
            .starts_with("e.toml: collapse.set: optimizer.learning_rate is no number at size 9"));
  CHECK(message("[collapse]\nsizes = [8, 9]\nhorizon = '99'\nset = ['optimizer.learning_rate = 50']\n")
            .find("diverges") != std::string::npos);
  CHECK(message("[collapse]\nsizes = [8, 9]\nkey = 'dimension'\n").starts_with("e.toml: collapse.key: must have"));
  CHECK_THROWS_WITH_AS(
      collapsed("model = 'sum-of-powers'\n[powers]\nterms = [[1, 0.5, 0], [1, 0, 0.5]]\n[time]\nsteps = 9\n"
                "[collapse]\nsizes = [1e4, 1e6]\n"),
      doctest::Contains("e.toml: collapse.key: is required where there is no section [spectrum]"), settings::Error);
  CHECK(message("[collapse]\nsizes = [8.5, 9]\n").find("spectrum.dimension: must be a whole number") !=
        std::string::npos);
  std::string momentum = small + "[collapse]\nsizes = [8, 9]\n";
  momentum.replace(momentum.find("learning_rate"), 0, "kind = 'momentum'\nmomentum = 0.5\n");
  CHECK_THROWS_WITH_AS(collapsed(momentum), doctest::Contains("collapse.horizon: `optimal` is not known here"),
                       settings::Error);
  CHECK(message("[collapse]\nsizes = [8, 9]\nfloor = 3\n").starts_with("e.toml: collapse.floor: 3 is not below"));
}

TEST_CASE("the sizes share the false alarm, and each is judged with the seed of its own runs") {
  const models::Experiment base = read(small +
                                       "[collapse]\nsizes = [2, 4, 8]\npoints = 4\n[verdict]\nfalse_alarm = "
                                       "0.06\nresolution = 0.7\n");
  const ScalingOptions options = read_scaling(base.table);
  const auto sizes = at_sizes(base, options);
  std::vector<Sample> samples;
  const ScalingCollapse r = collapse_of(sizes, options, [&](const ScaledProblem& one) {
    const auto simulation = one.problem->simulate();
    samples.push_back(run(*simulation, one.experiment, {.threads = 1}));
    return samples.back();
  });
  REQUIRE(r.of_size.size() == 3);
  VerdictOptions third;
  third.false_alarm = 0.02;
  third.resolution = 0.7;
  for (std::size_t p = 0; p < 3; ++p) {
    const Verdict alone = judge(sizes[p].problem->reference(), samples[p], third, sizes[p].experiment.monte_carlo.seed);
    CHECK(r.of_size[p].critical_z == alone.critical_z);
    CHECK(r.of_size[p].max_z == alone.max_z);
    CHECK(r.of_size[p].p_value == alone.p_value);
    CHECK(r.of_size[p].detectable == alone.detectable);
    CHECK(alone.critical_z > 0);
  }
}

TEST_CASE("of the simulation: one disagreement decides; agreement of all sizes, or of both spreads, is agreement") {
  const auto outcome = [](std::vector<Outcome> of_size, std::optional<SpreadCheck> delta,
                          std::optional<SpreadCheck> floor) {
    ScalingCollapse r;
    for (const Outcome one : of_size) r.of_size.emplace_back().outcome = one;
    r.delta_check = std::move(delta);
    r.floor_check = std::move(floor);
    return r.simulation();
  };
  const auto check = [](bool agrees, bool judged) { return SpreadCheck{{}, {}, {}, agrees, judged, 0}; };
  const Outcome yes = Outcome::agree, no = Outcome::disagree, open = Outcome::inconclusive;
  CHECK(outcome({yes, yes}, {}, {}) == yes);
  CHECK(outcome({yes, no}, {}, {}) == no);
  CHECK(outcome({yes, open}, {}, {}) == open);
  CHECK(outcome({no, open}, check(true, true), check(true, true)) == no);
  CHECK(outcome({open, open}, check(true, true), check(true, true)) == yes);
  CHECK(outcome({yes, yes}, check(false, true), check(true, true)) == no);
  CHECK(outcome({yes, yes}, check(true, true), check(false, true)) == no);
  CHECK(outcome({yes, yes}, check(false, false), check(true, true)) == yes);
  CHECK(outcome({open, yes}, check(true, true), {}) == open);
}

TEST_CASE(
    "measured spreads beside the predicted ones: errors by leaving out seeds, where they count, and how far they are "
    "off") {
  // Up to 40 blocks of seeds; a size may have more of them than another.
  struct Case {
    double noise;
    bool low_floor;
    std::vector<std::size_t> replicas;
  };
  for (const Case& one :
       {Case{0.3, false, {12, 12, 12}}, {0.9, false, {45, 45, 47}}, {0.3, true, {9, 9, 9}}, {3.0, true, {9, 9, 9}}}) {
    const double noise = one.noise;
    const bool low_floor = one.low_floor;
    const std::vector<std::size_t>& replicas = one.replicas;
    CAPTURE(noise);
    CAPTURE(low_floor);
    KnownSizes problem(std::string("points = 10\n") + (low_floor ? "floor = 0.05\n" : ""), noise, replicas);
    const double floor = low_floor ? 0.05 : 0.2;
    const ScalingCollapse r = problem.collapse();
    REQUIRE(r.simulated);
    REQUIRE(r.delta_check);
    const std::size_t points = 10;
    // Losses at k/10 of each size's end, between the steps around it.
    SampledCurves curves;
    for (std::size_t k = 1; k <= points; ++k) curves.x.push_back(static_cast<double>(k) / 10);
    for (std::size_t p = 0; p < 3; ++p) {
      const double T = 10.0 * problem.sizes[p].size / 8;
      curves.size.push_back(problem.sizes[p].size);
      curves.horizon.push_back(T);
      auto& of_size = curves.loss.emplace_back();
      for (std::size_t w = 0; w < replicas[p]; ++w) {
        auto& run = of_size.emplace_back();
        for (std::size_t k = 1; k <= points; ++k) {
          const double at = static_cast<double>(k) * T / 10, before = std::floor(at);
          const auto t = static_cast<std::size_t>(before);
          const auto& values = problem.samples[p].values;
          run.push_back(values[t][w] + (at > before ? (at - before) * (values[t + 1][w] - values[t][w]) : 0));
        }
      }
    }
    for (std::size_t p = 0; p < 3; ++p)
      for (std::size_t w = 0; w < replicas[p]; ++w)
        for (std::size_t k = 0; k < points; ++k)
          CHECK(r.simulated->loss[p][w][k] == Approx(curves.loss[p][w][k]).epsilon(1e-12));
    const CollapseSpread spread = spread_of(curves, floor);
    CHECK(r.simulated_supercollapse == supercollapse_fraction(spread));
    CHECK(r.simulated_supercollapse_bounds == supercollapse_bounds(curves, floor));
    const std::size_t seeds = replicas[0], blocks = std::min<std::size_t>(seeds, 40);
    std::vector<CollapseSpread> left;
    for (std::size_t b = 0; b < blocks; ++b) {
      SampledCurves some = curves;
      for (std::size_t p = 0; p < 3; ++p) {
        some.loss[p].clear();
        for (std::size_t w = 0; w < replicas[p]; ++w)
          if (w % blocks != b) some.loss[p].push_back(curves.loss[p][w]);
      }
      left.push_back(spread_of(some, floor));
    }
    double end_spread = 0;
    bool delta_agrees = true, floor_agrees = true;
    double delta_off = 0, floor_off = 0;
    std::size_t counted = 0;
    for (std::size_t k = 0; k < points; ++k) {
      CAPTURE(k);
      double sum = 0, squares = 0, within = 0, spreads = 0, tails = 0;
      for (std::size_t p = 0; p < 3; ++p) {
        const Known& known = *problem.known[p];
        const double T = curves.horizon[p], at = std::round(curves.x[k] * T), more = 0.2 - floor;
        // Recorded losses are those between two steps; fluctuations those of the nearest.
        const double exact = curves.x[k] * T, low = std::floor(exact);
        const double loss = known.above(low) + (exact - low) * (known.above(low + 1) - known.above(low)),
                     last = known.above(T);
        const double s = known.std(at) / (loss + more), end = known.std(T) / (last + more),
                     c = k + 1 == points ? 1 : known.correlation(at);
        const double mean = (loss + more) / (last + more) * (1 + end * end) / (1 + c * s * end);
        sum += mean / 3;
        squares += mean * mean / 3;
        within += mean * mean * ((1 + s * s) * (1 + end * end) / std::pow(1 + c * s * end, 2) - 1) / 3;
        spreads += s * s / 3;
        tails += low_floor ? std::pow(known.std(at) / loss, 2) / 3 : 0;
        if (k + 1 == points) end_spread += end / 3;
      }
      // The last size's seeds are those that the variance is over.
      const double delta =
          std::sqrt(std::max(0.0, squares - sum * sum) + within * (1 - 1 / (3.0 * static_cast<double>(replicas[2])))) /
          sum;
      CHECK(r.delta_check->predicted[k] == Approx(delta).epsilon(1e-5));
      CHECK(r.floor_check->predicted[k] == Approx(std::sqrt(spreads)).epsilon(1e-9));
      CHECK(r.delta_check->measured[k] == Approx(spread.delta[k]).epsilon(1e-10).scale(1e-6));
      CHECK(r.floor_check->measured[k] == Approx(spread.floor[k]).epsilon(1e-10));
      for (const bool of_floor : {false, true}) {
        const SpreadCheck& check = of_floor ? *r.floor_check : *r.delta_check;
        const auto n = static_cast<double>(blocks);
        double mean = 0, variance = 0;
        for (const CollapseSpread& part : left) mean += (of_floor ? part.floor : part.delta)[k] / n;
        for (const CollapseSpread& part : left)
          variance += std::pow((of_floor ? part.floor : part.delta)[k] - mean, 2) * (n - 1) / n;
        // The standard error of a log-normal law's deviation: its fourth moment over its square, w^4 + 2 w^3 + 3 w^2 - 3.
        const double predicted = check.predicted[k], s = std::max(predicted, std::sqrt(tails)), w = 1 + s * s;
        const double fourth = std::pow(w, 4) + 2 * std::pow(w, 3) + 3 * w * w - 3;
        const double least = predicted * std::sqrt((fourth - 1) / (4 * 3 * static_cast<double>(seeds)));
        CHECK(check.error[k] == Approx(std::max(std::sqrt(variance), least)).epsilon(1e-8).scale(1e-6));
        if (k < 1 || k > 8 || s > 0.3) continue;
        ++counted;
        const double gap = std::abs(check.measured[k] - predicted);
        double& off = of_floor ? floor_off : delta_off;
        off = std::max(off, gap / predicted);
        bool& agrees = of_floor ? floor_agrees : delta_agrees;
        agrees = agrees && (gap <= 4 * check.error[k] || gap <= 0.1 * predicted);
      }
    }
    CHECK((noise > 1 ? counted < 16 : counted == 16));
    CHECK(r.delta_check->largest == Approx(delta_off).epsilon(1e-8));
    CHECK(r.floor_check->largest == Approx(floor_off).epsilon(1e-8));
    CHECK(r.delta_check->agrees == delta_agrees);
    CHECK(r.floor_check->agrees == floor_agrees);
    CHECK(r.delta_check->judged == (end_spread <= 0.1));
  }
}

TEST_CASE("what runs a collapse cannot be made of is told; of fewer than eight seeds no spread is judged") {
  const auto said = [](KnownSizes& problem) {
    try {
      problem.collapse();
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  KnownSizes few("points = 4\n", 0.3, {7, 7, 7});
  CHECK_FALSE(few.collapse().delta_check);
  CHECK(few.collapse().simulated_spread);
  KnownSizes enough("points = 4\n", 0.3, {8, 8, 8});
  CHECK(enough.collapse().delta_check);
  enough.samples[1].values.back()[3] = 0.2;
  CHECK(said(enough) == "e.toml: collapse.floor: 0.2 is not below the last loss of a run of size 32, 0.2");
  KnownSizes diverged("points = 4\n", 0.3, {8, 8, 8});
  diverged.samples[2].diverged = 2;
  CHECK(said(diverged) == "e.toml: collapse.sizes: 2 of 8 runs of size 64 diverge");
  diverged.samples[2].diverged = 0;
  diverged.samples[2].steps.pop_back();
  CHECK(said(diverged) == "e.toml: collapse.sizes: 0 of 8 runs of size 64 diverge");
  KnownSizes high("points = 4\nfloor = 0.25\n", 0.3, {8, 8, 8});
  CHECK(said(high) == "e.toml: collapse.floor: 0.25 is not below the last loss of size 32, 0.23414634146341465");
  KnownSizes short_theory("points = 4\n", 0.3, {8, 8, 8});
  short_theory.sizes[1].problem = std::make_unique<Known>(1, 39, 0.3, true);
  CHECK(said(short_theory) == "e.toml: collapse.sizes: size 32 has no theory up to its horizon, 40 steps");
  KnownSizes formula("points = 4\nsimulate = true\n", 0.3, {8, 8, 8});
  for (std::size_t p = 0; p < 3; ++p)
    formula.sizes[p].problem = std::make_unique<Known>(1, formula.sizes[p].experiment.time.steps);
  CHECK(said(formula) ==
        "e.toml: collapse.simulate: must be false: this model is a formula, of which there is nothing to simulate");
  // Without being asked to, or asked not to, nothing is simulated.
  formula.options.simulate.reset();
  CHECK_FALSE(formula.collapse().simulated);
  enough.options.simulate = false;
  CHECK_FALSE(enough.collapse().simulated);
}

TEST_CASE(
    "a size's experiment: whole numbers as such, two steps around every x, seeds of its own, a horizon in range") {
  const models::Experiment base =
      read(small +
           "points = 12\n[collapse]\nsizes = [10, 20]\npoints = 4\nhorizon = '3.3 * size + 0.3'\n"
           "set = [ ' optimizer.batch =size/10', 'optimizer.learning_rate= size/100 ']\n");
  const auto sizes = at_sizes(base, read_scaling(base.table));
  const std::uint64_t steps[] = {33, 66};
  for (std::size_t p = 0; p < 2; ++p) {
    const models::Experiment& e = sizes[p].experiment;
    CHECK(e.time.steps == steps[p]);
    CHECK(*e.table.table("spectrum")->find("dimension") == settings::Value(static_cast<std::int64_t>(10 * (p + 1))));
    CHECK(*e.table.table("optimizer")->find("batch") == settings::Value(static_cast<std::int64_t>(p + 1)));
    CHECK(*e.table.table("optimizer")->find("learning_rate") == settings::Value(0.1 * static_cast<double>(p + 1)));
    CHECK(e.monte_carlo.seed == base.monte_carlo.seed + p * 0x9E3779B97F4A7C15ULL);
    for (const double share : {0.25, 0.5, 0.75})
      for (const std::uint64_t more : {0U, 1U}) {
        const auto step = static_cast<std::uint64_t>(share * static_cast<double>(steps[p])) + more;
        CHECK(std::ranges::find(e.time.at, step) != e.time.at.end());
      }
    CHECK(e.time.at.size() <= 8);  // those, 0 and the last
  }
  const auto said = [](const std::string& collapse) {
    try {
      const models::Experiment e = read(small + "[collapse]\n" + collapse);
      at_sizes(e, read_scaling(e.table));
    } catch (const settings::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(said("sizes = [8, 9]\nhorizon = '19.6'\n").empty());
  CHECK(said("sizes = [8, 9]\nhorizon = '19.4'\n") ==
        "e.toml: collapse.horizon: gives 19 steps at size 8; 20 to 1e15 are needed");
  CHECK(said("sizes = [8, 9]\nhorizon = '1.1e15'\n").starts_with("e.toml: collapse.horizon: gives "));
  CHECK(said("sizes = [8, 8]\n") == "e.toml: collapse.sizes: two or more different sizes are needed");
  CHECK(said("sizes = [8, 9]\nset = ['collapse.points = 3']\n") ==
        "e.toml: collapse.set: collapse.points cannot change with the size; the steps are the horizon's");
  CHECK(said("sizes = [8, 9]\nset = ['batch = 3']\n")
            .starts_with("e.toml: collapse.set: must be \"section.key = FORMULA\""));
  CHECK(said("sizes = [8, 9]\nwell = 0.05\nbroken = 0.04\n") == "e.toml: collapse.broken: must not be below `well`");
  CHECK(said("sizes = [8, 9]\nhorizon = '99'\nwell = 0.05\nbroken = 0.05\n").empty());
  for (const char* good : {"points = 4", "points = 1000", "from = 0.999", "from = 1e-3"})
    CHECK(said("sizes = [8, 9]\nhorizon = '2000'\n" + std::string(good) + "\n").empty());
  for (const char* bad :
       {"points = 3", "points = 1001", "from = 0", "from = 1", "well = 0", "broken = 0", "sizes = [0, 1]"}) {
    const std::string key = std::string(bad).substr(0, std::string(bad).find(' '));
    const std::string list = key == "sizes" ? "" : "sizes = [8, 9]\n";
    CHECK(said(list + "horizon = '2000'\n" + bad + "\n").starts_with("e.toml: collapse." + key + ": must be "));
  }
  CHECK(said("sizes = [8, 9]\nkey = 'a.b.c'\n").find("collapse.key: ") != std::string::npos);
}

TEST_CASE("a spread without bound is infinite where it is, and of Delta where the end's is bounded") {
  // Relative spreads 4000 scale/(2 + step): beyond a thousand at the first points alone.
  KnownSizes problem("points = 10\nsimulate = false\n", 4e3, {1, 1, 1});
  const ScalingCollapse r = problem.collapse();
  for (std::size_t k = 0; k < 10; ++k) {
    bool bounded = true;
    for (std::size_t p = 0; p < 3; ++p) {
      const double at = std::round(r.theory.x[k] * r.theory.horizon[p]);
      bounded = bounded && problem.known[p]->std(at) / (r.theory.loss[p][0][k] - 0.2) < 1e3;
    }
    CHECK(std::isinf(r.predicted_floor[k]) == !bounded);
    CHECK(std::isinf(r.predicted_delta[k]) == !bounded);
    CHECK(bounded == (k > 1));
  }
}

TEST_CASE("which predicted spreads are judged, to a per cent of their limits") {
  // Known spreads of a size's losses are noise scale/(2 + step), with horizons of 10, 40 and 80 steps.
  const auto spread = [](double noise, double x) {
    const double sizes[] = {noise / (2 + 10 * x), noise * 1.4 / (2 + 40 * x), noise * 1.8 / (2 + 80 * x)};
    return std::vector<double>(sizes, sizes + 3);
  };
  const auto root_mean_square = [](const std::vector<double>& of) {
    return std::sqrt((of[0] * of[0] + of[1] * of[1] + of[2] * of[2]) / 3);
  };
  for (const double factor : {0.99, 1.01}) {
    CAPTURE(factor);
    // Without bound from a thousand on, at x = .1 first.
    KnownSizes wide("points = 10\nsimulate = false\n", factor * 1000 / spread(1, 0.1)[0], {1, 1, 1});
    CHECK(std::isinf(wide.collapse().predicted_floor[0]) == (factor > 1));
    // Too wide to be compared above .3: at x = .9 last.
    KnownSizes compared("points = 10\n", factor * 0.3 / root_mean_square(spread(1, 0.9)), {8, 8, 8});
    CHECK((compared.collapse().floor_check->largest > 0) == (factor < 1));
    // Delta is not judged where the ends spread by more than .1 on average.
    const std::vector<double> ends = spread(3, 1);
    KnownSizes at_end("points = 10\n", factor * 0.3 / (ends[0] + ends[1] + ends[2]) * 3, {8, 8, 8});
    CHECK(at_end.collapse().delta_check->judged == (factor < 1));
  }
  // A measured floor may be 10% off, or four errors of a log-normal law's spread, whichever is more.
  for (const std::size_t seeds : {50U, 400U})
    for (const double factor : {0.99, 1.01}) {
      CAPTURE(seeds);
      CAPTURE(factor);
      KnownSizes problem("points = 5\n", 0.3, {seeds, seeds, seeds});
      const auto n = static_cast<double>(seeds);
      for (std::size_t p = 0; p < 3; ++p)
        for (std::size_t t = 0; t < problem.samples[p].steps.size(); ++t) {
          const double x = static_cast<double>(t) / (p == 0 ? 10 : p == 1 ? 40 : 80);
          const double predicted = root_mean_square(spread(0.3, x)), w = 1 + predicted * predicted;
          const double fourth = std::pow(w, 4) + 2 * std::pow(w, 3) + 3 * w * w - 3;
          const double off = factor * std::max(0.1, 4 * std::sqrt((fourth - 1) / (4 * 3 * n)));
          // Half of the runs above, half below: a standard deviation of sqrt(n/(n - 1)) times their distance.
          const double distance = spread(0.3, x)[p] * (1 + off) * std::sqrt((n - 1) / n);
          const double above = problem.known[p]->above(static_cast<double>(t));
          for (std::size_t r = 0; r < seeds; ++r)
            problem.samples[p].values[t][r] = 0.2 + above * (1 + (r % 2 == 0 ? distance : -distance));
        }
      CHECK(problem.collapse().floor_check->agrees == (factor < 1));
    }
}

TEST_CASE("every key of [collapse] is what is compared") {
  const std::string text = small +
                           "[collapse]\nsizes = [32, 8]\nkey = 'time.points'\nhorizon = '3*size + 5'\nfloor = -0.25\n"
                           "set = ['optimizer.batch = size/4']\npoints = 12\nsimulate = false\nfrom = 0.4\n"
                           "well = 0.02\nbroken = 0.07\n";
  const ScalingOptions options = read_scaling(read(text).table);
  CHECK(options.sizes == std::vector<double>{8, 32});
  CHECK(options.key == "time.points");
  CHECK((*options.horizon)(std::vector{7.0, 100.0}) == 26);
  CHECK(*options.floor == -0.25);
  REQUIRE(options.set.size() == 1);
  CHECK(options.set[0].first == "optimizer.batch");
  CHECK((*options.set[0].second)(std::vector{7.0}) == 1.75);
  CHECK(options.points == 12);
  CHECK_FALSE(*options.simulate);
  CHECK(options.rule.from == 0.4);
  CHECK(options.rule.well == 0.02);
  CHECK(options.rule.broken == 0.07);
  // A sum of powers at two sizes, by its formula.
  const models::Experiment powers = read(
      "model = 'sum-of-powers'\n[powers]\nterms = [[2, 0.5, 0], [3, 0, 0.5]]\nfloor = 0.4\nsize = 9\n[time]\nsteps = "
      "10\n[collapse]\nkey = 'powers.size'\nsizes = [20, 60]\nhorizon = '3*size + 12'\npoints = 6\n");
  const ScalingOptions of_powers = read_scaling(powers.table);
  const auto sizes = at_sizes(powers, of_powers);
  const ScalingCollapse found = collapse_of(sizes, of_powers, [](const ScaledProblem&) { return Sample(); });
  CHECK(found.floor == 0.4);
  REQUIRE(found.theory.x.size() == 6);
  for (std::size_t p = 0; p < 2; ++p) {
    const double size = p == 0 ? 20 : 60, last = 3 * size + 12;
    CHECK(found.theory.size[p] == size);
    CHECK(found.theory.horizon[p] == last);
    for (std::size_t k = 0; k < 6; ++k) {
      // Sixths of 72 and 192 steps are whole.
      const double step = last * static_cast<double>(k + 1) / 6;
      CHECK(found.theory.loss[p].front()[k] == Approx(0.4 + 2 / std::sqrt(step) + 3 / std::sqrt(size)).epsilon(1e-12));
    }
  }
}
