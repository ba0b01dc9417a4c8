#pragma once
/// \file
/// How much the rates of single runs differ where a rule sets them from what a run has seen: the closure of means holds
/// where that is little (docs/rates.md).
#include <array>
#include <span>
#include <vector>

#include "models/least_squares/rate_moments.hpp"

namespace edgewise::models::least_squares {

/// Small fluctuations about the closure's path, in a few scalars: the parts of P and of (theta - theta_0)'K v that the
/// gradient noise makes and forgets, the intrinsic time sum eta, the random part of |theta - theta_0|^2, and the rule's
/// memory, and |d|^2 of the average that a rule steps along; and, without a memory of their own, the parts of v'K^2 v and
/// v'K^3 v that do not go with P. Their noise is that of the batch: the scale of its residuals, the norm of its inputs, and
/// the components of the gradient noise along the mean gradient and the way from the start. O(1) a step.
class RateSpread {
 public:
  RateSpread(const ingredients::RateRule& rule, const BatchLaw& law);

  /// Relative standard deviation over runs of the rate at this step; then moves on by the step. Infinite once it was.
  /// \param memory of the rule before the step;  \param factor of the schedule;  \param eta the step's whole rate
  double step(const StepSums& sums, std::span<const double> memory, double factor, double eta);

 private:
  static constexpr std::size_t scalars = 5, noises = 8;
  using Direction = std::vector<double>;  // of the state, or of the state and the noise
  struct Point;
  Point moved(const StepSums& sums, std::span<const double> memory, double factor, double eta,
              std::span<const double> state, std::span<const double> noise) const;
  /// Independent directions in which state and noise of the step fluctuate.
  std::vector<Direction> directions(const StepSums& sums) const;
  /// At most size_ directions of the same covariance.
  std::vector<Direction> independent(const std::vector<Direction>& directions) const;

  const ingredients::RateRule& rule_;
  const BatchLaw& law_;
  std::size_t size_;
  std::vector<Direction> state_;  // their squares add up to the covariance
  bool lost_ = false;
};

}  // namespace edgewise::models::least_squares
