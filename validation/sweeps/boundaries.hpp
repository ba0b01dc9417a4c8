#pragma once
/// \file
/// Boundaries of a phase diagram: measured, between cells with different labels; predicted, the zeros of formulas; and
/// how far they are from each other.
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "validation/sweeps/diagram_plane.hpp"
#include "validation/sweeps/sweep.hpp"

namespace edgewise::validation {

/// Between cells with different labels, through the middles between them on the axes' scales. Cells that failed or have
/// no label have no border.
std::vector<Boundary> measured_boundaries(const SweepTable& table, const Plane& plane);

/// The [[boundary]] curves; those whose formulas have measures follow the finished cells, bilinear between their
/// middles and on to the border of the outermost, with gaps where a number is missing. When the sweep has no
/// [[boundary]], the borders between the regions that the labels' `predicted` formulas name. Over the area of the
/// plane's cells. \throws settings::Error for a formula that cannot be read.
std::vector<Boundary> predicted_boundaries(const SweepTable& table, const Plane& plane);

/// Distances of the points of one curve from the nearest point of others. Diagonals count by Pythagoras.
struct BoundaryDistance {
  std::string name;
  bool predicted = false;  ///< a predicted curve's distance from the measured ones, else the other way round
  std::size_t points = 0;
  double mean_cells = std::numeric_limits<double>::quiet_NaN();  ///< in units of the grid's cells
  double max_cells = std::numeric_limits<double>::quiet_NaN();
  double mean_share = std::numeric_limits<double>::quiet_NaN();  ///< in units of the axes' lengths
  double max_share = std::numeric_limits<double>::quiet_NaN();
};

/// Labels against the labels' `predicted` formulas; the first that holds is the prediction of a cell.
struct LabelAgreement {
  struct Count {
    double margin = 0;  ///< only cells farther than so many cells from every predicted curve, along either axis
    std::size_t cells = 0, agreeing = 0;
  };
  std::vector<Count> counts;  ///< by increasing margin, the first with none
  /// (predicted, found, number of cells) where they differ, most first.
  struct Confusion {
    std::string predicted, found;
    std::size_t cells = 0;
  };
  std::vector<Confusion> confusions;
};

struct DiagramComparison {
  std::vector<BoundaryDistance> distances;
  std::optional<LabelAgreement> agreement;  ///< absent when no label has a prediction
  std::size_t finished = 0, failed = 0, pending = 0;
  /// What there is to say of it, a line each.
  std::vector<std::string> lines() const;
};

/// Over these planes together. \throws settings::Error for a formula that cannot be read.
DiagramComparison compare(const SweepTable& table, std::span<const Plane> planes,
                          const std::vector<double>& margins = {1, 2});
/// Over all planes of the grid.
DiagramComparison compare(const SweepTable& table);

}  // namespace edgewise::validation
