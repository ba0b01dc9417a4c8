#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include "cli/commands/replicas.hpp"
#include "cli/results/results.hpp"
#include "settings/counted.hpp"

namespace edgewise::cli {

Status simulate(const Context& context, const std::string& path) {
  const Targets targets = targets_of(context, {"csv", "nc"}, {"csv", "json"}, "csv");
  const Watch watch;
  Loaded loaded = load(context, path, targets);
  const models::Experiment& experiment = loaded.provenance.experiment;
  const validation::Sample sample =
      run_replicas(context, path, *build_simulation(context, path, *loaded.problem), experiment);
  if (sample.interrupted && sample.replicas == 0) throw interruption(sample, experiment, "; nothing is written");
  loaded.provenance.seconds = watch.seconds();
  write_result(context, targets, simulation(sample, loaded.provenance));
  if (sample.interrupted) throw interruption(sample, experiment, targets);
  context.say(fmt::format("{}: {}, sampler {}, {}{}", experiment.title, settings::counted(sample.replicas, "replica"),
                          sample.sampler, seconds_text(loaded.provenance.seconds), written(targets)));
  context.warn(loaded.provenance.warnings);
  context.warn(sample.warnings);
  return done;
}

}  // namespace edgewise::cli
