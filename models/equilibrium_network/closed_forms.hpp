#pragma once
/// \file
/// Closed forms and reference values of equilibrium networks.
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::equilibrium_network {

std::vector<ClosedForm> equilibrium_closed_forms();

}  // namespace edgewise::models::equilibrium_network
