#pragma once
/// \file
/// Losses that are sums of powers of steps and size, and their compute-optimal horizon
/// (docs/theory/schedules-and-collapse.md, "What the papers themselves do", scaling collapse):
///
///     L(t, p) = L0 + sum_i a_i t^-mu_i p^-nu_i
#include <vector>

namespace edgewise::models::sum_of_powers {

struct PowerTerm {
  double weight = 1, step_exponent = 0, size_exponent = 0;  ///< a > 0, mu >= 0, nu >= 0
};

/// What holds as p grows, with t = kappa p^g.
struct HorizonLaw {
  double exponent = 0, prefactor = 0;  ///< g and kappa
  double loss_exponent = 0;            ///< b: L - L0 ~ p^-b, the least of b_i = mu_i g + nu_i
  double frontier_exponent = 0;        ///< d = b/(1 + g): L - L0 ~ C^-d at compute C = t p
  double correction_exponent = 0;      ///< gap to the next b_i, the error p^-eps of the limit; infinite when all tie
  std::vector<PowerTerm> tied;         ///< the terms with b_i = b
};

struct SumOfPowers {
  double floor = 0;  ///< L0
  std::vector<PowerTerm> terms;

  /// L(t, p); t, p > 0.
  double loss(double t, double p) const;
  /// The t at which the loss is least at fixed t p: sum a_i (mu_i - nu_i) t^-mu_i p^-nu_i = 0.
  /// \throws std::domain_error where more steps, or more size, always win.
  double horizon(double p) const;
  /// Compute-optimality ties the two smallest b_i. \throws std::domain_error as `horizon`.
  HorizonLaw law() const;
};

/// sum_tied w_i x^-mu_i / sum_tied w_i, w_i = a_i kappa^-mu_i: the normalised loss as p grows.
double normalised_limit(const HorizonLaw& law, double x);

}  // namespace edgewise::models::sum_of_powers
