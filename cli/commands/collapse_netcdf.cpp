#include "cli/commands/collapse_netcdf.hpp"

#include <algorithm>
#include <utility>

#include "cli/results/netcdf_file.hpp"
#include "cli/results/netcdf_filler.hpp"
#include "cli/results/netcdf_library.hpp"
#include "numerics/constants.hpp"

namespace edgewise::cli {

using validation::CollapseAnalysis;
using validation::CollapseSpread;

namespace {

void begin(NetcdfFile& file, const std::string& from) {
  file.create();
  put_text(file, NC_GLOBAL, "Conventions", "CF-1.10");
  put_text(file, NC_GLOBAL, "kind", "collapse");
  put_text(file, NC_GLOBAL, "version", "edgewise " EDGEWISE_VERSION);
  put_text(file, NC_GLOBAL, "files", from);
}

/// Adds what is not there yet, in order.
void add_new(std::vector<double>& all, const std::vector<double>& more) {
  all.insert(all.end(), more.begin(), more.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

/// Values at `place` of a row of `length`, NaN elsewhere.
void append_at(std::vector<double>& to, const std::vector<double>& values, const std::vector<double>& at,
               const std::vector<double>& all) {
  for (const double x : all) {
    const auto found = std::ranges::find(at, x);
    to.push_back(found == at.end() ? nan : values[static_cast<std::size_t>(found - at.begin())]);
  }
}

const std::vector<std::pair<const char*, std::vector<double> CollapseSpread::*>> spread_columns = {
    {"mean", &CollapseSpread::mean},
    {"delta", &CollapseSpread::delta},
    {"between", &CollapseSpread::between},
    {"within", &CollapseSpread::within},
    {"deterministic", &CollapseSpread::deterministic},
    {"tuples", &CollapseSpread::tuples},
    {"floor_over_seeds", &CollapseSpread::floor}};

const std::vector<std::pair<const char*, double (*)(const CollapseAnalysis&)>> collapse_numbers = {
    {"loss_floor", [](const CollapseAnalysis& r) { return r.floor; }},
    {"loss_floor_low", [](const CollapseAnalysis& r) { return r.floor_low; }},
    {"loss_floor_high", [](const CollapseAnalysis& r) { return r.floor_high; }},
    {"horizon_prefactor", [](const CollapseAnalysis& r) { return r.horizon ? r.horizon->prefactor : nan; }},
    {"horizon_exponent", [](const CollapseAnalysis& r) { return r.horizon ? r.horizon->exponent : nan; }},
    {"spread", [](const CollapseAnalysis& r) { return r.verdict.spread; }},
    {"spread_low", [](const CollapseAnalysis& r) { return r.verdict.low; }},
    {"spread_high", [](const CollapseAnalysis& r) { return r.verdict.high; }},
    {"supercollapse", [](const CollapseAnalysis& r) { return r.supercollapse; }},
    {"supercollapse_low", [](const CollapseAnalysis& r) { return r.supercollapse_bounds.first; }},
    {"supercollapse_high", [](const CollapseAnalysis& r) { return r.supercollapse_bounds.second; }},
    {"end_slope", [](const CollapseAnalysis& r) { return r.slope; }}};

}  // namespace

std::string collapse_netcdf(const std::vector<CollapseAnalysis>& results, const std::string& files,
                            const std::string& shown) {
  NetcdfFile file(shown);
  begin(file, files);
  std::vector<double> x, size;
  std::vector<std::string> schedules, outcomes;
  for (const CollapseAnalysis& r : results) {
    add_new(x, r.spread.x);
    add_new(size, r.curves.size);
    schedules.push_back(r.schedule);
    outcomes.emplace_back(validation::name(r.verdict.outcome));
  }
  NetcdfFiller filler(file);
  const int s = filler.dimension("schedule", results.size()), p = filler.dimension("size", size.size()),
            k = filler.dimension("x", x.size());
  filler.texts("schedule", {s}, "label of the learning-rate schedule", schedules);
  filler.numbers("size", {p}, "of the model", size);
  filler.numbers("x", {k}, "share of the horizon", x);
  filler.texts("outcome", {s}, "well scaled, broken or inconclusive", outcomes);
  for (const auto& [name, member] : spread_columns) {
    std::vector<double> values;
    for (const CollapseAnalysis& r : results) append_at(values, r.spread.*member, r.spread.x, x);
    filler.numbers(name, {s, k}, "of the normalised curves over sizes and seeds", std::move(values));
  }
  std::vector<double> normalised, horizon;
  for (const CollapseAnalysis& r : results) {
    append_at(horizon, r.curves.horizon, r.curves.size, size);
    for (const double one : size) {
      const auto at = std::ranges::find(r.curves.size, one);
      if (at == r.curves.size.end())
        normalised.insert(normalised.end(), x.size(), nan);
      else
        append_at(normalised, r.spread.mean_of[static_cast<std::size_t>(at - r.curves.size.begin())], r.spread.x, x);
    }
  }
  filler.numbers("normalised", {s, p, k}, "(L(x t*) - L0)/(L(t*) - L0), mean over seeds", std::move(normalised));
  filler.numbers("horizon", {s, p}, "t*", std::move(horizon), "steps");
  for (const auto& [name, value] : collapse_numbers) {
    std::vector<double> values;
    for (const CollapseAnalysis& r : results) values.push_back(value(r));
    filler.numbers(name, {s}, name, std::move(values));
  }
  filler.fill();
  return file.finish();
}

std::string scaling_netcdf(const validation::ScalingCollapse& result, const std::vector<CollapseColumn>& columns,
                           const std::string& summary, const std::string& title, const std::string& from,
                           const std::string& shown) {
  NetcdfFile file(shown);
  begin(file, from);
  put_text(file, NC_GLOBAL, "title", title);
  put_text(file, NC_GLOBAL, "outcome", summary);
  const double numbers[] = {result.floor, result.verdict.spread, result.predicted_supercollapse};
  const char* names[] = {"loss_floor", "spread", "predicted_supercollapse"};
  for (int i = 0; i < 3; ++i) file.check(nc_put_att_double(file.id, NC_GLOBAL, names[i], NC_DOUBLE, 1, &numbers[i]));
  NetcdfFiller filler(file);
  const int p = filler.dimension("size", result.theory.size.size()), k = filler.dimension("x", result.theory.x.size());
  filler.numbers("size", {p}, "of the model", result.theory.size);
  filler.numbers("horizon", {p}, "t*", result.theory.horizon, "steps");
  std::vector<double> normalised;
  for (const std::vector<double>& curve : result.theory_spread.mean_of)
    normalised.insert(normalised.end(), curve.begin(), curve.end());
  filler.numbers("normalised", {p, k}, "(L(x t*) - L0)/(L(t*) - L0) of the theory", std::move(normalised));
  for (const CollapseColumn& column : columns) filler.numbers(column.name, {k}, column.name, column.values);
  filler.fill();
  return file.finish();
}

}  // namespace edgewise::cli
