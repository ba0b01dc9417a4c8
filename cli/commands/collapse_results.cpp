#include "cli/commands/collapse_results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/commands/collapse_netcdf.hpp"
#include "cli/figures/collapse_figure.hpp"
#include "cli/figures/gnuplot.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/header_lines.hpp"
#include "cli/results/json.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using settings::text_of;
using validation::CollapseAnalysis;
using validation::RelativeNoise;

namespace {

std::string percent_text(double share) {
  return std::isfinite(share) ? fmt::format("{:.0f}%", 100 * share) : "an unknown share (one seed)";
}

std::string interval_text(double low, double high) {
  return std::isfinite(low) ? fmt::format(" [{:.6g}, {:.6g}]", low, high) : "";
}

std::string bounds_text(std::pair<double, double> bounds) {
  return std::isfinite(bounds.first) ? fmt::format(" [{:.0f}%, {:.0f}%]", 100 * bounds.first, 100 * bounds.second) : "";
}

std::string collapse_text(const CollapseAnalysis& r) {
  std::string out = fmt::format(
      "{}\n", r.schedule.empty() ? "collapse" : "schedule " + settings::text_of(settings::Value(r.schedule)));
  const auto line = [&](const std::string& name, const std::string& text) {
    out += fmt::format("  {:<18}{}\n", name, text);
  };
  // Of one seed there is no noise floor.
  const auto known = [](double x) { return std::isnan(x) ? std::string("-") : fmt::format("{:.4f}", x); };
  std::string sizes;
  for (std::size_t p = 0; p < r.curves.size.size(); ++p)
    sizes += fmt::format("{}{:.6g} ({}, {:.6g})", p ? ", " : "", r.curves.size[p], r.curves.loss[p].size(),
                         r.curves.horizon[p]);
  line("sizes", sizes + "   (seeds, horizon in steps)");
  line("floor L0", fmt::format("{:.6g}{}   {}", r.floor, interval_text(r.floor_low, r.floor_high), r.floor_from));
  if (r.fit)
    line("frontier", fmt::format("L0 + {:.5g} c^{:.5g}   log residuals {:.2g}", r.fit->prefactor, 0.0 - r.fit->exponent,
                                 r.fit->rms));
  if (r.horizon)
    line("horizon",
         fmt::format("t* = {:.5g} size^{:.5g}{}", r.horizon->prefactor, r.horizon->exponent,
                     std::isfinite(r.horizon->error) ? fmt::format("   exponent +- {:.2g}", r.horizon->error) : ""));
  if (r.fit)
    line("slope at the end", fmt::format("d log l/d log x = {:.4g}; the frontier asks {:.4g} of runs that are compute-"
                                         "optimal at every step (constant rate)",
                                         r.slope, -r.fit->exponent));
  out += fmt::format("\n  {:>5} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "x", "mean l", "Delta", "sizes", "seeds",
                     "sizes*", "tuples", "floor");
  for (std::size_t k = 0; k < r.spread.x.size(); ++k) {
    const double x = r.spread.x[k];
    // Every tenth, and two near the end.
    const bool shown = std::abs(x * 10 - std::round(x * 10)) < 1e-9 || std::abs(x - 0.95) < 1e-9 || k == 0;
    if (!shown) continue;
    out += fmt::format("  {:>5.3g} {:>10.5g} {:>8.4f} {:>8.4f} {:>8.4f} {:>8.4f} {:>8.4f} {:>8}{}\n", x,
                       r.spread.mean[k], r.spread.delta[k], r.spread.between[k], r.spread.within[k],
                       r.spread.deterministic[k], r.spread.tuples[k], known(r.spread.floor[k]),
                       r.spread.delta[k] < r.spread.floor[k] && k + 1 < r.spread.x.size() ? "  supercollapse" : "");
  }
  out +=
      "  Delta^2 = sizes^2 + seeds^2; sizes*: without the seeds' share; tuples: one seed a size; floor: of the raw "
      "loss\n\n";
  line("supercollapse", fmt::format("at {}{} of x in [.2, .95], {} of x in [.5, .95]", percent_text(r.supercollapse),
                                    bounds_text(r.supercollapse_bounds), percent_text(r.supercollapse_late)));
  line("verdict", fmt::format("{}: {}", validation::name(r.verdict.outcome), r.verdict.reason));
  out += "\n  with another floor:\n";
  for (const validation::FloorSensitivity& row : r.sensitivity)
    out += fmt::format("    L0 = {:<12.6g} sizes* {:<8} supercollapse {:<27} {:<13} {}\n", row.floor, known(row.spread),
                       percent_text(row.supercollapse), validation::name(row.outcome), row.what);
  return out;
}

Json numbers_json(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double x : values) out.push_back(json_number(x));
  return out;
}

