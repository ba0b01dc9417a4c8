#include "cli/commands/scaling_results.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

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
using validation::ScalingCollapse;

namespace {

/// Everything on the grid of x, in the order of the files.
std::vector<CollapseColumn> scaling_columns(const ScalingCollapse& r) {
  std::vector<CollapseColumn> out = {
      {"x", r.theory.x}, {"mean", r.theory_spread.mean}, {"deterministic", r.theory_spread.between}};
  const auto add = [&](const std::string& name, const std::vector<double>& values) {
    if (!values.empty()) out.push_back({name, values});
  };
  add("limit", r.limit);
  add("predicted_delta", r.predicted_delta);
  add("predicted_floor", r.predicted_floor);
  if (r.simulated_spread) {
    const validation::CollapseSpread& s = *r.simulated_spread;
    add("simulated_delta", s.delta);
    add("simulated_between", s.between);
    add("simulated_within", s.within);
    add("simulated_deterministic", s.deterministic);
    add("simulated_tuples", s.tuples);
    add("simulated_floor", s.floor);
  }
  if (r.delta_check) add("simulated_delta_error", r.delta_check->error);
  if (r.floor_check) add("simulated_floor_error", r.floor_check->error);
  return out;
}

/// The same, and the normalised curves, as far as a table of columns can hold them.
std::vector<CollapseColumn> all_scaling_columns(const ScalingCollapse& r) {
  std::vector<CollapseColumn> out = scaling_columns(r);
  for (std::size_t p = 0; p < r.theory.size.size(); ++p)
    out.push_back({"normalised_" + text_of(r.theory.size[p]), r.theory_spread.mean_of[p]});
  return out;
}

std::string share_text(double share) {
  return std::isfinite(share) ? fmt::format("{:.0f}%", 100 * share) : "not known";
}

std::string simulated_share_text(const ScalingCollapse& r) {
  const auto [low, high] = r.simulated_supercollapse_bounds;
  return share_text(r.simulated_supercollapse) +
         (std::isfinite(low) ? fmt::format(" [{:.0f}%, {:.0f}%]", 100 * low, 100 * high) : "");
}

std::string check_text(const std::optional<validation::SpreadCheck>& check) {
  if (!check) return "not judged: nothing is predicted, or fewer than 8 seeds";
  const std::string gap = fmt::format("largest gap {:.1f}%", 100 * check->largest);
  if (!check->judged)
    return "not judged: losses at the end spread by more than 10%, too much for second moments; " + gap;
  return (check->agrees ? "agrees, " : "disagrees, ") + gap;
}

std::string scaling_text(const ScalingCollapse& r, const std::string& title) {
  std::string out = settings::shown(title, 200) + "\n";
  const auto line = [&](const std::string& name, const std::string& text) {
    out += fmt::format("  {:<18}{}\n", name, text);
  };
  std::string sizes;
  for (std::size_t p = 0; p < r.theory.size.size(); ++p)
    sizes += fmt::format("{}{:.6g} ({:.0f})", p ? ", " : "", r.theory.size[p], r.theory.horizon[p]);
  line("sizes", sizes + "   (steps)");
  line("floor L0", fmt::format("{:.6g}", r.floor));
  line("slope at the end", fmt::format("d log l/d log x = {:.4g}", validation::end_slope(r.theory_spread, 0.7)));
  if (!r.limit.empty())
    line("large sizes", fmt::format("the largest size is within {:.2g}% of the limit", 100 * r.limit_gap));
  out += fmt::format("\n  {:>5} {:>10} {:>10} {:>9}", "x", "mean l", "limit", "sizes");
  const bool predicted = !r.predicted_delta.empty(), simulated = r.simulated_spread.has_value();
  if (predicted) out += fmt::format(" {:>9} {:>9}", "Delta", "floor");
  if (simulated) out += fmt::format(" {:>11} {:>11}", "simulated", "floor");
  out += "\n";
  for (std::size_t k = 0; k < r.theory.x.size(); ++k) {
    if (r.theory.x.size() > 30 && (k + 1) % (r.theory.x.size() / 20) != 0) continue;
    out += fmt::format("  {:>5.3g} {:>10.5g} {:>10} {:>9.4f}", r.theory.x[k], r.theory_spread.mean[k],
                       r.limit.empty() ? "" : fmt::format("{:.5g}", r.limit[k]), r.theory_spread.between[k]);
    if (predicted) out += fmt::format(" {:>9.4f} {:>9.4f}", r.predicted_delta[k], r.predicted_floor[k]);
    if (simulated)
      out += fmt::format(" {:>11.4f} {:>11.4f}", r.simulated_spread->delta[k], r.simulated_spread->floor[k]);
    out += "\n";
  }
  out += "  sizes: spread of the theory's curves; Delta, floor: of single runs, predicted and simulated\n";
  if (std::ranges::any_of(r.predicted_floor, [](double floor) { return std::isinf(floor); }))
    out += "  inf: the mean is stable, the fourth moments of single runs are not: rare runs decide every spread\n";
  out += "\n";
  const std::string share = share_text(r.predicted_supercollapse);
  line("supercollapse",
       (std::isfinite(r.predicted_supercollapse) ? fmt::format("at {} of x in [.2, .95]", share) : share) +
           " by theory" + (simulated ? ", " + simulated_share_text(r) + " simulated" : ""));
  line("verdict", fmt::format("{}: {}", validation::name(r.verdict.outcome), r.verdict.reason));
  if (!simulated) return out;
  for (std::size_t p = 0; p < r.of_size.size(); ++p)
    line(p == 0 ? "simulation" : "", fmt::format("size {:.6g}: {}: {}", r.theory.size[p],
                                                 validation::name(r.of_size[p].outcome), r.of_size[p].reason));
  line("", "Delta: " + check_text(r.delta_check));
  line("", "floor: " + check_text(r.floor_check));
  return out;
}

std::string scaling_json(const ScalingCollapse& r, const std::string& title, const std::string& file) {
  Json out = {{"kind", "collapse"},
              {"title", title},
              {"file", file},
              {"outcome", validation::name(r.verdict.outcome)},
              {"reason", r.verdict.reason},
              {"spread", json_number(r.verdict.spread)},
              {"floor", json_number(r.floor)},
              {"predicted_supercollapse", json_number(r.predicted_supercollapse)}};
  if (!r.limit.empty()) out["limit_gap"] = json_number(r.limit_gap);
  out["sizes"] = Json::array();
  for (std::size_t p = 0; p < r.theory.size.size(); ++p) {
    out["sizes"].push_back({{"size", json_number(r.theory.size[p])}, {"steps", json_number(r.theory.horizon[p])}});
    if (r.simulated) {
      out["sizes"].back()["outcome"] = validation::name(r.of_size[p].outcome);
      out["sizes"].back()["reason"] = r.of_size[p].reason;
    }
  }
  if (r.simulated) {
    const bool known = r.simulation() != validation::Outcome::inconclusive;
    out["simulation_agrees"] = known ? Json(r.simulation() == validation::Outcome::agree) : Json(nullptr);
    out["simulated_supercollapse"] = json_number(r.simulated_supercollapse);
    out["simulated_supercollapse_low"] = json_number(r.simulated_supercollapse_bounds.first);
    out["simulated_supercollapse_high"] = json_number(r.simulated_supercollapse_bounds.second);
  }
  for (const auto& [name, check] : {std::pair("delta", &r.delta_check), std::pair("floor", &r.floor_check)})
    if (*check) out[std::string(name) + "_agrees"] = (*check)->judged ? Json((*check)->agrees) : Json(nullptr);
  for (const CollapseColumn& column : all_scaling_columns(r)) {
    Json& list = out["columns"][column.name] = Json::array();
    for (const double x : column.values) list.push_back(json_number(x));
  }
  return json_text(out);
}

std::string scaling_csv(const ScalingCollapse& r, const std::string& title, const std::string& file) {
  std::string out;
  append_header_line(out, "kind", "collapse");
  append_header_line(out, "version", "edgewise " EDGEWISE_VERSION);
  append_header_line(out, "title", title);
  append_header_line(out, "file", file);
  append_header_line(out, "outcome", scaling_summary(r));
  append_header_line(out, "floor", text_of(r.floor));
  append_header_line(out, "predicted_supercollapse", text_of(r.predicted_supercollapse));
  if (r.simulated) {
    append_header_line(out, "simulated_supercollapse", text_of(r.simulated_supercollapse));
    append_header_line(out, "simulated_supercollapse_low", text_of(r.simulated_supercollapse_bounds.first));
    append_header_line(out, "simulated_supercollapse_high", text_of(r.simulated_supercollapse_bounds.second));
  }
  const std::vector<CollapseColumn> columns = all_scaling_columns(r);
  for (std::size_t c = 0; c < columns.size(); ++c) out += (c ? "," : "") + columns[c].name;
  out += "\n";
  for (std::size_t k = 0; k < r.theory.x.size(); ++k)
    for (std::size_t c = 0; c < columns.size(); ++c)
      out += text_of(columns[c].values[k]) + (c + 1 < columns.size() ? "," : "\n");
  return out;
}

}  // namespace

