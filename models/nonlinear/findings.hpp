#pragma once
/// \file
/// What `edgewise stability` says of nonlinear gradients, and what a user should know before trusting their theory
/// (docs/theory/sign-and-clip.md, sections 2.4, 3, 5.3, 5.4, 7).
#include <functional>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/nonlinear/mode_system.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// Steady states, criteria and ceilings, read at the start. \throws std::invalid_argument where the theory does not
/// cover the problem.
std::vector<Finding> nonlinear_findings(const NonlinearProblem& problem, const ModeSystem& modes, Steps steps);

/// Where the theory's limits of validity are left at the start. Needs no theory of the method itself: `modes` are asked
/// for only where they are cheap and known.
std::vector<std::string> nonlinear_warnings(const NonlinearProblem& problem,
                                            const std::function<const ModeSystem&()>& modes);

}  // namespace edgewise::models::nonlinear
