#pragma once
/// \file
/// Closed forms of least squares, by what they are of.
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::least_squares {

/// Streaming SGD (docs/theory/least-squares-sgd.md, sections 1.4, 4, 7, 13).
std::vector<ClosedForm> least_squares_closed_forms();
/// Linear methods: invariants and reference values (docs/theory/two-phase.md, sections 9, 10; docs/theory/least-squares-sgd.md,
/// section 13).
std::vector<ClosedForm> linear_closed_forms();
/// The size-p model and reduced noise models (docs/theory/schedules-and-collapse.md, sections 4 and 5).
std::vector<ClosedForm> collapse_closed_forms();
/// Rate rules (docs/theory/schedules-and-collapse.md, section 6).
std::vector<ClosedForm> rate_closed_forms();
/// The optimal schedule, and how near the families come (docs/theory/schedules-and-collapse.md, section 3).
std::vector<ClosedForm> schedule_closed_forms();

}  // namespace edgewise::models::least_squares
