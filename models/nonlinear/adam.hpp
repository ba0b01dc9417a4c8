#pragma once
/// \file
/// The effective coefficients of Adam (docs/theory/sign-and-clip.md, section 4.1), a conjecture: a coordinate whose signal is
/// small beside its noise sees a stationary scalar process, whose averages are integrals of products.
#include "models/ingredients/noise.hpp"
#include "models/nonlinear/covariance.hpp"

namespace edgewise::models::nonlinear {

/// c1 and c2 of dM_i/dt = -2 eta c1/sqrt(n) kappa_i M_i + eta^2 c2 (P + sigma^2)/(B n) s_i, n = (P + sigma^2)/B the
/// second moment of the mean gradient.
struct AdamCoefficients {
  double drift = 0;  ///< c1
  double noise = 0;  ///< c2
};

/// Gaussian residuals. Averages over g = R z, z standard normal, R^2 the mean of B squares of standard normals, m = EMA
/// of g at beta1, n = EMA of g^2 at beta2:
///   c1 = E[A n^(-1/2) - m C n^(-3/2)],  A = EMA of R^2 at beta1,  C = EMA of g R^2 at beta2
///   c2 = integrated autocovariance of m n^(-1/2)
/// to a relative 1e-7; kept for the life of the process. \throws std::invalid_argument unless 0 <= beta1 < 1 and 0 <
/// beta2 <= 1 - 1e-7.
AdamCoefficients adam_coefficients(double beta1, double beta2, double batch = 1);

/// Any noise: the drift a(P) and the noise b(P) themselves at excess mse P, with r = w - eps and the pull of a
/// coordinate (sum_b r_b w_b)/(B P) in place of R^2. Takes some 20 ms. \throws std::invalid_argument as above, or where
/// E m^2/n is infinite: tails of index nu < 2 and beta1^2 >= beta2^(1 - nu/2).
AdamCoefficients adam_laws_at(double beta1, double beta2, double batch, const ingredients::Noise& noise, double P);

/// How the noise of two coordinates correlates where their data do: the odd polynomial a_1 c + a_3 c^3 + a_5 c^5, 1 at
/// 1, through the cross-covariances of that process at c = 1/2 and sqrt(3)/2, Gaussian residuals. beta2 -> 1 gives c, a
/// sign (2/pi) arcsin c. Kept for the life of the process; takes some tenths of a second.
NoiseKernel adam_noise_kernel(double beta1, double beta2, double batch);

}  // namespace edgewise::models::nonlinear
