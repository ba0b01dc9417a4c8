// Built at -O1: nothing here takes time.
#include "validation/sweeps/boundaries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "settings/expression.hpp"
#include "validation/sweeps/contours.hpp"

namespace edgewise::validation {

using settings::Error;
using settings::Expression;

namespace {

/// Points along an axis at which formulas are looked at for zeros.
constexpr std::size_t fine_points = 240;
constexpr std::size_t fine_points_alone = 4000;

bool is_true(double value) {
  return value != 0 && !std::isnan(value);
}

/// Formulas know the axes that have numbers.
std::vector<std::string> axis_names(const SweepTable& table) {
  std::vector<std::string> out;
  for (const SweepAxis& axis : table.axes)
    if (axis.words.empty()) out.push_back(axis.name);
  return out;
}

Expression readable(std::vector<std::string> names, const std::string& formula, const std::string& what) {
  try {
    return Expression(formula, std::move(names));
  } catch (const std::invalid_argument& error) {
    throw Error(fmt::format("{}: {}", what, error.what()));
  }
}

/// Formulas of boundaries know the measures as well, behind the axes.
std::vector<std::string> axis_and_measure_names(const SweepTable& table) {
  std::vector<std::string> out = axis_names(table);
  for (const MeasureInfo& measure : table.measures) out.push_back(measure.name);
  return out;
}

/// The labels' `predicted` formulas, in order.
struct Predictions {
  explicit Predictions(const SweepTable& table) {
    for (std::size_t i = 0; i < table.labels.size(); ++i)
      if (const LabelRule& rule = table.labels[i]; !rule.predicted.empty()) {
        formulas.push_back(
            readable(axis_names(table), rule.predicted, fmt::format("label '{}': predicted", rule.name)));
        labels.push_back(static_cast<int>(i));
      }
  }
  /// Index of the label, -1 where none is predicted.
  int at(std::span<const double> values) const {
    for (std::size_t i = 0; i < formulas.size(); ++i)
      if (is_true(formulas[i](values))) return labels[i];
    return -1;
  }
  std::vector<Expression> formulas;
  std::vector<int> labels;
};

/// The formulas of a predicted curve. One that knows axes only can be evaluated anywhere, one with measures in the
/// middles of the finished cells.
class BoundaryFormulas {
 public:
  BoundaryFormulas(const SweepTable& table, const PredictedBoundary& boundary)
      : table_(table),
        zero_(
            readable(axis_and_measure_names(table), boundary.zero, fmt::format("boundary '{}': zero", boundary.name))),
        when_(readable(axis_and_measure_names(table), boundary.when.empty() ? "1" : boundary.when,
                       fmt::format("boundary '{}': when", boundary.name))),
        zero_measured_(uses_measures(zero_)),
        when_measured_(uses_measures(when_)) {}

  bool measured() const { return zero_measured_ || when_measured_; }
  /// \param axes  values of the axes that have numbers
  double zero(std::vector<double> axes) const { return zero_(without_measures(axes)); }
  /// True where only a cell can tell.
  bool inside(std::vector<double> axes) const { return when_measured_ || is_true(when_(without_measures(axes))); }
  /// Not-a-number for a cell that is not finished, or where `when`, if it has measures, does not hold.
  double zero_in_cell(std::vector<double> axes, const CellResult& cell) const {
    constexpr double gap = std::numeric_limits<double>::quiet_NaN();
    if (cell.state != CellState::finished || cell.measures.size() != table_.measures.size()) return gap;
    axes.insert(axes.end(), cell.measures.begin(), cell.measures.end());
    return when_measured_ && !is_true(when_(axes)) ? gap : zero_(axes);
  }

 private:
  bool uses_measures(const Expression& formula) const {
    const std::vector<std::string> used = formula.used();
    return std::any_of(table_.measures.begin(), table_.measures.end(), [&](const MeasureInfo& measure) {
      return std::find(used.begin(), used.end(), measure.name) != used.end();
    });
  }
  const std::vector<double>& without_measures(std::vector<double>& axes) const {
    axes.resize(axes.size() + table_.measures.size(), std::numeric_limits<double>::quiet_NaN());
    return axes;
  }

