#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/commands/at_work.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/compare_experiments.hpp"
#include "cli/commands/replicas.hpp"
#include "cli/figures/profile_figure.hpp"
#include "cli/inputs.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "cli/results/comparison_output.hpp"
#include "cli/results/output_file.hpp"
#include "settings/counted.hpp"
#include "settings/settings.hpp"
#include "validation/comparisons/comparison.hpp"

namespace edgewise::cli {

using settings::Error;

namespace {

/// The files that the experiments of a comparison read.
std::vector<std::string> inputs_of_comparison(const validation::ComparisonPlan& plan, const std::string& path) {
  std::vector<std::string> out{path};
  const auto add = [&](const std::vector<settings::Table>& experiments) {
    for (const settings::Table& experiment : experiments)
      for (std::string& input : inputs_of(experiment))
        if (std::ranges::find(out, input) == out.end()) out.push_back(std::move(input));
  };
  for (const auto& baseline : plan.baselines) add(baseline.experiments);
  for (const auto& method : plan.methods)
    for (const auto& setting : method.settings) add(setting.experiments);
  return out;
}

Status compare_methods(const Context& context, const std::string& path, const settings::Table& file,
                       const CompareOptions& options, const Targets& targets) {
  if (!options.observable.empty())
    throw Error("--observable: belongs to experiments; a comparison names it in [compare]");
  const validation::ComparisonPlan plan = validation::read_comparison(file, context.overrides, context.seed);
  const std::vector<std::string> inputs = inputs_of_comparison(plan, path);
  keep_inputs(targets, inputs, "this comparison");
  if (options.restart && options.store.empty())
    throw Error("--restart: there is no store to discard; --store FILE names it");
  std::optional<validation::ComparisonStore> store;
  if (!options.store.empty()) {
    for (const std::string& input : inputs)
      if (same_file(options.store, input))
        throw Error(fmt::format("{}: --store: is read by this comparison", options.store));
    for (const std::string& output : context.outputs)
      if (same_file(options.store, output))
        throw Error(fmt::format("{}: --store and --output name the same file", options.store));
    store.emplace(options.store, options.restart);
  }
  const Watch watch;
  Progress progress(context.err, "runs", !context.quiet && is_terminal(context.err));
  validation::ComparisonOptions how;
  how.threads = context.threads;
  how.stop = &interrupted();
  how.store = store ? &*store : nullptr;
  how.version = "edgewise " EDGEWISE_VERSION;
  std::size_t finished = 0, all = 0;
  how.progress = [&](std::size_t done, std::size_t of) {
    finished = done;
    all = of;
    progress.update(static_cast<double>(done) / static_cast<double>(of), "");
  };
  const Interruptible scope(store ? fmt::format("; what is done is kept in {}", options.store) : "");
  std::optional<validation::MethodComparison> comparison;
  try {
    comparison = validation::compare_methods(plan, how);
  } catch (...) {
    rethrow_naming(path);
  }
  if (!comparison)
    throw Error(
        fmt::format("interrupted with {} of {} runs done{}", finished, all,
                    store ? fmt::format("; they are kept in {}, and the same command goes on from there", options.store)
                          : "; --store FILE would have kept them"));
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "csv") return comparison_csv(*comparison);
    if (target.form == "json") return comparison_json(*comparison);
    if (target.form == "txt") return comparison_text(*comparison);
    return drawn_profiles(*comparison, "." + target.form);
  });
  context.say(fmt::format("{}: {} on {}, {}{}", plan.title, settings::counted(plan.methods.size(), "method"),
                          settings::counted(plan.workloads.size(), "workload"), seconds_text(watch.seconds()),
                          written(targets)));
  std::vector<std::string> on_edge;
  for (std::size_t w = 0; w < plan.workloads.size(); ++w)
    if (comparison->baselines[comparison->best_baseline(w)][w].on_edge) on_edge.push_back(plan.workloads[w]);
  if (!on_edge.empty())
    context.warn({"the baseline's best rate lies on the edge of what was searched, compare.rates: workload " +
                  settings::join(on_edge, "; ")});
  return done;
}

}  // namespace

Status compare(const Context& context, const std::vector<std::string>& paths, const CompareOptions& options) {
  const Targets targets =
      targets_of(context, {"csv", "json", "txt", "svg", "png", "pdf"}, {"csv", "json", "txt"}, "txt");
  std::vector<settings::Table> files;
  for (const std::string& path : paths) {
    require_file(path);
    files.push_back(settings::read_file(path));
  }
  const auto of_methods = std::ranges::find_if(files, validation::is_comparison);
  if (of_methods == files.end()) return compare_experiments(context, paths, options, targets);
  if (files.size() > 1)
    throw Error(fmt::format("{}: has methods and workloads of its own; compare it alone", of_methods->origin()));
  return compare_methods(context, paths.front(), files.front(), options, targets);
}

}  // namespace edgewise::cli
