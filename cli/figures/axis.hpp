#pragma once
/// \file
/// The range, scale and ticks of a figure's axis.
#include <string>
#include <vector>

namespace edgewise::cli {

struct Axis {
  bool log = false;
  double low = 0, high = 1;  ///< range, with margins

  /// Position of a value along the axis, 0..1 inside the range; NaN when it has none.
  double place(double value) const;
  /// gnuplot's list of ticks: ("label" position level, ...).
  std::string ticks() const;
};

/// An axis that shows `values` (those that are not finite are ignored, as are those <= 0 on a logarithmic axis):
/// logarithmic when all `decisive` values that are finite and not the leading zero are positive and span more than
/// one decade. `margin` is the free share at each end.
Axis axis_of(const std::vector<double>& decisive, const std::vector<double>& values, bool ignore_zero, double margin);

}  // namespace edgewise::cli
