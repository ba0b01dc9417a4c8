#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "cli/commands/at_work.hpp"
#include "cli/commands/replicas.hpp"
#include "cli/inputs.hpp"
#include "cli/interrupt.hpp"
#include "cli/results/json.hpp"
#include "cli/results/output_file.hpp"
#include "cli/results/verdict_json.hpp"
#include "settings/counted.hpp"
#include "settings/failure.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/verdicts/extrapolation.hpp"
#include "validation/verdicts/predictions.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::text_of;
namespace fs = std::filesystem;

namespace {

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

Judged judge_one(const Context& context, const std::string& path, const Loaded& loaded,
                 const validation::VerdictOptions& options) {
  const models::Experiment& experiment = loaded.provenance.experiment;
  const std::vector<models::Prediction> predictions = loaded.problem->predictions();
  validation::check_predictions(experiment.table, predictions, options);
  Judged out;
  // First, for its refusals cost nothing and a theory may take long.
  const auto simulation = build_simulation(context, path, *loaded.problem);
  out.theory = at_work(context, path, "theory", [&] { return loaded.problem->reference(); });
  out.sample = run_replicas(context, path, *simulation, experiment);
  if (out.sample.interrupted && out.sample.replicas < 2)
    throw interruption(out.sample, experiment, "; too few to judge, nothing is written");
  out.verdict = at_work(context, path, "verdict", [&] {
    return validation::judge(out.theory, out.sample, predictions, options, experiment.monte_carlo.seed);
  });
  for (const validation::PredictionVerdict& p : out.verdict.predictions)
    out.lines.push_back("  " + validation::summary(p));
  return out;
}

/// Every dimension, then the limit.
Judged judge_dimensions(const Context& context, const std::string& path, const Loaded& loaded,
                        const validation::VerdictOptions& options, const validation::ExtrapolationOptions& asked) {
  const models::Experiment& base = loaded.provenance.experiment;
  if (!options.predictions.empty())
    throw base.table.table_or_empty("verdict").error(
        "predictions", "are about the runs of one experiment; with `dimensions` the limit of the curves is judged");
  std::vector<validation::Level> levels;
  for (std::size_t l = 0; const models::Experiment& experiment : validation::at_dimensions(base, asked)) {
    const double dimension = asked.dimensions[l++];
    const std::string at = fmt::format(", d = {:.0f}", dimension);
    const auto problem =
        at_work(context, path, "theory" + at, [&] { return models::find(experiment).prepare(experiment); });
    const auto simulation = build_simulation(context, path, *problem);
    validation::Level level{dimension, at_work(context, path, "theory" + at, [&] { return problem->reference(); }), {}};
    level.sample = run_replicas(context, path, *simulation, experiment, at);
    if (level.sample.interrupted)
      throw interruption(level.sample, base, fmt::format(" at dimension {:.0f}; nothing is written", dimension));
    levels.push_back(std::move(level));
  }
  validation::Extrapolation result = at_work(context, path, "verdict", [&] {
    return settings::naming(base.table, "verdict.dimensions", [&] {
      return validation::extrapolate(levels, options, asked.exponents, base.monte_carlo.seed);
    });
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
Status validate_one(const Context& context, const std::string& path, const Targets& targets, bool print_json,
                    std::vector<Json>& verdicts) {
  const Watch watch;
  Loaded loaded = load(context, path, targets);
  const models::Experiment& experiment = loaded.provenance.experiment;
  const validation::VerdictOptions options = validation::read_verdict_options(experiment.table);
  const auto dimensions = validation::read_extrapolation(experiment.table);
  const Judged judged = dimensions ? judge_dimensions(context, path, loaded, options, *dimensions)
                                   : judge_one(context, path, loaded, options);
  const auto& [theory, sample, verdict, extrapolation, lines] = judged;
  loaded.provenance.seconds = watch.seconds();
  Result result = validation_result(theory, sample, verdict, options, loaded.provenance);
  result.provenance.insert(result.provenance.end(), extrapolation.begin(), extrapolation.end());
  if (targets.front().path || !print_json) write_result(context, targets, result);
  Json json = verdict_json(verdict, result);
  for (const Attribute& a : extrapolation)
    json[a.name] = a.number ? json_number(std::strtod(a.text.c_str(), nullptr)) : Json(a.text);
  verdicts.push_back(std::move(json));
  if (sample.interrupted) throw interruption(sample, experiment, targets);
  context.say(fmt::format("{}: {}: {}", experiment.title, validation::name(verdict.outcome), verdict.reason));
  context.say(fmt::format("  max |z| {:.3g} (critical {:.3g}), p {:.2g}, detectable {}, largest gap {}, {}, {}{}",
                          verdict.max_z, verdict.critical_z, verdict.p_value,
                          std::isfinite(verdict.detectable) ? percent(verdict.detectable) : "nothing",
                          percent(verdict.largest_gap), settings::counted(verdict.replicas, "replica"),
                          seconds_text(loaded.provenance.seconds), written(targets)));
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

/// A file of each experiment's name in every folder that --output names.
std::vector<Targets> targets_in_folders(const Context& context, const std::vector<std::string>& experiments) {
  if (context.outputs.empty() && context.format == "nc") throw Error("--format: nc needs a folder, give -o FOLDER");
  const std::string form = context.format == "nc" ? "nc" : "csv";
  if (context.outputs.empty()) return std::vector<Targets>(experiments.size(), {{std::nullopt, form}});
  for (const std::string& folder : context.outputs) make_folder(folder);
  std::vector<Targets> out;
  std::set<std::string> names;
  for (const std::string& path : experiments) {
    const std::string stem = fs::path(path).stem().string();
    if (!names.insert(stem).second)
      throw Error(
          fmt::format("{}: another experiment has the same name '{}', and their results would too", path, stem));
    Targets& targets = out.emplace_back();
    for (const std::string& folder : context.outputs) {
      targets.push_back({(fs::path(folder) / (stem + "." + form)).string(), form});
      require_writable(*targets.back().path);
    }
  }
  return out;
}

/// Before anything is computed: what one experiment reads, no other one's results may replace.
void keep_all_inputs(const Context& context, const std::vector<std::string>& experiments,
                     const std::vector<Targets>& targets) {
  for (const std::string& path : experiments) {
    std::vector<std::string> inputs = {path};
    try {
      require_file(path);
      settings::Table table = settings::read_file(path);
      for (const std::string& assignment : context.overrides) settings::override_value(table, assignment);
      inputs = inputs_of(table);
    } catch (const Error&) {
      // What is wrong with an experiment is told in its turn.
    }
    for (const Targets& some : targets) keep_inputs(some, inputs, path);
  }
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

Status validate(const Context& context, const std::vector<std::string>& experiments) {
  const bool print_json = context.format == "json";
  std::vector<Json> verdicts;
  Status status = done;
  if (experiments.size() == 1) {
    Context of_file = context;
    if (print_json && !context.outputs.empty()) of_file.format.clear();
    const Targets targets = targets_of(of_file, {"csv", "nc"}, {"csv", "json"}, "csv");
    status = validate_one(context, experiments.front(), targets, print_json, verdicts);
  } else {
    const std::vector<Targets> targets = targets_in_folders(context, experiments);
    keep_all_inputs(context, experiments, targets);
    for (std::size_t i = 0; i < experiments.size(); ++i) {
      try {
        status = worse(status, validate_one(context, experiments[i], targets[i], print_json, verdicts));
      } catch (const std::exception& e) {
        if (interrupted()) throw;
        // The other experiments still get their verdicts.
        context.err << "edgewise: " << settings::shown(settings::said_by(e), longest_message) << std::endl;
        status = failed;
      }
    }
  }
  if (print_json) context.print(json_text(experiments.size() == 1 ? verdicts.front() : Json(verdicts)));
  return status;
}

}  // namespace edgewise::cli
