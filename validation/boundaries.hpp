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

#include "validation/sweep.hpp"

namespace edgewise::validation {

/// How an axis is drawn and measured: its own scale, logarithmic where the axis is, and the index on the grid. Words
/// stand at 0, 1, 2, ...
class AxisScale {
 public:
  explicit AxisScale(const SweepAxis& axis);

  std::size_t size() const { return scaled_.size(); }
  /// Places of the values on the scale, increasing whatever the order of the axis.
  const std::vector<double>& sorted() const { return sorted_; }
  /// Index on the axis of the i-th of these.
  std::size_t index(std::size_t sorted) const { return order_[sorted]; }
  double to_scale(double value) const;
  double from_scale(double place) const;
  /// The value of an axis at an index: what formulas see.
  double value(std::size_t index) const;
  /// Borders of the cells, one more than there are cells: middles between neighbours, and as far beyond the ends.
  const std::vector<double>& edges() const { return edges_; }
  /// Place on the scale in units of cells: 0 at the first of the sorted values, 1 at the next.
  double cells(double place) const;

 private:
  bool log_;
  std::vector<double> scaled_, sorted_, edges_;
  std::vector<std::size_t> order_;
};

/// A part of the grid along which one or two axes of numbers run; the others are held.
struct Plane {
  std::size_t horizontal = 0;
  std::optional<std::size_t> vertical;
  std::vector<std::size_t> place;  ///< index on every axis; of those that run it means nothing
};

/// All parts along which the first two axes of numbers with two values or more run; none when there is no such axis.
std::vector<Plane> planes(const SweepTable& table);

/// Index of the cell at these indices on the axes.
std::size_t cell_at(const SweepTable& table, std::span<const std::size_t> place);

/// A curve in a plane, in the axes' own units. In one dimension single points, `y` empty.
struct Boundary {
  std::string name;  ///< of the predicted curve; "A | B" for the border between two labels
  std::vector<double> x, y;
};

/// Between cells with different labels, through the middles between them on the axes' scales. Cells that failed or have
/// no label have no border.
std::vector<Boundary> measured_boundaries(const SweepTable& table, const Plane& plane);

/// The [[boundary]] curves; when the sweep has none, the borders between the regions that the labels' `predicted`
/// formulas name. Over the area of the plane's cells. \throws settings::Error for a formula that cannot be read.
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
