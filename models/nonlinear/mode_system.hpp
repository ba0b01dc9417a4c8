#pragma once
/// \file
/// The modes of a nonlinear-gradient method (docs/theory/sign-and-clip.md, section 1): one shape for residual
/// nonlinearities and coordinate-wise signs.
#include <memory>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::nonlinear {

/// What the modes of class II on a covariance that is not diagonal say of the coordinates.
struct SignCoordinates {
  std::vector<double> scale;        ///< sqrt(K_ii) of the coordinates that move
  linear_algebra::Matrix rotation;  ///< Dg^(1/4) U, coordinates x modes: z = rotation'v
  std::vector<double> start;        ///< z(0)
  linear_algebra::Matrix noise;     ///< correlations of the step's noise, coordinates x coordinates

  /// rotation' noise rotation: covariance of the noise between modes; s is its diagonal.
  linear_algebra::Matrix mode_noise() const;
};

/// The modes of one problem, driven by scalar laws a, b, c of the excess mse P (ScalarLaws):
///
///     dM_i/dt = -2 eta a(P) kappa_i M_i + eta^2 [b(P) s_i + c(P) kappa_i^2 M_i],   P = sum_i kappa_i M_i
struct ModeSystem {
  std::vector<double> kappa;    ///< class I: eigenvalues of K; class II: of Dg^(-1/4) K Dg^(-1/4)
  std::vector<double> s;        ///< noise power per mode
  std::vector<double> initial;  ///< M_i(0)
  /// How many coordinates or eigenvectors a mode stands for; empty: one.
  std::vector<double> count{};
  std::shared_ptr<const SignCoordinates> coordinates{};  ///< class II, not diagonal; else null

  double excess_mse() const;   ///< P(0) = sum kappa M(0)
  double noise_trace() const;  ///< S = sum kappa s: tr K^2 in class I, tr(K K_sigma) in class II
  double noise_power() const;  ///< sum s: tr K in class I, sum sqrt(K_ii) in class II
  double largest() const;      ///< max kappa
};

/// Q = sum kappa^2 M, by which the drift lowers P, and T = sum kappa^3 M, by which c raises it.
struct DriftPowers {
  double Q = 0, T = 0;
};
DriftPowers drift_powers(std::span<const double> kappa, std::span<const double> M);

/// Whether steps are taken as small, as in the flow, which drops c, or as they are, as in the recursion.
enum class Steps { small, finite };

/// Joins modes of equal kappa, on which only their sums of s and M matter; drops those with kappa = 0, which P does not
/// see. Sorted, largest kappa first. `apart`: joins only modes of equal kappa and equal M(0), so that M/count is that
/// of every one of them. A system with `coordinates` is taken to be sorted and only loses its null modes.
ModeSystem merged(const ModeSystem& modes, bool apart = false);

}  // namespace edgewise::models::nonlinear
