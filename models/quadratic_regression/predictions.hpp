#pragma once
/// \file
/// What second-order regression is predicted to do over a whole run: hold an edge of stability
/// (docs/theory/quadratic-regression.md, sections 4 and 5).
#include <optional>
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

/// A last loss above this multiple of the first has not decayed.
inline constexpr double decayed_loss = 1e-3;
/// The exact kernel norm at the stochastic edge is above it.
inline constexpr double edge_norm_low = 0.93;

/// Of runs that reached the edge in the first three quarters of the record; what is predicted is read off the last
/// quarter, or the last step. Where runs are chosen by a loss that decayed, which it does only where training is
/// linearly stable, that choice nearly implies the upper end of the interval: the lower end is what is tested.
///
/// - full batch, no SAM: `plateau`, the median of eta_lambda_max over the last quarter, at 2 within 5%
///   (one instance for all replicas: 6% below, where the lowest of the runs measured there ended), and
///   `plateau_oscillating`, of runs that still oscillate (last loss above 1e-3 of the first), within 25%;
/// - at most a quarter of the rows per step (beyond that the measured norm rises above the interval), kernel_norms =
///   exact: `norm_plateau`, the median of kernel_norm_exact over the last quarter, in [0.96, 1.04], of runs whose norm
///   exceeded 1, and `beyond_edge`, eta_lambda_max of the same runs, at least 2;
/// - SAM at full batch, not normalised: `sam_plateau`, the last ntk_max, between 2% below and 1% above lambda_SAM, of
///   runs that exceeded lambda_SAM and whose last loss is below 1e-3 of the first.
///
/// - a rule of [rate], full batch, multiplier 1 (docs/theory/curvature-dynamics.md, section 3.4): CDAT without average with 1
///   <= sigma < 2, D <= P: `extremes_balanced`, mean_rate times the last ntk_max over late_product, at 1 within 1%, of runs
///   whose loss fell below 1e-12 of the first; with every_step: `below_edge`, median_eta_lambda below 2, of CDAT with 1 <
///   sigma < 2 and Armijo's rule with c <= 1/2; `on_edge`, the same in [1.95, 2.15], of CDAT with sigma = 2. All but the
///   last of steps along gradients: `on_edge` is of momentum, RMSProp and Adam as well, in [1.9, 2.25] on a random ensemble.
///
/// Diverged runs are of no kind. Nothing is predicted with other base updates at a given rate, a schedule, a curvature of 0 or antithetic pairs.
std::vector<Prediction> quadratic_predictions(const QuadraticProblem& problem);

/// Whether every rate is one multiple of the greedy one, 1 or more and short of the edge: CDAT with 1 <= sigma < 2.
bool undershoots(const ingredients::GreedyMultiple& multiple);

/// Where CDAT with 1 <= sigma < 2 holds eta lambda_1 late, on harmonic average: max(sigma, 2/(1 + ratio)) with the ratio of
/// the smallest to the largest curvature (docs/theory/curvature-dynamics.md (3.3)).
double late_product(double sigma, double ratio);

/// The last recorded step before SGD's memory recursion brings the exact kernel norm to 0.93, where the stochastic edge
/// begins to hold few slow runs back, which the limit does not know of. Found from ntk_mean and the initial kernels of
/// three replicas. Empty where the step is not reached, at full batch, and where kernel norms are not exact.
std::optional<double> stochastic_edge_validity(const QuadraticProblem& problem, const Trajectory& limit);

}  // namespace edgewise::models::quadratic_regression
