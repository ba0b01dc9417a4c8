#pragma once
/// \file
/// When a run counts as diverged, in theory and in simulation alike.

namespace edgewise::models {

/// A run has diverged when its excess (or loss) exceeds this many times what it started from, or what its noise alone
/// makes where it starts from nothing; or when it is no number.
inline constexpr double divergence_factor = 1e100;

}  // namespace edgewise::models
