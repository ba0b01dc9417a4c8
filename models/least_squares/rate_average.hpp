#pragma once
/// \file
/// The mean move of a step whose rate hangs on its own mini-batch (docs/theory/schedules-and-collapse.md, section 6.4).
#include <span>

#include "models/ingredients/rate_rules.hpp"
#include "models/least_squares/rate_moments.hpp"

namespace edgewise::models::least_squares {

/// What a step does to the moments of a mode of eigenvalue lambda, n-fold, with D = E v^2 and Q = P + sigma^2:
///
///     E v <- (1 - lambda r) E v,   D <- (1 - 2 lambda r) D + lambda^2 (r^2 + s) D + n lambda Q f,
///
/// r, s and f polynomials in lambda.
struct MeanMove {
  double rate = 0, rate_slope = 0;
  double scatter = 0, scatter_slope = 0, scatter_square = 0;
  double feedback = 0, feedback_slope = 0;

  double rate_at(double lambda) const { return rate + rate_slope * lambda; }
  double scatter_at(double lambda) const { return scatter + (scatter_slope + scatter_square * lambda) * lambda; }
  double feedback_at(double lambda) const { return feedback + feedback_slope * lambda; }
};

/// Of a rate that is the same for all batches: r = eta, s = eta^2 own/B, f = eta^2/B.
MeanMove move_at(double eta, const BatchLaw& law);

/// Of the rate of a rule that sees nothing but its batch, over the law of what it sees: s^2 = sum_b r_b^2/Q by its chi-square,
/// and |g|^2 = Q s^2 W/B^2 by a gamma law of W with the mean, variance and skewness that it has at s; a mode's part of |g|^2 goes with W.
struct RateAverage {
  MeanMove move;
  double rate = 0;           ///< E eta
  double variance = 0;       ///< of eta over batches, over (E eta)^2
  double norm_variance = 0;  ///< the part of it that W makes at a given s, weighted with |g|^2
};

/// \param factor on the rule's rate;  \param spacing of the nodes in standard deviations of each law
RateAverage rate_average(const ingredients::RateRule& rule, const BatchLaw& law, const StepSums& sums,
                         std::span<const double> memory, double factor, double spacing = 0.25);

}  // namespace edgewise::models::least_squares
