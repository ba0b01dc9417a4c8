#pragma once
/// \file
/// CDAT on the mini-batches of a streaming isotropic regression (docs/theory/curvature-dynamics.md, section 4): x ~ N(0, I_d),
/// y = <x, theta*> + eps, Var eps = s2, v = theta - theta*. Of a fresh batch X of B rows
///
///     g = X'(X v - eps)/B,   n = |g|^2,   d = |X g|^2/B = g'S g,   eta = sigma nbar/dbar,   v' = v - eta g
#include <memory>
#include <utility>

#include "models/framework/model.hpp"
#include "models/ingredients/rate_rules.hpp"

namespace edgewise::models::mini_batch_cdat {

struct Regression {
  std::size_t dimension = 200;
  double batch = 200;  ///< whole, or inf: the population, of Hessian I, where v' = (1 - sigma) v
  double noise = 0;    ///< s2
  double excess = 1;   ///< P_0 = |v_0|^2

  /// tr E S^2/d and tr E S^3/d of S = X'X/B:  1 + (d+1)/B,   1 + 3 (d+1)/B + (d^2 + 3 d + 4)/B^2
  double m2() const;
  double m3() const;
  /// N = s2 d/B, the part of E|g|^2 that the labels' noise makes.
  double noise_power() const { return noise * static_cast<double>(dimension) / batch; }
  /// What a step at P shows on average; exact.
  ingredients::StepObservation expected(double P) const;
  /// E P' at rate eta: P (1 - 2 eta + eta^2 m2) + eta^2 s2 d/B, exact for a rate that does not depend on the batch.
  double next_excess(double P, double eta) const;
  /// Whether the batch's Hessian has one eigenvalue, B = 1 or d = 1: then sigma n/d is sigma over it, and
  ///     E P' = P (1 - (2 sigma - sigma^2)/d) + sigma^2 s2/(k - 2),   k = max(d, B),
  /// is exact (normalised least mean squares), infinite with noise where k <= 2.
  bool one_curvature() const { return batch == 1 || dimension == 1; }
  double next_excess_normalised(double P, double sigma) const;
  /// Where that ends, for sigma < 2.
  double floor_normalised(double sigma) const;
  /// E 1/eigenvalue then; infinite for k <= 2.
  double mean_inverse_curvature() const;
  /// sigma above which P grows without noise and without averages, exactly: 2 a/b of
  ///     E P' = P (1 - 2 sigma a + sigma^2 b),   a = E (n/d) g.v/P = E U (1 - T)/(1 - U T),   b = E (n/d)^2 n/P = E U ((1 - T)/(1 - U T))^2
  /// with independent U ~ Beta(B/2, (d-1)/2), T ~ Beta((B-1)/2, (B+d-1)/2), as |X v|^2, what of |X'X v|^2 is across v, and |X g|^2 across X v are
  /// independent chi^2. 2 m3/m2^2 up to O(1/d).
  double largest_sigma() const;
  /// That factor of P.
  double factor(double sigma) const;
  /// Of one batch's n/d to O(1/d), without noise: its relative variance, and what its mean is above E n/E d, relative.
  std::pair<double, double> rate_moments() const;
  /// The edge of the recursion of means, (4.1): 2 m3/m2^2.
  double mean_field_edge() const;
  /// Where P ends, where sigma is below that: N (m2 (sigma-1) + sqrt(m2^2 (sigma-1)^2 + a sigma))/a, N = s2 d/B, a = 2 m3 -
  /// sigma m2^2.
  double floor(double sigma) const;

 private:
  std::pair<double, double> step_moments() const;  ///< a, b
};

/// excess_mse, risk and learning_rate, and the rule's memory: of theory and simulation alike.
const std::vector<Observable>& regression_observables();

/// \param rows  every row of X is drawn (of a finite batch), and the algorithm runs in d coordinates; otherwise in the
///              plane of v and g, with the same law: six numbers a step
std::unique_ptr<Simulation> simulate_cdat(const Regression& problem, std::shared_ptr<const ingredients::RateRule> rule,
                                          bool rows);

}  // namespace edgewise::models::mini_batch_cdat
