#include "cli/commands/compare_experiments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "cli/commands/at_work.hpp"
#include "cli/commands/replicas.hpp"
#include "cli/figures/figures.hpp"
#include "cli/inputs.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/comparisons/comparison.hpp"
#include "validation/comparisons/tuned_rate.hpp"
#include "validation/sweeps/sweep_overrides.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::Table;
using settings::text_of;

namespace {

/// One experiment at its optimum.
struct Contender {
  std::string path, title;
  Provenance provenance;
  std::vector<std::pair<std::string, double>> best;  ///< what was tuned
  std::string untuned;                               ///< why nothing was
  models::Trajectory trajectory;
  std::string observable;
  double value = std::numeric_limits<double>::infinity();
};

double last_value(const models::Trajectory& trajectory, const std::string& observable, const std::string& path,
                  std::uint64_t steps) {
  const models::Column* column = trajectory.find(observable);
  if (!column) {
    std::vector<std::string> known;
    for (const models::Column& c : trajectory.columns) known.push_back(c.observable.name);
    throw Error(fmt::format("{}: there is no observable '{}'{}; known: {}", path, settings::shown(observable),
                            settings::suggestion(observable, known), settings::join(known)));
  }
  const bool ended = validation::stopped_early(trajectory, steps) || column->value.empty();
  return ended ? std::numeric_limits<double>::infinity() : column->value.back();
}

models::Trajectory solved(const Table& table) {
  const models::Experiment experiment = models::read_experiment(table);
  return models::find(experiment).prepare(experiment)->solve();
}

Table with_number(const Table& table, const std::string& key, double value) {
  Table out = table;
  Table& optimizer = out.make_table("optimizer");
  if (key == "learning_rate") optimizer = validation::without(optimizer, {"gamma"});
  optimizer.set(key, value);
  return out;
}

/// Tunes by the section [tune]. The table gets what was found.
void tune_by_section(Contender& c, Table& table) {
  const models::Experiment experiment = models::read_experiment(table);
  const std::vector<models::Finding> found = models::find(experiment).tune(experiment);
  for (const std::string& key : table.table_or_empty("tune").keys()) {
    if (key == "evaluations" || key == "samples" || key == "observable") continue;
    for (const models::Finding& f : found)
      if (f.name == key && std::holds_alternative<double>(f.value)) {
        c.best.emplace_back(key, std::get<double>(f.value));
        table = with_number(table, key, c.best.back().second);
      }
  }
}

void tune_by_rate(Contender& c, Table& table) {
  const Table optimizer = table.table_or_empty("optimizer");
  const std::string key = optimizer.has("gamma") ? "gamma" : "learning_rate";
  const settings::Value* given = optimizer.find(key);
  double start = 0;
  if (given)
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) start = static_cast<double>(value);
        },
        *given);
  if (!(start > 0) || !std::isfinite(start)) {
    c.untuned = "it has no learning rate of its own";
    return;
  }
  const validation::TunedRate found = validation::tune_rate(
      [&](double rate) {
        return last_value(solved(with_number(table, key, rate)), c.observable, c.path,
                          c.provenance.experiment.time.steps);
      },
      start / 300, start * 300);
  c.best.emplace_back(key, found.rate);
  if (found.on_edge)
    c.provenance.warnings.push_back(fmt::format("the best {} lies on the edge of what was searched", key));
  table = with_number(table, key, found.rate);
}

Contender at_optimum(const Context& context, const std::string& path, const CompareOptions& options,
                     const Targets& targets) {
  Loaded loaded = load(context, path, targets);
  Contender c{path, loaded.provenance.experiment.title, std::move(loaded.provenance), {}, {}, {}, {}};
  Table table = c.provenance.experiment.table;
  const Table tune = table.table_or_empty("tune"), rate = table.table_or_empty("rate");
  const models::Model& model = models::find(c.provenance.experiment);
  c.observable = options.observable;
  if (c.observable.empty()) {
    const auto observables = model.observables();
    const bool excess = std::ranges::any_of(observables, [](const auto& o) { return o.name == "excess_mse"; });
    if (observables.empty())
      throw Error(fmt::format("{}: model {} has nothing to compare", path, c.provenance.experiment.model));
    c.observable = excess ? "excess_mse" : observables.front().name;
    if (const settings::Value* asked = tune.find("observable"))
      if (const auto* name = std::get_if<std::string>(asked)) c.observable = *name;
  }
  const settings::Value* kind = rate.find("kind");
  at_work(context, path, "tuning " + path, [&] {
    if (kind && *kind != settings::Value(std::string("constant")))
      c.untuned = "a rule sets its rate";
    else if (!tune.keys().empty())
      tune_by_section(c, table);
    else
      tune_by_rate(c, table);
    c.trajectory = solved(table);
    c.value = last_value(c.trajectory, c.observable, path, c.provenance.experiment.time.steps);
  });
  c.provenance.experiment = models::read_experiment(table);
  return c;
}

