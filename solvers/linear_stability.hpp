#pragma once
/// \file
/// Long-time behaviour of linear phases that repeat with a period: growth, mean-square stability, steady state.
///
/// The second moments of all modes together move by one linear map M a period, which takes positive semidefinite moments
/// to such. Hence (and only hence; no matrix of it is formed)
///
///     stable in mean square  <=>  spectral radius of M below 1
///                            <=>  (1 - M) s = u has a positive definite solution s for a positive definite u
///
/// and the growth factor per period is the largest z that is not above that radius. M couples the modes only through the
/// drives of its Q noisy phases, so that (1 - M) s = u is solved by a few periods (GMRES), preconditioned by the modes' own
/// maps A_i. For inputs of kurtosis 2 and above, the spectral radius of that coupling is the Perron root rho(G(1)) of the
/// renewal matrix of docs/theory/two-phase.md, section 2, and stable means max radius(A_i) < 1 and rho(G(1)) < 1. For smaller
/// kurtosis the same is true of A_i that hold what a mode feeds to itself (solvers/period_map).
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "solvers/periodic_phases.hpp"

namespace edgewise::solvers {

/// What `Renewal::growth` finds.
struct Growth {
  double mode_radius = 0;        ///< largest spectral radius of a mode's own period map
  double perron = 0;             ///< rho(G(1)); infinite when some radius is not below 1
  double growth_factor = 0;      ///< per period, of all second moments at long times
  double log_growth_factor = 0;  ///< its logarithm, which cannot overflow
  bool stable = false;
  std::string failed;      ///< which test failed; empty when stable
  std::size_t frozen = 0;  ///< modes that couple to the others but never move (left out; their growth is 1)
};

/// The steady state.
struct Steady {
  double drive = 0;               ///< p + source at the first noisy phase of a period
  double amplification = 0;       ///< that of source 1 without constants: [(1 - G(1))^{-1} 1]_0
  std::vector<double> observed;   ///< second moment of the readout where it is taken, of each mode
  std::vector<double> generated;  ///< what a period's noise puts into it; empty where it is taken before the last phase
};

class Jumps;

/// Analysis of one periodic system.
class Renewal {
 public:
  /// \param jumps shared by systems whose runs are the same (solvers/noisy_run); null: its own
  /// \throws std::invalid_argument when there is no noisy phase.
  explicit Renewal(const PeriodicPhases& system, std::shared_ptr<Jumps> jumps = nullptr);
  ~Renewal();
  Renewal(Renewal&&) noexcept;
  Renewal& operator=(Renewal&&) noexcept;

  /// Spectral radius of every mode's own period map.
  const std::vector<double>& radius() const;
  /// The largest of those that move and are not null (is_null).
  double largest_radius() const;
  /// rho(G(1)).
  double perron() const;
  bool stable() const { return probe().stable; }
  Growth growth() const;
  /// \param power second moment of what the constant coordinates hold, of each mode; needed when there are constants
  /// \throws std::domain_error when unstable.
  Steady steady(double source, std::span<const double> power = {}) const;
  /// Modes left out: those that the others do not see, and frozen ones.
  std::size_t dropped() const;
  std::size_t frozen() const;

  struct Probe {
    bool stable = false;
    /// Without noise feedback 1; falls through 0 where the feedback makes the system unstable (1 - rho(G) when the period
    /// has one noisy phase). Below 0 exactly when not stable.
    double margin = 0;
  };
  /// Whether all moments grow by less than 1 + excess a period.
  Probe probe(double excess = 0) const;
  /// det(1 - A_i) of each mode, a smooth function of every hyperparameter that is above 0 as long as the mode's own map
  /// is stable, and 0 where it ceases to be.
  std::vector<double> determinants() const;
  /// Passes over all modes that everything asked so far has taken (PeriodMap::passes).
  std::uint64_t passes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgewise::solvers
