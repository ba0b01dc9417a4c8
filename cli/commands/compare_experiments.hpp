#pragma once
/// \file
/// `edgewise compare EXPERIMENT...`: several optimizers on one problem, each at its optimum.
#include <string>
#include <vector>

#include "cli/commands/commands.hpp"

namespace edgewise::cli {

/// Each is tuned by its section [tune]; without one by its learning rate (or gamma); under a [rate] rule not at all.
Status compare_experiments(const Context& context, const std::vector<std::string>& paths, const CompareOptions& options,
                           const Targets& targets);

}  // namespace edgewise::cli
