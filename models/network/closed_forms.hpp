#pragma once
/// \file
/// Closed forms and reference values of docs/theory/curvature-dynamics.md, sections 3, 5 and 6, each by the steps that train
/// networks.
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::network {

/// All of them.
std::vector<ClosedForm> network_closed_forms();
/// One neuron, section 5.3.
std::vector<ClosedForm> neuron_closed_forms();
/// Tuners on the toy and on quadratic regression, sections 3.2 and 3.3, by the rate rules.
std::vector<ClosedForm> tuner_closed_forms();

}  // namespace edgewise::models::network
