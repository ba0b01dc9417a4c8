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
#include "cli/commands/sweep_input.hpp"
#include "cli/inputs.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/output_file.hpp"
#include "models/framework/scaling_law.hpp"
#include "settings/counted.hpp"
#include "settings/delimited.hpp"
#include "settings/expression.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"
#include "validation/collapse/curve_analysis.hpp"
#include "validation/collapse/relative_noise.hpp"
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

/// A sweep as a table of loss curves: a row a cell, its axes and measures by their names. Cells without a loss, which
/// have diverged or failed, are left out.
validation::CurveTable curves_of_sweep(const std::string& path, std::vector<std::string>& notes) {
  const validation::SweepTable sweep = read_sweep(path);
  validation::CurveTable out{path, "", "row"};
  std::size_t loss = sweep.measures.size(), left_out = 0, pending = 0;
  for (const validation::SweepAxis& axis : sweep.axes) out.text += csv_quoted(axis.name) + ",";
  for (std::size_t m = 0; m < sweep.measures.size(); ++m) {
    if (sweep.measures[m].name == "loss") loss = m;
    out.text += csv_quoted(sweep.measures[m].name) + (m + 1 < sweep.measures.size() ? "," : "\n");
  }
  if (loss == sweep.measures.size())
    throw Error(
        fmt::format("{}: is a sweep without a measure called loss; its axes and measures are to be called size, "
                    "step or compute, loss, and where there are several seed and schedule",
                    path));
  for (std::size_t c = 0; c < sweep.cells.size(); ++c) {
    const validation::CellResult& cell = sweep.cells[c];
    if (cell.state == validation::CellState::pending) ++pending;
    if (cell.state != validation::CellState::finished || !std::isfinite(cell.measures[loss])) {
      ++left_out;
      continue;
    }
    const std::vector<std::size_t> place = sweep.place(c);
    for (std::size_t a = 0; a < sweep.axes.size(); ++a) {
      const validation::SweepAxis& axis = sweep.axes[a];
      out.text +=
          (axis.words.empty() ? settings::text_of(axis.numbers[place[a]]) : csv_quoted(axis.words[place[a]])) + ",";
    }
    for (std::size_t m = 0; m < sweep.measures.size(); ++m)
      out.text += settings::text_of(cell.measures[m]) + (m + 1 < sweep.measures.size() ? "," : "\n");
  }
  if (pending > 0)
    throw Error(fmt::format("{}: {} of its {} cells are not there yet; let the sweep finish", path, pending,
                            sweep.cells.size()));
  if (left_out > 0)
    notes.push_back(fmt::format("{}: {} without a loss left out", path, settings::counted(left_out, "cell")));
  return out;
}

validation::LossCurves read_curves(const std::vector<std::string>& paths) {
  std::vector<validation::CurveTable> tables;
  std::vector<std::string> notes;
  for (const std::string& path : paths)
    tables.push_back(is_sweep(path) ? curves_of_sweep(path, notes)
                                    : validation::CurveTable{path, settings::read_text_file(path)});
  validation::LossCurves out = validation::read_loss_curves(tables);
  out.notes.insert(out.notes.end(), notes.begin(), notes.end());
  return out;
}

/// The relative noise model instead of the collapse.
Status fit_noise(const Context& context, const std::vector<std::string>& paths, const CollapseArguments& arguments) {
  const Watch watch;
  if (!arguments.floor.empty() || !arguments.horizon.empty() || !arguments.reference.empty())
    throw Error("--noise: takes no --floor, --horizon or --reference, which are of the collapse");
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  keep_inputs(targets, paths, "this command");
  for (const std::string& path : paths) require_file(path);
  const std::string all = settings::join(paths);
  const validation::RelativeNoise noise = at_work(context, all, "reading and fitting", [&] {
    return validation::fit_relative_noise(read_curves(paths), arguments.noise);
  });
  write_all(context, targets, [&](const Target& target) { return relative_noise_bytes(noise, all, target.form); });
  double worst = 0;
  for (const validation::RelativeRun& run : noise.runs) worst = std::max(worst, run.rms);
  context.say(fmt::format("{}: a = {:.6g} for {}; the largest relative residual is {:.2g}%",
                          fs::path(paths.front()).stem().string(), noise.factor,
                          settings::counted(noise.runs.size(), "curve"), 100 * worst));
  for (const std::string& note : noise.notes) context.say("  note: " + note);
  context.say(fmt::format("  {}{}", seconds_text(watch.seconds()), written(targets)));
  return done;
}

/// Theory and simulation of an experiment at the sizes of its section [collapse].
Status collapse_experiment(const Context& context, const std::string& path, const Targets& targets) {
  const Watch watch;
  // The sizes' horizons take the place of whatever steps the file asks for.
  const Loaded loaded = load(context, path, targets, 1);
  const models::Experiment& base = loaded.provenance.experiment;
  const validation::ScalingOptions options = validation::read_scaling(base.table);
  const auto sizes = at_work(context, path, "sizes", [&] { return validation::at_sizes(base, options); });
  const validation::ScalingCollapse result = at_work(context, path, "theory", [&] {
    return validation::collapse_of(sizes, options, [&](const validation::ScaledProblem& one) {
      validation::Sample sample = run_replicas(context, path, *build_simulation(context, path, *one.problem),
                                               one.experiment, fmt::format(", size {}", settings::text_of(one.size)));
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
  if (const auto law = sizes.front().problem->scaling_law(); law && !law->caution().empty())
    context.warn({law->caution()});
  const validation::Outcome simulation = result.simulation();
  return worse(status_of_collapse(result.verdict.outcome), simulation == validation::Outcome::agree ? done
                                                           : simulation == validation::Outcome::disagree
                                                               ? disagrees
                                                               : inconclusive);
}

}  // namespace

Status collapse(const Context& context, const std::vector<std::string>& paths, const CollapseArguments& arguments) {
  const Watch watch;
  const bool experiment = paths.size() == 1 && ending(paths.front()) == ".toml";
  if (!experiment && !context.overrides.empty())
    throw Error(fmt::format("{}: --set is for experiments; curves have nothing to set", paths.front()));
  if (!arguments.noise.empty() && !experiment) return fit_noise(context, paths, arguments);
  const Targets targets =
      targets_of(context, {"csv", "nc", "json", "txt", "svg", "png", "pdf"}, {"csv", "json", "txt"}, "txt");
  if (experiment) {
    if (!arguments.floor.empty() || !arguments.horizon.empty() || !arguments.reference.empty() ||
        !arguments.noise.empty())
      throw Error(
          fmt::format("{}: --floor, --horizon, --reference and --noise are for curves; an experiment says it in its "
                      "section [collapse], or by --set collapse.KEY=VALUE",
                      paths.front()));
    return collapse_experiment(context, paths.front(), targets);
  }
  keep_inputs(targets, paths, "this command");
  const validation::CollapseOptions options = options_of(context, arguments);
  for (const std::string& path : paths) require_file(path);
  const std::string all = settings::join(paths);
  const auto results = at_work(context, all, "reading and fitting", [&] {
    const validation::LossCurves curves = read_curves(paths);
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
