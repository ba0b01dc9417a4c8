// Built at -O1: nothing here takes time.
#include "models/framework/prediction.hpp"

#include <algorithm>

namespace edgewise::models {

std::string_view name(Centre centre) {
  return centre == Centre::mean ? "mean" : "median";
}

std::span<const double> RecordedReplica::values(std::string_view observable) const {
  const auto found = std::ranges::find(names, observable);
  if (found == names.end()) return {};
  return rows[static_cast<std::size_t>(found - names.begin())];
}

}  // namespace edgewise::models
