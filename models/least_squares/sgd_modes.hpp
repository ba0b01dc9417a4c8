#pragma once
/// \file
/// The coefficients of the recursion of streaming SGD, and its stability (docs/theory/least-squares-sgd.md (1.1),
/// (1.2)).
#include <cstddef>
#include <vector>

#include "models/least_squares/least_squares.hpp"

namespace edgewise::models::least_squares {

/// Coefficients of the modes with positive eigenvalue (docs/theory/least-squares-sgd.md (1.1)):
///
///     D_a' = (1 - contraction_a) D_a + feedback_a (P + sigma^2),   P = sum_a lambda_a D_a
struct SgdModes {
  std::vector<double> eigenvalue, multiplicity, power;  ///< lambda_a > 0, n_a, rho_a(0)
  double null_power = 0;                                ///< sum of rho over lambda = 0, which never moves
  double batch = 1, own_noise = 1;                      ///< B, and 1 + excess kurtosis of the data
  double noise_variance = 0;

  explicit SgdModes(const LeastSquares& problem);
  /// m_a = eta lambda_a (2 - eta lambda_a (1 + own_noise/B)): the decay of D_a per step, without cancellation.
  double contraction(std::size_t a, double eta) const;
  /// sum n_a lambda_a.
  double trace() const;
  /// (eta^2/B) n_a lambda_a, the response of D_a to P + sigma^2.
  double feedback(std::size_t a, double eta) const;
};

/// lambda_max.
double largest_eigenvalue(const SgdModes& modes);
/// kernel norm kappa(eta) of (1.2); infinite when some mode does not decay.
double kernel_norm(const SgdModes& modes, double eta);
/// The same with eigenvalues in units of the largest.
SgdModes in_largest_eigenvalues(SgdModes modes);
/// eta lambda_max at which the kernel norm reaches 1.
double largest_stiffness(const SgdModes& modes);
/// The learning rate there; infinite where that is beyond the doubles, as over a subnormal eigenvalue.
double largest_learning_rate(const SgdModes& modes);
}  // namespace edgewise::models::least_squares
