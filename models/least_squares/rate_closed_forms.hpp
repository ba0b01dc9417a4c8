#pragma once
/// \file
/// Closed forms and reference values of rate rules (docs/theory/schedules-and-collapse.md, section 6).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::least_squares {

std::vector<ClosedForm> rate_closed_forms();

}  // namespace edgewise::models::least_squares
