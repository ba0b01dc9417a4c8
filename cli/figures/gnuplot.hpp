#pragma once
/// \file
/// Running gnuplot.
#include <string>

namespace edgewise::cli {

/// Runs a script, without a display. \throws settings::Error when gnuplot is not installed (naming the package) or
/// fails (with the first line it said).
void run_gnuplot(const std::string& script);

}  // namespace edgewise::cli
