#pragma once
/// \file
/// Closed forms and reference values of docs/theory/networks-and-kernels.md, section 2.
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::feature_alignment {

std::vector<ClosedForm> feature_alignment_closed_forms();

}  // namespace edgewise::models::feature_alignment
