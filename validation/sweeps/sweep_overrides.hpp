#pragma once
/// \file
/// A sweep file taken apart, so that a command line can change any of it.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::validation {

/// "section.key=value", parsed.
struct Assignment {
  std::vector<std::string> parts;  ///< of the path
  settings::Value value;

  std::string path() const;
};

/// \param origin  what an error says first
/// \throws settings::Error.
Assignment read_assignment(const std::string& assignment, const std::string& origin);

/// Sets the value at a path of sections, which come into being where they do not exist. \throws settings::Error.
void set_path(settings::Table& table, const std::vector<std::string>& parts, settings::Value value);

/// The table without these keys.
settings::Table without(const settings::Table& table, const std::vector<std::string>& keys);

/// A sweep file's own part: all but the experiment.
struct SweepParts {
  settings::Table root;                                        ///< values above all sections
  settings::Table section;                                     ///< [sweep]
  std::map<std::string, std::vector<settings::Table>> arrays;  ///< "axis", "derived", ... all of them, maybe empty
};

/// \throws settings::Error for sections that no sweep has.
SweepParts split_sweep(const settings::Table& file);

/// Applies those overrides that are of the sweep. \throws settings::Error.
void override_sweep(SweepParts& parts, const std::vector<std::string>& overrides);
/// Applies the others. \throws settings::Error.
void override_experiment(settings::Table& experiment, const std::vector<std::string>& overrides);

}  // namespace edgewise::validation
