#pragma once
/// \file
/// The iteration z_{k+1} = W z_k + h from z_0 = 0 in the limit of wide networks (docs/theory/networks-and-kernels.md,
/// section 1.3).
#include <cstdint>
#include <span>
#include <vector>

#include "models/equilibrium_network/families.hpp"

namespace edgewise::models::equilibrium_network {

/// L_k = |z_k|^2/|h|^2 at the depths k, inside the phase, at any k in O(sqrt k) or less: m1 once it has converged, infinite
/// where the iteration has diverged. \throws std::domain_error outside the phase, or where so many iterations so close to
/// the edge take too many terms (beyond depth 1e13).
std::vector<double> iteration_lengths(const Family& family, double g, std::span<const std::uint64_t> depths);

/// c_kk = (1/n) tr W^k W'^k = |z_{k+1} - z_k|^2/|h|^2: how the iteration converges. At any g, and any k in O(sqrt k).
double iteration_residual(const Family& family, double g, std::uint64_t k);

/// c_ij = (1/n) tr W^i W'^j; 0 where i - j is odd. At any g, and any i and j in O(sqrt(i + j)).
double iteration_word(const Family& family, double g, std::uint64_t i, std::uint64_t j);

/// The tangent kernel, per |h|^2/n, of v.z_k/sqrt n over standard-normalised W:
/// g^2 sum_ij c_(k-1-i)(k-1-j) sum_ab c_ab over 0 < i, j < k, a < i, b < j, which tends to g^2 m1^2. \param k  to longest_kernel at most
double iteration_kernel(const Family& family, double g, std::uint64_t k);
inline constexpr std::uint64_t longest_kernel = 300;

/// |W^k|^2 (operator norm): the worst transient. \throws std::domain_error but for iid, haar, goe and anti.
double worst_transient(const Family& family, double g, std::uint64_t k);

}  // namespace edgewise::models::equilibrium_network
