#pragma once
/// \file
/// A value that is not there: a median of no steps, a ratio whose denominator is 0. It is a NaN, told by its payload (as R
/// tells its NA) from the NaN of a run that left the finite numbers: a replica that observes it goes on, and statistics
/// are of the replicas that have a value.
#include <bit>
#include <cstdint>

namespace edgewise::models {

inline constexpr double absent = std::bit_cast<double>(std::uint64_t{0x7FF8'0000'0000'07A2});

/// The payload alone counts: arithmetic may change a NaN's sign.
inline bool is_absent(double x) {
  return (std::bit_cast<std::uint64_t>(x) & 0x7FFF'FFFF'FFFF'FFFF) == std::bit_cast<std::uint64_t>(absent);
}

}  // namespace edgewise::models
