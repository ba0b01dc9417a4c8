#pragma once
/// \file
/// What becomes of one-sample quadratic regression: its outcome by iteration, with the sharpness where it ends.
#include <cstdint>

#include "models/quadratic_map/predictions.hpp"
#include "models/quadratic_map/regression.hpp"

namespace edgewise::models::quadratic_map {

struct OutcomeOptions {
  std::uint64_t max_steps = 1'000'000;
  std::size_t max_period = 64;
};

struct Outcome {
  Fate fate = Fate::slow;
  std::uint64_t steps = 0;  ///< until it was judged
  std::size_t period = 0;   ///< of the cycle; 1 of a fixed point; 0: none found
  /// gradient flow from the start, or from step 1, 2, 4, 8, ... would end at a minimum beyond the edge
  bool edge = false;
  double residual = 0;      ///< z at the end
  double sharpness = 0;     ///< T(0) at the end, its mean over the tail where it oscillates
  double residual_low = 0;  ///< over the tail, the last 512 steps, that follow the judgement
  double residual_high = 0;
  /// of a perturbation of the parameters where the orbit has come to, without the way there: the mean over the second half
  /// of 2000 to 20000 steps, as many as were made, that follow the judgement
  double lyapunov_exponent = 0;
  double invariant_drift = 0;  ///< largest |E_k - E_0| met; NaN where E is not defined
};

/// The edge of the rule: T* of SAM, 2 otherwise.
double edge_of(const QuadraticRegression& problem);
/// Beyond this size of a variable the orbit has diverged.
double divergence_limit(const QuadraticRegression& problem);

Outcome outcome_of(const QuadraticRegression& problem, const OutcomeOptions& options);

}  // namespace edgewise::models::quadratic_map
