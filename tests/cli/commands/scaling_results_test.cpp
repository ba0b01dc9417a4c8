#include "cli/commands/scaling_results.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/holds.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::expected::holds;

namespace {

/// Two sizes on a grid of `points` x, no number of which is another.
ScalingCollapse sample(std::size_t points) {
  ScalingCollapse r;
  r.floor = 0.0625;
  r.theory.size = {8, 16};
  r.theory.horizon = {300, 700};
  const auto column = [&](double first) {
    std::vector<double> out;
    for (std::size_t k = 0; k < points; ++k) out.push_back(first + 0.001 * static_cast<double>(k));
    return out;
  };
  for (std::size_t k = 0; k < points; ++k)
    r.theory.x.push_back(static_cast<double>(k + 1) / static_cast<double>(points));
  r.theory_spread.x = r.theory.x;
  for (const double x : r.theory.x) r.theory_spread.mean.push_back(1 / (x * x));
  r.theory_spread.between = column(0.2);
  r.theory_spread.mean_of = {column(3), column(4)};
  r.verdict = {Collapse::broken, 0.125, 0, 1, "they part"};
  r.predicted_supercollapse = 0.5;
  return r;
}

void simulate(ScalingCollapse& r) {
  const std::size_t points = r.theory.x.size();
  const auto column = [&](double value) { return std::vector<double>(points, value); };
  r.limit = column(0.75);
  r.limit_gap = 0.0123;
  r.predicted_delta = column(0.31);
  r.predicted_floor = column(0.32);
  r.simulated = r.theory;
  CollapseSpread s;
  s.x = r.theory.x;
  s.delta = column(0.41);
  s.between = column(0.42);
  s.within = column(0.43);
  s.deterministic = column(0.44);
  s.tuples = column(0.45);
  s.floor = column(0.46);
  r.simulated_spread = s;
  r.simulated_supercollapse = 0.25;
  Verdict agrees, unclear;
  agrees.outcome = Outcome::agree;
  agrees.reason = "as told";
  unclear.reason = "too few";
  r.of_size = {agrees, unclear};
  r.delta_check = SpreadCheck{{}, {}, column(0.051), true, true, 0.062};
  r.floor_check = SpreadCheck{{}, {}, column(0.052), true, false, 0.073};
}

std::string of(const ScalingCollapse& r, const std::string& form) {
  return cli::scaling_bytes(r, "a title", "file.toml", form);
}

}  // namespace

TEST_CASE("what a collapse prints, number by number") {
  ScalingCollapse r = sample(2);
  CHECK(of(r, "txt") == R"(a title
  sizes             8 (300), 16 (700)   (steps)
  floor L0          0.0625
  slope at the end  d log l/d log x = nan

      x     mean l      limit     sizes
    0.5          4               0.2000
      1          1               0.2010
  sizes: spread of the theory's curves; Delta, floor: of single runs, predicted and simulated

  supercollapse     at 50% of x in [.2, .95] by theory
  verdict           broken: they part
)");
  simulate(r);
  CHECK(of(r, "txt") == R"(a title
  sizes             8 (300), 16 (700)   (steps)
  floor L0          0.0625
  slope at the end  d log l/d log x = nan
  large sizes       the largest size is within 1.2% of the limit

      x     mean l      limit     sizes     Delta     floor   simulated       floor
    0.5          4       0.75    0.2000    0.3100    0.3200      0.4100      0.4600
      1          1       0.75    0.2010    0.3100    0.3200      0.4100      0.4600
  sizes: spread of the theory's curves; Delta, floor: of single runs, predicted and simulated

  supercollapse     at 50% of x in [.2, .95] by theory, 25% simulated
  verdict           broken: they part
  simulation        size 8: agree: as told
                    size 16: inconclusive: too few
                    Delta: agrees, largest gap 6.2%
                    floor: not judged: losses at the end spread by more than 10%, too much for second moments; largest gap 7.3%
)");
  r.floor_check.reset();
  r.delta_check->agrees = false;
  r.simulated_supercollapse = std::numeric_limits<double>::quiet_NaN();
  const std::string text = of(r, "txt");
  CHECK(holds(text, "Delta: disagrees, largest gap 6.2%\n"));
  CHECK(holds(text, "floor: not judged: nothing is predicted, or fewer than 8 seeds\n"));
  CHECK(holds(text, "by theory, not known simulated\n"));
  r.predicted_supercollapse = r.simulated_supercollapse;
  CHECK(holds(of(r, "txt"), "\n  supercollapse     not known by theory, not known simulated\n"));
  // With bounds over the seeds, and where the fourth moments of runs do not exist.
  r.simulated_supercollapse = 0.25;
  r.simulated_supercollapse_bounds = {0.125, 0.375};
  CHECK(holds(of(r, "txt"), "by theory, 25% [12%, 38%] simulated\n"));
  CHECK_FALSE(holds(of(r, "txt"), "\n  inf: "));
  r.predicted_floor[1] = std::numeric_limits<double>::infinity();
  CHECK(
      holds(of(r, "txt"),
            "    inf      0.4100      0.4600\n  sizes: spread of the theory's curves; Delta, floor: of single runs, "
            "predicted and simulated\n  inf: the mean is stable, the fourth moments of single runs are not: rare runs "
            "decide every spread\n\n"));
}

