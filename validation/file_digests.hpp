#pragma once
/// \file
/// What stands in the files that experiments name: kept results are of these files, and not of those that later have
/// their names.
#include <string>
#include <utility>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::validation {

/// Names as they are given, and a digest of what is in each.
using FileDigests = std::vector<std::pair<std::string, std::string>>;

/// Adds the file that `word` names, relative to that of `origin`; nothing where there is none, or it is there already.
void add_digest(const std::string& origin, const std::string& word, FileDigests& out);
/// The same for every text in the experiment, whatever its key.
void add_digests(const settings::Table& experiment, FileDigests& out);
/// "NAME DIGEST", line by line.
std::string text_of(const FileDigests& files);

}  // namespace edgewise::validation