std::string scaling_summary(const ScalingCollapse& r) {
  std::string out = fmt::format("{}: {}", validation::name(r.verdict.outcome), r.verdict.reason);
  if (!r.simulated) return out;
  switch (r.simulation()) {
    case validation::Outcome::agree:
      return out + "; the simulation agrees";
    case validation::Outcome::disagree:
      return out + "; the simulation disagrees with the theory";
    case validation::Outcome::inconclusive:
      break;
  }
  return out + "; the simulation is inconclusive";
}

std::string scaling_bytes(const ScalingCollapse& r, const std::string& title, const std::string& file,
                          const std::string& form) {
  if (form == "csv") return scaling_csv(r, title, file);
  if (form == "json") return scaling_json(r, title, file);
  if (form == "txt") return scaling_text(r, title);
  if (form == "nc") return scaling_netcdf(r, scaling_columns(r), scaling_summary(r), title, file, "the NetCDF output");
  CollapsePanels row{"", r.theory, r.theory_spread, r.floor, {}, {}, r.limit};
  if (r.simulated) {
    row.curves = *r.simulated;
    row.spread = *r.simulated_spread;
    // The simulation's noisy means would hide how well the sizes collapse.
    row.spread.mean_of = r.theory_spread.mean_of;
  }
  row.theory_delta = r.predicted_delta.empty() ? r.theory_spread.between : r.predicted_delta;
  row.theory_floor = r.predicted_floor;
  return run_gnuplot(collapse_script({row}, title, "." + form));
}

}  // namespace edgewise::cli
