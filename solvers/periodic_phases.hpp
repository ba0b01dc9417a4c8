#pragma once
/// \file
/// Linear phases that repeat with a period, and the same in units in which nothing is large or small.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "solvers/linear_phases.hpp"

namespace edgewise::solvers {

/// A coordinate of a block that no phase moves; it holds `value` times what the modes' constants hold.
struct ConstantCoordinate {
  std::size_t block = 0, coordinate = 0;
  double value = 1;
};

/// Phases that repeat.
struct PeriodicPhases {
  LinearModes modes;
  std::vector<std::size_t> sizes;
  std::vector<PhaseRun> period;               ///< noisy and noiseless phases of one period, in order
  std::vector<ConstantCoordinate> constants;  ///< their moments force the others
  /// Per block, the coordinates of parameters off by 1 with all memory at 0: what slow modes are close to. Empty: not
  /// known, and modes that move by less than 1e-16 a period cannot be told from still ones.
  std::vector<std::vector<double>> rest;
  std::vector<std::vector<double>> readout;  ///< per block, the combination that is observed; empty: none
  bool before_last = false;                  ///< it is observed before the last phase, not at the period's end

  bool is_constant(std::size_t block, std::size_t coordinate) const;
};

/// True for eigenvalues of rounding size, which read as 0: no stable method moves them within double precision.
bool is_null(double x, double largest);

/// T(x) of one block, row-major r x r.
void transfer(const PhaseBlock& block, double x, double* T);
/// The mean map of one period of `block` at mode coordinate x, row-major r x r.
std::vector<double> mean_map(const PeriodicPhases& system, std::size_t block, double x);
/// Spectral radius of the mean map of one period, z -> T_Q .. T_1 z, of each mode (block `block` alone).
std::vector<double> mean_radius(const PeriodicPhases& system, std::size_t block = 0);
/// What a period takes off the readout of block 0 from `rest`, as a share of it; keeps its digits where it is small.
double contraction(const PeriodicPhases& system, double x);
/// The angle by which the fastest oscillation at mode coordinate x turns over a period, where it is not damped away.
double oscillation_phase(const PeriodicPhases& system, double x);

/// Without the coordinates that neither the noise nor the readout ever sees, and rescaled by powers of two: the largest
/// x and weight lie in [1/sqrt 2, sqrt 2], and coordinates are in units in which the matrices are balanced. Thus no result depends
/// on the units of the data, and no product of moments leaves the range of doubles.
struct BalancedPhases {
  PeriodicPhases system;
  std::vector<std::vector<double>> unit;  ///< z = unit * (coordinate here)
  double shared_unit = 1;                 ///< p = shared_unit * (p here)
};
BalancedPhases balanced(const PeriodicPhases& system);

/// T f - f of one phase at coordinate x, entries of rounding size in T0 f - f being 0.
void displacement(const PhaseBlock& block, const double* f, double x, double* out);

/// Coordinates of a block that repeat another one after the last, noiseless phase of the period, for every mode alike:
/// the index of the first of them, its own where it repeats none, `vanishes` where it is 0.
inline constexpr std::size_t vanishes = static_cast<std::size_t>(-1);
std::vector<std::size_t> representatives(const PeriodicPhases& system, std::size_t block);

/// Where the noise of a noisy phase enters and is read. When the coordinates that it touches are cut off from the others
/// and alike in all blocks (the workers' own, in a round), only their sum over blocks drives it.
struct NoiseCoordinates {
  bool joined = false;                          ///< one set for all blocks
  std::vector<std::vector<std::size_t>> block;  ///< coordinates of each block; of the joined set, its leading ones
  std::size_t lead = 0;                         ///< the block that has the whole joined set
};
NoiseCoordinates noise_coordinates(const Phase& phase);

/// Scales rows and columns of a square row-major matrix by one diagonal of powers of two so that they are alike.
/// Eigenvalues stay.
void balance(std::vector<double>& matrix, std::size_t n);
/// Spectral radius; infinite for entries that are not finite.
double spectral_radius(std::vector<double> matrix, std::size_t n);

}  // namespace edgewise::solvers
