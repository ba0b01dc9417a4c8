#pragma once
/// \file
/// Whole numbers kept as doubles.
#include <cmath>

namespace edgewise::numerics {

/// 3 and 1e300, not 0.5, inf or nan.
inline bool is_whole(double x) {
  return std::isfinite(x) && x == std::floor(x);
}

}  // namespace edgewise::numerics
