#pragma once
/// \file
/// JSON has no infinities and no NaN; here they are written as the texts "inf", "-inf" and "nan", which Python's
/// float() and C's strtod read.
#include <cmath>
#include <nlohmann/json.hpp>

#include "settings/settings.hpp"

namespace edgewise::cli {

using Json = nlohmann::ordered_json;

inline Json json_number(double value) {
  if (std::isfinite(value)) return value;
  return settings::text_of(value);
}

/// Indented text with a final line end. Bytes that are no UTF-8 are replaced, never an error.
inline std::string json_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace edgewise::cli
