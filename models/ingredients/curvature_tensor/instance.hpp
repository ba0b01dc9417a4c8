#pragma once
/// \file
/// One instance of second-order regression: the residual and Jacobian at theta = 0 and the curvature tensor
/// (docs/theory/quadratic-regression.md, section 0), z(theta) = z0 + J0 theta + Q(theta, theta)/2.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::ingredients {

/// The law of an instance: z0_a ~ N(0, sz2), J0_ai ~ N(0, sJ2/P), every Q_a a GOE matrix with entries of variance
/// kappa/P^2 off the diagonal and 2 kappa/P^2 on it.
struct QuadraticLaw {
  std::size_t outputs = 1;        ///< D
  std::size_t parameters = 1;     ///< P
  double curvature = 1;           ///< kappa >= 0; 0 is linear regression
  double residual_variance = 1;   ///< sz2
  double jacobian_variance = 1;   ///< sJ2
  bool fix_residual_norm = true;  ///< z0 is rescaled to |z0|^2 = D sz2
  /// Drawn by ingredients::PortableNormals of seed + replica: z0, J0 row by row, then Q_aij for a, i, j >= i. All entries
  /// of Q then have variance kappa/P^2, those on the diagonal too, and z0 is not rescaled.
  bool portable = false;
};

/// D symmetric P x P matrices Q_a, kept in memory or drawn anew from the counter-based generator at every use, to the
/// same bits.
///
/// Only j >= i is held, in blocks of a few columns j whose rows (a, i) run up to the end of the block: the contraction
/// reads half of what a D P x P matrix would hold and uses every number twice, which is what a product limited by
/// memory gains from symmetry.
class CurvatureTensor {
 public:
  enum class Storage { stored, streamed };

  /// The GOE tensor of (seed, replica), or the portable one. \throws std::invalid_argument for a portable one that is
  /// streamed.
  CurvatureTensor(const QuadraticLaw& ensemble, std::uint64_t seed, std::uint64_t replica, Storage storage);
  /// A given tensor: row a P + i and column j of `rows` is Q_aij. \throws std::invalid_argument when the shape is not
  /// D P x P, an entry is not finite, or some Q_a is not symmetric to 1e-12 of its largest entry.
  CurvatureTensor(std::size_t outputs, std::size_t parameters, const linear_algebra::Matrix& rows);

  /// w_ai = sum_j Q_aij v_j, a D x P matrix: 2 D P^2 operations counted without symmetry. `scratch` serves a streamed
  /// tensor; threads that share the tensor need one each.
  void contract(std::span<const double> v, linear_algebra::Matrix& w, std::vector<double>& scratch) const;
  /// The same for several vectors of P numbers, into as many D x P matrices (by columns), to the same bits as one by
  /// one: each part of the tensor is fetched, or drawn, once for all of them.
  void contract(std::span<const double* const> v, std::span<double* const> w, std::vector<double>& scratch) const;
  /// h_ij = sum_a z_a Q_aij, a P x P matrix, from one reading of the tensor; z has D numbers.
  void weigh(std::span<const double> z, linear_algebra::Matrix& h, std::vector<double>& scratch) const;
  /// out_i = sum over a and j of Q_aij m_aj, P numbers of a D x P matrix, from one reading of the tensor.
  void pair(const linear_algebra::Matrix& m, std::span<double> out, std::vector<double>& scratch) const;
  /// tr Q_a of every output, D numbers, and the sum of all squares, sum_a tr Q_a^2.
  struct Invariants {
    std::vector<double> traces;
    double squares = 0;
  };
  Invariants invariants(std::vector<double>& scratch) const;
  /// Q_aij. \throws std::logic_error when the tensor is streamed.
  double at(std::size_t a, std::size_t i, std::size_t j) const;
  Storage storage() const { return storage_; }

  /// Bytes that a tensor holds, without allocating it.
  static double bytes(std::size_t outputs, std::size_t parameters, Storage storage);

 private:
  struct Block {
    std::size_t begin, end, offset;  // columns, and where the numbers start
  };
  void lay_out();
  void draw(const Block& block, double* out) const;
  void draw_portable();
  /// The numbers of a block, drawn into `scratch` where they are streamed.
  const double* numbers(const Block& block, std::vector<double>& scratch) const;
  double* block_entry(double* data, const Block& block, std::size_t i, std::size_t j) const;

  std::size_t outputs_, parameters_;
  double off_diagonal_std_ = 0;
  std::uint64_t seed_ = 0, replica_ = 0;
  Storage storage_ = Storage::stored;
  std::vector<Block> blocks_;
  std::vector<double> data_;
};

struct QuadraticInstance {
  std::vector<double> z0;
  linear_algebra::Matrix j0;  ///< D x P
  CurvatureTensor curvature;
};

/// Residual and Jacobian at theta = 0.
struct QuadraticStart {
  std::vector<double> z0;
  linear_algebra::Matrix j0;  ///< D x P
};

/// Those of (seed, replica): the same bits whenever they are drawn.
QuadraticStart draw_start(const QuadraticLaw& ensemble, std::uint64_t seed, std::uint64_t replica);
/// The instance of (seed, replica): the same bits whenever it is drawn.
QuadraticInstance draw_instance(const QuadraticLaw& ensemble, std::uint64_t seed, std::uint64_t replica,
                                CurvatureTensor::Storage storage);

}  // namespace edgewise::models::ingredients
