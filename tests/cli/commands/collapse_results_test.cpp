#include "cli/commands/collapse_results.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/holds.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::expected::holds;
using nlohmann::json;

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// Two sizes at four x, no number of which is another.
CollapseAnalysis sample() {
  CollapseAnalysis r;
  r.schedule = "linear, short";
  r.floor = 0.25;
  r.floor_low = 0.125;
  r.floor_high = 0.375;
  r.floor_from = "fitted";
  r.fit = FloorFit{0.25, 3, 0.5, 0.01, 0.02};
  r.horizon = PowerFit{1.25, 4, 0.0625};
  r.curves = {{0.05, 0.5, 0.95, 1}, {8, 16}, {300, 700}, {{{}, {}, {}}, {{}, {}}}};
  r.spread.x = r.curves.x;
  r.spread.mean = {4, 2, 1.5, 1};
  r.spread.delta = {0.11, 0.12, 0.13, 0.14};
  r.spread.between = {0.21, 0.22, 0.23, 0.24};
  r.spread.within = {0.31, 0.32, 0.33, 0.34};
  r.spread.deterministic = {0.41, 0.42, 0.43, 0.44};
  r.spread.tuples = {0.51, 0.52, 0.53, 0.54};
  r.spread.floor = {0.01, 0.62, 0.02, 0.64};
  r.spread.mean_of = {{5, 6, 7, 8}, {9, 10, 11, 12}};
  r.spread.floor_of = {{13, 14, 15, 16}, {17, 18, 19, 20}};
  r.verdict = {Collapse::broken, 0.4375, 0.375, 0.5, "they part"};
  r.slope = -0.75;
  r.supercollapse = 0.5;
  r.supercollapse_bounds = {0.25, 0.75};
  r.supercollapse_late = 0.125;
  r.sensitivity = {{0.25, "this floor", 0.4375, 0.5, Collapse::broken},
                   {0.5, "low", unknown, unknown, Collapse::inconclusive}};
  r.notes = {"a note"};
  return r;
}

/// Another schedule of one more size, without fits.
CollapseAnalysis other() {
  CollapseAnalysis r = sample();
  r.schedule = "";
  r.fit.reset();
  r.horizon.reset();
  r.floor_low = r.floor_high = unknown;
  r.supercollapse_bounds = {unknown, unknown};
  r.supercollapse = unknown;
  r.curves.size = {16, 32};
  r.sensitivity.clear();
  return r;
}

std::string of(const std::vector<CollapseAnalysis>& all, const std::string& form) {
  return cli::collapse_bytes(all, "a.csv", form);
}

RelativeNoise noise() {
  RelativeNoise out;
  out.factor = 0.5;
  out.runs = {{"linear", 8, {0, 10}, {1, 2}, {3, 4}, {5, 6}, {0.25, 0.5}, {16, 32}, 0.75, 0.0125, 0.25},
              {"cosine, long", 16, {20}, {3}, {7}, {8}, {0.125}, {64}, 0.375, 0.02, 0.5}};
  out.notes = {"a note"};
  return out;
}

}  // namespace

