#include "cli/commands/schedule_runs.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "cli/commands/replicas.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

namespace {

/// Copies what stands at `key`, be it a value, a table or several.
void copy_section(const settings::Table& from, settings::Table& to, const std::string& key) {
  if (const settings::Value* value = from.find(key)) {
    to.set(key, *value);
  } else if (const settings::Table* table = from.table(key)) {
    to.make_table(key) = *table;
  } else {
    for (const settings::Table& one : from.tables(key)) to.append_table(key) = one;
  }
}

}  // namespace

models::Experiment at_rates(const models::Experiment& experiment, const std::vector<double>& rates) {
  const settings::Table& given = experiment.table;
  settings::Table table(given.origin(), given.path());
  for (const std::string& key : given.keys())
    if (key != "schedule" && key != "optimizer") copy_section(given, table, key);
  const settings::Table optimizer = given.table_or_empty("optimizer"), schedule = given.table_or_empty("schedule");
  settings::Table& new_optimizer = table.make_table("optimizer");
  for (const std::string& key : optimizer.keys())
    if (key != "gamma" && key != "learning_rate") copy_section(optimizer, new_optimizer, key);
  new_optimizer.set("learning_rate", 1.0);
  settings::Table& new_schedule = table.make_table("schedule");
  for (const std::string& key : schedule.keys())
    if (schedule.table(key)) copy_section(schedule, new_schedule, key);
  new_schedule.set("kind", std::string("table"));
  new_schedule.set("values", rates);
  return models::read_experiment(std::move(table));
}

EndOfRuns run_at_rates(const Context& context, const std::string& path, const models::Experiment& experiment,
                       const std::vector<double>& rates, const std::string& observable, std::uint64_t replicas,
                       const std::string& where) {
  models::Experiment at = at_rates(experiment, rates);
  at.time.at = {0, at.time.steps};
  at.monte_carlo.replicas = replicas;
  const auto problem = models::find(at).prepare(at);
  const validation::Sample sample = run_replicas(context, path, *build_simulation(context, path, *problem), at, where);
  if (sample.interrupted) throw interruption(sample, at, "");
  const auto column = std::ranges::find(sample.observables, observable, &models::Observable::name);
  if (column == sample.observables.end())
    throw settings::Error(path + ": schedule_search.replicas: the simulation does not observe " + observable);
  EndOfRuns out;
  out.replicas = sample.replicas;
  out.diverged = sample.diverged;
  if (sample.steps.size() < 2) {
    out.mean = out.median = std::numeric_limits<double>::infinity();
    return out;
  }
  const std::size_t last =
      static_cast<std::size_t>(column - sample.observables.begin()) * sample.steps.size() + sample.steps.size() - 1;
  out.mean = sample.mean[last];
  out.sem = sample.sem[last];
  out.median = sample.q50[last];
  return out;
}

}  // namespace edgewise::cli
