#pragma once
/// \file
/// What the theory says of one-sample quadratic regression without iterating: the end of gradient flow, the limit of
/// GD's and SAM's sharpness at the edge of stability, and the basins (docs/theory/quadratic-regression.md, sections 1
/// and 5).
#include <cmath>
#include <optional>
#include <string_view>

#include "models/quadratic_map/regression.hpp"
#include "solvers/map.hpp"

namespace edgewise::models::quadratic_map {

/// Two parameters of opposite curvature in units where omega = (1, -epsilon), epsilon <= 1: (z, omega) ->
/// (c z, omega/c) is a symmetry, with c the curvature of the larger size. One parameter is epsilon = 0, W = 0.
struct CanonicalPair {
  double scale = 1;  ///< c
  double epsilon = 0;
  double residual = 0;                          ///< c z_0
  double u = 0, w = 0;                          ///< J_1^2, J_2^2 along omega = 1, -epsilon
  double invariant = 0;                         ///< E in these units; that of z and u alone where epsilon = 0
  double J1 = std::sqrt(u), J2 = std::sqrt(w);  ///< not 0 where their squares are too small for a double
  /// u - 2 z = W - 2 E, W = w/epsilon: the sharpness at the minimum that epsilon -> 0 leaves.
  double mu() const { return u - 2 * residual; }
  /// T(0) at z = 0 of the same W: W - 2 E + epsilon W. It exceeds 2 where the minimum is unstable.
  double minimum_sharpness() const { return mu() + w; }
};
/// None when the curvatures are of one sign, all zero, or more than two. Where J is 0 along the larger curvature alone,
/// the other is the one parameter.
std::optional<CanonicalPair> canonical_pair(const QuadraticRegression& problem);

/// Where gradient flow ends.
struct FlowEnd {
  bool reaches_minimum = false;  ///< z -> 0; otherwise J -> 0 alone
  double residual = 0;           ///< z there
  double exponent = 0;   ///< s = int z dt: J_i ends at J_i(0) exp(-omega_i s); infinite where J -> 0 and moved at all
  double sharpness = 0;  ///< T(0) there
};
/// Any number of parameters: the only root of z(s) = z_0 - int_0^s T(0), which decreases in s. There is none, and
/// J -> 0, where J is 0 or all its curvatures have one sign and z - J Q^-1 J'/2 has z's. J may be of any size: its squares
/// need not be numbers of double precision.
FlowEnd flow_end(const QuadraticRegression& problem);
/// T(0) at the end for P = 2 and omega = (1, -epsilon), docs/theory/quadratic-regression.md (1.3): W - 2E + epsilon W
/// at the root W of
///
///     log((W - 2E)/u_0) + log(W/W_0)/epsilon = 0.
double flow_end_sharpness(const CanonicalPair& pair);

/// Rates of T(0) under gradient flow at a state: -2 z T(1), and 2 z T(0) T(1) + 4 z^2 T(2).
double sharpening_rate(const QuadraticRegression& problem, std::span<const double> state);
double sharpening_acceleration(const QuadraticRegression& problem, std::span<const double> state);

/// Where GD ends at the edge of stability, omega = (1, -epsilon), E the invariant; next term O(epsilon^3):
///
///     2 - epsilon (1 + E)/2 - epsilon^2 (1 + E)(27 + 11E)/32
///
/// NaN where the last term is not the smallest: the series says nothing there.
double gd_limit(double epsilon, double E);
/// SAM's edge T* = (sqrt(1 + 8 r) - 1)/(2 r), where T (1 + r T) = 2; 2 at r = 0.
double sam_edge(double r);
/// Where SAM ends at its edge, to first order in epsilon; a, s2, B, C depend on r by
/// docs/theory/quadratic-regression.md (5.4). At r = 0 GD's.
///
///     T* + epsilon (T* + 2E)(a B + 2 s2)/(2 (C + B^2))
///
/// NaN where the correction exceeds half of T*.
double sam_limit(double r, double epsilon, double E);

/// What becomes of an orbit.
enum class Fate {
  converged,   ///< z -> 0 without the edge
  after_edge,  ///< z -> 0 after it
  stationary,  ///< at rest where z is not 0, because J -> 0 or because the gradient vanishes where SAM looks
  persistent_oscillation,  ///< a cycle, or z turns to and fro by much of its first value at the end
  diverged,
  slow  ///< none of these in the steps that were given
};
/// "converged", "EOS", ...
std::string_view name(Fate fate);

/// The orbit as epsilon -> 0, with the slow variable W held: that of u alone, z = (u - mu)/2,
///
///     u' = u (1 - h)^2,   h = z (1 + r u + r^2 z u/2)(1 + r z)
struct HeldOrbit {
  bool bounded = true;  ///< of GD iff z_0 < 2 and mu < 4, of SAM as followed over 3000 steps
  /// It comes to z < -1/r, beyond the point where SAM's look-ahead has J = 0. From there u falls until W has taken mu
  /// below 2/r, which no series in epsilon sees. Never so of GD.
  bool blind = false;
};
HeldOrbit held_orbit(const CanonicalPair& pair, double r);

/// Basins at small epsilon of GD (r = 0) and SAM, of edge T*: converged where z_0 = 0 (nothing moves, on either side of
/// the edge); diverged where the held orbit does; stationary where gradient flow has no minimum to go to;
/// persistent_oscillation where no minimum is stable (E < -T*/2, or epsilon = 0 and mu > T*); after_edge where gradient flow
/// ends above T*, at mu + epsilon W_0 to first order; else converged. None where SAM passes its blind point and may stay behind it: for E < -1/r
/// at J = 0, for mu > 8/r where it sees no residual.
std::optional<Fate> predicted_fate(const CanonicalPair& pair, double r = 0);
/// T(0) at the end where that is predicted: after the edge by the series, of convergence at the end of gradient flow, of
/// stationary 0. NaN otherwise, and where SAM passes
/// its blind point.
double predicted_sharpness(const CanonicalPair& pair, double r = 0);

/// GD's two-step normal form near the edge, omega = (1, -epsilon), in (y, m): y = z^2 and m = T(0) - 2 at the minimum
/// that the present W has, corrected by epsilon W z. One step of this map is two of GD:
///
///     y' = y + y (4 m - 8 y),   m' = m - 2 epsilon W y,   W = (m + 2 + 2E)/(1 + epsilon)
///
/// The attracting line is y = m/2 + epsilon W/8.
solvers::Map two_step_map(const CanonicalPair& pair);
std::vector<double> two_step_start(const CanonicalPair& pair);

}  // namespace edgewise::models::quadratic_map
