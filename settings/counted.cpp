#include "settings/counted.hpp"

#include <fmt/format.h>

namespace edgewise::settings {

std::string counted(std::size_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

}  // namespace edgewise::settings
