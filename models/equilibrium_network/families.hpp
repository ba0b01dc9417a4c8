#pragma once
/// \file
/// Families of random n x n weight matrices, every entry of variance about g^2/n (docs/theory/networks-and-kernels.md,
/// section 1.1).
#include <cstdint>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::equilibrium_network {

/// iid: Gaussian entries. haar: g times a uniform orthogonal matrix. goe: symmetric, a semicircle of radius 2g. anti:
/// antisymmetric. elliptic: E W_ij W_ji = tau g^2/n (iid, goe and anti are tau = 0, 1, -1). bi-invariant: U diag(s) V
/// with uniform orthogonal U, V.
enum class FamilyKind { iid, haar, goe, anti, elliptic, bi_invariant };
const std::vector<std::string>& family_names();

struct Family {
  FamilyKind kind = FamilyKind::iid;
  double tau = 0;       ///< in [-1, 1]; 0 of haar and bi-invariant
  double kurtosis = 2;  ///< (1/n) tr (WW')^2/g^4 >= 1; of iid 2, of haar 1; not used where tau is not 0

  /// Law unchanged by orthogonal matrices on either side: no memory of one's own past (Onsager's term).
  bool bi_invariant() const { return tau == 0; }
  /// g times a uniform orthogonal matrix.
  bool orthogonal() const { return tau == 0 && kurtosis == 1; }
  /// Gaussian entries.
  bool gaussian() const { return kind != FamilyKind::haar && kind != FamilyKind::bi_invariant; }
};
/// `tau` and `kurtosis` are those of elliptic and of bi-invariant.
Family family_of(FamilyKind kind, double tau, double kurtosis);

/// The radius of the spectrum of W at scale 1: g = R/this.
double spectral_radius(const Family& family);

/// Draw `replica` of `seed` at scale g. The bi-invariant family has singular values 0 and one other (where
/// n/kurtosis is not whole, one between the two), in the share that gives its kurtosis exactly. \param draw  numbers several matrices of one replica
linear_algebra::Matrix draw(const Family& family, std::size_t n, double g, std::uint64_t seed, std::uint64_t replica,
                            std::uint64_t draw = 0);

}  // namespace edgewise::models::equilibrium_network
