#pragma once
/// \file
/// Constants of the sign of an exponential average of gradients, m = beta m + (1 - beta) g, under Gaussian noise, for a
/// coordinate whose correlation with the residual is small and an average that is fast beside the training.
///
/// A coordinate's gradient is a mean over the batch of products x r of two Gaussians, not a Gaussian: given one factor,
/// the average is Gaussian with a variance that itself fluctuates, proportional to D = sum_k w_k^2 X_k with w_k = (1 -
/// beta) beta^k and X_k of law chi^2_B. The constants of Gaussian gradients (docs/theory/sign-and-clip.md (3.3))
/// neglect that; they are the limits of B -> infinity or beta -> 1.

namespace edgewise::models::nonlinear {

/// sqrt(P + sigma^2) a = sqrt(2/pi) E[sum_k w_k X_k / sqrt(D)], the drift at batch B >= 1; relative error 1e-12.
/// beta = 0 is the sign of a mean gradient. Sums over the past are Euler and Maclaurin's above beta = 0.97.
double ema_sign_gain(double beta, double batch);
/// Its limit sqrt((2/pi) (1 + beta)/(1 - beta)).
double ema_sign_gain(double beta);

/// Integrated autocovariance 1 + 2 sum_l E sign(m_t) sign(m_{t+l}) at batch B >= 1; relative error 1e-8 (1e-6
/// for beta > 0.97, where the excess over the limit is extrapolated).
///
/// With a = beta^l m_t, h what the l steps add and phi_a, phi_h their characteristic functions,
/// E sign(m_t) sign(m_{t+l}) = Pr(|h| < |a|), where 2 Pr - 1 is
///
///     (8/pi^2) int_0^1 dv/(1 - v^2) int_0^inf (ds/s) [phi_a(v s) phi_h(s) - phi_a(s) phi_h(v s)].
double ema_sign_noise(double beta, double batch);
/// Its limit 1 + 2 sum_l (2/pi) arcsin(beta^l), 2 ln 2/(1 - beta) as beta -> 1.
double ema_sign_noise(double beta);

/// sum_{l >= 1} arcsin(c beta^l), |c| <= 1; relative error 1e-14, at a cost that does not depend on beta.
double arcsine_sum(double c, double beta);

}  // namespace edgewise::models::nonlinear
