#pragma once
/// \file
/// What a sweep is written as: NetCDF, CSV, or a figure.
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "validation/sweeps/sweep.hpp"

namespace edgewise::cli {

/// A file, or standard output where the path is empty.
struct SweepOutput {
  std::string path;
  std::string form;  ///< "nc", "csv", "svg", "png", "pdf"
};

/// Checks that all of these can be written, so that nothing is computed in vain. Without any, --format may ask for
/// standard output. \throws settings::Error.
std::vector<SweepOutput> sweep_outputs(const Context& context, const std::vector<std::string>& paths);

void write_sweep(const Context& context, const validation::SweepTable& table, const SweepOutput& output);

/// `#` lines of provenance, column names, then one line a cell: cell, axes, measures, label, state, reason.
/// Numbers read back to the same double.
std::string sweep_csv_text(const validation::SweepTable& table);

}  // namespace edgewise::cli