Json collapse_json(const CollapseAnalysis& r) {
  Json out = {{"schedule", r.schedule},
              {"outcome", validation::name(r.verdict.outcome)},
              {"reason", r.verdict.reason},
              {"spread", json_number(r.verdict.spread)},
              {"spread_low", json_number(r.verdict.low)},
              {"spread_high", json_number(r.verdict.high)},
              {"floor", json_number(r.floor)},
              {"floor_low", json_number(r.floor_low)},
              {"floor_high", json_number(r.floor_high)},
              {"floor_from", r.floor_from},
              {"supercollapse", json_number(r.supercollapse)},
              {"supercollapse_low", json_number(r.supercollapse_bounds.first)},
              {"supercollapse_high", json_number(r.supercollapse_bounds.second)},
              {"supercollapse_late", json_number(r.supercollapse_late)},
              {"end_slope", json_number(r.slope)}};
  if (r.fit)
    out["frontier"] = {{"prefactor", json_number(r.fit->prefactor)},
                       {"exponent", json_number(r.fit->exponent)},
                       {"rms", json_number(r.fit->rms)}};
  if (r.horizon)
    out["horizon"] = {{"prefactor", json_number(r.horizon->prefactor)},
                      {"exponent", json_number(r.horizon->exponent)},
                      {"exponent_error", json_number(r.horizon->error)}};
  out["sizes"] = Json::array();
  for (std::size_t p = 0; p < r.curves.size.size(); ++p)
    out["sizes"].push_back({{"size", json_number(r.curves.size[p])},
                            {"seeds", r.curves.loss[p].size()},
                            {"horizon", json_number(r.curves.horizon[p])},
                            {"normalised", numbers_json(r.spread.mean_of[p])},
                            {"floor", numbers_json(r.spread.floor_of[p])}});
  const validation::CollapseSpread& s = r.spread;
  out["columns"] = {{"x", numbers_json(s.x)},           {"mean", numbers_json(s.mean)},
                    {"delta", numbers_json(s.delta)},   {"between", numbers_json(s.between)},
                    {"within", numbers_json(s.within)}, {"deterministic", numbers_json(s.deterministic)},
                    {"tuples", numbers_json(s.tuples)}, {"floor", numbers_json(s.floor)}};
  out["sensitivity"] = Json::array();
  for (const validation::FloorSensitivity& row : r.sensitivity)
    out["sensitivity"].push_back({{"floor", json_number(row.floor)},
                                  {"what", row.what},
                                  {"spread", json_number(row.spread)},
                                  {"supercollapse", json_number(row.supercollapse)},
                                  {"outcome", validation::name(row.outcome)}});
  out["notes"] = r.notes;
  return out;
}

std::string collapse_csv(const std::vector<CollapseAnalysis>& results, const std::string& files) {
  std::string out;
  append_header_line(out, "kind", "collapse");
  append_header_line(out, "version", "edgewise " EDGEWISE_VERSION);
  append_header_line(out, "files", files);
  std::vector<double> sizes;
  for (const CollapseAnalysis& r : results) {
    sizes.insert(sizes.end(), r.curves.size.begin(), r.curves.size.end());
    const std::string of = r.schedule.empty() ? "" : " of " + r.schedule;
    append_header_line(out, "outcome" + of,
                       fmt::format("{}: {}", validation::name(r.verdict.outcome), r.verdict.reason));
    append_header_line(out, "floor" + of, fmt::format("{} {}", text_of(r.floor), r.floor_from));
    if (r.horizon)
      append_header_line(out, "horizon" + of,
                         fmt::format("{} size^{}", text_of(r.horizon->prefactor), text_of(r.horizon->exponent)));
    append_header_line(out, "supercollapse" + of, text_of(r.supercollapse));
    append_header_line(out, "supercollapse_low" + of, text_of(r.supercollapse_bounds.first));
    append_header_line(out, "supercollapse_high" + of, text_of(r.supercollapse_bounds.second));
  }
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  out += "schedule,x,mean,delta,between,within,deterministic,tuples,floor";
  for (const double size : sizes) out += ",normalised_" + text_of(size);
  out += "\n";
  for (const CollapseAnalysis& r : results)
    for (std::size_t k = 0; k < r.spread.x.size(); ++k) {
      const validation::CollapseSpread& s = r.spread;
      out += fmt::format("{},{}", csv_quoted(r.schedule), text_of(s.x[k]));
      for (const auto* column : {&s.mean, &s.delta, &s.between, &s.within, &s.deterministic, &s.tuples, &s.floor})
        out += "," + text_of((*column)[k]);
      for (const double size : sizes) {
        const auto p = std::find(r.curves.size.begin(), r.curves.size.end(), size) - r.curves.size.begin();
        out += ",";
        if (static_cast<std::size_t>(p) < r.curves.size.size())
          out += text_of(s.mean_of[static_cast<std::size_t>(p)][k]);
      }
      out += "\n";
    }
  return out;
}

}  // namespace

