#pragma once
/// \file
/// Numbers that many formulas name.
#include <limits>
#include <numbers>

namespace edgewise {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double pi = std::numbers::pi;
inline constexpr double gibibyte = 1024.0 * 1024 * 1024;  ///< bytes

}  // namespace edgewise
