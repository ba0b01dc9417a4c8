// The NetCDF files of collapses, all of what they hold.
#include "cli/commands/collapse_netcdf.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

#include "cli/results/output_file.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/results/netcdf_text.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using cli::testing::Folder;
using cli::testing::variable;

namespace {

/// Two sizes, not in order, at two x.
CollapseAnalysis first() {
  CollapseAnalysis r;
  r.schedule = "linear";
  r.floor = 0.25;
  r.floor_low = 0.125;
  r.floor_high = 0.375;
  r.horizon = PowerFit{1.25, 4, 0.0625};
  r.curves = {{0.5, 1}, {16, 8}, {700, 300}, {{{}}, {{}}}};
  r.spread.x = r.curves.x;
  r.spread.mean = {1, 2};
  r.spread.delta = {3, 4};
  r.spread.between = {5, 6};
  r.spread.within = {7, 8};
  r.spread.deterministic = {9, 10};
  r.spread.tuples = {11, 12};
  r.spread.floor = {13, 14};
  r.spread.mean_of = {{21, 22}, {31, 32}};
  r.verdict = {Collapse::broken, 0.4375, 0.40625, 0.46875, "they part"};
  r.slope = -0.75;
  r.supercollapse = 0.5;
  r.supercollapse_bounds = {0.28125, 0.78125};
  return r;
}

/// Another size and another x, no horizon.
CollapseAnalysis second() {
  CollapseAnalysis r = first();
  r.schedule = "cosine";
  r.horizon.reset();
  r.floor = 0.75;
  r.curves = {{0.25, 1}, {8, 32}, {310, 1500}, {{{}}, {{}}}};
  r.spread.x = r.curves.x;
  r.spread.mean = {41, 42};
  r.spread.mean_of = {{51, 52}, {61, 62}};
  r.verdict.outcome = Collapse::well_scaled;
  return r;
}

/// But for the version.
std::string held(const Folder& folder, const std::string& bytes) {
  cli::write_file(folder / "c.nc", bytes);
  std::string text = cli::testing::netcdf_text(folder / "c.nc");
  const std::string version = "  version: 'edgewise ";
  const std::size_t at = text.find(version);
  REQUIRE(at != std::string::npos);
  return text.erase(at, text.find('\n', at) + 1 - at);
}

}  // namespace

TEST_CASE("of users' curves: every schedule on all x and sizes that any has, not-a-numbers where it has none") {
  const Folder folder;
  const std::string curves = "of the normalised curves over sizes and seeds";
  CHECK(held(folder, cli::collapse_netcdf({first(), second()}, "a.csv, b.csv", "c.nc")) ==
        R"(schedule = 2
size = 3
x = 3
)" + variable("string schedule(schedule): 'linear' 'cosine'", "label of the learning-rate schedule") +
            variable("double size(size): 8 16 32", "of the model", "1") +
            variable("double x(x): 0.25 0.5 1", "share of the horizon", "1") +
            variable("string outcome(schedule): 'broken' 'well scaled'", "well scaled, broken or inconclusive") +
            variable("double mean(schedule, x): nan 1 2 41 nan 42", curves, "1") +
            variable("double delta(schedule, x): nan 3 4 3 nan 4", curves, "1") +
            variable("double between(schedule, x): nan 5 6 5 nan 6", curves, "1") +
            variable("double within(schedule, x): nan 7 8 7 nan 8", curves, "1") +
            variable("double deterministic(schedule, x): nan 9 10 9 nan 10", curves, "1") +
            variable("double tuples(schedule, x): nan 11 12 11 nan 12", curves, "1") +
            variable("double floor_over_seeds(schedule, x): nan 13 14 13 nan 14", curves, "1") +
            variable(
                "double normalised(schedule, size, x): nan 31 32 nan 21 22 nan nan nan 51 nan 52 nan nan nan 61 nan 62",
                "(L(x t*) - L0)/(L(t*) - L0), mean over seeds", "1") +
            variable("double horizon(schedule, size): 300 700 nan 310 nan 1500", "t*", "steps") +
            variable("double loss_floor(schedule): 0.25 0.75", "loss_floor", "1") +
            variable("double loss_floor_low(schedule): 0.125 0.125", "loss_floor_low", "1") +
            variable("double loss_floor_high(schedule): 0.375 0.375", "loss_floor_high", "1") +
            variable("double horizon_prefactor(schedule): 4 nan", "horizon_prefactor", "1") +
            variable("double horizon_exponent(schedule): 1.25 nan", "horizon_exponent", "1") +
            variable("double spread(schedule): 0.4375 0.4375", "spread", "1") +
            variable("double spread_low(schedule): 0.40625 0.40625", "spread_low", "1") +
            variable("double spread_high(schedule): 0.46875 0.46875", "spread_high", "1") +
            variable("double supercollapse(schedule): 0.5 0.5", "supercollapse", "1") +
            variable("double supercollapse_low(schedule): 0.28125 0.28125", "supercollapse_low", "1") +
            variable("double supercollapse_high(schedule): 0.78125 0.78125", "supercollapse_high", "1") +
            variable("double end_slope(schedule): -0.75 -0.75", "end_slope", "1") + R"(  Conventions: 'CF-1.10'
  kind: 'collapse'
  files: 'a.csv, b.csv'
)");
}

TEST_CASE("of an experiment: its curves over size and x, its columns over x") {
  const Folder folder;
  ScalingCollapse r;
  r.floor = 0.0625;
  r.theory.x = {0.5, 1};
  r.theory.size = {8, 16};
  r.theory.horizon = {300, 700};
  r.theory_spread.mean_of = {{1, 2}, {3, 4}};
  r.verdict.spread = 0.125;
  r.predicted_supercollapse = 0.5;
  CHECK(held(folder,
             cli::scaling_netcdf(r, {{"x", {0.5, 1}}, {"limit", {5, 6}}}, "as told", "a title", "e.toml", "c.nc")) ==
        R"(size = 2
x = 2
)" + variable("double size(size): 8 16", "of the model", "1") +
            variable("double horizon(size): 300 700", "t*", "steps") +
            variable("double normalised(size, x): 1 2 3 4", "(L(x t*) - L0)/(L(t*) - L0) of the theory", "1") +
            variable("double x(x): 0.5 1", "x", "1") + variable("double limit(x): 5 6", "limit", "1") +
            R"(  Conventions: 'CF-1.10'
  kind: 'collapse'
  files: 'e.toml'
  title: 'a title'
  outcome: 'as told'
  loss_floor: 0.0625
  spread: 0.125
  predicted_supercollapse: 0.5
)");
}
