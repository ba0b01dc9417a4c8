// Built at -O1: nothing here takes time.
#include "models/framework/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/framework/model.hpp"
#include "settings/section.hpp"

namespace edgewise::models {

using settings::Parameter;

namespace {

/// Sections that the program or some model reads; everything else at the top level is a slip.
const std::vector<std::string>& section_names() {
  static const auto names = [] {
    std::vector<std::string> out;
    const auto add = [&](const std::string& name) {
      if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    };
    for (const char* name : {"theory", "verdict", "collapse"}) add(name);
    for (const Axis* axis : axes()) add(axis->section);
    for (const Model* model : all())
      for (const std::string& section : model->sections()) add(section);
    return out;
  }();
  return names;
}

std::vector<std::uint64_t> listed_steps(const settings::Values& values, const Axis& axis) {
  std::vector<std::uint64_t> at;
  for (const double step : values.numbers("at")) {
    if (step != std::floor(step))
      throw values.error("at", fmt::format("{}s are whole numbers, got {}", axis.one, settings::text_of(step)));
    at.push_back(static_cast<std::uint64_t>(step));
  }
  std::sort(at.begin(), at.end());
  return at;
}

Time read_time(const settings::Table& table, const Axis& axis) {
  const auto section = table.table_or_empty(axis.section);
  const auto values = settings::read(section, parameters(axis));
  const std::string& last = axis.last;
  Time time;
  if (!values.given("at")) {
    if (!values.given(last))
      throw values.error(
          last, fmt::format("is required (a whole number, >= 0), unless `at` lists the recorded {}s", axis.one));
    time.steps = static_cast<std::uint64_t>(values.integer(last));
    time.at = recorded_steps(time.steps, static_cast<std::uint64_t>(values.integer("points")));
    return time;
  }
  time.at = listed_steps(values, axis);
  if (values.given(last)) {
    time.steps = static_cast<std::uint64_t>(values.integer(last));
  } else {
    if (time.at.empty())
      throw values.error("at", fmt::format("must list at least one {} when `{}` is not given", axis.one, last));
    time.steps = time.at.back();
  }
  if (!time.at.empty() && time.at.back() > time.steps)
    throw values.error("at",
                       fmt::format("{} {} is beyond the last, {} = {}", axis.name, time.at.back(), last, time.steps));
  time.at.push_back(0);
  time.at.push_back(time.steps);
  std::sort(time.at.begin(), time.at.end());
  time.at.erase(std::unique(time.at.begin(), time.at.end()), time.at.end());
  return time;
}

const settings::Section<MonteCarlo>& monte_carlo_section() {
  static const settings::Section<MonteCarlo> keys([](settings::Section<MonteCarlo>& s) {
    s.key("replicas", &MonteCarlo::replicas, "independent runs of the simulation").at_least(1).at_most(4294967296.0);
    s.key("seed", &MonteCarlo::seed, "seed of the random numbers; the same seed gives the same bits").at_least(0);
  });
  return keys;
}

}  // namespace

std::span<const std::string> common_keys() {
  static const std::vector<std::string> keys{"title", "model", "theory"};
  return keys;
}

const std::vector<Parameter>& root_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("title", "what the experiment is, for figures and results").otherwise(std::string()),
      settings::text("model", "name of the model; `edgewise list models` prints them").must()};
  return parameters;
}

const std::vector<Parameter>& time_parameters() {
  return parameters(step_axis());
}

const std::vector<Parameter>& monte_carlo_parameters() {
  return monte_carlo_section().parameters();
}

Experiment read_experiment(settings::Table table) {
  Experiment experiment;
  const auto root = settings::read(table, root_parameters(), section_names());
  experiment.title = root.text("title");
  experiment.model = root.text("model");
  for (const auto& name : section_names()) table.table_or_empty(name);  // a value in a section's place throws
  if (const Model* model = find_model(experiment.model)) experiment.axis = &model->axis();
  experiment.time = read_time(table, *experiment.axis);
  const auto monte_carlo = table.table_or_empty("monte_carlo");
  // The model's own keys (such as its sampler) are checked where the model is known.
  experiment.monte_carlo = monte_carlo_section().read(monte_carlo, monte_carlo.keys());
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
