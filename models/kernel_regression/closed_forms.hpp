#pragma once
#include <vector>

#include "models/framework/closed_form_list.hpp"
#include "models/framework/model.hpp"

namespace edgewise::models::kernel_regression {

/// Kernels, eigenvalues, learning curves and targets of docs/theory/networks-and-kernels.md, section 4.
std::vector<ClosedForm> kernel_regression_closed_forms();
/// The part of section 4.5: bounds on learnability and norms in a kernel's space.
void add_learnability_closed_forms(ClosedFormList& list);

}  // namespace edgewise::models::kernel_regression
