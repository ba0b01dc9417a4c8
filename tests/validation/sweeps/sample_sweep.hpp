#pragma once
/// A diagram with two labels that meet at a known line, for tests.
#include <cmath>
#include <limits>

#include "validation/sweeps/sweep.hpp"

namespace edgewise::validation::testing {

/// Labels "low" for b < a + shift, else "high", on a grid of n by n over [0.05, 1.95]^2; predicted b < a.
inline SweepTable sample_sweep(std::size_t n = 20, double shift = 0) {
  SweepTable table;
  table.title = "a sample";
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i)
    values.push_back(0.05 + 1.9 * static_cast<double>(i) / static_cast<double>(n - 1));
  table.axes = {{"a", "spectrum.alpha", false, values, {}}, {"b", "spectrum.beta", false, values, {}}};
  table.measures = {{"slope", "", "an exponent"}, {"time", "step", "a passage"}};
  table.labels = {{"low", "slope < 0", "b < a"}, {"high", "", "1"}};
  table.boundaries = {{"b = a", "b - a", ""}};
  table.provenance = {{"version", "edgewise 1"}, {"sweep", "title = \"a sample\"\n[sweep]\ndo = \"solve\""}};
  for (const double a : values)
    for (const double b : values) {
      CellResult cell;
      cell.state = CellState::finished;
      cell.measures = {b - a - shift, std::exp(10 * a)};
      cell.label = b < a + shift ? "low" : "high";
      cell.seconds = 0.5;
      table.cells.push_back(cell);
    }
  return table;
}

}  // namespace edgewise::validation::testing
