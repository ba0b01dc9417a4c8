#pragma once
/// \file
/// Figures of sweeps, drawn by gnuplot: maps of labels with measured and predicted boundaries, maps of a measure, and
/// curves along one axis.
#include <string>
#include <vector>

#include "validation/sweeps/sweep.hpp"

namespace edgewise::cli {

struct DiagramOptions {
  /// Measures, a panel each; several joined by commas are drawn as curves in one panel. Empty: the labels, where the
  /// sweep has any and two axes are left, else the first measure.
  std::vector<std::string> observables = {};
  std::vector<std::string> slices = {};  ///< "AXIS=VALUE": only there, at the nearest value of the axis
  std::string title = {};                ///< empty: the sweep's
};

/// A gnuplot script that draws the sweep with the terminal for `ending` (".svg", ".png" or ".pdf").
///
/// One axis left after slicing gives curves; two give maps, or curves in several colours where one axis has words;
/// three give maps side by side, one for each value of the last axis or of the one that has words.
/// \throws settings::Error for an unknown measure or axis, when there are too many axes, or nothing to draw.
std::string diagram_script(const validation::SweepTable& table, const DiagramOptions& options,
                           const std::string& ending);

/// The bytes of the figure. \throws settings::Error also when gnuplot is missing or fails.
std::string drawn_sweep(const validation::SweepTable& table, const DiagramOptions& options, const std::string& ending);

}  // namespace edgewise::cli
