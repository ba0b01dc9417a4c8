#pragma once
/// \file
/// The effective coefficients of Adam on Gaussian residuals (theory note sign-and-clip, 4.1).

namespace edgewise::models {

/// c1 and c2 of dM_i/dt = -2 eta c1/sqrt(P + sigma^2) kappa_i M_i + eta^2 c2 s_i, with their standard errors.
struct AdamCoefficients {
  double drift = 0, drift_error = 0;  ///< c1
  double noise = 0, noise_error = 0;  ///< c2
};

/// Averages over the stationary process g = r z (r, z independent standard normals), m = EMA of g at beta1,
/// n = EMA of g^2 at beta2:
///   c1 = E[A n^(-1/2) - m C n^(-3/2)],  A = EMA of r^2 at beta1,  C = EMA of g r^2 at beta2
///   c2 = integrated autocovariance of m n^(-1/2)
/// by a simulation of fixed seed, so that the same arguments give the same numbers; kept for the life of the process.
/// Takes a second or two. \throws std::invalid_argument unless 0 <= beta1 < 1 and 0.9 <= beta2 < 1.
AdamCoefficients adam_coefficients(double beta1, double beta2);

}  // namespace edgewise::models
