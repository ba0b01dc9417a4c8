#pragma once
/// \file
/// Where a periodic system that depends on one number ceases to be stable.
#include <cstddef>
#include <functional>

#include "solvers/periodic_phases.hpp"

namespace edgewise::solvers {

struct StabilityBoundary {
  /// Where stability ends, coming from below; infinite when it never does, nan when no value is stable.
  double first = 0;
  std::size_t windows = 0;  ///< stable windows found beyond it
  double last = 0;          ///< the end of the last one; `first` when there is none
  bool complete = true;     ///< false when the search for windows was cut short
};

/// The first crossing to a relative error of 1e-12.
///
/// Momentum makes the second moments oscillate within a period; as the number grows they pass through resonances, which may
/// open unstable windows as narrow as the feedback is weak. The search therefore goes up in steps that turn no
/// oscillation by more than a twelfth of a half-turn, follows the smooth functions det(1 - A_i) of every mode and the margin
/// (solvers::Renewal), and looks at the bottom of each of their dips.
/// \param system the system at a value, which decides
/// \param few one of fewer modes that is close to it and guides the search; may be the same
/// \param start a value below the first crossing (from one in a later window, the first would be missed); a sixteenth is
/// tried, and so on, when it is not stable
StabilityBoundary stability_boundary(const std::function<PeriodicPhases(double)>& system,
                                     const std::function<PeriodicPhases(double)>& few, double start);

}  // namespace edgewise::solvers
