#pragma once
/// \file
/// Closed forms and reference values of the reduced model (docs/theory/curvature-dynamics.md, sections 1 and 2).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::self_stabilization {

std::vector<ClosedForm> normal_form_closed_forms();
std::vector<ClosedForm> tuner_closed_forms();

}  // namespace edgewise::models::self_stabilization
