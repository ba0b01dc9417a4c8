#pragma once
/// \file
/// Powers of one period of linear phases: many periods of few modes at the cost of the logarithm of their number.
#include <cstdint>
#include <span>
#include <vector>

#include "solvers/linear_phases.hpp"

namespace edgewise::solvers {

/// The affine map of the moments of all modes over one period as a dense matrix of size() rows, in extended precision, and
/// its squares, formed when first needed. After n periods rounding is at n units of that precision.
class PhasePowers {
 public:
  /// \param state whose modes, source and sizes the map has
  /// \param period its phases in order
  PhasePowers(const LinearPhases& state, std::vector<Phase> period);

  /// One entry a mode and independent moment, and 1.
  static std::size_t size(const LinearPhases& state);
  /// Multiplications that `advance` takes of a map of that size, those of squares that `powers` (null: no one yet) does not
  /// know included.
  static double cost(const PhasePowers* powers, std::size_t size, std::uint64_t periods);
  /// Moves `state` by so many periods. False, and nothing moved, where the powers leave the range of numbers.
  bool advance(LinearPhases& state, std::uint64_t periods);

 private:
  using Matrix = std::vector<long double>;  // row-major
  std::size_t size_ = 0;
  std::vector<Matrix> squares_;  // of 2^k periods
};

/// Coordinates without noise, [block][coordinate * modes + mode], after a phase: T z, or T'z. \param x  of every mode, as in T(x)
std::vector<std::vector<double>> moved_means(const Phase& phase, std::span<const double> x,
                                             const std::vector<std::vector<double>>& z, bool transposed = false);
/// sum_i weight_i sum over blocks (selector . z_i)^2.
double squared_means(const std::vector<std::vector<double>>& selector, std::span<const double> weight,
                     const std::vector<std::vector<double>>& z);

/// Moves the coordinates z [coordinate * modes + mode] of one block by so many periods of these phases, without noise; each
/// mode by a power of its own map, in extended precision.
void advance_means(const std::vector<Phase>& period, std::size_t block, std::span<const double> x,
                   std::uint64_t periods, std::span<double> z);

/// M^power, M row-major r x r, by repeated squaring.
std::vector<long double> matrix_power(std::vector<long double> matrix, std::size_t r, std::uint64_t power);

}  // namespace edgewise::solvers
