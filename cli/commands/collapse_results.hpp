#pragma once
/// \file
/// What `edgewise collapse` prints, writes and draws of users' curves.
#include <string>
#include <vector>

#include "validation/collapse/curve_analysis.hpp"
#include "validation/collapse/relative_noise.hpp"

namespace edgewise::cli {

/// \param form  "txt", "csv", "json", "nc", or an ending of figures without its dot
std::string collapse_bytes(const std::vector<validation::CollapseAnalysis>& results, const std::string& files,
                           const std::string& form);

/// The same of the relative noise model. \param form  "txt", "csv" or "json"
std::string relative_noise_bytes(const validation::RelativeNoise& noise, const std::string& files,
                                 const std::string& form);

}  // namespace edgewise::cli
