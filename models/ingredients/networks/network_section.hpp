#pragma once
/// \file
/// Section [network]: the dense network that an experiment trains.
#include <memory>
#include <vector>

#include "models/ingredients/networks/network_objective.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients::networks {

/// The keys of section [network].
const std::vector<settings::Parameter>& network_parameters();
/// A network for examples of that shape. \throws settings::Error for widths out of range, and keys that do not belong
/// together.
std::shared_ptr<const Network> read_network(const settings::Values& values, const Examples& examples);

}  // namespace edgewise::models::ingredients::networks