TEST_CASE("what the collapse of curves prints, number by number") {
  CHECK(of({sample()}, "txt") == R"(schedule "linear, short"
  sizes             8 (3, 300), 16 (2, 700)   (seeds, horizon in steps)
  floor L0          0.25 [0.125, 0.375]   fitted
  frontier          L0 + 3 c^-0.5   log residuals 0.02
  horizon           t* = 4 size^1.25   exponent +- 0.062
  slope at the end  d log l/d log x = -0.75; the frontier asks -0.5 of runs that are compute-optimal at every step (constant rate)

      x     mean l    Delta    sizes    seeds   sizes*   tuples    floor
   0.05          4   0.1100   0.2100   0.3100   0.4100   0.5100   0.0100
    0.5          2   0.1200   0.2200   0.3200   0.4200   0.5200   0.6200  supercollapse
   0.95        1.5   0.1300   0.2300   0.3300   0.4300   0.5300   0.0200
      1          1   0.1400   0.2400   0.3400   0.4400   0.5400   0.6400
  Delta^2 = sizes^2 + seeds^2; sizes*: without the seeds' share; tuples: one seed a size; floor: of the raw loss

  supercollapse     at 50% [25%, 75%] of x in [.2, .95], 12% of x in [.5, .95]
  verdict           broken: they part

  with another floor:
    L0 = 0.25         sizes* 0.4375   supercollapse 50%                         broken        this floor
    L0 = 0.5          sizes* -        supercollapse an unknown share (one seed) inconclusive  low
)");
  const std::string text = of({sample(), other()}, "txt");
  CHECK(text.starts_with(of({sample()}, "txt") + "\ncollapse\n"));
  const std::string bare = of({other()}, "txt");
  CHECK(holds(bare, "\n  floor L0          0.25   fitted\n\n"));
  CHECK(holds(bare, "\n  supercollapse     at an unknown share (one seed) of x in [.2, .95], 12% of x in [.5, .95]\n"));
  // Of one pair of sizes the exponent has no error.
  CollapseAnalysis two = sample();
  two.horizon->error = unknown;
  CHECK(holds(of({two}, "txt"), "\n  horizon           t* = 4 size^1.25\n"));
  CollapseAnalysis alone = sample();
  alone.spread.floor.assign(alone.spread.floor.size(), unknown);
  CHECK(holds(of({alone}, "txt"),
              "   0.5100        -\n    0.5          2   0.1200   0.2200   0.3200   0.4200   0.5200        -\n"));
  // Of a grid of twentieths every second, and the last three.
  CollapseAnalysis fine = sample();
  fine.spread.x.clear();
  for (int k = 1; k <= 20; ++k) fine.spread.x.push_back(k / 20.0);
  for (auto* column : {&fine.spread.mean, &fine.spread.delta, &fine.spread.between, &fine.spread.within,
                       &fine.spread.deterministic, &fine.spread.tuples, &fine.spread.floor})
    column->assign(20, 7);
  const std::string rows = of({fine}, "txt");
  for (int k = 1; k <= 20; ++k) {
    CAPTURE(k);
    CHECK(holds(rows, fmt::format("\n  {:>5.3g}          7", k / 20.0)) == (k % 2 == 0 || k == 1 || k == 19));
  }
}

