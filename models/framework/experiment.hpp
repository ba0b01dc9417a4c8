#pragma once
/// \file
/// The sections that every experiment has: title, model, that of its axis (time), theory, monte_carlo.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/framework/axis.hpp"
#include "settings/settings.hpp"

namespace edgewise::models {

/// What the section of the model's axis says, for most models [time].
struct Time {
  std::uint64_t steps = 0;        ///< the last step, also the horizon T of schedules; of another axis its last value
  std::vector<std::uint64_t> at;  ///< recorded steps or values, increasing; 0 and the last always among them
};

/// Section [monte_carlo], the part that every model shares.
struct MonteCarlo {
  std::uint64_t replicas = 64;
  std::uint64_t seed = 1;
};

/// An experiment file after overrides, with its common sections parsed.
struct Experiment {
  settings::Table table;  ///< everything
  std::string title;
  std::string model;
  const Axis* axis = &step_axis();  ///< what `time` counts
  Time time;
  MonteCarlo monte_carlo;
};

/// Keys and sections that every experiment may have, whatever its model; beside that of its axis.
std::span<const std::string> common_keys();
/// Parameters of the common sections, for `edgewise describe`.
const std::vector<settings::Parameter>& root_parameters();
const std::vector<settings::Parameter>& time_parameters();
const std::vector<settings::Parameter>& monte_carlo_parameters();

/// Checks the sections' names and reads the common ones. The model's own sections are checked by Model::prepare.
/// \throws settings::Error.
Experiment read_experiment(settings::Table table);

/// The keys of section [monte_carlo] that a model reads beside the common ones. \throws settings::Error.
settings::Values read_monte_carlo(const settings::Table& experiment, std::span<const settings::Parameter> own);

/// Logarithmically spaced whole steps 0..steps, at most `points` of them, without repeats.
std::vector<std::uint64_t> recorded_steps(std::uint64_t steps, std::uint64_t points);

}  // namespace edgewise::models
