#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <variant>

#include "cli/commands/at_work.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/schedule_runs.hpp"
#include "cli/commands/schedule_scores.hpp"
#include "cli/figures/schedule_figure.hpp"
#include "cli/interrupt.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/header_lines.hpp"
#include "cli/results/json.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedule_search/report.hpp"
#include "settings/counted.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using models::ingredients::FamilyGap;
using models::ingredients::OneMoved;
using models::ingredients::Optimum;
using models::ingredients::ScheduleReport;
using settings::text_of;

namespace {

/// Families whose losses along the run are drawn.
constexpr std::size_t drawn_families = 5;

/// What the simulation makes of one row of the table.
struct SimulatedRow {
  std::string name;
  double loss;  ///< of the theory
  EndOfRuns runs;
  double z() const { return runs.sem > 0 ? (runs.mean - loss) / runs.sem : 0; }
};

/// The largest rate and its step.
std::pair<double, std::size_t> peak_of(const std::vector<double>& rates) {
  const auto peak = std::ranges::max_element(rates);
  return {*peak, static_cast<std::size_t>(peak - rates.begin())};
}

/// Losses that differ by their rounding alone do not differ.
std::string gap_text(double gap) {
  constexpr double rounding = 1e-12;
  if (std::abs(gap) < rounding) gap = 0;
  return std::isfinite(gap) ? fmt::format("{:.3g}%", 100 * gap) : "-";
}

std::string parameters_text(const FamilyGap& one) {
  std::string out;
  for (const auto& [key, value] : one.family.parameters) out += fmt::format("{} = {:.4g}, ", key, value);
  return out + fmt::format("warmup = {:.4g}", one.family.warmup);
}

/// How much the certificate lowers the loss: 0, or what is left in one parameter.
double left_in_one(const FamilyGap& one) {
  double least = one.family.loss;
  for (const OneMoved& moved : one.certificate) least = std::min(least, moved.loss);
  return 1 - least / one.family.loss;
}

/// How far the seeded searches of a family ended apart: the largest of their losses over the least, less 1.
std::optional<double> spread_of(const FamilyGap& one) {
  const std::vector<double>& losses = one.family.restarts;
  if (losses.size() < 2) return std::nullopt;
  const auto [least, most] = std::ranges::minmax(losses);
  return least == most ? 0 : most / least - 1;
}

std::string schedule_table(const std::string& title, const ScheduleReport& report,
                           const std::vector<SimulatedRow>& simulated, double at_cap) {
  const Optimum& best = report.optimum;
  const std::string name = report.observable.name;
  std::string out = fmt::format("{}\n  {} after {}, optimum by {}\n  {}\n", settings::shown(title, 200), name,
                                settings::counted(best.rates.size(), "step"), best.method, best.statement);
  for (const auto& search : best.searches)
    out += fmt::format("    from {}: {:.13g}, {} passes{}\n", search.start, search.loss, search.passes,
                       search.converged ? "" : ", not converged");
  std::size_t width = 7;
  for (const FamilyGap& one : report.families) width = std::max(width, one.family.name.size());
  out += fmt::format("  {:<{}}  {:>19}  {:>8}  {:>8}  {:>9}  {:>9} {:<8}  {:>9}  {:>9}  {}\n", "family", width, name,
                     "gap", "restarts", "base", "peak", "at step", "first", "last", "parameters");
  const auto row = [&](const std::string& family, double loss, double gap, const std::string& restarts,
                       const std::string& base, const std::vector<double>& rates, const std::string& parameters) {
    out += fmt::format("  {:<{}}  {:>19.13g}  {:>8}  {:>8}  {:>9}", family, width, loss, gap_text(gap), restarts, base);
    if (!rates.empty()) {
      const auto [peak, at] = peak_of(rates);
      out += fmt::format("  {:>9.5g} {:<8}  {:>9.5g}  {:>9.5g}", peak, at, rates.front(), rates.back());
    }
    out += (parameters.empty() ? "" : "  " + parameters) + "\n";
  };
  row("optimum", best.loss, 0, "", "", best.identifiable ? best.rates : std::vector<double>(), "");
  if (!std::isnan(report.greedy))
    row("greedy", report.greedy, report.greedy == best.loss ? 0 : report.greedy / best.loss - 1, "", "", {}, "");
  for (const FamilyGap& one : report.families)
    if (std::isfinite(one.family.loss))
      row(one.family.name, one.family.loss, one.gap, spread_of(one) ? "+" + gap_text(*spread_of(one)) : "",
          fmt::format("{:.5g}", one.family.base), one.family.rates, parameters_text(one));
    else
      out += fmt::format("  {:<{}}  diverges at every base rate of the grid\n", one.family.name, width);
  if (best.identifiable && at_cap > 0) out += fmt::format("  at max_rate: {:.4g} of the optimum's steps\n", at_cap);
  for (const models::Finding& known : report.predictions)
    if (const double* value = std::get_if<double>(&known.value))
      out += fmt::format("  {} = {:.7g}: {}\n", known.name, *value, known.doc);
  for (const SimulatedRow& of : simulated)
    out += fmt::format("  {:<{}}  simulated {:.6g}{}, median {:.6g}{}\n", of.name, width, of.runs.mean,
                       of.runs.replicas > 1 ? fmt::format(" +- {:.2g} ({} replicas, {:+.1f} standard errors off)",
                                                          of.runs.sem, of.runs.replicas, of.z())
                                            : " (one replica: its error is not known)",
                       of.runs.median, of.runs.diverged > 0 ? fmt::format(", {} diverged", of.runs.diverged) : "");
  return out;
}

Json report_json(const Provenance& provenance, const ScheduleReport& report, const std::vector<SimulatedRow>& simulated,
                 const std::vector<ScoredShape>& scores, double at_cap) {
  const Optimum& best = report.optimum;
  const auto numbers = [](const std::vector<double>& values) {
    Json out = Json::array();
    for (const double x : values) out.push_back(json_number(x));
    return out;
  };
  const auto shape = [&](Json& out, const std::vector<double>& rates) {
    const auto [peak, at] = peak_of(rates);
    out["peak"] = json_number(peak);
    out["peak_step"] = at;
    out["first"] = json_number(rates.front());
    out["last"] = json_number(rates.back());
    out["rates"] = numbers(rates);
  };
  const auto member = [](const models::ingredients::FamilyMember& of) {
    Json one = {{"loss", json_number(of.loss)}, {"base", json_number(of.base)}, {"warmup", json_number(of.warmup)}};
    for (const auto& [key, value] : of.parameters) one["parameters"][key] = json_number(value);
    return one;
  };
  Json out = {{"title", provenance.experiment.title},
              {"model", provenance.experiment.model},
              {"observable", report.observable.name},
              {"steps", best.rates.size()}};
  Json optimum = {{"loss", json_number(best.loss)},
                  {"method", best.method},
                  {"statement", best.statement},
                  {"identifiable", best.identifiable},
                  {"spread", json_number(best.spread)}};
  for (const auto& search : best.searches)
    optimum["searches"].push_back({{"start", search.start},
                                   {"loss", json_number(search.loss)},
                                   {"passes", search.passes},
                                   {"converged", search.converged},
                                   {"apart", json_number(search.apart)}});
  if (best.identifiable) shape(optimum, best.rates);
  if (best.identifiable) optimum["at_max_rate"] = at_cap;
  out["optimum"] = std::move(optimum);
  if (!std::isnan(report.greedy)) out["greedy"] = json_number(report.greedy);
  out["families"] = Json::array();
  for (const FamilyGap& one : report.families) {
    Json family = {{"family", one.family.name},
                   {"diverges", !std::isfinite(one.family.loss)},
                   {"loss", json_number(one.family.loss)},
                   {"gap", json_number(one.gap)},
                   {"shapes", one.family.shapes}};
    for (const double loss : one.family.restarts) family["restarts"].push_back(json_number(loss));
    if (const auto spread = spread_of(one)) family["restarts_spread"] = json_number(*spread);
    if (std::isfinite(one.family.loss)) {
      family["base"] = json_number(one.family.base);
      family["base_at_edge"] = one.family.base_at_edge;
      family["warmup"] = json_number(one.family.warmup);
      for (const auto& [key, value] : one.family.parameters) family["parameters"][key] = json_number(value);
      if (!one.certificate.empty()) family["left_in_one_parameter"] = json_number(left_in_one(one));
      constexpr std::size_t shown_members = 10;
      for (std::size_t i = 0; i < std::min(shown_members, one.family.tried.size()); ++i)
        family["best"].push_back(member(one.family.tried[i]));
      family["scores"] = Json::array();
      for (const auto& tried : one.family.tried) family["scores"].push_back(json_number(tried.loss));
      if (std::isfinite(one.family.distance)) {
        family["nearest"] = member(one.family.nearest);
        family["nearest"]["distance"] = one.family.distance;
      }
      family["schedule"] = one.family.section;
      shape(family, one.family.rates);
    }
    out["families"].push_back(std::move(family));
  }
  for (const SimulatedRow& row : simulated)
    out["simulated"].push_back({{"family", row.name},
                                {"mean", json_number(row.runs.mean)},
                                {"sem", json_number(row.runs.sem)},
                                {"median", json_number(row.runs.median)},
                                {"z", json_number(row.z())},
                                {"replicas", row.runs.replicas},
                                {"diverged", row.runs.diverged}});
  if (!scores.empty()) out["scores"] = scores_json(scores);
  for (const models::Finding& known : report.predictions)
    if (const double* value = std::get_if<double>(&known.value)) out["predictions"][known.name] = json_number(*value);
  out["warnings"] = provenance.warnings;
  for (const std::string& warning : report.warnings) out["warnings"].push_back(warning);
  return out;
}

/// The optimum, a row a step: what [schedule] kind = "table" reads, with learning_rate = 1.
std::string optimum_csv(const Provenance& provenance, const ScheduleReport& report) {
  std::string out;
  append_header_line(out, "title", provenance.experiment.title);
  append_header_line(out, "experiment", provenance.experiment.table.text());
  append_header_line(out, report.observable.name, text_of(report.optimum.loss));
  append_header_line(out, "optimum", report.optimum.statement);
  append_header_line(out, "use", "[schedule] kind = \"table\", path = this file, with learning_rate = 1");
  const bool known = !report.path.injected.empty();
  out += fmt::format("step,rate,{}{}\n", known ? "h," : "", csv_quoted(report.observable.name));
  for (std::size_t k = 0; k < report.optimum.rates.size(); ++k)
    out += fmt::format("{},{},{}{}\n", k, text_of(report.optimum.rates[k]),
                       known ? text_of(report.path.injected[k]) + "," : "", text_of(report.path.loss[k]));
  return out;
}

}  // namespace

