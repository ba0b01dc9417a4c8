#pragma once
/// \file
/// Spectral maps of a matrix, U diag(s(sigma)) V' from its compact singular value decomposition, without computing one.
#include <functional>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::muon {

/// A matrix, or the product left right' of two thin ones (left m x B, right n x B).
struct MaybeFactored {
  linear_algebra::Matrix matrix, left, right;
  bool factored = false;

  /// From now on one matrix.
  void multiply_out();
};

/// Singular values below this multiple of the largest are taken as zero.
inline constexpr double rank_tolerance = 1e-10;

/// Singular triples by the eigendecomposition of the smaller Gram matrix: columns of `left` and `right` are orthonormal
/// to eps (sigma_max/sigma)^2. Zero singular values are left out. Descending order is not promised.
struct SingularTriples {
  linear_algebra::Matrix left, right;
  std::vector<double> values;
};
SingularTriples singular_triples(const linear_algebra::Matrix& g);

/// The orthogonal polar factor U V' over singular values above rank_tolerance sigma_max; 0 for g = 0.
///
/// The eigenvectors of the smaller Gram matrix give a first factor, whose error eps (sigma_max/sigma)^2 is visible in
/// its own Gram matrix and removed by Newton's method for the polar factor (orthogonality and symmetry of S'g at once),
/// element by element and in graded arithmetic; where that cannot converge, a singular value decomposition takes over.
/// Accuracy: that of the latter, about eps sigma_max/sigma_min. \param s resized to fit
void polar_factor(const linear_algebra::Matrix& g, linear_algebra::Matrix& s);

/// The quintic Newton-Schulz iteration of Muon (docs/theory/muon-phases.md, section 1): x = g/|g|_F, five times
/// x <- 3.4445 x + (-4.7750 a + 2.0315 a^2) x, a = x x'.
void newton_schulz5(const linear_algebra::Matrix& g, linear_algebra::Matrix& s);
/// What it does to a singular value of g/|g|_F.
double newton_schulz5_map(double sigma);

/// U diag(map(sigma)) V'.
void spectral_map(const linear_algebra::Matrix& g, const std::function<double(double)>& map, linear_algebra::Matrix& s);

/// `map(g, s)` on the product left right' by its core: left = q1 r1, right = q2 r2, s = q1 map(r1 r2') q2'. Any
/// spectral map commutes with this.
void through_core(const MaybeFactored& g,
                  const std::function<void(const linear_algebra::Matrix&, linear_algebra::Matrix&)>& map,
                  linear_algebra::Matrix& s);

}  // namespace edgewise::models::muon
