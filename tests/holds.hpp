#pragma once
/// What a test looks for in a text.
#include <string_view>

namespace edgewise::expected {

/// Whether `part` stands in `text`.
inline bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace edgewise::expected
