#pragma once
/// \file
/// Closed forms and reference values of docs/theory/curvature-dynamics.md, sections 5 and 6, each by the steps that train
/// networks.
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::network {

std::vector<ClosedForm> network_closed_forms();

}  // namespace edgewise::models::network
