#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "cli/commands/at_work.hpp"
#include "cli/commands/collapse_results.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/replicas.hpp"
#include "cli/commands/scaling_results.hpp"
#include "cli/inputs.hpp"
#include "cli/results/output_file.hpp"
#include "settings/delimited.hpp"
#include "settings/expression.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/collapse/curve_analysis.hpp"
#include "validation/collapse/scaling_experiment.hpp"

namespace edgewise::cli {

using settings::Error;
namespace fs = std::filesystem;

namespace {

validation::CollapseOptions options_of(const Context& context, const CollapseArguments& arguments) {
  validation::CollapseOptions out;
  using Horizon = validation::CollapseOptions::Horizon;
  if (!arguments.floor.empty() && arguments.floor != "fit") {
    out.floor = settings::number_of(arguments.floor);
    if (!out.floor || !std::isfinite(*out.floor))
      throw Error(fmt::format("--floor: must be a number, or fit, got '{}'", settings::shown(arguments.floor)));
  }
  if (arguments.horizon == "envelope") {
    out.horizon = Horizon::envelope;
  } else if (!arguments.horizon.empty() && arguments.horizon != "ends") {
    out.horizon = Horizon::formula;
    try {
      const auto formula = std::make_shared<settings::Expression>(arguments.horizon, std::vector<std::string>{"size"});
      out.formula = [formula](double size) { return (*formula)(std::vector{size}); };
    } catch (const std::invalid_argument& e) {
      throw Error(
          fmt::format("--horizon: must be ends, envelope or a formula of size such as \"4 * size^2\", got '{}': {}",
                      settings::shown(arguments.horizon), e.what()));
    }
  }
  out.reference = arguments.reference;
  out.seed = context.seed.value_or(1);
  return out;
}

Status status_of_collapse(validation::Collapse outcome) {
  switch (outcome) {
    case validation::Collapse::well_scaled:
      return done;
    case validation::Collapse::broken:
      return disagrees;
    case validation::Collapse::inconclusive:
      return inconclusive;
  }
  return failed;
}

/// Theory and simulation of an experiment at the sizes of its section [collapse].
Status collapse_experiment(const Context& context, const std::string& path, const Targets& targets) {
  const Watch watch;
  const Loaded loaded = load(context, path, targets);
  const models::Experiment& base = loaded.provenance.experiment;
  const validation::ScalingOptions options = validation::read_scaling(base.table);
  const auto sizes = at_work(context, path, "sizes", [&] { return validation::at_sizes(base, options); });
  const validation::ScalingCollapse result = at_work(context, path, "theory", [&] {
    return validation::collapse_of(sizes, options, [&](const validation::ScaledProblem& one) {
      validation::Sample sample = run_replicas(context, path, *one.problem, one.experiment,
                                               fmt::format(", size {}", settings::text_of(one.size)));
      if (sample.interrupted)
        throw interruption(sample, one.experiment,
                           fmt::format(" at size {}; nothing is written", settings::text_of(one.size)));
      return sample;
    });
  });
  write_all(context, targets,
            [&](const Target& target) { return scaling_bytes(result, base.title, path, target.form); });
  context.say(fmt::format("{}: {}", base.title, scaling_summary(result)));
  context.say(fmt::format("  {}{}", seconds_text(watch.seconds()), written(targets)));
  context.warn(loaded.provenance.warnings);
  return worse(status_of_collapse(result.verdict.outcome), result.agrees() ? done : disagrees);
}

}  // namespace

Status collapse(const Context& context, const std::vector<std::string>& paths, const CollapseArguments& arguments) {
  const Watch watch;
  const Targets targets =
      targets_of(context, {"csv", "json", "txt", "svg", "png", "pdf"}, {"csv", "json", "txt"}, "txt");
  if (paths.size() == 1 && ending(paths.front()) == ".toml") {
    if (!arguments.floor.empty() || !arguments.horizon.empty() || !arguments.reference.empty())
      throw Error(
          fmt::format("{}: --floor, --horizon and --reference are for curves; an experiment says it in its "
                      "section [collapse], or by --set collapse.KEY=VALUE",
                      paths.front()));
    return collapse_experiment(context, paths.front(), targets);
  }
  keep_inputs(targets, paths, "this command");
  const validation::CollapseOptions options = options_of(context, arguments);
  for (const std::string& path : paths) require_file(path);
  const std::string all = settings::join(paths);
  const auto results = at_work(context, all, "reading and fitting", [&] {
    const validation::LossCurves curves = validation::read_loss_curves(paths);
    std::vector<validation::CollapseAnalysis> out = validation::analyse_collapse(curves, options);
    out.front().notes.insert(out.front().notes.begin(), curves.notes.begin(), curves.notes.end());
    return out;
  });
  write_all(context, targets, [&](const Target& target) { return collapse_bytes(results, all, target.form); });
  Status status = done;
  for (const validation::CollapseAnalysis& result : results) {
    context.say(fmt::format("{}: {}: {}",
                            result.schedule.empty() ? fs::path(paths.front()).stem().string() : result.schedule,
                            validation::name(result.verdict.outcome), result.verdict.reason));
    for (const std::string& note : result.notes) context.say("  note: " + note);
    status = worse(status, status_of_collapse(result.verdict.outcome));
  }
  context.say(fmt::format("  {}{}", seconds_text(watch.seconds()), written(targets)));
  return status;
}

}  // namespace edgewise::cli