TEST_CASE("the collapse of curves as CSV: schedules below each other, a column for every size that any has") {
  const std::string csv = of({sample(), other()}, "csv");
  CHECK(csv.starts_with("# kind: collapse\n# version: edgewise "));
  CHECK(holds(csv,
              "\n# files: a.csv\n# outcome of linear, short: broken: they part\n# floor of linear, short: 0.25 "
              "fitted\n# horizon of linear, short: 4 size^1.25\n# supercollapse of linear, short: 0.5\n# "
              "supercollapse_low of linear, short: 0.25\n# supercollapse_high of linear, short: 0.75\n# outcome: "
              "broken: they part\n# floor: 0.25 fitted\n# supercollapse: nan\n# supercollapse_low: nan\n"));
  CHECK(csv.ends_with(
      R"(schedule,x,mean,delta,between,within,deterministic,tuples,floor,normalised_8,normalised_16,normalised_32
"linear, short",0.05,4,0.11,0.21,0.31,0.41,0.51,0.01,5,9,
"linear, short",0.5,2,0.12,0.22,0.32,0.42,0.52,0.62,6,10,
"linear, short",0.95,1.5,0.13,0.23,0.33,0.43,0.53,0.02,7,11,
"linear, short",1,1,0.14,0.24,0.34,0.44,0.54,0.64,8,12,
,0.05,4,0.11,0.21,0.31,0.41,0.51,0.01,,5,9
,0.5,2,0.12,0.22,0.32,0.42,0.52,0.62,,6,10
,0.95,1.5,0.13,0.23,0.33,0.43,0.53,0.02,,7,11
,1,1,0.14,0.24,0.34,0.44,0.54,0.64,,8,12
)"));
}

TEST_CASE("the collapse of curves as JSON") {
  const json out = json::parse(of({sample(), other()}, "json"));
  CHECK(out["kind"] == "collapse");
  CHECK(out["files"] == "a.csv");
  REQUIRE(out["schedules"].size() == 2);
  CHECK(out["schedules"][0] == json::parse(R"({"schedule": "linear, short", "outcome": "broken", "reason": "they part",
    "spread": 0.4375, "spread_low": 0.375, "spread_high": 0.5, "floor": 0.25, "floor_low": 0.125, "floor_high": 0.375,
    "floor_from": "fitted", "supercollapse": 0.5, "supercollapse_low": 0.25, "supercollapse_high": 0.75,
    "supercollapse_late": 0.125, "end_slope": -0.75,
    "frontier": {"prefactor": 3, "exponent": 0.5, "rms": 0.02},
    "horizon": {"prefactor": 4, "exponent": 1.25, "exponent_error": 0.0625},
    "sizes": [{"size": 8, "seeds": 3, "horizon": 300, "normalised": [5, 6, 7, 8], "floor": [13, 14, 15, 16]},
              {"size": 16, "seeds": 2, "horizon": 700, "normalised": [9, 10, 11, 12], "floor": [17, 18, 19, 20]}],
    "columns": {"x": [0.05, 0.5, 0.95, 1], "mean": [4, 2, 1.5, 1], "delta": [0.11, 0.12, 0.13, 0.14],
      "between": [0.21, 0.22, 0.23, 0.24], "within": [0.31, 0.32, 0.33, 0.34],
      "deterministic": [0.41, 0.42, 0.43, 0.44], "tuples": [0.51, 0.52, 0.53, 0.54],
      "floor": [0.01, 0.62, 0.02, 0.64]},
    "sensitivity": [{"floor": 0.25, "what": "this floor", "spread": 0.4375, "supercollapse": 0.5, "outcome": "broken"},
      {"floor": 0.5, "what": "low", "spread": "nan", "supercollapse": "nan", "outcome": "inconclusive"}],
    "notes": ["a note"]})"));
  CHECK_FALSE(out["schedules"][1].contains("frontier"));
  CHECK_FALSE(out["schedules"][1].contains("horizon"));
  CHECK(out["schedules"][1]["floor_low"] == "nan");
}

TEST_CASE("the relative noise model in every form") {
  const auto form = [](const char* name) { return cli::relative_noise_bytes(noise(), "a.csv", name); };
  CHECK(form("txt") == R"(L'(tau) = L_const(tau) + a (difference of the rates) S(tau),   a = 0.5
  schedule                       size  points      own a       rms  rms, a=0
  linear                            8       2       0.75     1.25%    25.00%
  cosine, long                     16       1      0.375     2.00%    50.00%
  rms: of what is left of the loss, relative, at the common a and without noise
)");
  const std::string csv = form("csv");
  CHECK(csv.starts_with("# kind: relative-noise\n# version: edgewise "));
  // predicted = reference + a difference noise: 5 + .5 .25 16, 6 + .5 .5 32, 8 + .5 .125 64.
  CHECK(
      csv.ends_with("\n# files: a.csv\n# factor: 0.5\nschedule,size,step,tau,loss,predicted,reference,rate_difference,"
                    "noise\nlinear,8,0,1,3,7,5,0.25,16\nlinear,8,10,2,4,14,6,0.5,32\n\"cosine, "
                    "long\",16,20,3,7,12,8,0.125,64\n"));
  CHECK(json::parse(form("json")) == json::parse(R"({"kind": "relative-noise", "files": "a.csv", "factor": 0.5,
    "runs": [{"schedule": "linear", "size": 8, "points": 2, "factor": 0.75, "rms": 0.0125, "rms_none": 0.25},
             {"schedule": "cosine, long", "size": 16, "points": 1, "factor": 0.375, "rms": 0.02, "rms_none": 0.5}],
    "notes": ["a note"]})"));
}
