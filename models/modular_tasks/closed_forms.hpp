#pragma once
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::modular_tasks {

/// docs/theory/networks-and-kernels.md, section 5.
std::vector<ClosedForm> modular_tasks_closed_forms();

}  // namespace edgewise::models::modular_tasks
