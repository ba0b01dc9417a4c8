#pragma once
/// \file
/// Curves through a plane: the zeros of a function, and the borders between regions of equal label, by marching
/// squares.
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace edgewise::validation {

struct PlanePoint {
  double x = 0, y = 0;
};
/// Connected points; a closed curve ends where it starts.
using PlaneCurve = std::vector<PlanePoint>;

/// Zeros of `f` in the rectangle spanned by `x` and `y` (increasing), found where f changes sign along an edge of the
/// grid and refined there by bisection. Sign changes without a zero (poles, jumps) and squares where f is not finite
/// at a corner are left out.
/// \param inside  only the parts of the curves where it holds; cut to rounding; empty: everywhere
std::vector<PlaneCurve> trace_zeros(const std::function<double(double x, double y)>& f, std::span<const double> x,
                                    std::span<const double> y, const std::function<bool(double, double)>& inside = {});

/// Zeros of a function of one variable between the points of `x`, likewise.
std::vector<double> find_zeros(const std::function<double(double)>& f, std::span<const double> x);

/// Between two labels, low < high.
struct LabelBorder {
  int low, high;
  std::vector<PlaneCurve> curves;
};

/// Borders between points with different labels: through the middles of the edges of the grid, and through the middle
/// of squares where three labels or more meet. Labels below 0 are unknown and have no border.
/// \param labels  [iy * x.size() + ix]
std::vector<LabelBorder> trace_labels(std::span<const int> labels, std::span<const double> x,
                                      std::span<const double> y);

}  // namespace edgewise::validation