  const SweepTable& table_;
  Expression zero_, when_;
  bool zero_measured_, when_measured_;
};

/// Numbers in the middles of the cells of a plane, bilinear between them on the axes' scales.
class CellValues {
 public:
  CellValues(const SweepTable& table, const PlaneView& view, const BoundaryFormulas& formulas) : view_(view) {
    for (std::size_t iy = 0; iy < view.rows(); ++iy)
      for (std::size_t ix = 0; ix < view.x().size(); ++ix)
        values_.push_back(
            formulas.zero_in_cell(view.values(view.x().sorted()[ix], view.flat() ? 0 : view.y().sorted()[iy]),
                                  table.cells[view.cell(ix, iy)]));
  }

  double operator()(double x, double y) const {
    const auto [ix, to_x] = between(view_.x(), x);
    const auto [iy, to_y] = view_.flat() ? std::pair<std::size_t, double>{0, 0.0} : between(view_.y(), y);
    double sum = 0;
    for (const std::size_t dy : {std::size_t{0}, std::size_t{1}})
      for (const std::size_t dx : {std::size_t{0}, std::size_t{1}}) {
        const double weight = (dx == 1 ? to_x : 1 - to_x) * (dy == 1 ? to_y : 1 - to_y);
        // A cell without a number leaves no gap on the far side of its neighbours.
        if (weight != 0) sum += weight * values_[(iy + dy) * view_.x().size() + ix + dx];
      }
    return sum;
  }

 private:
  /// The cell at or before a place, and how far the place is on the way to the next.
  static std::pair<std::size_t, double> between(const AxisScale& axis, double place) {
    const std::vector<double>& at = axis.sorted();
    const auto after = std::upper_bound(at.begin() + 1, at.end() - 1, place);
    const auto i = static_cast<std::size_t>(after - at.begin()) - 1;
    return {i, (place - at[i]) / (at[i + 1] - at[i])};
  }

