#pragma once
/// \file
/// The keys of model softmax-temperature, and how they are read.
#include <memory>
#include <span>
#include <vector>

#include "models/softmax_temperature/problem.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::softmax_temperature {

/// Those of the sections that are the model's own, named with their section.
std::vector<settings::Parameter> temperature_parameters();
const std::vector<settings::Parameter>& temperature_theory_parameters();
const std::vector<settings::Parameter>& temperature_monte_carlo_parameters();
/// The one optimizer, gradient descent.
settings::Description descent_description();

/// \param optimizers  that one. \throws settings::Error.
std::shared_ptr<const TemperatureProblem> read_temperature(const Experiment& experiment,
                                                           std::span<const settings::Description* const> optimizers);

}  // namespace edgewise::models::softmax_temperature
