#pragma once
/// \file
/// What a rate rule observes of SGD on least squares, in expectation (docs/theory/schedules-and-collapse.md, section 6).
#include <optional>

#include "models/ingredients/rate_rules.hpp"
#include "models/least_squares/least_squares.hpp"

namespace edgewise::models::least_squares {

/// Sums over the modes at a step; delta = theta - theta_0. The last seven are filled where a rule needs distances.
struct StepSums {
  double excess = 0;     ///< P = E v'K v
  double slope = 0;      ///< S2 = E v'K^2 v
  double curvature = 0;  ///< S3 = E v'K^3 v
  // How S2 and S3 differ between runs of equal P, for Gaussian v: a part of S2 alone, one of S3 with it, one of S3 alone.
  double slope_spread = 0, curvature_with_slope = 0, curvature_spread = 0;
  double excess_of_mean = 0;      ///< (E v)'K (E v)
  double slope_of_mean = 0;       ///< (E v)'K^2 (E v)
  double distance = 0;            ///< Q = E |delta|^2
  double distance_excess = 0;     ///< E delta'K delta
  double distance_slope = 0;      ///< E delta'K^2 delta
  double distance_curvature = 0;  ///< E delta'K^3 delta
  double product = 0;             ///< E delta'K v
  double slope_product = 0;       ///< E delta'K^2 v
  double curvature_product = 0;   ///< E delta'K^3 v
  /// Of the average d of gradients that a rule with averaging() steps along.
  struct Direction {
    double weight = 1;                             ///< of this step's gradient
    double square = 0;                             ///< E |d|^2
    double descent = 0, excess = 0;                ///< E <K v, d>, E d'K d
    double descent_before = 0, excess_before = 0;  ///< the same of the average before this step's gradient
  };
  std::optional<Direction> direction;  ///< empty: d = g
};

/// The law of a mini-batch's gradient, as far as its second moments see it.
struct BatchLaw {
  double batch = 1, own_noise = 1;           ///< B, and 1 + excess kurtosis of the data
  double noise_variance = 0;                 ///< sigma^2
  double trace = 0, trace2 = 0, trace3 = 0;  ///< tr K, tr K^2, tr K^3
  double label_kurtosis = 3;                 ///< E eps^4/sigma^4 of all label noise; may be infinite

  explicit BatchLaw(const LeastSquares& problem);
  /// E |g|^2 = (1 + own/B) S2 + (tr K/B)(P + sigma^2).
  double mean_squared_gradient(double excess, double slope) const;
  /// E g'K g = (1 + own/B) S3 + (tr K^2/B)(P + sigma^2).
  double gradient_curvature(double excess, double curvature) const;
  /// The closure's observation: every mean in the place of what it is the mean of.
  ingredients::StepObservation observation(const StepSums& sums) const;
  /// E d'K d and E <K v, d> of the step's direction.
  double direction_curvature(const StepSums& sums) const;
  static double descent(const StepSums& sums) { return sums.direction ? sums.direction->descent : sums.slope; }
  /// d/d eta of P after a step with rate eta.
  double excess_response(const StepSums& sums, double eta) const;
};

}  // namespace edgewise::models::least_squares
