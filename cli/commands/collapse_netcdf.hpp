#pragma once
/// \file
/// A scaling collapse as NetCDF-4: coordinates x and size (and schedule, of users' curves), everything else over them.
#include <string>
#include <vector>

#include "validation/collapse/curve_analysis.hpp"
#include "validation/collapse/scaling_experiment.hpp"

namespace edgewise::cli {

/// One column over x.
struct CollapseColumn {
  std::string name;
  std::vector<double> values;
};

/// Of users' curves: variables (schedule, x), normalised(schedule, size, x) and numbers of every schedule; NaN where a
/// schedule has no such x or size. `files` are those they come from, `shown` names the file in messages.
std::string collapse_netcdf(const std::vector<validation::CollapseAnalysis>& results, const std::string& files,
                            const std::string& shown);
/// Of an experiment: its columns over x, normalised(size, x) and horizon(size).
std::string scaling_netcdf(const validation::ScalingCollapse& result, const std::vector<CollapseColumn>& columns,
                           const std::string& summary, const std::string& title, const std::string& file,
                           const std::string& shown);

}  // namespace edgewise::cli
