#pragma once
/// \file
/// What `edgewise compare` writes of a comparison of methods: tables for people, CSV, JSON.
#include <string>

#include "validation/comparisons/comparison.hpp"

namespace edgewise::cli {

/// Baselines, scores and the ratios behind them.
std::string comparison_text(const validation::MethodComparison& comparison);
/// One row per method, setting, schedule and workload; those of the baselines first.
std::string comparison_csv(const validation::MethodComparison& comparison);
std::string comparison_json(const validation::MethodComparison& comparison);

/// "r_eps = 0.1, cosine"; of a default without a schedule "default".
std::string setting_text(const validation::ComparedSetting& setting);

}  // namespace edgewise::cli
