#pragma once
/// \file
/// Performance profiles: which fraction of the workloads a method ends within a factor u of the best tuned schedule.
#include <string>

#include "validation/comparisons/comparison.hpp"

namespace edgewise::cli {

/// A gnuplot script of two panels, the defaults and the calibrated settings. \param ending  ".svg", ".png" or ".pdf"
std::string profile_script(const validation::MethodComparison& comparison, const std::string& ending);
std::string drawn_profiles(const validation::MethodComparison& comparison, const std::string& ending);

}  // namespace edgewise::cli
