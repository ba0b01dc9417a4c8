#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "cli/commands/catalog.hpp"
#include "cli/commands/sweep_input.hpp"
#include "cli/figures/diagram.hpp"
#include "cli/figures/figures.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "cli/results/output_file.hpp"
#include "cli/results/verdict_json.hpp"
#include "settings/settings.hpp"
#include "spectra/csv.hpp"
#include "spectra/dataset.hpp"
#include "validation/closed_forms.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/verdicts/extrapolation.hpp"
#include "validation/verdicts/predictions.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::text_of;
namespace fs = std::filesystem;

namespace {

class Watch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::string seconds_text(double seconds) {
  return seconds < 60 ? fmt::format("{:.2g} s", seconds)
                      : fmt::format("{}:{:02} min", static_cast<int>(seconds) / 60, static_cast<int>(seconds) % 60);
}

std::string written(const Target& target) {
  return target.path ? fmt::format(", written to {}", *target.path) : "";
}

validation::Sample run_replicas(const Context& context, const models::Problem& problem,
                                const models::Experiment& experiment, const std::string& where = "") {
  const auto simulation = problem.simulate();
  if (const std::string text = simulation->announcement(); !text.empty()) context.say(text);
  Progress progress(context.err, fmt::format("{} replicas{}", experiment.monte_carlo.replicas, where),
                    !context.quiet && is_terminal(context.err));
  validation::RunOptions options;
  options.threads = context.threads;
  options.progress = [&](double fraction) { progress.update(fraction); };
  options.stop = &interrupted();
  const Interruptible scope;
  return validation::run(*simulation, experiment, options);
}

Error interruption(const validation::Sample& sample, const Loaded& loaded, const std::string& kept) {
  return Error(fmt::format("interrupted after {} of {} replicas{}", sample.replicas,
                           loaded.provenance.experiment.monte_carlo.replicas, kept));
}

std::string percent(double x) {
  return fmt::format("{:.3g}%", 100 * x);
}

Status status_of(validation::Outcome outcome) {
  switch (outcome) {
    case validation::Outcome::agree:
      return done;
    case validation::Outcome::disagree:
      return disagrees;
    case validation::Outcome::inconclusive:
      return inconclusive;
  }
  return failed;
}

/// What `validate` found out about an experiment.
struct Judged {
  models::Trajectory theory;
  validation::Sample sample;
  validation::Verdict verdict;
  std::vector<Attribute> extrapolation;  // empty where one dimension was judged
  std::vector<std::string> lines;        // more to be said of it
};

Judged judge_one(const Context& context, const Loaded& loaded, const validation::VerdictOptions& options) {
  const models::Experiment& experiment = loaded.provenance.experiment;
  const std::vector<models::Prediction> predictions = loaded.problem->predictions();
  validation::check_predictions(experiment.table, predictions, options);
  Judged out;
  out.theory = loaded.problem->reference();
  out.sample = run_replicas(context, *loaded.problem, experiment);
  if (out.sample.interrupted && out.sample.replicas < 2)
    throw interruption(out.sample, loaded, "; too few to judge, nothing is written");
  out.verdict = validation::judge(out.theory, out.sample, predictions, options, experiment.monte_carlo.seed);
  for (const validation::PredictionVerdict& p : out.verdict.predictions)
    out.lines.push_back("  " + validation::summary(p));
  return out;
}

/// Every dimension, then the limit.
Judged judge_dimensions(const Context& context, const Loaded& loaded, const validation::VerdictOptions& options,
                        const validation::ExtrapolationOptions& asked) {
  const models::Experiment& base = loaded.provenance.experiment;
  if (!options.predictions.empty())
    throw base.table.table_or_empty("verdict").error(
        "predictions", "are about the runs of one experiment; with `dimensions` the limit of the curves is judged");
  std::vector<validation::Level> levels;
  for (std::size_t l = 0; const models::Experiment& experiment : validation::at_dimensions(base, asked)) {
    const double dimension = asked.dimensions[l++];
    const auto problem = models::find(experiment).prepare(experiment);
    validation::Level level{dimension, problem->reference(), {}};
    level.sample = run_replicas(context, *problem, experiment, fmt::format(", d = {:.0f}", dimension));
    if (level.sample.interrupted)
      throw interruption(level.sample, loaded, fmt::format(" at dimension {:.0f}; nothing is written", dimension));
    levels.push_back(std::move(level));
  }
  validation::Extrapolation result = settings::naming(base.table, "verdict.dimensions", [&] {
    return validation::extrapolate(levels, options, asked.exponents, base.monte_carlo.seed);
  });
  Judged out{std::move(result.theory), std::move(result.sample), std::move(result.verdict), {}, {}};
  std::vector<std::string> dimensions, gaps, errors;
  std::string line = "  mean gap:";
  for (const validation::Gap& gap : result.gaps) {
    dimensions.push_back(text_of(gap.dimension));
    gaps.push_back(text_of(gap.mean));
    errors.push_back(text_of(gap.sem));
    line += fmt::format(" {} +- {} at d = {:.0f},", percent(gap.mean), percent(gap.sem), gap.dimension);
  }
  line += fmt::format(" {} +- {} in the limit (best fit d^-{}, p {:.2g})", percent(result.limit.mean),
                      percent(result.limit.sem), text_of(result.exponent), result.fit_p_value);
  out.lines.push_back(std::move(line));
  out.extrapolation = {attribute("dimensions", settings::join(dimensions)), attribute("gap_mean", settings::join(gaps)),
                       attribute("gap_sem", settings::join(errors)),        attribute("gap_limit", result.limit.mean),
                       attribute("gap_limit_sem", result.limit.sem),        attribute("gap_exponent", result.exponent),
                       attribute("gap_fit_p_value", result.fit_p_value)};
  return out;
}

/// One experiment: theory, simulation, verdict.
Status validate_one(const Context& context, const std::string& path, const Target& target, bool print_json,
                    std::vector<Json>& verdicts) {
  const Watch watch;
  Loaded loaded = load(context, path);
  const models::Experiment& experiment = loaded.provenance.experiment;
  const validation::VerdictOptions options = validation::read_verdict_options(experiment.table);
  const auto dimensions = validation::read_extrapolation(experiment.table);
  const Judged judged =
      dimensions ? judge_dimensions(context, loaded, options, *dimensions) : judge_one(context, loaded, options);
  const auto& [theory, sample, verdict, extrapolation, lines] = judged;
  loaded.provenance.seconds = watch.seconds();
  Result result = validation_result(theory, sample, verdict, options, loaded.provenance);
  result.provenance.insert(result.provenance.end(), extrapolation.begin(), extrapolation.end());
  if (target.path || !print_json) write_result(context, target, result);
  Json json = verdict_json(verdict, result);
  for (const Attribute& a : extrapolation)
    json[a.name] = a.number ? json_number(std::strtod(a.text.c_str(), nullptr)) : Json(a.text);
  verdicts.push_back(std::move(json));
  if (sample.interrupted)
    throw interruption(sample, loaded,
                       target.path ? fmt::format("; they are written to {}", *target.path) : "; they are printed");
  context.say(fmt::format("{}: {}: {}", experiment.title, validation::name(verdict.outcome), verdict.reason));
  context.say(fmt::format(
      "  max |z| {:.3g} (critical {:.3g}), p {:.2g}, detectable {}, largest gap {}, {} replicas, {}{}", verdict.max_z,
      verdict.critical_z, verdict.p_value, percent(verdict.detectable), percent(verdict.largest_gap), verdict.replicas,
      seconds_text(loaded.provenance.seconds), written(target)));
  for (const std::string& line : lines) context.say(line);
  context.warn(loaded.provenance.warnings);
  context.warn(theory.warnings);
  context.warn(sample.warnings);
  context.warn(verdict.warnings);
  return status_of(verdict.outcome);
}

/// The folder that gets the results of several experiments.
void make_folder(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error))
    throw Error(fmt::format("{}: --output: with several experiments it must be a folder, and this is a file", path));
  fs::create_directories(path, error);
  if (error) throw Error(fmt::format("{}: cannot be made a folder: {}", path, error.message()));
}

}  // namespace

