#pragma once
/// \file
/// Powers of the map of many modes that act on each other through one number: part of solvers/noisy_run.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::solvers {

/// out = a b for n x n row-major matrices.
void multiply(const double* a, const double* b, std::size_t n, double* out);
/// Calls `twice(add)` for every binary digit of `count` after the first: a power doubles, and where `add`, one more joins.
template <class Twice>
void for_bits(std::uint64_t count, Twice twice) {
  int bit = 63;
  while (bit > 0 && !(count >> bit & 1)) --bit;
  while (bit-- > 0) twice((count >> bit & 1) != 0);
}

/// One q x q matrix a mode: a block-diagonal map of columns that stand mode after mode.
class ModeBlocks {
 public:
  ModeBlocks() = default;
  ModeBlocks(std::size_t modes, std::size_t q) : n_(modes), q_(q), entries_(modes * q * q) {}
  std::size_t modes() const { return n_; }
  std::size_t moments() const { return q_; }
  double& operator()(std::size_t mode, std::size_t a, std::size_t b) { return entries_[(mode * q_ + a) * q_ + b]; }
  double operator()(std::size_t mode, std::size_t a, std::size_t b) const { return entries_[(mode * q_ + a) * q_ + b]; }
  std::span<const double> entries() const { return entries_; }
  /// to += (these) column, or their transposes.
  void add(const double* column, double* to) const;
  void add_transposed(const double* column, double* to) const;
  /// by (these), mode by mode.
  ModeBlocks product_with(const ModeBlocks& by) const;
  ModeBlocks& operator+=(const ModeBlocks& other);
  bool operator==(const ModeBlocks& other) const = default;

 private:
  std::size_t n_ = 0, q_ = 0;
  std::vector<double> entries_;
};

/// (W + c r')^count for a block-diagonal W and columns c and r, without a matrix of its size: W^count is a block a mode,
/// and X = (W + c r')^count - W^count is left right' with few columns. By squaring,
///
///     X <- W X + X W + X X     (W here the power so far) ,
///
/// each time brought back to the columns that are not rounding: W X - X W = (M^count c) r' - c (r' M^count) with
/// M = W + c r', a displacement of rank two, so that the singular values of X fall off geometrically (Beckermann and
/// Townsend, SIAM Journal on Matrix Analysis and Applications 38, 2017). Rows and columns are scaled to one size first; an entry of X is then off by
/// some 1e-15 of the norms of its row and column, however slow its mode. The cost is that of the binary digits of `count`.
class CoupledPower {
 public:
  /// \param count at least 1
  CoupledPower(ModeBlocks W, std::vector<double> c, std::vector<double> r, std::uint64_t count);

  /// False where a power left the range of doubles; the rest is then undefined.
  bool finite() const { return finite_; }
  /// to += X column.
  void add(std::span<const double> column, std::span<double> to) const;
  /// The sum over k < count of (W + c r')^k c.
  const std::vector<double>& driven() const { return driven_; }
  /// Columns of the factors of X.
  std::size_t rank() const { return left_.columns(); }

 private:
  void compress(linear_algebra::Matrix left, linear_algebra::Matrix right);
  linear_algebra::Matrix left_, right_;
  std::vector<double> driven_;
  bool finite_ = true;
};

}  // namespace edgewise::solvers
