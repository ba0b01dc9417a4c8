// Built at -O1: nothing here takes time.
#include "models/framework/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace edgewise::models {

using settings::Parameter;

namespace {

/// Sections that some model or part of the program reads; everything else at the top level is a slip.
const std::vector<std::string>& section_names() {
  static const std::vector<std::string> names{
      "spectrum",    "noise",   "data", "optimizer", "rate", "schedule", "initial", "time",           "theory",
      "monte_carlo", "verdict", "tune", "network",   "loss", "collapse", "powers",  "schedule_search"};
  return names;
}

/// Whole numbers up to here are exact as doubles, in which the theories count time.
constexpr double largest_step = 9007199254740992.0;

std::vector<std::uint64_t> listed_steps(const settings::Values& values) {
  std::vector<std::uint64_t> at;
  for (const double step : values.numbers("at")) {
    if (step != std::floor(step))
      throw values.error("at", fmt::format("steps are whole numbers, got {}", settings::text_of(step)));
    at.push_back(static_cast<std::uint64_t>(step));
  }
  std::sort(at.begin(), at.end());
  return at;
}

Time read_time(const settings::Table& table) {
  const auto section = table.table_or_empty("time");
  const auto values = settings::read(section, time_parameters());
  Time time;
  if (!values.given("at")) {
    if (!values.given("steps"))
      throw values.error("steps", "is required (a whole number, >= 0), unless `at` lists the recorded steps");
    time.steps = static_cast<std::uint64_t>(values.integer("steps"));
    time.at = recorded_steps(time.steps, static_cast<std::uint64_t>(values.integer("points")));
    return time;
  }
  time.at = listed_steps(values);
  if (values.given("steps")) {
    time.steps = static_cast<std::uint64_t>(values.integer("steps"));
  } else {
    if (time.at.empty()) throw values.error("at", "must list at least one step when `steps` is not given");
    time.steps = time.at.back();
  }
  if (!time.at.empty() && time.at.back() > time.steps)
    throw values.error("at", fmt::format("step {} is beyond the last, steps = {}", time.at.back(), time.steps));
  time.at.push_back(0);
  time.at.push_back(time.steps);
  std::sort(time.at.begin(), time.at.end());
  time.at.erase(std::unique(time.at.begin(), time.at.end()), time.at.end());
  return time;
}

}  // namespace

std::span<const std::string> common_keys() {
  static const std::vector<std::string> keys{"title",       "model",   "time",     "theory",
                                             "monte_carlo", "verdict", "collapse", "schedule_search"};
  return keys;
}

const std::vector<Parameter>& root_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("title", "what the experiment is, for figures and results").otherwise(std::string()),
      settings::text("model", "name of the model; `edgewise list models` prints them").must()};
  return parameters;
}

const std::vector<Parameter>& time_parameters() {
  static const std::vector<Parameter> parameters{
      settings::integer("steps", "the last step, also the horizon T of schedules")
          .in("optimizer steps")
          .at_least(0)
          .at_most(largest_step)
          .computed("the last step of `at`"),
      settings::integer("points", "how many steps are recorded, logarithmically spaced; step 0 and the last among them")
          .at_least(2)
          .at_most(1e6)
          .otherwise(std::int64_t{200}),
      settings::numbers("at", "the recorded steps; step 0 and the last are added; overrides `points`")
          .in("optimizer steps")
          .at_least(0)
          .at_most(largest_step)
          .computed("from `steps` and `points`")};
  return parameters;
}

const std::vector<Parameter>& monte_carlo_parameters() {
  static const std::vector<Parameter> parameters{
      settings::integer("replicas", "independent runs of the simulation")
          .at_least(1)
          .at_most(4294967296.0)
          .otherwise(std::int64_t{64}),
      settings::integer("seed", "seed of the random numbers; the same seed gives the same bits")
          .at_least(0)
          .otherwise(std::int64_t{1})};
  return parameters;
}

Experiment read_experiment(settings::Table table) {
  Experiment experiment;
  const auto root = settings::read(table, root_parameters(), section_names());
  experiment.title = root.text("title");
  experiment.model = root.text("model");
  for (const auto& name : section_names()) table.table_or_empty(name);  // a value in a section's place throws
  experiment.time = read_time(table);
  const auto monte_carlo_section = table.table_or_empty("monte_carlo");
  // The model's own keys (such as its sampler) are checked where the model is known.
  const auto monte_carlo = settings::read(monte_carlo_section, monte_carlo_parameters(), monte_carlo_section.keys());
  experiment.monte_carlo.replicas = static_cast<std::uint64_t>(monte_carlo.integer("replicas"));
  experiment.monte_carlo.seed = static_cast<std::uint64_t>(monte_carlo.integer("seed"));
  experiment.table = std::move(table);
  return experiment;
}

settings::Values read_monte_carlo(const settings::Table& experiment, std::span<const Parameter> own) {
  std::vector<std::string> common;
  for (const Parameter& p : monte_carlo_parameters()) common.push_back(p.name);
  return settings::read(experiment.table_or_empty("monte_carlo"), own, common);
}

std::vector<std::uint64_t> recorded_steps(std::uint64_t steps, std::uint64_t points) {
  std::vector<std::uint64_t> at{0};
  if (steps == 0) return at;
  // Where the logarithmic grid is finer than whole numbers it goes up by one; what that saves is spread over the rest,
  // so that exactly min(points, steps + 1) steps come out.
  std::uint64_t left = std::min(points > 1 ? points - 1 : 1, steps);
  at.reserve(left + 1);
  const auto last = static_cast<double>(steps);
  double exact = 1;
  std::uint64_t step = 1;
  while (left > 1) {
    at.push_back(step);
    --left;
    exact = std::max(static_cast<double>(step) + 1, exact * std::pow(last / exact, 1 / static_cast<double>(left)));
    step = std::clamp(static_cast<std::uint64_t>(std::llround(exact)), step + 1, steps - (left - 1));
  }
  at.push_back(steps);
  return at;
}

}  // namespace edgewise::models
