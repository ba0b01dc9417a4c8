#pragma once
/// \file
/// The early-time expansion of second-order regression in the model's observables (note quadratic-regression, section
/// 2).
#include "models/model.hpp"
#include "models/quadratic/problem.hpp"

namespace edgewise::models {

/// Columns: ntk_mean, its first two differences continued, exact at step 1 and to the order asked at step 2; where the
/// problem observes them, sharpening_first_* (exact) and sharpening_second_*.
///
/// Averages are over curvature and batches, over residuals where these are drawn, and over Jacobians. Where the
/// Jacobian is drawn, what belongs to single eigenvectors of its kernel has no closed form and is left out, but for the
/// first differences, which are the same along all. sharpening_second_ntk_max needs the gaps between the eigenvalues of
/// one kernel, too.
///
/// Label `sharpening` says whether second differences are positive at order eta^2, as they are wherever the curvature
/// and the gradient are not 0.
/// \param order  of the second differences in eta: 2, or 3 with what slows sharpening
/// \throws std::invalid_argument where one curvature is shared or given, and for schedules.
Trajectory solve_early_time(const QuadraticProblem& problem, unsigned order);

}  // namespace edgewise::models
