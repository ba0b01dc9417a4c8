#pragma once
/// \file
/// The planes of a sweep's grid that a phase diagram shows, and their axes' scales.
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "validation/sweeps/contours.hpp"
#include "validation/sweeps/sweep.hpp"

namespace edgewise::validation {

/// How an axis is drawn and measured: its own scale, logarithmic where the axis is, and the index on the grid. Words
/// stand at 0, 1, 2, ...; infinity stands as far beyond the last number as that beyond the one before.
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
  double value(std::size_t index) const { return values_[index]; }
  /// The same at a place between: infinite in the cell of infinity.
  double value_at(double place) const;
  /// Borders of the cells, one more than there are cells: middles between neighbours, and as far beyond the ends.
  const std::vector<double>& edges() const { return edges_; }
  /// Place on the scale in units of cells: 0 at the first of the sorted values, 1 at the next.
  double cells(double place) const;

 private:
  bool log_;
  std::vector<double> values_, scaled_, sorted_, edges_;
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

/// A plane with its scales, and the values that formulas see there.
class PlaneView {
 public:
  PlaneView(const SweepTable& table, const Plane& plane) : table_(table), plane_(plane) {
    for (const SweepAxis& axis : table.axes) scales_.emplace_back(axis);
    std::vector<std::size_t> among_numbers(scales_.size(), 0);
    for (std::size_t a = 0; a < scales_.size(); ++a) {
      among_numbers[a] = values_.size();
      if (table.axes[a].words.empty()) values_.push_back(scales_[a].value(plane.place[a]));
    }
    x_value_ = among_numbers[plane.horizontal];
    y_value_ = among_numbers[plane.vertical.value_or(plane.horizontal)];
  }

  bool flat() const { return !plane_.vertical; }
  const AxisScale& x() const { return scales_[plane_.horizontal]; }
  const AxisScale& y() const { return scales_[*plane_.vertical]; }

  /// What formulas see at a point on the scales: values of the axes that have numbers.
  std::vector<double> values(double at_x, double at_y) const {
    std::vector<double> out = values_;
    if (plane_.vertical && table_.axes[*plane_.vertical].words.empty()) out[y_value_] = y().value_at(at_y);
    if (table_.axes[plane_.horizontal].words.empty()) out[x_value_] = x().value_at(at_x);
    return out;
  }

  /// The cell at sorted indices along the plane's axes.
  std::size_t cell(std::size_t ix, std::size_t iy) const {
    std::vector<std::size_t> place = plane_.place;
    place[plane_.horizontal] = x().index(ix);
    if (plane_.vertical) place[*plane_.vertical] = y().index(iy);
    return cell_at(table_, place);
  }
  std::size_t rows() const { return flat() ? 1 : y().size(); }

  /// A point on the scales in units of cells, or of the lengths of the axes.
  PlanePoint in_cells(const PlanePoint& p) const { return {x().cells(p.x), flat() ? 0 : y().cells(p.y)}; }
  PlanePoint in_shares(const PlanePoint& p) const {
    const auto share = [](const AxisScale& axis, double place) {
      return place / (axis.sorted().back() - axis.sorted().front());
    };
    return {share(x(), p.x), flat() ? 0 : share(y(), p.y)};
  }

  Boundary boundary(const std::string& name, const PlaneCurve& curve) const {
    Boundary out{name, {}, {}};
    for (const PlanePoint& p : curve) {
      out.x.push_back(x().from_scale(p.x));
      if (!flat()) out.y.push_back(y().from_scale(p.y));
    }
    return out;
  }
  PlaneCurve curve(const Boundary& boundary) const {
    PlaneCurve out;
    for (std::size_t i = 0; i < boundary.x.size(); ++i)
      out.push_back({x().to_scale(boundary.x[i]), flat() ? 0 : y().to_scale(boundary.y[i])});
    return out;
  }

 private:
  const SweepTable& table_;
  const Plane& plane_;
  std::vector<AxisScale> scales_;
  std::vector<double> values_;
  std::size_t x_value_ = 0, y_value_ = 0;
};

}  // namespace edgewise::validation
