#pragma once
/// \file
/// What is known of the normal form without iterating (docs/theory/curvature-dynamics.md, section 1), in p = beta x^2/(2
/// alpha), Y = eta lambda - 2, eps = eta^2 alpha and n = eta^2 Var(g_noise) beta/(2 alpha):
///
///     p' = (1 + Y)^2 p + n,   Y' = Y + eps (1 - p)          (n = 0: exact; else its closure at second moments)
#include <complex>
#include <optional>

namespace edgewise::models::self_stabilization {

/// E = 2 ((1 + Y) log(1 + Y) - Y) + eps (p - 1 - log p), conserved by the flow; p > 0, Y > -1.
double energy(double eps, double p, double Y);
/// The smallest p at which the flow has that energy, where Y = 0.
double smallest_p(double eps, double E);

/// The flow's closed orbit of energy E.
struct ClosedOrbit {
  double p_min = 1, p_max = 1, Y_min = 0, Y_max = 0;
  double period = 0;       ///< in steps
  double energy_gain = 0;  ///< of the map, to first order, an orbit
};
/// None where it does not close: E >= 2, where it reaches Y = -1. At E = 0 the fixed point, of period 2 pi/sqrt(2 eps).
std::optional<ClosedOrbit> closed_orbit(double eps, double E);

/// The fixed point p = 1, Y = sqrt(1 - n) - 1, where 0 <= n < 1. `x_first`: of Y' = Y + eps (1 - p'), whose multipliers have
/// the product 1 - n.
struct FixedPoint {
  double Y = 0;
  std::complex<double> multiplier;  ///< of the largest modulus
  double modulus = 0;
  bool stable() const { return modulus < 1; }
};
FixedPoint fixed_point(double eps, double n, bool x_first = false);
/// What is left of a deviation from it after so many steps, at most, in the norm (eps dp^2/2 + dY^2)^(1/2) and of the linearised
/// map: |J^k| <= m1^k + nu |m1^k - m2^k|/|m1 - m2|, m the multipliers and nu^2 = |J|_F^2 - |m1|^2 - |m2|^2.
double left_of_deviation(double eps, double n, double steps);
/// The noise above which it is stable, 2 eps (sqrt(1 + eps^2) - eps).
double noise_threshold(double eps);
/// E Y = -(n + 3 eps + n^2/4)/2 where x is Gaussian and Y slow, sqrt(eps) <~ n; -(n - eps + n^2/4)/2 with `x_first`.
double mean_offset(double eps, double n, bool x_first = false);

}  // namespace edgewise::models::self_stabilization