std::string tuned_text(const Contender& c) {
  if (c.best.empty()) return c.untuned.empty() ? "as it is" : "as it is: " + c.untuned;
  std::string out;
  for (const auto& [key, value] : c.best) out += fmt::format("{}{} = {:.6g}", out.empty() ? "" : ", ", key, value);
  return out;
}

std::string value_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.8g}", value) : "diverged";
}

std::string table_text(const std::vector<Contender>& all, double best) {
  std::size_t names = 0, values = 8;
  for (const Contender& c : all) {
    names = std::max(names, c.title.size());
    values = std::max(values, value_text(c.value).size());
  }
  std::string out = fmt::format("{} at the end, each at its optimum\n", all.front().observable);
  for (const Contender& c : all) {
    const double ratio = c.value / best;
    out += fmt::format("  {:<{}}  {:>{}}  {:>9}  {}\n", c.title, names, value_text(c.value), values,
                       std::isfinite(ratio) ? fmt::format("x {:.4g}", ratio) : "-", tuned_text(c));
  }
  return out;
}

std::string table_csv(const std::vector<Contender>& all, double best) {
  std::string out = "experiment,title,observable,value,ratio,tuned\n";
  for (const Contender& c : all)
    out += fmt::format("{},{},{},{},{},{}\n", csv_quoted(c.path), csv_quoted(c.title), c.observable, text_of(c.value),
                       text_of(c.value / best), csv_quoted(tuned_text(c)));
  return out;
}

std::string table_json(const std::vector<Contender>& all, double best) {
  Json out = Json::array();
  for (const Contender& c : all) {
    Json tuned = Json::object();
    for (const auto& [key, value] : c.best) tuned[key] = json_number(value);
    out.push_back({{"experiment", c.path},
                   {"title", c.title},
                   {"observable", c.observable},
                   {"value", json_number(c.value)},
                   {"ratio", json_number(c.value / best)},
                   {"tuned", tuned},
                   {"untuned", c.untuned}});
  }
  return json_text(out);
}

std::string figure(const std::vector<Contender>& all, const std::string& ending) {
  std::vector<Result> results;
  FigureOptions how;
  how.observables = {all.front().observable};
  how.title = "Each at its optimum";
  std::vector<std::string> labels;
  for (const Contender& c : all) {
    results.push_back(solution(c.trajectory, c.provenance));
    labels.push_back(c.title);
    how.files.push_back(c.path);
  }
  return drawn(results, labels, how, ending);
}

/// What the contenders differ in beside their optimizers: of different problems ratios say nothing.
std::vector<std::string> other_problems(const std::vector<Contender>& all) {
  std::vector<std::string> out;
  const auto text = [](const Contender& c, const char* section) {
    return c.provenance.experiment.table.table_or_empty(section).text();
  };
  for (const Contender& c : all) {
    std::vector<std::string> differ;
    for (const char* section : {"spectrum", "noise", "data", "initial"})
      if (text(c, section) != text(all.front(), section)) differ.push_back(fmt::format("[{}]", section));
    if (c.provenance.experiment.time.steps != all.front().provenance.experiment.time.steps) differ.push_back("[time]");
    if (!differ.empty())
      out.push_back(
          fmt::format("{} and {} differ in {}: these are different problems, and the ratios are not of the "
                      "optimizers alone",
                      all.front().path, c.path, settings::join(differ)));
  }
  return out;
}

}  // namespace

Status compare_experiments(const Context& context, const std::vector<std::string>& paths, const CompareOptions& options,
                           const Targets& targets) {
  if (!options.store.empty() || options.restart)
    throw Error(std::string(options.store.empty() ? "--restart" : "--store") +
                ": belongs to a comparison of methods on workloads, not to experiments");
  const Watch watch;
  std::vector<Contender> all;
  for (const std::string& path : paths) all.push_back(at_optimum(context, path, options, targets));
  for (const Contender& c : all)
    if (c.observable != all.front().observable)
      throw Error(fmt::format("{}: would be compared by {}, {} by {}; --observable chooses one for all", c.path,
                              c.observable, all.front().path, all.front().observable));
  double best = std::numeric_limits<double>::infinity();
  for (const Contender& c : all) best = std::min(best, c.value);
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "csv") return table_csv(all, best);
    if (target.form == "json") return table_json(all, best);
    return target.form == "txt" ? table_text(all, best) : figure(all, "." + target.form);
  });
  context.say(fmt::format("compared {}, {}{}",
                          paths.size() == 1 ? "one experiment" : fmt::format("{} experiments", paths.size()),
                          seconds_text(watch.seconds()), written(targets)));
  context.warn(other_problems(all));
  for (const Contender& c : all) {
    std::vector<std::string> said;
    for (const auto* list : {&c.provenance.warnings, &c.trajectory.warnings})
      for (const std::string& warning : *list) said.push_back(c.title + ": " + warning);
    context.warn(said);
  }
  return done;
}

}  // namespace edgewise::cli