Status schedule(const Context& context, const std::string& path) {
  const Targets targets =
      targets_of(context, {"csv", "json", "txt", "svg", "png", "pdf"}, {"csv", "json", "txt"}, "txt");
  const Loaded loaded = load(context, path, targets, std::nullopt, true);
  const Provenance& provenance = loaded.provenance;
  auto options = models::ingredients::read_schedule_search(provenance.experiment.table);
  if (context.seed) options.seed = *context.seed;
  const auto objective =
      at_work(context, path, "schedule", [&] { return loaded.problem->rate_objective(options.observable); });
  if (!objective)
    throw settings::Error(
        fmt::format("{}: model: {} offers no gradient by its learning rates, so that no best schedule "
                    "is known",
                    path, provenance.experiment.model));
  ScheduleReport report;
  try {
    const Interruptible interruptible;
    Progress progress(context.err, "schedule", !context.quiet && is_terminal(context.err));
    report = models::ingredients::search_schedules(*objective, options, [&](double fraction) {
      progress.update(fraction);
      return !interrupted();
    });
  } catch (...) {
    rethrow_naming(path);
  }
  std::vector<std::vector<double>> losses;
  std::size_t drawn = 0, searched = 0;
  for (const FamilyGap& one : report.families) {
    losses.emplace_back();
    // Of families with many parameters, which all look alike near the optimum, the best.
    if (one.family.rates.empty() || drawn == drawn_families || (!one.certificate.empty() && searched++ > 0)) continue;
    losses.back() = objective->path(one.family.rates).loss;
    ++drawn;
  }
  std::vector<SimulatedRow> simulated;
  const auto simulate_row = [&](const std::string& name, double loss, const std::vector<double>& rates) {
    if (options.replicas == 0 || report.stopped || rates.empty()) return;
    simulated.push_back({name, loss,
                         run_at_rates(context, path, provenance.experiment, rates, report.observable.name,
                                      options.replicas, ", " + name)});
  };
  simulate_row("optimum", report.optimum.loss, report.optimum.rates);
  for (const FamilyGap& one : report.families) simulate_row(one.family.name, one.family.loss, one.family.rates);
  std::vector<ScoredShape> scores;
  if (options.simulated_score && !report.stopped)
    scores = score_shapes(context, path, provenance.experiment, report, options);
  const double at_cap = share_at(report.optimum, options.max_rate);
  const auto table = [&](const std::string& of) {
    return schedule_table(of, report, simulated, at_cap) +
           (scores.empty() ? "" : scores_text(scores, options.replicas));
  };
  const std::string title = provenance.experiment.title;
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "json") return json_text(report_json(provenance, report, simulated, scores, at_cap));
    if (target.form == "csv") return optimum_csv(provenance, report);
    if (target.form == "txt") return table(title);
    return schedule_figure(report, losses, drawn_scores(scores), title, "." + target.form);
  });
  if (targets.front().path) {
    if (!context.quiet) context.print(table(title));
    context.say(title + ": written to " + files_of(targets));
  }
  context.warn(provenance.warnings);
  context.warn(report.warnings);
  if (report.stopped) throw settings::Error("interrupted; what had been found until then is above");
  return done;
}

}  // namespace edgewise::cli
