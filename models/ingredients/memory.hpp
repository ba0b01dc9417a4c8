#pragma once
/// \file
/// Memory that a problem needs: decided, and refused, before any of it is allocated.
#include <cstddef>
#include <optional>
#include <string>

namespace edgewise::models::ingredients {

/// Of the memory available, what a simulation may take.
inline constexpr double share_of_available_memory = 0.8;

/// Bytes that this process could still take: of the memory of the machine and the address space it is allowed
/// (ulimit -v); nullopt where neither is known.
std::optional<double> available_memory();

/// "1.1 MiB".
std::string memory_text(double bytes);

/// Whole bytes of a number of GiB, > 0; the most that are counted where it is more.
std::size_t bytes_of_gibibytes(double gibibytes);

/// "209 GiB of memory, more than the 5.5 GiB there are", where `bytes` are more than `available`; else nullopt.
std::optional<std::string> too_much_memory(double bytes, std::optional<double> available = available_memory());

}  // namespace edgewise::models::ingredients