std::string collapse_bytes(const std::vector<CollapseAnalysis>& results, const std::string& files,
                           const std::string& form) {
  if (form == "csv") return collapse_csv(results, files);
  if (form == "nc") return collapse_netcdf(results, files, "the NetCDF output");
  if (form == "json") {
    Json out = {{"kind", "collapse"}, {"files", files}, {"schedules", Json::array()}};
    for (const CollapseAnalysis& r : results) out["schedules"].push_back(collapse_json(r));
    return json_text(out);
  }
  if (form == "txt") {
    std::string out;
    for (const CollapseAnalysis& r : results) out += (out.empty() ? "" : "\n") + collapse_text(r);
    return out;
  }
  std::vector<CollapsePanels> rows;
  for (const CollapseAnalysis& r : results) rows.push_back({r.schedule, r.curves, r.spread, r.floor, {}, {}, {}});
  return run_gnuplot(collapse_script(rows, "Scaling collapse", "." + form));
}

std::string relative_noise_bytes(const RelativeNoise& noise, const std::string& files, const std::string& form) {
  if (form == "json") {
    Json out = {{"kind", "relative-noise"}, {"files", files}, {"factor", json_number(noise.factor)}};
    for (const validation::RelativeRun& run : noise.runs)
      out["runs"].push_back({{"schedule", run.schedule},
                             {"size", json_number(run.size)},
                             {"points", run.loss.size()},
                             {"factor", json_number(run.factor)},
                             {"rms", json_number(run.rms)},
                             {"rms_none", json_number(run.rms_none)}});
    out["notes"] = noise.notes;
    return json_text(out);
  }
  std::string out;
  if (form == "csv") {
    append_header_line(out, "kind", "relative-noise");
    append_header_line(out, "version", "edgewise " EDGEWISE_VERSION);
    append_header_line(out, "files", files);
    append_header_line(out, "factor", text_of(noise.factor));
    out += "schedule,size,step,tau,loss,predicted,reference,rate_difference,noise\n";
    for (const validation::RelativeRun& run : noise.runs)
      for (std::size_t i = 0; i < run.loss.size(); ++i) {
        const double predicted = run.reference[i] + noise.factor * run.rate_difference[i] * run.noise[i];
        out += csv_quoted(run.schedule);
        for (const double x : {run.size, run.step[i], run.tau[i], run.loss[i], predicted, run.reference[i],
                               run.rate_difference[i], run.noise[i]})
          out += "," + text_of(x);
        out += "\n";
      }
    return out;
  }
  out = fmt::format(
      "L'(tau) = L_const(tau) + a (difference of the rates) S(tau),   a = {:.6g}\n  {:<24} {:>10} {:>7} {:>10} {:>9} "
      "{:>9}\n",
      noise.factor, "schedule", "size", "points", "own a", "rms", "rms, a=0");
  for (const validation::RelativeRun& run : noise.runs)
    out += fmt::format("  {:<24} {:>10.6g} {:>7} {:>10.4g} {:>8.2f}% {:>8.2f}%\n", settings::shown(run.schedule, 24),
                       run.size, run.loss.size(), run.factor, 100 * run.rms, 100 * run.rms_none);
  return out + "  rms: of what is left of the loss, relative, at the common a and without noise\n";
}

}  // namespace edgewise::cli
