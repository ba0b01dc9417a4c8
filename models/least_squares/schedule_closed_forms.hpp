#pragma once
/// \file
/// The optimal schedule, and how near the families come (docs/theory/schedules-and-collapse.md, section 3).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::least_squares {

std::vector<ClosedForm> schedule_closed_forms();

}  // namespace edgewise::models::least_squares
