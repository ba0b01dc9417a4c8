#pragma once
/// \file
/// The map of the second moments of linear phases over one period.
///
/// The independent moments y_i of mode i at the start of a period (D of them) and the drives w_j = p_j + source of its
/// noisy phases give those at its end,
///
///     y_i <- A_i y_i + sum_j (what the noise of phase j leaves) ,     p_j = sum_i weight_i S_ij .
///
/// A_i - 1 is formed without cancellation, so that modes that move by 1e-100 a period are as exact as all others, and by
/// repeated squaring, so that long runs of one phase cost their logarithm. The noise of input coordinates of kurtosis
/// below 2 answers less to a mode's own risk than to that of others; there A_i holds what the mode feeds to itself through
/// p, and only p - weight_i S_i couples it to the others. So every A_i, and all that couples the modes, maps positive
/// semidefinite moments onto such, whatever the inputs. See docs/theory/two-phase.md, section 2.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "solvers/periodic_phases.hpp"

namespace edgewise::solvers {

class Jumps;

class PeriodMap {
 public:
  /// \param noise false: the mean map alone acts on the moments
  /// \param whole true: A_i holds all that a mode feeds to itself, also where it then leaves the cone, and only p couples
  /// the modes
  /// \param jumps shared by systems whose runs are the same; null: its own
  /// \throws std::invalid_argument when there is no noisy phase.
  explicit PeriodMap(const PeriodicPhases& system, bool noise = true, bool whole = false,
                     std::shared_ptr<Jumps> jumps = nullptr);
  ~PeriodMap();
  PeriodMap(PeriodMap&&) noexcept;
  PeriodMap& operator=(PeriodMap&&) noexcept;

  std::size_t modes() const;
  /// D. Vectors of moments hold D entries a mode, mode after mode, in the units of balanced().
  std::size_t moments() const;
  /// False when a mode's own map leaves the range of doubles.
  bool finite(std::size_t mode) const;
  /// A_i - 1, row-major D x D.
  std::span<const double> own_map(std::size_t mode) const;
  /// The place of the moment of parameters at rest among the D, whose column of A_i - 1 is as small as a mode is slow;
  /// D or more where there is none.
  std::size_t rest_moment() const;
  /// What the constant coordinates add to the moments of a mode in a period, for second moment 1.
  std::span<const double> forced(std::size_t mode) const;
  /// True when the phases leave the mode exactly where it is.
  bool frozen(std::size_t mode) const;

  /// Whether modes act on each other at all.
  bool coupled() const;
  /// Whether some of what a mode feeds to itself is kept out of A_i.
  bool splits() const;
  /// Passes over all modes that responses have made, one for each phase or stride of phases (solvers/noisy_run).
  std::uint64_t passes() const;
  /// Multiplies what couples the modes, 1 at first.
  void set_coupling(double factor);
  /// What a period that starts at y adds to its end through the coupling of the modes, and through `source` and the
  /// constants' moments `power` (a mode each; empty: none). False when it leaves the range of doubles. `first` is p at the
  /// first noisy phase.
  bool respond(std::span<const double> y, double source, std::span<const double> power, std::span<double> out,
               double* first = nullptr) const;
  /// p at the first noisy phase of a period that starts at y, without constants.
  double shared(std::span<const double> y) const;
  /// Second moment of the readout, a value per mode, of moments y and constants' moments `power` at the start of a period;
  /// where it is taken before the last phase, of the period that starts there under `source`.
  std::vector<double> observed(std::span<const double> y, std::span<const double> power = {}, double source = 0) const;
  /// p = shared_unit * (p here); constants and readouts are in the units of the system that was given.
  double shared_unit() const;
  /// weight_i here: at most about 1.
  std::span<const double> weight() const;
  /// x_i here: at most about 1.
  std::span<const double> position() const;

  /// Moments of uncorrelated coordinates: of unit size, but that of slow modes as small as they are slow, so that what it
  /// sustains at the growth 1 + excess is of unit size and hides no instability of their memory.
  std::vector<double> interior(double excess) const;
  /// Whether the moments of a mode are those of some coordinates (positive semidefinite, none 0).
  bool positive(std::span<const double> y, std::size_t mode) const;

  /// log of the factor by which moments grow in a period at long times, by iterating it; for systems that leave the range
  /// of doubles in one.
  double log_growth_by_iteration() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgewise::solvers
