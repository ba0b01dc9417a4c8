#pragma once
/// \file
/// Reading sweeps back, from whatever they were kept in: the store (.db), NetCDF or CSV.
#include <string>

#include "validation/sweeps/sweep.hpp"

namespace edgewise::cli {

/// Whether the file is a sweep, by its contents; false when it cannot be read.
bool is_sweep(const std::string& path);

/// \throws settings::Error naming the file (and the line of a CSV) when it is no sweep of this program.
validation::SweepTable read_sweep(const std::string& path);

/// The inverse of sweep_csv_text. Wall times are not in it. \throws settings::Error naming `origin` and the line.
validation::SweepTable read_sweep_csv(const std::string& text, const std::string& origin);

}  // namespace edgewise::cli
