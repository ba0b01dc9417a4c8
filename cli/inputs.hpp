#pragma once
/// \file
/// The files that a command reads, which what it writes must not take the place of.
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

/// Files that an experiment names: its own, those that a key `path` names, and those of its data set.
std::vector<std::string> inputs_of(const settings::Table& experiment);

/// \param reader  what reads `inputs`, e.g. "this experiment"
/// \throws settings::Error where a target is one of `inputs`, under another name or through links too.
void keep_inputs(const Targets& targets, const std::vector<std::string>& inputs, const std::string& reader);

}  // namespace edgewise::cli
