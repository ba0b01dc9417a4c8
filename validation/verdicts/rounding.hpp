#pragma once
/// \file
/// What verdicts take for rounding, and how they write shares.
#include <string>
#include <utility>

namespace edgewise::validation {

/// A sample spread below this, relative, is rounding.
inline constexpr double rounding_spread = 1e-10;
/// How far numbers that do not fluctuate may lie apart, relative.
inline constexpr double deterministic_tolerance = 1e-9;

/// 0.0123 as "1.2%".
std::string percent(double value);
/// Two shares, of which a sentence says that they differ, with as many digits as show it: 0.1004 and 0.1 as "10.04%"
/// and "10%". Two digits where these do, and where the numbers are the same.
std::pair<std::string, std::string> distinct_percent(double a, double b);
/// The same of two numbers with two decimals: 2.567 and 2.568 as "2.567" and "2.568".
std::pair<std::string, std::string> distinct(double a, double b);

}  // namespace edgewise::validation
