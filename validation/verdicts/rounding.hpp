#pragma once
/// \file
/// What verdicts take for rounding, and how they write shares.
#include <string>

namespace edgewise::validation {

/// A sample spread below this, relative, is rounding.
inline constexpr double rounding_spread = 1e-10;
/// How far numbers that do not fluctuate may lie apart, relative.
inline constexpr double deterministic_tolerance = 1e-9;

/// 0.0123 as "1.2%".
std::string percent(double value);

}  // namespace edgewise::validation
