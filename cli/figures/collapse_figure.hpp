#pragma once
/// \file
/// The figure of a scaling collapse: raw curves, normalised curves, their spread beside the noise floor.
#include <string>
#include <vector>

#include "validation/collapse/spread.hpp"

namespace edgewise::cli {

/// One row of the figure.
struct CollapsePanels {
  std::string title;
  validation::SampledCurves curves;
  validation::CollapseSpread spread;
  double floor = 0;                  ///< L0, drawn as a level below the raw curves
  std::vector<double> theory_delta;  ///< on spread.x; empty: none
  std::vector<double> theory_floor;
  std::vector<double> limit;  ///< normalised curve of infinite size on spread.x; empty: none
};

/// A gnuplot script with the terminal for `ending` (".svg", ".png" or ".pdf").
std::string collapse_script(const std::vector<CollapsePanels>& rows, const std::string& title,
                            const std::string& ending);

}  // namespace edgewise::cli
