#pragma once
/// \file
/// The equilibrium z = phi(u), u = W z + h of a wide network, by self-consistency (docs/theory/networks-and-kernels.md,
/// section 1.5):
///
///     u = xi + c phi(u),  xi ~ N(0, q),  q = q_h + g^2 E phi(u)^2,  c = tau g^2 chi,  chi = E phi'(u)/(1 - c phi'(u))
#include <limits>

#include "models/equilibrium_network/families.hpp"
#include "models/equilibrium_network/state_function.hpp"

namespace edgewise::models::equilibrium_network {

struct Equilibrium {
  double g = 0;
  double q = 0, chi = 0, c = 0;
  double length = 0;      ///< E z^2 = |z|^2/n
  double d1 = 0, d2 = 0;  ///< E phi'^2, E phi'^4
  double stability = 0;   ///< S = g^2 E (phi'/(1 - c phi'))^2; the phase ends at 1
  /// Radius of the spectrum of W diag phi'(u), the rate of the plain iteration; NaN where it is not known (phi' of both
  /// signs and tau not 0).
  double rate = std::numeric_limits<double>::quiet_NaN();
};

/// What powers are counted in where terms of width are computed, of inputs of power q_h: their squares must not underflow, nor
/// overflow where phi grows without bound in the same form.
inline double unit_of_power(const StateFunction& phi, double q_h) {
  return q_h < 1e-100 || (q_h > 1e100 && phi.linear_share) ? q_h : 1;
}
/// The same equilibrium with powers counted in `unit`, as of `in_units(phi, sqrt unit)`.
inline Equilibrium in_units(Equilibrium at, double unit) {
  at.q /= unit;
  at.length /= unit;
  return at;
}

/// The branch that begins at g = 0, followed to g. \throws std::domain_error where it ends before, naming the edge.
Equilibrium equilibrium(const Family& family, const StateFunction& phi, double q_h, double g);

/// Where that branch ends (S = 1, or it is lost); infinite where that is beyond 1e6 times
/// the g at which S is a twentieth.
double edge(const Family& family, const StateFunction& phi, double q_h);

/// X = (I - W D)^-1 of bi-invariant families: (1/n) tr XX' and (1/n) tr (XX')^2.
struct JacobianMoments {
  double m1 = 0, m2 = 0;
};
JacobianMoments jacobian_moments(const Family& family, const Equilibrium& at);

/// |z|^2/n from draw to draw at width n, of bi-invariant families: its mean is length + bias/n, its variance variance/n, both
/// to O(1/n^2) (equation 1.4b).
struct WidthMoments {
  double bias = 0, variance = 0;
  double kurtosis = 0;  ///< of phi^2 over the units: with so many units or fewer a few rare ones carry the fluctuations
};
/// \param gaussian_input  h ~ N(0, q_h I); else |h|^2 = n q_h
WidthMoments width_moments(const Family& family, const StateFunction& phi, double q_h, bool gaussian_input,
                           const Equilibrium& at);

/// Two inputs h, h' of equal norms and correlation rho_h.
struct PairEquilibrium {
  double correlation = 0;  ///< of the drives xi, xi'
  double overlap = 0;      ///< E z z'
  double slopes = 0;       ///< E s(u) s(u') of the two states u, u', with s = phi'/(1 - c phi')
};
PairEquilibrium pair_equilibrium(const StateFunction& phi, double q_h, double rho_h, const Equilibrium& at);

/// Tangent kernels over standard-normalised weights W = g What/sqrt n of bi-invariant families: readout v.u/sqrt n,
/// Sigma/(1 - Sigma_dot), and readout v.z/sqrt n, Sigma E phi'(u) phi'(u')/(1 - Sigma_dot), with
/// Sigma = g^2 E phi(u) phi(u') and Sigma_dot = g^2 E phi'(u) phi'(u'), u and u' the two inputs' states.
struct TangentKernels {
  double of_preactivation = 0, of_state = 0;
};
TangentKernels tangent_kernels(const PairEquilibrium& pair, double g);

/// The largest relative deviation of E z^2 and E phi'^2 from a finer rule.
double quadrature_error(const StateFunction& phi, const Equilibrium& at);

}  // namespace edgewise::models::equilibrium_network
