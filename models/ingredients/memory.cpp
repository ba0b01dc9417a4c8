// Built at -O1: nothing here takes time.
#include "models/ingredients/memory.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "numerics/constants.hpp"

namespace edgewise::models::ingredients {

namespace {

std::optional<double> machine_memory() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  double value = 0;
  while (in >> key >> value) {
    if (key == "MemAvailable:") return 1024 * value;
    std::getline(in, unit);
  }
  return std::nullopt;
}

std::optional<double> address_space() {
  rlimit allowed{};
  if (::getrlimit(RLIMIT_AS, &allowed) != 0 || allowed.rlim_cur == RLIM_INFINITY) return std::nullopt;
  std::ifstream in("/proc/self/statm");
  double pages = 0;
  in >> pages;
  return std::max(0.0, static_cast<double>(allowed.rlim_cur) - pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace

std::optional<double> available_memory() {
  const std::optional<double> machine = machine_memory(), allowed = address_space();
  if (!machine || !allowed) return machine ? machine : allowed;
  return std::min(*machine, *allowed);
}

std::string memory_text(double bytes) {
  constexpr double kib = 1024;
  if (bytes < kib * kib) return fmt::format("{:.3g} KiB", bytes / kib);
  if (bytes < kib * kib * kib) return fmt::format("{:.3g} MiB", bytes / (kib * kib));
  return fmt::format("{:.3g} GiB", bytes / (kib * kib * kib));
}

std::size_t bytes_of_gibibytes(double gibibytes) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  const double bytes = gibibyte * gibibytes;
  return bytes < static_cast<double>(most) ? static_cast<std::size_t>(bytes) : most;
}

std::optional<std::string> too_much_memory(double bytes, std::optional<double> available) {
  if (!available || bytes <= *available) return std::nullopt;
  return fmt::format("{} of memory, more than the {} there are", memory_text(bytes), memory_text(*available));
}

}  // namespace edgewise::models::ingredients