  const PlaneView& view_;
  std::vector<double> values_;
};

std::vector<double> fine(const AxisScale& axis, std::size_t count) {
  std::vector<double> out(count);
  const double low = axis.edges().front(), high = axis.edges().back();
  for (std::size_t i = 0; i < count; ++i)
    out[i] = low + (high - low) * static_cast<double>(i) / static_cast<double>(count - 1);
  return out;
}

/// A border that ends at the outermost cells' middles goes on to their edges.
void reach_out(PlaneCurve& curve, const PlaneView& view) {
  const auto beyond = [&](const PlanePoint& end) {
    PlanePoint out = end;
    const auto move = [](double& place, const AxisScale& axis) {
      if (place == axis.sorted().front()) place = axis.edges().front();
      if (place == axis.sorted().back()) place = axis.edges().back();
    };
    move(out.x, view.x());
    move(out.y, view.y());
    return out;
  };
  const auto same = [](const PlanePoint& a, const PlanePoint& b) { return a.x == b.x && a.y == b.y; };
  if (const PlanePoint p = beyond(curve.front()); !same(p, curve.front())) curve.insert(curve.begin(), p);
  if (const PlanePoint p = beyond(curve.back()); !same(p, curve.back())) curve.push_back(p);
}

std::string border_name(const SweepTable& table, std::size_t a, std::size_t b) {
  return fmt::format("{} | {}", table.labels[std::min(a, b)].name, table.labels[std::max(a, b)].name);
}

/// Borders of labels on the points of a grid, with the rules' names.
std::vector<Boundary> borders(const SweepTable& table, const PlaneView& view, const std::vector<int>& labels,
                              const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<Boundary> out;
  const auto name = [&](int a, int b) {
    return border_name(table, static_cast<std::size_t>(a), static_cast<std::size_t>(b));
  };
  if (view.flat()) {
    for (std::size_t i = 0; i + 1 < x.size(); ++i)
      if (labels[i] >= 0 && labels[i + 1] >= 0 && labels[i] != labels[i + 1])
        out.push_back(view.boundary(name(labels[i], labels[i + 1]), {{(x[i] + x[i + 1]) / 2, 0}}));
    return out;
  }
  for (LabelBorder& border : trace_labels(labels, x, y))
    for (PlaneCurve& curve : border.curves) {
      reach_out(curve, view);
      out.push_back(view.boundary(name(border.low, border.high), curve));
    }
  return out;
}

int label_index(const SweepTable& table, const std::string& label) {
  if (label.empty()) return -1;
  for (std::size_t i = 0; i < table.labels.size(); ++i)
    if (table.labels[i].name == label) return static_cast<int>(i);
  return -1;
}

std::vector<Boundary> predicted_borders(const SweepTable& table, const PlaneView& view) {
  const Predictions predictions(table);
  if (predictions.formulas.empty()) return {};
  const std::vector<double> x = fine(view.x(), view.flat() ? fine_points_alone : fine_points),
                            y = view.flat() ? std::vector<double>{0} : fine(view.y(), fine_points);
  std::vector<int> labels;
  for (const double at_y : y)
    for (const double at_x : x) labels.push_back(predictions.at(view.values(at_x, at_y)));
  return borders(table, view, labels, x, y);
}

// ---- distances ------------------------------------------------------------------------------------------------------

using Segments = std::vector<std::pair<PlanePoint, PlanePoint>>;

void add_segments(Segments& segments, const PlaneCurve& curve) {
  if (curve.size() == 1) segments.emplace_back(curve[0], curve[0]);
  for (std::size_t i = 0; i + 1 < curve.size(); ++i) segments.emplace_back(curve[i], curve[i + 1]);
}

/// The vector from `p` to the nearest point of the segment.
PlanePoint to_segment(const PlanePoint& p, const PlanePoint& a, const PlanePoint& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, squared = dx * dx + dy * dy;
  const double t = squared > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / squared, 0.0, 1.0) : 0;
  return {a.x + t * dx - p.x, a.y + t * dy - p.y};
}

double distance(const PlanePoint& p, const Segments& segments) {
  double least = infinity;
  for (const auto& [a, b] : segments) {
    const PlanePoint to = to_segment(p, a, b);
    least = std::min(least, to.x * to.x + to.y * to.y);
  }
  return std::sqrt(least);
}

/// Whether a segment comes closer to `p` than `margin` along both axes at once.
bool enters_square(const PlanePoint& p, double margin, const PlanePoint& a, const PlanePoint& b) {
  // Liang and Barsky's clipping of the segment by the square.
  double from = 0, to = 1;
  const auto clip = [&](double start, double change) {
    for (const double side : {-1.0, 1.0}) {
      const double gap = margin - side * start, speed = side * change;  // inside where speed * t <= gap
      if (speed == 0) {
        if (gap < 0) return false;
      } else if (speed > 0) {
        to = std::min(to, gap / speed);
      } else {
        from = std::max(from, gap / speed);
      }
    }
    return from <= to;
  };
  return clip(a.x - p.x, b.x - a.x) && clip(a.y - p.y, b.y - a.y);
}

struct Sums {
  bool predicted = false;
  std::size_t points = 0;
  double cells = 0, max_cells = 0, shares = 0, max_share = 0;
};

void add_distances(std::map<std::pair<bool, std::string>, Sums>& sums, const PlaneView& view, bool predicted,
                   const std::vector<Boundary>& from, const Segments& in_cells, const Segments& in_shares) {
  if (in_cells.empty()) return;
  for (const Boundary& boundary : from) {
    Sums& s = sums[{predicted, boundary.name}];
    for (const PlanePoint& p : view.curve(boundary)) {
      const double cells = distance(view.in_cells(p), in_cells), share = distance(view.in_shares(p), in_shares);
      ++s.points;
      s.cells += cells;
      s.shares += share;
      s.max_cells = std::max(s.max_cells, cells);
      s.max_share = std::max(s.max_share, share);
    }
  }
}

std::pair<Segments, Segments> segments_of(const PlaneView& view, const std::vector<Boundary>& boundaries) {
  Segments cells, shares;
  for (const Boundary& boundary : boundaries) {
    PlaneCurve in_cells, in_shares;
    for (const PlanePoint& p : view.curve(boundary)) {
      in_cells.push_back(view.in_cells(p));
      in_shares.push_back(view.in_shares(p));
    }
    add_segments(cells, in_cells);
    add_segments(shares, in_shares);
  }
  return {cells, shares};
}

}  // namespace

