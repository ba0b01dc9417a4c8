#pragma once
/// \file
/// Long times of a linear method: thresholds, steady state, and what each mode contributes.
#include <string>
#include <vector>

#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "solvers/stability_boundary.hpp"

namespace edgewise::models::least_squares {

/// `edgewise stability` for a linear method. A steady state that does not exist is reported as NaN, never as the formal
/// (negative) number.
std::vector<Finding> linear_stability(const LinearProblem& problem);

/// What it adds on the power law lambda_j = j^(-2 alpha), theta*_j = j^(-beta): docs/theory/two-phase.md, section 8. Empty
/// where it does not hold (weight decay, a method without a rule, unstable). \param amplification its noise_amplification
std::vector<Finding> linear_power_law(double alpha, double beta, const LinearProblem& problem, double amplification);

/// Mean-square stability at the hyperparameters of step 0.
bool is_stable(const LinearProblem& problem);

/// The first value of the hyperparameter `name`, coming from below, at which the method stops being stable, and whether
/// there are stable windows beyond it, as there may be with momentum.
solvers::StabilityBoundary stability_boundary(const LinearProblem& problem, const std::string& name);
/// Its `first`.
double stability_threshold(const LinearProblem& problem, const std::string& name);

/// One mode at long times (docs/theory/two-phase.md, sections 3 and 13).
struct ModeRow {
  double eigenvalue = 0, multiplicity = 0;
  double gain = 0;             ///< g: contraction of the error over a round before the sync, 1 - p_H
  double contraction = 0;      ///< F: of the parameters that are kept, per period (xi g without outer momentum)
  double mean_radius = 0;      ///< spectral radius of the mean map of a period
  double radius = 0;           ///< of its second moments
  double generated_noise = 0;  ///< variance put into the mode per period in the steady state
  double stationary = 0;       ///< E v^2 in the steady state, summed over the eigenspace
};
/// g at eigenvalue lambda.
double mode_gain(const LinearProblem& problem, double lambda);

/// A row for every eigenvalue that is not 0 to rounding. \throws std::domain_error when unstable or when nothing moves.
std::vector<ModeRow> mode_table(const LinearProblem& problem);

/// Greedy outer learning rate of docs/theory/two-phase.md, section 3: the xi that minimises P after the next round,
/// from the state after `rounds` rounds. Methods lookahead and la-diloco.
double greedy_outer_rate(const LinearProblem& problem, std::uint64_t rounds);

}  // namespace edgewise::models::least_squares
