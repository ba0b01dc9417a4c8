#pragma once
/// \file
/// Closed forms and reference values of the reduced model (docs/theory/curvature-dynamics.md, sections 1 and 2).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::self_stabilization {

/// Of section 1: the map, its orbits, and noise.
std::vector<ClosedForm> normal_form_closed_forms();
/// Of section 2: tuners on the reduced model and on plain quadratics.
std::vector<ClosedForm> tuner_closed_forms();

}  // namespace edgewise::models::self_stabilization
