#pragma once
/// \file
/// The keys of model equilibrium-network and of its training, and how they are read.
#include <memory>
#include <vector>

#include "models/equilibrium_network/problem.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::equilibrium_network {

/// Section [network].
const std::vector<settings::Parameter>& network_parameters();
/// Section [input].
const std::vector<settings::Parameter>& input_parameters();
/// Section [monte_carlo].
const std::vector<settings::Parameter>& solver_parameters();

/// The family, scale, nonlinearity and width of section [network]. \throws settings::Error.
void read_network(const settings::Table& experiment, EquilibriumProblem& problem);
/// \throws settings::Error.
std::shared_ptr<const EquilibriumProblem> read_equilibrium(const Experiment& experiment);

}  // namespace edgewise::models::equilibrium_network
