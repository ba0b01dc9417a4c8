#pragma once
/// \file
/// Loss curves of training runs at several sizes, as people keep them in CSV files.
#include <span>
#include <string>
#include <vector>

namespace edgewise::validation {

/// The loss of one run.
struct LossCurve {
  double size = 0;           ///< of the model: parameters, width, ...; compute is 6 size step where it is not given
  std::string seed;          ///< any word
  std::vector<double> step;  ///< increasing; compute / (6 size) where only compute is given
  std::vector<double> compute, loss;
  std::string origin;  ///< file and line (what its table calls a row) of its first row, for messages
  /// Learning rate, and size of the gradient noise; empty where there is no column.
  std::vector<double> rate = {}, noise = {};
};

/// Runs of one learning-rate schedule.
struct CurveGroup {
  std::string schedule;  ///< its label; empty where there is none
  std::vector<LossCurve> curves;
};

struct LossCurves {
  std::vector<CurveGroup> groups;
  std::vector<std::string> notes;  ///< what was done to the rows, e.g. that they were sorted
};

/// A file, or what stands for one.
struct CurveTable {
  std::string origin, text;
  std::string row = "line";  ///< what messages call a row of the text
};

/// Reads tables with columns size, step or compute (or both), loss, and, where there are several, seed and schedule, and
/// where they are wanted rate and noise, in any order and by whatever separator (settings/delimited.hpp). Other columns
/// are passed over, which a note says. Rows may come in any order. \throws settings::Error naming file and line: a cell
/// that is missing or no number, a step that occurs twice in one run, a size, compute or loss that is not positive and
/// finite.
LossCurves read_loss_curves(std::span<const CurveTable> tables);
/// The same of CSV files.
LossCurves read_loss_curves(std::span<const std::string> paths);

}  // namespace edgewise::validation
