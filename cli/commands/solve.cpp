#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include "cli/commands/at_work.hpp"
#include "cli/commands/replicas.hpp"
#include "cli/results/results.hpp"
#include "settings/counted.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

Status solve(const Context& context, const std::string& path) {
  const Targets targets = targets_of(context, {"csv", "nc"}, {"csv", "json"}, "csv");
  const Watch watch;
  Loaded loaded = load(context, path, targets);
  const models::Trajectory trajectory = at_work(context, path, "solve", [&] { return loaded.problem->solve(); });
  loaded.provenance.seconds = watch.seconds();
  write_result(context, targets, solution(trajectory, loaded.provenance));
  const models::Axis& axis = *loaded.provenance.experiment.axis;
  context.say(fmt::format("{}: {}, {} recorded, {}{}", loaded.provenance.experiment.title, trajectory.method,
                          settings::counted(trajectory.steps.size(), axis.one), seconds_text(loaded.provenance.seconds),
                          written(targets)));
  if (trajectory.diverged_at)
    context.say(fmt::format("  diverged at {} {}; the output ends there", axis.name,
                            settings::text_of(*trajectory.diverged_at)));
  context.warn(loaded.provenance.warnings);
  context.warn(trajectory.warnings);
  return done;
}

}  // namespace edgewise::cli
