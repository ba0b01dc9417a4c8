#pragma once
/// \file
/// When a run counts as diverged, in theory and in simulation alike.

namespace edgewise::models {

/// A run has diverged when its excess (or loss) exceeds this many times what it started from, or what its noise alone
/// makes where it starts from nothing; or when it is no number.
inline constexpr double divergence_factor = 1e100;

/// What the excess (or loss) of a run may not exceed. \param scale  of its start and its noise together; where both are 0,
/// 1 is taken
inline double divergence_limit(double scale) {
  return divergence_factor * (scale > 0 ? scale : 1);
}

}  // namespace edgewise::models
