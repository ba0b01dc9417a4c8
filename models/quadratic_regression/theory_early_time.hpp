#pragma once
/// \file
/// The early-time expansion of second-order regression in the model's observables (docs/theory/quadratic-regression.md,
/// section 2).
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

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

/// Progressive sharpening, one-sided and without regard to its size: at full batch the second difference of K along
/// every initial eigenvector that is observed, and of lambda_1, is positive on average. Claimed where the expansion to
/// order eta^3 leaves at least half of the term of order eta^2; elsewhere empty.
std::vector<Prediction> early_time_predictions(const QuadraticProblem& problem);

}  // namespace edgewise::models::quadratic_regression
