#pragma once
/// \file
/// What a sweep is written as: NetCDF, CSV, or a figure.
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "validation/sweeps/sweep.hpp"

namespace edgewise::cli {

/// Where a sweep is written to, "nc", "csv", "svg", "png" or "pdf"; nowhere without --output, unless --format asks for
/// standard output. \throws settings::Error when something cannot be written, so that nothing is computed in vain.
Targets sweep_targets(const Context& context);

/// \throws settings::Error for what cannot be written or drawn, after the rest is.
void write_sweep(const Context& context, const std::string& path, const validation::SweepTable& table,
                 const Targets& targets);

/// `#` lines of provenance, column names, then one line a cell: cell, axes, measures, label, state, reason.
/// Numbers read back to the same double.
std::string sweep_csv_text(const validation::SweepTable& table);

}  // namespace edgewise::cli
