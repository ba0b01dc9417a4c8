// Built at -O1: nothing here takes time.
#include "models/ingredients/memory.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>

namespace edgewise::models::ingredients {

std::optional<double> available_memory() {
  std::optional<double> out;
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  double value = 0;
  while (!out && in >> key >> value) {
    if (key == "MemAvailable:") out = 1024 * value;
    std::getline(in, unit);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    const auto most = static_cast<double>(limit.rlim_cur);
    out = std::min(out.value_or(most), most);
  }
  return out;
}

std::string memory_text(double bytes) {
  constexpr double kib = 1024;
  if (bytes < kib * kib) return fmt::format("{:.3g} KiB", bytes / kib);
  if (bytes < kib * kib * kib) return fmt::format("{:.3g} MiB", bytes / (kib * kib));
  return fmt::format("{:.3g} GiB", bytes / (kib * kib * kib));
}

}  // namespace edgewise::models::ingredients