// ---- boundaries -----------------------------------------------------------------------------------------------------

std::vector<Boundary> measured_boundaries(const SweepTable& table, const Plane& plane) {
  const PlaneView view(table, plane);
  std::vector<int> labels;
  for (std::size_t iy = 0; iy < view.rows(); ++iy)
    for (std::size_t ix = 0; ix < view.x().size(); ++ix) {
      const CellResult& cell = table.cells[view.cell(ix, iy)];
      labels.push_back(cell.state == CellState::finished ? label_index(table, cell.label) : -1);
    }
  return borders(table, view, labels, view.x().sorted(), view.flat() ? std::vector<double>{0} : view.y().sorted());
}

std::vector<Boundary> predicted_boundaries(const SweepTable& table, const Plane& plane) {
  const PlaneView view(table, plane);
  if (table.boundaries.empty()) return predicted_borders(table, view);
  std::vector<Boundary> out;
  for (const PredictedBoundary& predicted : table.boundaries) {
    const BoundaryFormulas formulas(table, predicted);
    const auto inside = [&](double x, double y) { return formulas.inside(view.values(x, y)); };
    std::function<double(double, double)> zero = [&](double x, double y) { return formulas.zero(view.values(x, y)); };
    if (formulas.measured()) zero = CellValues(table, view, formulas);
    const auto points = [&](const AxisScale& axis) {
      return formulas.measured() ? axis.sorted() : fine(axis, view.flat() ? fine_points_alone : fine_points);
    };
    if (view.flat()) {
      for (const double x : find_zeros([&](double at) { return zero(at, 0); }, points(view.x())))
        if (inside(x, 0)) out.push_back(view.boundary(predicted.name, {{x, 0}}));
      continue;
    }
    for (PlaneCurve& curve : trace_zeros(zero, points(view.x()), points(view.y()), inside)) {
      if (formulas.measured()) reach_out(curve, view);
      out.push_back(view.boundary(predicted.name, curve));
    }
  }
  return out;
}

DiagramComparison compare(const SweepTable& table) {
  const std::vector<Plane> all = planes(table);
  return compare(table, all);
}

