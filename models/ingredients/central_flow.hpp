#pragma once
/// \file
/// The central flow of gradient descent (docs/theory/curvature-dynamics.md, section 8): the mean path when descent
/// oscillates at its edge of stability, and the mean square of the oscillation that holds it there.
///
///     d theta/dk = -eta (grad L + grad <X, H>/2),   X >= 0 of the eigenvectors of H at 2/eta, the least with H <= 2/eta
///
/// theta the time average, k in optimizer steps, grad <X, H> with X held. Below the edge X = 0: gradient flow.
#include <functional>
#include <span>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/curved_objective.hpp"

namespace edgewise::models::ingredients {

class CentralFlow {
 public:
  /// \param objective  kept by reference, and moved. \throws std::runtime_error, as `step`, where nothing is a number
  CentralFlow(CurvedObjective& objective, std::span<const double> start, double learning_rate);

  /// The time of one optimizer step. \throws std::runtime_error where no oscillation can hold the edge (the sharpness
  /// along the oscillation does not depend on the parameters, or more than `most_critical` eigenvalues are there).
  void step();

  const std::vector<double>& mean() const { return theta_; }
  /// The largest eigenvalue of H at the mean.
  double sharpness() const { return sharpness_; }
  /// w_k with sum_k w_k w_k' = X; empty below the edge.
  const std::vector<std::vector<double>>& oscillation() const { return oscillation_; }
  /// tr X, the mean square displacement from the mean.
  double mean_square() const;
  /// Turns a step of the play about the edge that X is the mean of, sqrt(2 eps)/(2 pi) at eps = eta^2 |grad (w'H w)|^2/(2 |w|^2)
  /// along the largest w: the small closed orbit of the normal form. 0 without an oscillation.
  double turns();
  /// What the orders beyond the third add to the curvature along the largest w, in units of 2/eta:
  /// eta |g(theta + w) - g(theta - w) - 2 H w|/(4 |w|). 0 without an oscillation.
  double beyond_cubic();
  /// The time average of a function of the parameters, f(mean) + sum_k ((f(mean + w_k) + f(mean - w_k))/2 - f(mean)):
  /// exact to second order in the oscillation, and for one direction of a 2-cycle.
  double average(const std::function<double(std::span<const double>)>& f) const;

  static constexpr std::size_t most_critical = 8;

 private:
  void descend(double time);
  void hold(double time);
  std::vector<double> curvature_slope(std::span<const double> at, std::span<const double> along);

  CurvedObjective& objective_;
  double learning_rate_, sharpness_ = 0;
  std::vector<double> theta_, gradient_, moved_;
  linear_algebra::Matrix start_;  // of the next search for eigenvalues
  std::vector<std::vector<double>> oscillation_;
};

/// The part by which the mean square of an oscillation can differ from what holds the edge, after so many turns from `start` times
/// that size, p = start^2 (section 8): sqrt((p - 1 - log p)/2)/(pi turns).
double unsettled_part(double turns, double start);

/// A function of the parameters whose time average is recorded.
struct AveragedReading {
  Observable observable;
  std::function<double(std::span<const double>)> value;
};
/// The central flow along `time`: for every reading its time average at the recorded steps and, as mean_NAME, the mean
/// of that over the steps since the last recorded one; `eta_sharpness` and `oscillation` (tr X). Where the edge
/// cannot be held the method ends: `valid_until` is the last step, a warning says why; `diverged_at` is where the path leaves
/// the numbers. \throws std::invalid_argument where the start is beyond the edge.
Trajectory follow_central_flow(CurvedObjective& objective, std::span<const double> start, double learning_rate,
                               const Time& time, const std::vector<AveragedReading>& readings);
/// What it claims of runs, from the step on at which it reaches its edge: `central_loss`, the mean of `loss` over all
/// steps, between `low` and `high` times its own, `widened` by 1 + u to either side, u the report's `unsettled`. None where the edge is
/// not reached in the first three quarters, where u is above .6 (a late burst then; of a claim that is not widened, where `turns`
/// is below 1), or where descent begun on the flow at its edge, displaced to either side by its oscillation, a tenth or a hundredth
/// of it or as far as descent itself then is, has a loss below .7 or above 1.4 times the flow's (`descent_least`, `descent_most`):
/// it leaves the flow.
std::vector<Prediction> central_flow_predictions(const Trajectory& flow, double low, double high, bool widened = false);

}  // namespace edgewise::models::ingredients
