#pragma once
/// \file
/// Closed forms of matrix least squares with spectral and sign updates (docs/theory/muon-phases.md).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::muon {

std::vector<ClosedForm> matrix_closed_forms();

}  // namespace edgewise::models::muon