Status worse(Status a, Status b) {
  const auto rank = [](Status s) {
    switch (s) {
      case done:
        return 0;
      case inconclusive:
        return 1;
      case disagrees:
        return 2;
      case failed:
        return 3;
    }
    return 3;
  };
  return rank(a) >= rank(b) ? a : b;
}

Status list(const Context& context, const std::string& group) {
  if (!group.empty() && std::find(groups().begin(), groups().end(), group) == groups().end())
    throw Error(fmt::format("list: there is no '{}'{}; accepted: {}", group, settings::suggestion(group, groups()),
                            settings::join(groups())));
  const Target target = target_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  std::vector<Entry> entries;
  for (Entry& e : catalog())
    if (group.empty() ? std::find(groups().begin(), groups().end(), e.group) != groups().end() : e.group == group)
      entries.push_back(std::move(e));
  write_output(context, target,
               target.form == "json" ? json_text(list_json(entries))
                                     : (target.form == "csv" ? list_csv(entries) : list_text(entries)));
  return done;
}

Status describe(const Context& context, const std::string& name) {
  const Target target = target_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  std::string wanted = name;
  if (wanted.size() > 2 && wanted.front() == '[' && wanted.back() == ']') wanted = wanted.substr(1, wanted.size() - 2);
  std::vector<Entry> found;
  std::vector<std::string> names;
  for (Entry& e : catalog()) {
    names.push_back(e.description.name);
    if (e.description.name == wanted) found.push_back(std::move(e));
  }
  if (found.empty())
    throw Error(fmt::format("describe: there is no '{}'{}; `edgewise list` shows every name", name,
                            settings::suggestion(wanted, names)));
  std::string text;
  if (target.form == "json") {
    Json all = Json::array();
    for (const Entry& e : found) all.push_back(describe_json(e));
    text = json_text(all.size() == 1 ? all[0] : all);
  } else {
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (target.form == "csv")
        text += describe_csv(found[i]);
      else
        text += (i > 0 ? "\n" : "") + describe_text(found[i]);
    }
  }
  write_output(context, target, text);
  return done;
}

