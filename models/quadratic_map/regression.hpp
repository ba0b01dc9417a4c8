#pragma once
/// \file
/// One-sample quadratic regression (docs/theory/quadratic-regression.md, sections 1 and 5) in normalised variables,
/// where the learning rate disappears: z = eta z_raw, J = sqrt(eta) J_raw, in the eigenbasis of the curvature Q.
///
///     T(k) = sum_i omega_i^k J_i^2,    T(0) = eta lambda is the normalised sharpness
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "solvers/map.hpp"

namespace edgewise::models::quadratic_map {

enum class MapRule { gd, sam, normalized_sam };

struct QuadraticRegression {
  std::vector<double> curvature;  ///< omega_i, eigenvalues of Q
  double residual = 0;            ///< z_0
  std::vector<double> jacobian;   ///< J_0, as long as `curvature`
  MapRule rule = MapRule::gd;
  double radius = 0;  ///< r = rho/eta of SAM, rho sqrt(eta) of normalised SAM

  std::size_t parameters() const { return curvature.size(); }
  /// (z, J_1, ..., J_P) at the start.
  std::vector<double> start() const;
};

/// T(k) of a state (z, J).
double curvature_moment(const QuadraticRegression& problem, std::span<const double> state, int k);

/// The algorithm as a map of (z, J), exact, with its tangent (section 1, and section 5 for SAM):
///     s = z + c T(0) + (c^2/2) T(1),   A_i = (1 + c omega_i) J_i
///     z' = z - s J.A + (s^2/2) sum_i omega_i A_i^2,   J_i' = J_i - s omega_i A_i
/// with c = 0 (GD), r z (SAM), r sign(z)/sqrt(T(0)) (normalised SAM).
solvers::Map regression_map(const QuadraticRegression& problem);

/// Gradient flow of (z, J), in units of eta: dz/dt = -z T(0), dJ_i/dt = -z omega_i J_i. The problem must outlive it.
std::function<void(std::span<const double> x, std::span<double> rate)> regression_flow(
    const QuadraticRegression& problem);

/// The same as a closed map of (z, T(0), T(1)) for P = 2, where
///
///     T(k+2) = (omega_1 + omega_2) T(k+1) - omega_1 omega_2 T(k).
///
/// \throws std::invalid_argument unless P = 2.
solvers::Map moment_map(const QuadraticRegression& problem);
std::vector<double> moment_start(const QuadraticRegression& problem);

/// True where z is a function of J, so that `invariant` is defined: J_i = 0 wherever omega_i = 0.
bool has_invariant(const QuadraticRegression& problem);
/// E = z - (1/2) sum_i J_i^2 / omega_i, conserved by GD, SAM and gradient flow alike. NaN without has_invariant.
double invariant(const QuadraticRegression& problem, std::span<const double> state);

/// A perturbation of (z, J) that a perturbation of the parameters makes: dz = sum J_i d_i, dJ_i = omega_i d_i with all
/// d_i equal. It leaves E alone.
std::vector<double> parameter_direction(const QuadraticRegression& problem, std::span<const double> state);

}  // namespace edgewise::models::quadratic_map
