#pragma once
/// \file
/// The per-example second-moment family (docs/theory/sign-and-clip.md, section 4.2): Adam's denominator with a share
/// zeta of the variance over single examples.
///
///     n_i = EMA of gbar_i^2 + (zeta - 1/B) Vhat_i,   v_i' = v_i - eta gbar_i/(sqrt(max(n_i, 0)) + floor)
///
/// Vhat_i is the variance of the gradient over the B examples, so that E n_i = mu_i^2 + zeta s_i^2 with the mean mu_i
/// and the variance s_i^2 of one example's gradient. zeta = 1/B is standard Adam without momentum, 1 takes the second
/// moment of single examples, 0 the mean alone, and infinity (n = EMA of Vhat) the variance alone.
#include <cstdint>
#include <vector>

#include "models/framework/model.hpp"
#include "models/nonlinear/problem.hpp"
#include "models/nonlinear/theory.hpp"

namespace edgewise::models::nonlinear {

/// The lagged closure for a diagonal covariance, a conjecture:
///
///     mu_i^2 = lambda_i^2 D_i,   s_i^2 = lambda_i (P + sigma^2) + mu_i^2,   P = sum_i lambda_i D_i
///     n_i' = beta2 n_i + (1 - beta2)(mu_i^2 + zeta s_i^2),   A_i = 1/(sqrt(n_i'/(1 - beta2^(k+1))) + floor)
///     D_i' = D_i - 2 eta A_i lambda_i D_i + eta^2 A_i^2 (mu_i^2 + s_i^2/B)
///
/// Coordinates of equal eigenvalue and start are one.
class SecondMomentRecursion {
 public:
  /// \throws std::invalid_argument where the closure does not cover the problem: a covariance that is not diagonal,
  /// noise of infinite variance, batch 1.
  explicit SecondMomentRecursion(const NonlinearProblem& problem);

  void step();
  std::uint64_t steps() const { return steps_; }
  double excess_mse() const { return P_; }
  /// sqrt(B) max_i |rho_i|, rho_i the correlation of x_i with the residual: the signal of a coordinate over its noise.
  double localisation() const;

  // Scaled to see what a run would notice.
  double scale_drift = 1, scale_noise = 1;

 private:
  const NonlinearProblem& problem_;
  double sigma2_, P_ = 0;
  std::vector<double> lambda_, count_, D_, n_;
  double left_ = 1;  ///< beta2 to the power of the steps taken
  std::uint64_t steps_ = 0;
};

/// Whether the closure is known to fail: zeta < 1/B where the noise of every coordinate exceeds its signal. There the
/// algorithm's n is negative every now and then, which the closure does not see.
bool closure_unreliable(const NonlinearProblem& problem, double localisation);

/// From the optimum: by how many steps of the theory P is ahead of it while n is young, for n of few squares is small at times, and
/// steps divide by it. A bound on sums of E gbar^2/n of one coordinate, simulated (zeta = inf, Gaussian noise, B = 2, 3, 4): the first
/// step's 1/(B - 3) of independent Gaussians (what the floor leaves of it where that is infinite), and the others'. 0 up to zeta = 1, where
/// the squares of all steps so far share n evenly.
double young_lag(const NonlinearProblem& problem);

/// Solves at the recorded steps, by the recursion. \throws std::invalid_argument as SecondMomentRecursion, or for a
/// theory option that this family does not have.
Trajectory solve_second_moment(const NonlinearProblem& problem, const NonlinearTheory& theory);

}  // namespace edgewise::models::nonlinear
