#pragma once
/// \file
/// The command `edgewise sweep`: computes a grid of experiments, resumes one that was cut short, writes and draws it.
#include <string>
#include <vector>

#include "cli/context.hpp"

namespace edgewise::cli {

struct SweepOptions {
  std::string store;          ///< empty: the first output with ending .db, else SWEEP.db in the working folder
  bool restart = false;       ///< discard what the store holds
  bool retry_failed = false;  ///< compute failed cells again
};

/// Writes to --output: .nc, .csv, .svg, .png, .pdf. Runs on every rank of mpirun; rank 0 alone prints and writes. A sweep is no verdict: failed cells are told and do
/// not change the status, unless every cell failed.
Status sweep(const Context& context, const std::string& path, const SweepOptions& options);

/// Reads a sweep's file and the experiments of its cells' corners, and computes nothing. \throws settings::Error.
void check_sweep(const Context& context, const std::string& path);

}  // namespace edgewise::cli
