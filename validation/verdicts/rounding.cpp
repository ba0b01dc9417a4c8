// Built at -O1: nothing here takes time.
#include "validation/verdicts/rounding.hpp"

#include <fmt/format.h>

namespace edgewise::validation {

std::string percent(double value) {
  return fmt::format("{:.2g}%", 100 * value);
}

}  // namespace edgewise::validation
