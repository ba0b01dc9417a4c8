#pragma once
/// \file
/// The methods of nonlinear gradients by name, and what each makes of a mini-batch gradient
/// (docs/theory/sign-and-clip.md, sections 1, 3, 4, 5).
#include <span>
#include <string>
#include <vector>

#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

enum class Method {
  residual,  ///< a nonlinearity of the residual, or none
  clip,
  mean_clip,
  sign_late,
  sign_early,
  sign_majority,
  sign_ema,
  ema_sign,
  adam,
  per_example_adam
};

/// \throws std::invalid_argument with a suggestion.
Method method_of(const std::string& name);

/// Whether a step needs more of an example than its weight in the mini-batch gradient.
bool needs_examples(Method method);

/// A mini-batch as a step sees it.
struct BatchMoments {
  std::span<const double> mean;    ///< over examples, of gradients; of their signs for sign-early and sign-majority
  std::span<const double> square;  ///< mean square of the gradients, element by element; of per-example-adam only
};

/// Moves v along a mini-batch, with what the method remembers of those before.
class StepRule {
 public:
  StepRule(const NonlinearProblem& problem, Method method);
  Method method() const { return method_; }
  bool needs_squares() const { return method_ == Method::per_example_adam; }
  /// One step at learning rate `rate`; `largest_norm` is where mean-clip cuts.
  void descend(double rate, double largest_norm, const BatchMoments& batch, std::span<double> v);

 private:
  void adam(double rate, std::span<const double> gradient, std::span<double> v);
  void per_example_adam(double rate, const BatchMoments& batch, std::span<double> v);

  const NonlinearProblem& problem_;
  Method method_;
  std::vector<double> average_, second_;
  double left1_ = 1, left2_ = 1;  ///< beta1 and beta2 to the power of the steps taken
};

/// min(1, c/norm), 1 for norm 0.
double clip_factor(double norm, double c);

}  // namespace edgewise::models::nonlinear
