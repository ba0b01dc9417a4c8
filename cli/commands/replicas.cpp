#include "cli/commands/replicas.hpp"

#include <fmt/format.h>

#include <memory>

#include "cli/commands/at_work.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "settings/counted.hpp"

namespace edgewise::cli {

using settings::Error;

std::string seconds_text(double seconds) {
  return seconds < 60 ? fmt::format("{:.2g} s", seconds)
                      : fmt::format("{}:{:02} min", static_cast<int>(seconds) / 60, static_cast<int>(seconds) % 60);
}

std::string written(const Targets& targets) {
  const std::string files = files_of(targets);
  return files.empty() ? "" : ", written to " + files;
}

std::unique_ptr<models::Simulation> build_simulation(const Context& context, const std::string& path,
                                                     const models::Problem& problem) {
  return at_work(context, path, "simulation", [&] { return problem.simulate(); });
}

validation::Sample run_replicas(const Context& context, const std::string& path, const models::Simulation& simulation,
                                const models::Experiment& experiment, const std::string& where) {
  if (const std::string text = simulation.announcement(); !text.empty()) context.say(text);
  try {
    Progress progress(context.err, settings::counted(experiment.monte_carlo.replicas, "replica") + where,
                      !context.quiet && is_terminal(context.err));
    validation::RunOptions options;
    options.threads = context.threads;
    options.progress = [&](double fraction) { progress.update(fraction); };
    options.stop = &interrupted();
    const Interruptible scope("; no replica was finished in time, nothing is written");
    return validation::run(simulation, experiment, options);
  } catch (...) {
    rethrow_naming(path);
  }
}

Error interruption(const validation::Sample& sample, const models::Experiment& experiment, const std::string& kept) {
  return Error(fmt::format("interrupted after {} of {}{}", sample.replicas,
                           settings::counted(experiment.monte_carlo.replicas, "replica"), kept));
}

Error interruption(const validation::Sample& sample, const models::Experiment& experiment, const Targets& targets) {
  const std::string files = files_of(targets);
  return interruption(sample, experiment, files.empty() ? "; they are printed" : "; they are written to " + files);
}

}  // namespace edgewise::cli