Status solve(const Context& context, const std::string& path) {
  const Target target = target_of(context, {"csv", "nc"}, {"csv", "json"}, "csv");
  const Watch watch;
  Loaded loaded = load(context, path);
  const models::Trajectory trajectory = loaded.problem->solve();
  loaded.provenance.seconds = watch.seconds();
  write_result(context, target, solution(trajectory, loaded.provenance));
  context.say(fmt::format("{}: {}, {} steps recorded, {}{}", loaded.provenance.experiment.title, trajectory.method,
                          trajectory.steps.size(), seconds_text(loaded.provenance.seconds), written(target)));
  if (trajectory.diverged_at)
    context.say(fmt::format("  diverged at step {}; the output ends there", text_of(*trajectory.diverged_at)));
  context.warn(loaded.provenance.warnings);
  context.warn(trajectory.warnings);
  return done;
}

Status simulate(const Context& context, const std::string& path) {
  const Target target = target_of(context, {"csv", "nc"}, {"csv", "json"}, "csv");
  const Watch watch;
  Loaded loaded = load(context, path);
  const validation::Sample sample = run_replicas(context, *loaded.problem, loaded.provenance.experiment);
  if (sample.interrupted && sample.replicas == 0) throw interruption(sample, loaded, "; nothing is written");
  loaded.provenance.seconds = watch.seconds();
  write_result(context, target, simulation(sample, loaded.provenance));
  if (sample.interrupted)
    throw interruption(sample, loaded,
                       target.path ? fmt::format("; they are written to {}", *target.path) : "; they are printed");
  context.say(fmt::format("{}: {} replicas, sampler {}, {}{}", loaded.provenance.experiment.title, sample.replicas,
                          sample.sampler, seconds_text(loaded.provenance.seconds), written(target)));
  context.warn(loaded.provenance.warnings);
  context.warn(sample.warnings);
  return done;
}

Status validate(const Context& context, const std::vector<std::string>& experiments) {
  const bool print_json = context.format == "json";
  std::vector<Json> verdicts;
  Status status = done;
  if (experiments.size() == 1) {
    Context of_file = context;
    if (print_json && context.output) of_file.format.clear();
    const Target target = target_of(of_file, {"csv", "nc"}, {"csv", "json"}, "csv");
    status = validate_one(context, experiments.front(), target, print_json, verdicts);
  } else {
    if (!context.output && context.format == "nc") throw Error("--format: nc needs a folder, give -o FOLDER");
    if (context.output) make_folder(*context.output);
    std::vector<Target> targets;
    std::set<std::string> names;
    for (const std::string& path : experiments) {
      Target target{std::nullopt, context.format == "nc" ? "nc" : "csv"};
      if (context.output) {
        const std::string stem = fs::path(path).stem().string();
        if (!names.insert(stem).second)
          throw Error(
              fmt::format("{}: another experiment has the same name '{}', and their results would too", path, stem));
        target.path = (fs::path(*context.output) / (stem + "." + target.form)).string();
        require_writable(*target.path);
      }
      targets.push_back(std::move(target));
    }
    for (std::size_t i = 0; i < experiments.size(); ++i) {
      try {
        status = worse(status, validate_one(context, experiments[i], targets[i], print_json, verdicts));
      } catch (const std::exception& e) {
        if (interrupted()) throw;
        // The other experiments still get their verdicts.
        context.err << "edgewise: " << e.what() << std::endl;
        status = failed;
      }
    }
  }
  if (print_json) context.print(json_text(experiments.size() == 1 ? verdicts.front() : Json(verdicts)));
  return status;
}

