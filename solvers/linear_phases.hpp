#pragma once
/// \file
/// Second-moment dynamics of linear methods with additive, state-dependent noise: one solver for a whole family.
///
/// Every mode i carries one or more independent blocks of a few coordinates z. A phase moves the second moments
/// Sigma = E[z z'] (summed over the mode's eigenspace) of every block by
///
///     S_i = sum_blocks e' Sigma_i e,      p = sum_i weight_i S_i
///     C_i = noise_scale * ( own_i S_i + feedback_i (p + source) )
///     Sigma_i <- T(x_i) Sigma_i T(x_i)' + omega C_i n n',          T(x) = T0 + x T1
///
/// and a noiseless phase by Sigma <- T Sigma T'. Modes feel each other only through p. A method is a list of phases;
/// its hyperparameters may change from one application to the next. See docs/theory/two-phase.md, section 2.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace edgewise::solvers {

/// Largest number of coordinates of a block.
inline constexpr std::size_t max_block = 6;

/// What one phase does to one block of r coordinates; matrices are row-major r x r in the leading entries.
struct PhaseBlock {
  std::size_t r = 1;
  std::array<double, max_block * max_block> T0{}, T1{};
  std::array<double, max_block> n{};  ///< how the noise enters
  std::array<double, max_block> e{};  ///< where the noise source is read
  double omega = 1;
  bool operator==(const PhaseBlock&) const = default;
};

/// One phase: all blocks, in the order of the state.
struct Phase {
  std::vector<PhaseBlock> blocks;
  double noise_scale = 0;  ///< 0: a noiseless phase
  bool operator==(const Phase&) const = default;
};

/// A phase that is applied several times in a row.
struct PhaseRun {
  Phase phase;
  std::uint64_t repeat = 1;
};

/// The modes and their coupling; all vectors have length n.
struct LinearModes {
  std::vector<double> x;         ///< coordinate of the mode in T(x)
  std::vector<double> weight;    ///< p = sum weight_i S_i
  std::vector<double> feedback;  ///< response to the shared scalar
  std::vector<double> own;       ///< response to the mode's own S_i
  double source = 0;             ///< constant added to p
};

/// The second moments of all modes, and the map that phases apply to them. O(n) per phase, no allocation.
class LinearPhases {
 public:
  /// `sizes`: number of coordinates of each block. \throws std::invalid_argument on inconsistent lengths.
  LinearPhases(LinearModes modes, std::vector<std::size_t> sizes);

  std::size_t modes() const { return count_; }
  std::size_t blocks() const { return sizes_.size(); }
  /// E[z_row z_col] of one block, one value per mode (length modes()); symmetric in row and col.
  std::span<double> moment(std::size_t block, std::size_t row, std::size_t col);
  std::span<const double> moment(std::size_t block, std::size_t row, std::size_t col) const;

  /// Applies a phase; returns p as it was before it (0 for a noiseless phase).
  double apply(const Phase& phase);
  /// The same with `drive` in place of p + source: the modes are then independent. Returns p as it was before it.
  double apply_driven(const Phase& phase, double drive);
  /// Both for moments elsewhere, laid out as contents(): from `from` to `to`, which may be one place.
  double apply(const Phase& phase, const double* from, double* to);
  void apply_driven(const Phase& phase, double drive, const double* from, double* to);
  /// p read by the selectors of `phase`, without moving the state.
  double shared(const Phase& phase) const;
  /// S_i of `moments`, the contents() of a state of this kind, read by the selectors of `phase` and filled up like
  /// linear_modes(): in `room`, or where they are among the moments. \param p  sum_i weight_i S_i, unless null
  const double* sources(const Phase& phase, std::span<const double> moments, std::vector<double>& room,
                        double* p = nullptr) const;
  /// sum_i weights_i E[z_row z_col]_i of one block.
  double sum(std::size_t block, std::size_t row, std::size_t col, std::span<const double> weights) const;

  void set_source(double source) { modes_.source = source; }
  /// The modes; their vectors are filled up with zeros to a multiple of 8.
  const LinearModes& linear_modes() const { return modes_; }
  /// All moments, block after block, row after row from the diagonal on, each filled up likewise: to keep and to restore.
  std::span<double> contents() { return state_; }
  std::span<const double> contents() const { return state_; }
  const std::vector<std::size_t>& sizes() const { return sizes_; }

 private:
  void move_all(const Phase& phase, const double* S, double drive, const double* from, double* to) const;
  std::size_t index(std::size_t block, std::size_t row, std::size_t col) const;
  LinearModes modes_;
  std::vector<std::size_t> sizes_, offset_;
  std::size_t count_ = 0, padded_ = 0;
  std::vector<double> state_;            // moments, each padded_ long, zero beyond count_
  std::vector<double> source_of_noise_;  // S_i
};

/// sum_i a_i b_i in a fixed order that does not depend on the instruction set.
double dot(std::span<const double> a, std::span<const double> b);

}  // namespace edgewise::solvers
