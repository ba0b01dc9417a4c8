#pragma once
/// \file
/// Mini-batch gradients of matrix least squares, exact in law, and the maps applied to them.
#include <cstdint>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/muon/large_batch.hpp"
#include "models/muon/polar.hpp"
#include "models/muon/problem.hpp"
#include "random/random.hpp"
#include "spectra/coordinates.hpp"

namespace edgewise::models::muon {

/// Every coordinate's eigenvalue, start and eigenspace. \throws std::invalid_argument when the spectrum is compressed,
/// has fractional multiplicities or is too large to simulate.
struct MatrixCoordinates {
  explicit MatrixCoordinates(const MatrixLeastSquares& problem);
  spectra::Coordinates column, row;  ///< of K, n of them, power D_j(0); of Sigma, m
  double excess(const linear_algebra::Matrix& delta) const;
};

/// Columns of Delta_0: random directions of length sqrt(D_j(0)).
linear_algebra::Matrix initial_error(const MatrixCoordinates& coordinates, std::uint64_t seed, std::uint64_t replica);

/// \throws std::invalid_argument where the batch is too large to be drawn example by example, as gradients at a
/// `delta` are.
void check_drawn_batch(const MatrixLeastSquares& problem);

/// Draws gradients.
class GradientSampler {
 public:
  /// Both arguments must outlive it.
  GradientSampler(const MatrixLeastSquares& problem, const MatrixCoordinates& coordinates, std::uint64_t seed,
                  std::uint64_t replica);
  /// The mini-batch gradient at `delta` of step `step`. Without delta the null law Ghat = sum_i g_i a_i c_i' (vector:
  /// sum_i e_i c_i', N(0,1) entries); B G/sqrt(V) at no signal; of large batches see large_batch.hpp. Thin factors are kept where the batch is the smallest.
  void draw(std::uint64_t step, const linear_algebra::Matrix* delta, MaybeFactored& out);

 private:
  const MatrixLeastSquares& problem_;
  const MatrixCoordinates& coordinates_;
  random::Stream columns_, rows_, labels_;
  std::vector<double> root_column_, root_row_, residual_;
  WeightNodes weights_;
  linear_algebra::Matrix inputs_, outputs_, image_;
};

/// The update S(G) of the problem's map.
class MatrixUpdate {
 public:
  explicit MatrixUpdate(const MatrixLeastSquares& problem, const MatrixCoordinates& coordinates);
  /// s = S(g); g may be destroyed.
  void apply(MaybeFactored& g, linear_algebra::Matrix& s) const;

 private:
  void signs(linear_algebra::Matrix& g, linear_algebra::Matrix& s) const;
  const MatrixLeastSquares& problem_;
  linear_algebra::Matrix basis_;  // of haar
  double scale_;                  // of the Hadamard transform
};

/// A random orthogonal matrix (its law is Haar's), the same for the same seed.
linear_algebra::Matrix haar_basis(std::size_t n, std::uint64_t seed);
/// s(sigma) of a spectral map at a gradient of Frobenius norm `norm`.
double spectral_value(const MatrixLeastSquares& problem, double sigma, double norm);

}  // namespace edgewise::models::muon