namespace {

Status print_findings(const Context& context, const Target& target, const Loaded& loaded,
                      const std::vector<models::Finding>& findings) {
  const auto text_of_value = [](const models::Finding& f) {
    return std::visit(
        [](const auto& value) -> std::string {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, double>) return text_of(value);
          if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
          if constexpr (std::is_same_v<T, std::string>) return value;
        },
        f.value);
  };
  std::string text;
  if (target.form == "json") {
    Json out = {{"title", loaded.provenance.experiment.title}, {"model", loaded.provenance.experiment.model}};
    for (const models::Finding& f : findings)
      out[f.name] = std::holds_alternative<double>(f.value)
                        ? json_number(std::get<double>(f.value))
                        : (std::holds_alternative<bool>(f.value) ? Json(std::get<bool>(f.value))
                                                                 : Json(std::get<std::string>(f.value)));
    out["warnings"] = loaded.provenance.warnings;
    text = json_text(out);
  } else if (target.form == "csv") {
    text = "name,value,meaning\n";
    for (const models::Finding& f : findings)
      text += fmt::format("{},{},{}\n", csv_quoted(f.name), csv_quoted(text_of_value(f)), csv_quoted(f.doc));
  } else {
    std::size_t names = 0, values = 0;
    for (const models::Finding& f : findings) {
      names = std::max(names, f.name.size());
      values = std::max(values, text_of_value(f).size());
    }
    text = loaded.provenance.experiment.title + "\n";
    for (const models::Finding& f : findings)
      text += fmt::format("  {:<{}}  {:<{}}  {}\n", f.name, names, text_of_value(f), values, f.doc);
  }
  write_output(context, target, text);
  context.warn(loaded.provenance.warnings);
  return done;
}

}  // namespace

Status stability(const Context& context, const std::string& path) {
  const Target target = target_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  const Loaded loaded = load(context, path);
  return print_findings(context, target, loaded, loaded.problem->stability());
}

Status modes(const Context& context, const std::string& path) {
  const Target target = target_of(context, {"csv", "txt"}, {"csv"}, "csv");
  const Loaded loaded = load(context, path);
  const std::vector<models::ModeColumn> columns = loaded.problem->mode_table();
  if (columns.empty())
    throw Error(fmt::format("{}: modes: model {} has no table of modes", path, loaded.provenance.experiment.model));
  std::string text;
  for (const models::ModeColumn& column : columns) text += (text.empty() ? "" : ",") + column.name;
  text += '\n';
  for (std::size_t row = 0; row < columns.front().value.size(); ++row)
    for (std::size_t c = 0; c < columns.size(); ++c)
      text += text_of(columns[c].value[row]) + (c + 1 < columns.size() ? ',' : '\n');
  write_output(context, target, text);
  context.warn(loaded.provenance.warnings);
  return done;
}

Status tune(const Context& context, const std::string& path) {
  const Target target = target_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  const Loaded loaded = load(context, path);
  return print_findings(context, target, loaded,
                        models::find(loaded.provenance.experiment).tune(loaded.provenance.experiment));
}

namespace {

std::string closed_forms_text(const std::vector<validation::ClosedFormResult>& rows) {
  std::size_t names = 4;
  for (const auto& row : rows) names = std::max(names, row.name.size());
  std::string text = fmt::format("{:<{}}  {:>22}  {:>22}  {:>8}  {:>8}  {:<4}  {}\n", "name", names, "value",
                                 "computed", "error", "allowed", "", "formula");
  std::size_t passed = 0;
  for (const auto& row : rows) {
    passed += row.pass ? 1 : 0;
    text += fmt::format("{:<{}}  {:>22.15g}  {:>22.15g}  {:>8.1e}  {:>8.1e}  {:<4}  {}\n", row.name, names, row.value,
                        row.computed, row.error, row.tolerance, row.pass ? "ok" : "FAIL", row.formula);
    if (!row.failure.empty()) text += "  " + row.failure + "\n";
  }
  return text + fmt::format("{} of {} closed forms come out right\n", passed, rows.size());
}

std::string closed_forms_csv(const std::vector<validation::ClosedFormResult>& rows) {
  std::string text = "name,formula,source,value,computed,error,tolerance,pass\n";
  for (const auto& row : rows)
    text += fmt::format("{},{},{},{},{},{},{},{}\n", csv_quoted(row.name), csv_quoted(row.formula),
                        csv_quoted(row.source), text_of(row.value), text_of(row.computed), text_of(row.error),
                        text_of(row.tolerance), row.pass ? "true" : "false");
  return text;
}

std::string closed_forms_json(const std::vector<validation::ClosedFormResult>& rows) {
  Json out = Json::array();
  for (const auto& row : rows) {
    out.push_back({{"name", row.name},
                   {"formula", row.formula},
                   {"source", row.source},
                   {"value", json_number(row.value)},
                   {"computed", json_number(row.computed)},
                   {"error", json_number(row.error)},
                   {"tolerance", json_number(row.tolerance)},
                   {"pass", row.pass}});
    if (!row.failure.empty()) out.back()["failure"] = row.failure;
  }
  return json_text(out);
}

}  // namespace

