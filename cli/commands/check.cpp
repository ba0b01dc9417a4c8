#include <fmt/format.h>

#include <exception>

#include "cli/commands/at_work.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/sweep.hpp"
#include "models/ingredients/schedule_search/options.hpp"
#include "settings/failure.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/collapse/scaling_experiment.hpp"
#include "validation/comparisons/comparison.hpp"
#include "validation/verdicts/extrapolation.hpp"
#include "validation/verdicts/predictions.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::cli {

namespace {

/// What the file is, read as its command would read it. \throws settings::Error for what is wrong with it.
std::string checked_kind(const Context& context, const std::string& path) {
  require_file(path);
  const settings::Table file = settings::read_file(path);
  if (file.has("sweep")) {
    check_sweep(context, path);
    return "sweep";
  }
  if (validation::is_comparison(file)) {
    validation::check_comparison(validation::read_comparison(file, context.overrides, context.seed));
    return "comparison";
  }
  const Loaded loaded = load(context, path, {});
  const models::Experiment& experiment = loaded.provenance.experiment;
  const validation::VerdictOptions verdict = validation::read_verdict_options(experiment.table);
  if (!verdict.predictions.empty())
    validation::check_predictions(experiment.table, loaded.problem->predictions(), verdict);
  validation::read_extrapolation(experiment.table);
  models::ingredients::read_schedule_search(experiment.table);
  if (experiment.table.has("collapse")) validation::read_scaling(experiment.table);
  context.warn(loaded.provenance.warnings);
  const std::string kind = "experiment of model " + experiment.model;
  try {
    loaded.problem->simulate();
  } catch (const std::exception& e) {         // its theory may be all that is wanted
    std::string said = settings::said_by(e);  // the line begins with the file already
    if (said.starts_with(path + ": ")) said.erase(0, path.size() + 2);
    return fmt::format("{}; it cannot be simulated: {}", kind, settings::shown(said, longest_message));
  }
  return kind;
}

}  // namespace

Status check(const Context& context, const std::vector<std::string>& files) {
  Status status = done;
  for (const std::string& path : files) {
    try {
      const std::string kind = at_work(context, path, "check", [&] { return checked_kind(context, path); });
      context.print(fmt::format("{}: good, {}\n", settings::shown(path), kind));
    } catch (const std::exception& e) {
      if (files.size() == 1) throw;
      // The other files are still looked at.
      context.err << "edgewise: " << settings::shown(settings::said_by(e), longest_message) << std::endl;
      status = failed;
    }
  }
  return status;
}

}  // namespace edgewise::cli
