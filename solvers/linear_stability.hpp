#pragma once
/// \file
/// Long-time behaviour of linear phases that repeat with a period: growth, mean-square stability, steady state.
///
/// Over one period with Q noisy phases, a drive w_j = p_j + source acting on phase j moves the modes from rest by
/// Psi w, and the modes' own period map is A (uncoupled: w = 0). A drive that grows by z per period keeps itself up
/// iff w = G(z) w with the renewal matrix G(z) (Q x Q, entrywise >= 0 for real z > max radius of A):
///
///     stable in mean square  <=>  every radius of A_i < 1  and  rho(G(1)) < 1
///     growth factor per period = max(max_i radius, the z with rho(G(z)) = 1)
///     steady drive w = (1 - G(1))^{-1} (source + forced p)
///
/// with rho the Perron root and A_i the part of A that moves mode i.
/// See docs/theory/two-phase.md, section 2. G is never formed: it is applied at O(n Q) by running the phases, so that
/// long periods cost no more than they must.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "solvers/linear_phases.hpp"

namespace edgewise::solvers {

/// A coordinate of a block.
struct CoordinateIndex {
  std::size_t block = 0, coordinate = 0;
};

/// Phases that repeat.
struct PeriodicPhases {
  LinearModes modes;
  std::vector<std::size_t> sizes;
  std::vector<Phase> period;               ///< noisy and noiseless phases of one period, in order
  std::vector<CoordinateIndex> constants;  ///< coordinates that no phase moves; their moments force the others
};

/// What `Renewal::growth` finds.
struct Growth {
  double mode_radius = 0;    ///< largest spectral radius of a mode's own period map
  double perron = 0;         ///< rho(G(1)); infinite when some radius is not below 1
  double growth_factor = 0;  ///< per period, of all second moments at long times
  bool stable = false;
  std::string failed;      ///< which test failed; empty when stable
  std::size_t frozen = 0;  ///< modes that couple to the others but never move (left out; their growth is 1)
};

/// The steady state.
struct Steady {
  std::vector<double> drive;  ///< w_j at each noisy phase: p_j + source
  double amplification = 0;   ///< [(1 - G(1))^{-1} 1]_0
};

/// Analysis of one periodic system. Modes whose own map has the eigenvalue 1 exactly are left out (dropped()).
class Renewal {
 public:
  /// \throws std::invalid_argument when there is no noisy phase.
  explicit Renewal(PeriodicPhases system);
  ~Renewal();
  Renewal(Renewal&&) noexcept;
  Renewal& operator=(Renewal&&) noexcept;

  std::size_t noisy_phases() const;
  /// Spectral radius of every mode's own period map.
  const std::vector<double>& radius() const;
  double largest_radius() const;
  /// G(z) w, z > largest_radius().
  std::vector<double> apply(std::span<const double> w, double z = 1) const;
  /// G(z), row-major Q x Q; costs Q applications.
  std::vector<double> matrix(double z = 1) const;
  /// rho(G(z)) by power iteration with Collatz-Wielandt bounds, relative error 1e-13.
  double perron(double z = 1) const;
  /// Only whether rho(G(1)) < 1 and every radius < 1.
  bool stable() const;
  Growth growth() const;
  /// The steady state under `source`. `power` is the second moment of the constant coordinates of each mode
  /// (E[z z] of every pair of constants; needed when there are constants). Afterwards `state()` holds the moments at
  /// the start of a period. \throws std::domain_error when unstable.
  Steady steady(double source, std::span<const double> power = {});
  const LinearPhases& state() const;
  std::size_t dropped() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Spectral radius of the mean map of one period, z -> T_Q .. T_1 z, of each mode (block `block` alone).
std::vector<double> mean_radius(const PeriodicPhases& system, std::size_t block = 0);
/// The mean map of one period of `block` at mode coordinate x, row-major r x r.
std::vector<double> mean_map(const PeriodicPhases& system, std::size_t block, double x);

}  // namespace edgewise::solvers
