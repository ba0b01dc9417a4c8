#pragma once
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::kernel_regression {

/// Kernels, eigenvalues, learning curves and targets of docs/theory/networks-and-kernels.md, section 4.
std::vector<ClosedForm> kernel_regression_closed_forms();

}  // namespace edgewise::models::kernel_regression
