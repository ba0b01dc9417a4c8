#pragma once
/// \file
/// Closed forms and reference values of one-sample quadratic regression (docs/theory/quadratic-regression.md, sections
/// 1 and 5).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::quadratic_map {

std::vector<ClosedForm> quadratic_map_closed_forms();

}  // namespace edgewise::models::quadratic_map
