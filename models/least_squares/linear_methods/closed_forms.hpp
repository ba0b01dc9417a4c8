#pragma once
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::least_squares {

/// Invariants and reference values of the linear family (docs/theory/two-phase.md, sections 9, 10;
/// docs/theory/least-squares-sgd.md, section 13).
std::vector<ClosedForm> linear_closed_forms();

}  // namespace edgewise::models::least_squares
