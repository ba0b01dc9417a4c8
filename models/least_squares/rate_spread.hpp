#pragma once
/// \file
/// How much the rates of single runs differ where a rule sets them from what a run has seen: the closure of means holds
/// where that is little (docs/rates.md).
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "models/least_squares/rate_average.hpp"
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
  /// \param average where eta is the mean over what a batch may show: then only what moves that mean counts, and what is
  ///   left of the norm's share
  double step(const StepSums& sums, std::span<const double> memory, double factor, double eta,
              const RateAverage* average = nullptr);
  /// By how much the mean of the rates that eta_max holds is off the closure's, relatively.
  double bias() const { return bias_; }

 private:
  static constexpr std::size_t scalars = 5, noises = 9;
  using Direction = std::vector<double>;  // of the state, or of the state and the noise
  struct Point;
  struct Step;
  /// How the mean of a rate over batches hangs on P and on v'K^2 v.
  struct Response {
    double scatter = 0, by_excess = 0,
           by_slope = 0;  // relative standard deviation of the rate; logarithmic derivatives
  };
  Response response(const Step& at, const RateAverage& average) const;
  Point moved(const Step& at, std::span<const double> state, std::span<const double> noise) const;
  /// The variance of the rate without its limits; and what the directions become.
  double derivatives(const Step& at, std::vector<Direction>& next) const;
  /// Independent directions in which state and noise of the step fluctuate.
  std::vector<Direction> directions(const StepSums& sums) const;
  /// At most size_ directions of the same covariance.
  std::vector<Direction> independent(const std::vector<Direction>& directions) const;

  const ingredients::RateRule& rule_;
  const BatchLaw& law_;
  std::size_t size_;
  std::vector<Direction> state_;  // their squares add up to the covariance
  double bias_ = 0;
  bool lost_ = false;
};

}  // namespace edgewise::models::least_squares
