#pragma once
/// \file
/// Nonlinear networks along depth, z_{k+1} = phi(W z_k + h) from z_0 = 0 in the limit of wide networks: the two-time
/// recursion of the iterates of one fixed matrix (docs/theory/networks-and-kernels.md, section 1.5).
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/equilibrium_network/families.hpp"
#include "models/equilibrium_network/state_function.hpp"

namespace edgewise::models::equilibrium_network {

/// At the asked depths.
struct DepthCurves {
  std::vector<double> length;    ///< |z_k|^2/n
  std::vector<double> residual;  ///< |z_{k+1} - z_k|^2/n
  std::vector<double> overlap;   ///< z_k.z'_k/n of two inputs; empty without a correlation
  /// Relative, of averages over sampled paths (half of what two samples differ by at most): of length and overlap, and
  /// of the residual. 0 where they are integrals.
  double sampling_error = 0, residual_error = 0;
  bool extrapolated = false;  ///< beyond longest_walk, geometrically
};

/// Quasi-random standard normals, a column a dimension: Sobol's points, shifted at random by `sample`, and their negatives;
/// whitened, so that second moments are those of normals. 2 pairs rows, or those of one point of each pair.
linear_algebra::Matrix normal_points(std::size_t pairs, std::size_t dimensions, std::uint64_t sample, bool both = true);

/// What the iteration ends in.
struct DepthLimit {
  double length = 0, overlap = 0;
};

/// Bi-invariant families: u_k is Gaussian, with E u_{k+1} u_{l+1} = q_h + g^2 E z_k z_l.
/// \param rho_h  correlation of a second input; \param depths  increasing
DepthCurves depth_curves(const StateFunction& phi, double q_h, double g, std::optional<double> rho_h,
                         const DepthLimit& limit, const std::vector<std::uint64_t>& depths);
inline constexpr std::uint64_t longest_walk = 500;

/// Elliptic families, with memory: u_{k+1} = v_{k+1} + tau g^2 sum_{s <= k} R(k, s) z_{s-1}, v Gaussian with the same
/// covariance, R(k, s) = E dz_k/dv_s; averages over quasi-random paths. \param depths  to longest_memory at most
DepthCurves depth_curves_with_memory(double tau, const StateFunction& phi, double q_h, double g,
                                     std::optional<double> rho_h, const std::vector<std::uint64_t>& depths);
inline constexpr std::uint64_t longest_memory = 48;

}  // namespace edgewise::models::equilibrium_network
