#pragma once
/// \file
/// The theory of SGD whose rate a rule sets (docs/theory/schedules-and-collapse.md, section 6): the recursion of the
/// second moments, step by step, with the rule fed by the means of what it observes.
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/least_squares/least_squares.hpp"
#include "models/least_squares/theory.hpp"

namespace edgewise::models::least_squares {

/// Up to here the spread of the rate moves P by little: beyond it single runs are not the mean of all (docs/rates.md).
inline constexpr double largest_closure_spread = 0.45;
/// Up to here the mean of the rate over runs, and of what the rule remembers, is that of the closure.
inline constexpr double largest_rate_spread = 0.15;

/// Solves at the recorded steps. Exact for batch = inf; else a closure, which says how far it holds.
/// \throws std::invalid_argument for what the closure does not know (other methods, bands, decomposition).
Trajectory solve_rate_rule(const LeastSquares& problem, const LeastSquaresTheory& theory);

/// `edgewise stability` under a rule: where the rate ends, and how far the closure is to be trusted.
std::vector<Finding> rate_rule_findings(const LeastSquares& problem);

}  // namespace edgewise::models::least_squares