TEST_CASE("of a fine grid a collapse prints some twenty rows, the last among them, with its slope") {
  struct Case {
    std::size_t points;
    std::ptrdiff_t rows;
    std::string first;
  };
  for (const Case& c :
       std::vector<Case>{{20, 20, "   0.05 "}, {30, 30, "  0.0333 "}, {40, 20, "   0.05 "}, {100, 20, "   0.05 "}}) {
    CAPTURE(c.points);
    const std::string text = of(sample(c.points), "txt");
    CHECK(holds(text, "d log l/d log x = -2\n"));
    const std::size_t from = text.find("sizes\n") + 6, to = text.find("  sizes: spread");
    CHECK(std::count(text.begin() + static_cast<std::ptrdiff_t>(from), text.begin() + static_cast<std::ptrdiff_t>(to),
                     '\n') == c.rows);
    CHECK(text.substr(from).starts_with(c.first));
    CHECK(holds(text, "\n      1          1 "));
  }
}

TEST_CASE("the columns of a collapse, in CSV and JSON") {
  ScalingCollapse r = sample(2);
  CHECK(
      holds(of(r, "csv"), "\nx,mean,deterministic,normalised_8,normalised_16\n0.5,4,0.2,3,4\n1,1,0.201,3.001,4.001\n"));
  const std::string bare = of(r, "json");
  CHECK_FALSE(holds(bare, "simulat"));
  CHECK_FALSE(holds(bare, "limit"));
  CHECK_FALSE(holds(bare, "_agrees"));
  simulate(r);
  const std::string csv = of(r, "csv");
  CHECK(holds(
      csv,
      "\nx,mean,deterministic,limit,predicted_delta,predicted_floor,simulated_delta,simulated_between,simulated_within,"
      "simulated_deterministic,simulated_tuples,simulated_floor,simulated_delta_error,simulated_floor_error,normalised_"
      "8,"
      "normalised_16\n0.5,4,0.2,0.75,0.31,0.32,0.41,0.42,0.43,0.44,0.45,0.46,0.051,0.052,3,4\n"));
  for (const char* line : {"floor: 0.0625", "predicted_supercollapse: 0.5", "simulated_supercollapse: 0.25",
                           "title: a title", "file: file.toml", "outcome: broken: they part; the simulation agrees"})
    CHECK(holds(csv, line));
  std::string json = of(r, "json");
  std::erase_if(json, [](char c) { return c == ' ' || c == '\n'; });
  for (const char* entry :
       {"\"spread\":0.125", "\"floor\":0.0625", "\"limit_gap\":0.0123", "\"predicted_supercollapse\":0.5",
        "\"simulated_supercollapse\":0.25", "\"simulation_agrees\":true", "\"delta_agrees\":true",
        "\"floor_agrees\":null", "\"simulated_within\":[0.43,0.43]", "\"normalised_16\":[4.0,4.001]",
        "\"outcome\":\"broken\""}) {
    CAPTURE(std::string(entry));
    CHECK(holds(json, entry));
  }
  for (const char* part : {"\"size\":8", "\"steps\":300", "\"outcome\":\"agree\"", "\"reason\":\"astold\"",
                           "\"size\":16", "\"steps\":700"}) {
    CAPTURE(std::string(part));
    CHECK(holds(json, part));
  }
}

