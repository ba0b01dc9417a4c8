#pragma once
/// \file
/// Reading a curve that is known at recorded steps: its value between them, its first passage through a level, its
/// average over a window.
#include <span>
#include <vector>

namespace edgewise::validation {

/// Values at increasing steps.
struct RecordedCurve {
  std::span<const double> steps;
  std::span<const double> values;
};

/// The value at `step`: between two recorded steps a power law through both where steps and values are positive, else
/// a straight line. NaN outside the record: nothing is extrapolated.
double value_at(const RecordedCurve& curve, double step);

/// The first step at which the curve is at `level` or beyond it: below when `falling`, else above. Interpolated as
/// `value_at` does; the first recorded step when it starts there; NaN when it never gets there.
double first_passage(const RecordedCurve& curve, double level, bool falling = true);

/// The part of a curve between two steps, with the values at both ends.
struct CurveWindow {
  std::vector<double> steps, values;
  bool empty() const { return steps.empty(); }
};

/// Empty when the record does not cover [from, to], or a value in it is not a number.
CurveWindow window_of(const RecordedCurve& curve, double from, double to);

/// Average over the steps of the window (trapezoidal rule). NaN for an empty window.
double mean_over(const CurveWindow& window);
/// The value that the curve is below for half of the window's steps.
double median_over(const CurveWindow& window);

}  // namespace edgewise::validation
