#pragma once
/// \file
/// Linear networks of finite width along depth (docs/theory/networks-and-kernels.md, section 1.4).
#include <cstdint>
#include <vector>

#include "models/equilibrium_network/families.hpp"

namespace edgewise::models::equilibrium_network {

/// Means over draws of width n, at depths 0, 1, ...
struct WidthCurves {
  std::vector<double> length;    ///< E |z_k|^2/|h|^2 = sum_{i,j<k} c_ij
  std::vector<double> residual;  ///< c_kk = (1/n) E tr W^k W'^k
};
inline constexpr std::uint64_t deepest_at_width = 50;

/// To `deepest` <= deepest_at_width. Of elliptic families exact to depth 3 and to about 1e-4 (deepest^2/n)^4 beyond; of
/// bi-invariant ones lengths to O(1/n), and residuals, without such a term, of the limit.
WidthCurves curves_at_width(const Family& family, double g, double n, std::uint64_t deepest);

/// How deep they are known: to sqrt n, beyond which the mean over draws is that of rare ones; of bi-invariant families that
/// are not Gaussian as far as residuals of Gaussian ones, whose singular values spread more, are within 1/2% of the limit.
std::uint64_t known_depth(const Family& family, double n);

/// E |z_k|^2/|h|^2 of g times orthogonal weights, exact at any width n and depth k.
double orthogonal_length(double g, double n, std::uint64_t k);

}  // namespace edgewise::models::equilibrium_network
