#pragma once
/// \file
/// Theories of second-order regression in the model's observables (docs/theory/quadratic-regression.md).
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"
#include "settings/section.hpp"

namespace edgewise::models::quadratic_regression {

enum class TheoryMethod { memory, flow, early_time, linear_mean, central_flow, none };

/// Section [theory].
struct QuadraticTheory {
  TheoryMethod method = TheoryMethod::memory;
  double order = 3;         ///< of the early-time expansion in eta: 2 or 3
  double memory_limit = 4;  ///< GiB that the recursion may take
};

const settings::Section<QuadraticTheory>& theory_section();
/// \throws settings::Error for bad input.
QuadraticTheory read_theory(const settings::Table& table);

/// Columns loss, parameter_power, ntk_mean; of a rule of [rate], which the recursion with memory steps by what the limit
/// shows it, learning_rate; ntk_max and eta_lambda_max, which take the edge of the kernel's bulk for
/// its largest eigenvalue (a conjecture, said in their docs). Label `post_eos`: the step
/// from which a full-batch run is beyond the edge of stability, where a finite system departs from the limit. \throws
/// std::invalid_argument where there is no theory: a given instance, SAM; settings::Error from the recursion.
Trajectory solve_quadratic(const QuadraticProblem& problem, const QuadraticTheory& theory);

/// Leaves what a simulation can be judged by: no conjectured column.
void keep_comparable(Trajectory& trajectory);

/// The early-time expansion (section 2). Columns: ntk_mean, its first two differences continued, exact at step 1 and to the
/// order asked at step 2; where the problem observes them, sharpening_first_* (exact) and sharpening_second_*.
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

/// The linear model, curvature 0, exactly at finite D and P (sections 4 and 5). Columns: residual_overlap,
/// E z_t = prod (I - eta_t b K [I + rho (beta K + (1 - beta) diag K)]) z0 along z0; loss,
/// for mini-batches by the operator of the second moment, O(D^3) a step; ntk_mean. Averages are over batches and, where
/// they are drawn, over residuals, whose direction is uniform. \throws std::invalid_argument for a curvature that is
/// not 0, a Jacobian that differs between replicas, and normalised SAM.
Trajectory solve_linear_mean(const QuadraticProblem& problem);

/// Columns of ingredients::follow_central_flow for loss (per output) and parameter_power, of one instance under gradient
/// descent. \throws std::invalid_argument for anything else.
Trajectory solve_central_flow(const QuadraticProblem& problem);

}  // namespace edgewise::models::quadratic_regression