Status closed_forms(const Context& context, const std::string& pattern) {
  const Target target = target_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  std::vector<std::string> names;
  for (const models::Model* model : models::all())
    for (const models::ClosedForm& form : model->closed_forms()) names.push_back(form.name);
  if (std::none_of(names.begin(), names.end(), [&](const std::string& n) { return validation::fits(n, pattern); }))
    throw Error(fmt::format("closed-forms: no name fits '{}'{}; `edgewise list closed-forms` shows them all", pattern,
                            settings::suggestion(pattern, names)));
  std::vector<validation::ClosedFormResult> rows;
  {
    Progress progress(context.err, "closed forms", !context.quiet && is_terminal(context.err));
    rows = validation::closed_forms(pattern, [&](double fraction) { progress.update(fraction); });
  }
  write_output(context, target,
               target.form == "json" ? closed_forms_json(rows)
                                     : (target.form == "csv" ? closed_forms_csv(rows) : closed_forms_text(rows)));
  return std::all_of(rows.begin(), rows.end(), [](const auto& row) { return row.pass; }) ? done : disagrees;
}

Status plot(const Context& context, const std::vector<std::string>& paths, const PlotOptions& options) {
  const std::string to = context.output ? *context.output : with_ending(paths.front(), ".svg");
  const std::string kind = ending(to);
  if (kind != ".svg" && kind != ".png" && kind != ".pdf")
    throw Error(fmt::format("{}: --output: unknown ending '{}'; accepted: .svg, .png, .pdf", to, kind));
  require_writable(to);
  if (std::any_of(paths.begin(), paths.end(), is_sweep)) {
    if (paths.size() > 1) throw Error("plot: a sweep is drawn alone, and here are several files");
    if (!options.guides.empty()) throw Error("--guide: a sweep has no curves along the step to guide");
    draw_sweep(read_sweep(paths.front()), {options.observables, options.slices, options.title}, to);
    context.say("figure written to " + to);
    return done;
  }
  if (!options.slices.empty()) throw Error("--slice: these results are no sweep, they have no axes to hold");
  std::vector<Result> results;
  for (const std::string& path : paths) results.push_back(read_result(path));
  std::vector<std::string> labels;
  std::set<std::string> titles;
  for (const Result& r : results) titles.emplace(r.get("title"));
  for (std::size_t i = 0; i < paths.size(); ++i)
    labels.push_back(titles.size() == paths.size() && !results[i].get("title").empty()
                         ? std::string(results[i].get("title"))
                         : fs::path(paths[i]).stem().string());
  draw(results, labels, {options.observables, options.guides, options.title}, to);
  context.say("figure written to " + to);
  return done;
}

Status measure(const Context& context, const MeasureOptions& options) {
  const std::vector<std::string> known = {"fashion-mnist"};
  if (std::find(known.begin(), known.end(), options.dataset) == known.end())
    throw Error(fmt::format("measure: there is no data set '{}'{}; accepted: {}", options.dataset,
                            settings::suggestion(options.dataset, known), settings::join(known)));
  const Target target = target_of(context, {"csv"}, {"csv"}, "csv");
  spectra::DatasetOptions dataset;
  dataset.name = options.dataset;
  if (!options.folder.empty()) dataset.folder = options.folder;
  if (!options.target.empty()) dataset.target = options.target;
  dataset.rows = options.rows;
  const Watch watch;
  const auto measured = spectra::measure(dataset);
  write_output(context, target, spectra::csv_text(measured->spectrum));
  context.say(fmt::format("{}: {} eigenvalues, {}{}", options.dataset, measured->spectrum.modes(),
                          seconds_text(watch.seconds()), written(target)));
  return done;
}

}  // namespace edgewise::cli