DiagramComparison compare(const SweepTable& table, std::span<const Plane> planes, const std::vector<double>& margins) {
  DiagramComparison out;
  for (const CellResult& cell : table.cells) {
    out.finished += cell.state == CellState::finished ? 1 : 0;
    out.failed += cell.state == CellState::failed ? 1 : 0;
    out.pending += cell.state == CellState::pending ? 1 : 0;
  }
  const Predictions predictions(table);
  LabelAgreement agreement;
  agreement.counts.push_back({});
  for (const double margin : margins) agreement.counts.push_back({margin, 0, 0});
  std::map<std::pair<std::string, std::string>, std::size_t> confusions;
  std::map<std::pair<bool, std::string>, Sums> sums;
  // Where the theory puts a label that has no prediction is not known.
  std::set<std::string> unpredicted;
  for (std::size_t a = 0; a < table.labels.size() && !predictions.formulas.empty(); ++a)
    for (std::size_t b = 0; b < table.labels.size() && table.labels[a].predicted.empty(); ++b)
      unpredicted.insert(border_name(table, a, b));

  for (const Plane& plane : planes) {
    const PlaneView view(table, plane);
    std::vector<Boundary> measured = measured_boundaries(table, plane);
    const std::vector<Boundary> predicted = predicted_boundaries(table, plane);
    const auto [measured_cells, measured_shares] = segments_of(view, measured);
    const auto [predicted_cells, predicted_shares] = segments_of(view, predicted);
    std::erase_if(measured, [&](const Boundary& boundary) { return unpredicted.contains(boundary.name); });
    add_distances(sums, view, false, measured, predicted_cells, predicted_shares);
    add_distances(sums, view, true, predicted, measured_cells, measured_shares);
    if (predictions.formulas.empty()) continue;
    for (std::size_t iy = 0; iy < view.rows(); ++iy)
      for (std::size_t ix = 0; ix < view.x().size(); ++ix) {
        const CellResult& cell = table.cells[view.cell(ix, iy)];
        const PlanePoint at{view.x().sorted()[ix], view.flat() ? 0 : view.y().sorted()[iy]};
        const int expected = predictions.at(view.values(at.x, at.y));
        if (cell.state != CellState::finished || expected < 0) continue;
        const std::string& name = table.labels[static_cast<std::size_t>(expected)].name;
        const bool agrees = name == cell.label;
        if (!agrees) ++confusions[{name, cell.label.empty() ? "none" : cell.label}];
        const PlanePoint in_cells = view.in_cells(at);
        for (LabelAgreement::Count& count : agreement.counts) {
          bool near = false;
          for (std::size_t s = 0; count.margin > 0 && s < predicted_cells.size() && !near; ++s)
            near = enters_square(in_cells, count.margin, predicted_cells[s].first, predicted_cells[s].second);
          if (near) continue;
          ++count.cells;
          count.agreeing += agrees ? 1 : 0;
        }
      }
  }
  for (const auto& [key, s] : sums) {
    const auto n = static_cast<double>(s.points);
    out.distances.push_back({key.second, key.first, s.points, s.cells / n, s.max_cells, s.shares / n, s.max_share});
  }
  if (!predictions.formulas.empty()) {
    for (const auto& [pair, cells] : confusions) agreement.confusions.push_back({pair.first, pair.second, cells});
    std::stable_sort(agreement.confusions.begin(), agreement.confusions.end(),
                     [](const auto& a, const auto& b) { return a.cells > b.cells; });
    out.agreement = std::move(agreement);
  }
  return out;
}

std::vector<std::string> DiagramComparison::lines() const {
  std::vector<std::string> out;
  if (agreement && agreement->counts.front().cells > 0) {
    std::string line = "labels as predicted: ";
    for (std::size_t i = 0; i < agreement->counts.size(); ++i) {
      const LabelAgreement::Count& count = agreement->counts[i];
      if (i > 0 && count.cells == 0) continue;
      line += fmt::format("{}{} of {} cells", i > 0 ? ", " : "", count.agreeing, count.cells);
      if (i > 0)
        line += fmt::format(" more than {} cell{} from every predicted boundary", settings::text_of(count.margin),
                            count.margin == 1 ? "" : "s");
    }
    out.push_back(line);
    for (const LabelAgreement::Confusion& c : agreement->confusions)
      out.push_back(
          fmt::format("  {} cell{} predicted {} found {}", c.cells, c.cells == 1 ? "" : "s", c.predicted, c.found));
  }
  for (const BoundaryDistance& d : distances)
    out.push_back(fmt::format("{} boundary {}: {:.2g} cells from the nearest {} one on average, {:.2g} at most",
                              d.predicted ? "predicted" : "measured", d.name, d.mean_cells,
                              d.predicted ? "measured" : "predicted", d.max_cells));
  return out;
}

}  // namespace edgewise::validation
