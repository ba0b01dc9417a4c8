#pragma once
/// \file
/// Units that cost no digits.
#include <algorithm>
#include <cmath>

namespace edgewise::numerics {

/// The power of two next to x on the logarithmic scale: a unit in which x has size 1, and division by which is exact.
/// 1 where x is not positive and finite.
inline double power_of_two(double x) {
  if (!(x > 0) || !std::isfinite(x)) return 1;
  return std::exp2(std::clamp(std::round(std::log2(x)), -1022.0, 1023.0));
}

}  // namespace edgewise::numerics