TEST_CASE("all that the JSON of a collapse says beside its columns") {
  ScalingCollapse r = sample(2);
  simulate(r);
  r.simulated_supercollapse_bounds = {0.125, 0.375};
  auto out = nlohmann::ordered_json::parse(of(r, "json"));
  CHECK(out["columns"].size() == 16);
  out.erase("columns");
  CHECK(
      out.dump() ==
      R"({"kind":"collapse","title":"a title","file":"file.toml","outcome":"broken","reason":"they part","spread":0.125,)"
      R"("floor":0.0625,"predicted_supercollapse":0.5,"limit_gap":0.0123,"sizes":[{"size":8.0,"steps":300.0,)"
      R"("outcome":"agree","reason":"as told"},{"size":16.0,"steps":700.0,"outcome":"inconclusive","reason":"too few"}],)"
      R"("simulation_agrees":true,"simulated_supercollapse":0.25,"simulated_supercollapse_low":0.125,)"
      R"("simulated_supercollapse_high":0.375,"delta_agrees":true,"floor_agrees":null})");
  r.of_size[1].outcome = Outcome::disagree;
  r.delta_check->agrees = false;
  r.floor_check->judged = true;
  out = nlohmann::ordered_json::parse(of(r, "json"));
  CHECK(out["simulation_agrees"] == false);
  CHECK(out["delta_agrees"] == false);
  CHECK(out["floor_agrees"] == true);
  r.of_size[1].outcome = Outcome::inconclusive;
  r.delta_check.reset();
  r.floor_check.reset();
  out = nlohmann::ordered_json::parse(of(r, "json"));
  CHECK(out["simulation_agrees"].is_null());
  CHECK_FALSE(out.contains("delta_agrees"));
  CHECK_FALSE(out.contains("floor_agrees"));
  const std::string csv = of(r, "csv");
  CHECK(holds(csv,
              "\n# simulated_supercollapse: 0.25\n# simulated_supercollapse_low: 0.125\n# "
              "simulated_supercollapse_high: 0.375\nx,"));
  CHECK(csv.starts_with("# kind: collapse\n# version: edgewise "));
}

TEST_CASE("one line about a collapse") {
  ScalingCollapse r = sample(2);
  CHECK(cli::scaling_summary(r) == "broken: they part");
  simulate(r);
  CHECK(cli::scaling_summary(r) == "broken: they part; the simulation agrees");
  r.of_size[1].outcome = Outcome::disagree;
  CHECK(cli::scaling_summary(r) == "broken: they part; the simulation disagrees with the theory");
  r.of_size[1].outcome = Outcome::agree;
  r.delta_check->agrees = false;
  CHECK(r.simulation() == Outcome::disagree);
  r.delta_check->judged = false;
  CHECK(r.simulation() == Outcome::agree);
  r.floor_check->agrees = false;
  CHECK(r.simulation() == Outcome::disagree);
  r.floor_check->agrees = true;
  r.of_size[1].outcome = Outcome::inconclusive;
  CHECK(r.simulation() == Outcome::inconclusive);
  CHECK(cli::scaling_summary(r) == "broken: they part; the simulation is inconclusive");
}
