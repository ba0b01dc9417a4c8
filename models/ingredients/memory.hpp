#pragma once
/// \file
/// Memory of the machine, for what is refused before it is allocated.
#include <optional>
#include <string>

namespace edgewise::models::ingredients {

/// Of the memory available, what a simulation may take.
inline constexpr double share_of_available_memory = 0.8;

/// Bytes that the machine, or the limit set to the process (RLIMIT_AS), could still give; nullopt where neither says.
std::optional<double> available_memory();

/// "1.1 MiB", in KiB, MiB or GiB.
std::string memory_text(double bytes);

}  // namespace edgewise::models::ingredients
