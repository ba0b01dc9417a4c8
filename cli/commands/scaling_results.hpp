#pragma once
/// \file
/// What `edgewise collapse` prints, writes and draws of an experiment.
#include <string>

#include "validation/collapse/scaling_experiment.hpp"

namespace edgewise::cli {

/// \param form  "txt", "csv", "json", or an ending of figures without its dot
std::string scaling_bytes(const validation::ScalingCollapse& result, const std::string& title, const std::string& file,
                          const std::string& form);

/// One line: what the theory says, and whether the simulation agrees.
std::string scaling_summary(const validation::ScalingCollapse& result);

}  // namespace edgewise::cli
