#pragma once
/// \file
/// What each method makes of a mini-batch gradient (docs/theory/sign-and-clip.md, sections 1, 3, 4, 5).
#include <span>
#include <vector>

#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// A mini-batch as a step sees it.
struct BatchMoments {
  std::span<const double> mean;    ///< over examples, of gradients; of their signs for sign-early and sign-majority
  std::span<const double> square;  ///< mean square of the gradients, element by element; of per-example-adam only
};

/// Moves v along a mini-batch, with what the method remembers of those before.
class StepRule {
 public:
  explicit StepRule(const NonlinearProblem& problem);
  /// One step at learning rate `rate`; `largest_norm` is where mean-clip cuts.
  void descend(double rate, double largest_norm, const BatchMoments& batch, std::span<double> v);

 private:
  void adam(double rate, std::span<const double> gradient, std::span<double> v);
  void per_example_adam(double rate, const BatchMoments& batch, std::span<double> v);

  const NonlinearProblem& problem_;
  std::vector<double> average_, second_;
  double left1_ = 1, left2_ = 1;  ///< beta1 and beta2 to the power of the steps taken
};

/// min(1, c/norm), 1 for norm 0.
double clip_factor(double norm, double c);

}  // namespace edgewise::models::nonlinear
