#pragma once
/// \file
/// The excess risk of a nonlinear-gradient method as a function of its learning rates (docs/theory/sign-and-clip.md,
/// section 1; docs/theory/schedules-and-collapse.md, section 3).
#include <memory>

#include "models/framework/rate_objective.hpp"
#include "models/nonlinear/mode_system.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// P after the last step, by the unit-step recursion; of adam with the memory of its denominators as a further mode.
/// \throws std::invalid_argument for a greedy rate, per-example-adam, and a run that starts at its target.
std::unique_ptr<RateObjective> nonlinear_rate_objective(const NonlinearProblem& problem, ModeSystem modes);

}  // namespace edgewise::models::nonlinear
