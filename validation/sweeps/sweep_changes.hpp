#pragma once
/// \file
/// What differs between the sweep that a store was begun with and the one at hand, in words.
#include <string>

#include "settings/settings.hpp"

namespace edgewise::validation {

/// "axis 'alpha' count was 64 and is 16, ..." for two definitions; names the first few.
std::string changes(const settings::Table& before, const settings::Table& now);
/// The same for lists of files, "PATH DIGEST" a line.
std::string file_changes(const std::string& before, const std::string& now);

}  // namespace edgewise::validation
