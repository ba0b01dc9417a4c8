#pragma once
/// \file
/// The linear equilibrium z = W z + h in the limit of wide networks (docs/theory/networks-and-kernels.md, sections 1.2
/// to 1.4).
#include <cstdint>
#include <span>
#include <vector>

#include "models/equilibrium_network/families.hpp"

namespace edgewise::models::equilibrium_network {

/// g at which the phase ends, 1/(1 + tau): infinite for the antisymmetric family.
double linear_edge(const Family& family);

/// Of G = (I - W)^-1.
struct LinearMoments {
  double gamma = 1;   ///< (1/n) tr G
  double m1 = 1;      ///< (1/n) tr GG': the length map |z|^2/|h|^2
  double m2 = 1;      ///< (1/n) tr (GG')^2
  double spread = 0;  ///< m2 - m1^2, without cancellation
  double kurtosis() const { return m2 / (m1 * m1); }
};
/// \throws std::domain_error outside the phase, naming the edge.
LinearMoments linear_moments(const Family& family, double g);

/// The least g >= 0 whose m1 is this. \throws std::invalid_argument where no scale has it, telling the range.
double scale_at_length(const Family& family, double m1);

/// The square of the smallest singular value of I - W inside the phase: the maximum along the gap of the Hermitised
/// spectrum. \throws std::domain_error outside the phase, and for bi-invariant families, which two moments do not fix.
double smallest_singular_value_squared(const Family& family, double g);

/// m1 at width n to O(1/n) (haar: exactly); m1 where the correction is no small one (over half of it).
double finite_width_m1(const Family& family, double g, double n);

/// L_k = |z_k|^2/|h|^2 after k iterations from 0, at increasing depths k, in or out of the phase; m1 once it has
/// converged. \throws std::domain_error where that takes too many terms: too close to the edge for so many iterations.
std::vector<double> iteration_lengths(const Family& family, double g, std::span<const std::uint64_t> depths);

/// c_kk = (1/n) tr W^k W'^k = |z_{k+1} - z_k|^2/|h|^2: how the iteration converges. At any k in O(sqrt k).
double iteration_residual(const Family& family, double g, std::uint64_t k);

/// The tangent kernel, per |h|^2/n, of v.z_k/sqrt n over standard-normalised W:
/// g^2 sum_ij c_(k-1-i)(k-1-j) sum_ab c_ab over 0 < i, j < k, a < i, b < j, which tends to g^2 m1^2. \param k  to longest_kernel at most
double iteration_kernel(const Family& family, double g, std::uint64_t k);
inline constexpr std::uint64_t longest_kernel = 300;

/// |W^k|^2 (operator norm): the worst transient. \throws std::domain_error but for iid, haar, goe and anti.
double worst_transient(const Family& family, double g, std::uint64_t k);

}  // namespace edgewise::models::equilibrium_network
