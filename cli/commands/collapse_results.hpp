#pragma once
/// \file
/// What `edgewise collapse` prints, writes and draws of users' curves.
#include <string>
#include <vector>

#include "validation/collapse/curve_analysis.hpp"

namespace edgewise::cli {

/// \param form  "txt", "csv", "json", or an ending of figures without its dot
std::string collapse_bytes(const std::vector<validation::CollapseAnalysis>& results, const std::string& files,
                           const std::string& form);

}  // namespace edgewise::cli
