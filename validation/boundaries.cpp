#include "validation/boundaries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>

#include "settings/expression.hpp"
#include "validation/contours.hpp"

namespace edgewise::validation {

using settings::Error;
using settings::Expression;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
/// Points along an axis at which formulas are looked at for zeros.
constexpr std::size_t fine_points = 240;
constexpr std::size_t fine_points_alone = 4000;

/// Formulas know the axes that have numbers.
std::vector<std::string> axis_names(const SweepTable& table) {
  std::vector<std::string> out;
  for (const SweepAxis& axis : table.axes)
    if (axis.words.empty()) out.push_back(axis.name);
  return out;
}

Expression readable(const SweepTable& table, const std::string& formula, const std::string& what) {
  try {
    return Expression(formula, axis_names(table));
  } catch (const std::invalid_argument& error) {
    throw Error(fmt::format("{}: {}", what, error.what()));
  }
}

/// The labels' `predicted` formulas, in order.
struct Predictions {
  explicit Predictions(const SweepTable& table) {
    for (std::size_t i = 0; i < table.labels.size(); ++i)
      if (const LabelRule& rule = table.labels[i]; !rule.predicted.empty()) {
        formulas.push_back(readable(table, rule.predicted, fmt::format("label '{}': predicted", rule.name)));
        labels.push_back(static_cast<int>(i));
      }
  }
  /// Index of the label, -1 where none is predicted.
  int at(std::span<const double> values) const {
    for (std::size_t i = 0; i < formulas.size(); ++i)
      if (const double holds = formulas[i](values); holds != 0 && !std::isnan(holds)) return labels[i];
    return -1;
  }
  std::vector<Expression> formulas;
  std::vector<int> labels;
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
    if (plane_.vertical) out[y_value_] = y().from_scale(at_y);
    out[x_value_] = x().from_scale(at_x);
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
  if (same(curve.front(), curve.back())) return;
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

// ---- axes -----------------------------------------------------------------------------------------------------------

AxisScale::AxisScale(const SweepAxis& axis) : log_(axis.log && axis.words.empty()) {
  for (std::size_t i = 0; i < axis.size(); ++i)
    scaled_.push_back(axis.words.empty() ? to_scale(axis.numbers[i]) : static_cast<double>(i));
  order_.resize(scaled_.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return scaled_[a] < scaled_[b]; });
  for (const std::size_t i : order_) sorted_.push_back(scaled_[i]);
  const std::size_t n = sorted_.size();
  if (n == 0) return;
  const double first = n > 1 ? (sorted_[1] - sorted_[0]) / 2 : 0.5,
               last = n > 1 ? (sorted_[n - 1] - sorted_[n - 2]) / 2 : 0.5;
  edges_.push_back(sorted_.front() - first);
  for (std::size_t i = 0; i + 1 < n; ++i) edges_.push_back((sorted_[i] + sorted_[i + 1]) / 2);
  edges_.push_back(sorted_.back() + last);
}

double AxisScale::to_scale(double value) const {
  return log_ ? std::log(value) : value;
}
double AxisScale::from_scale(double place) const {
  return log_ ? std::exp(place) : place;
}
double AxisScale::value(std::size_t index) const {
  return from_scale(scaled_[index]);
}

double AxisScale::cells(double place) const {
  const std::size_t n = sorted_.size();
  if (n < 2) return place - sorted_.front();
  const auto after = std::upper_bound(sorted_.begin() + 1, sorted_.end() - 1, place);
  const auto i = static_cast<std::size_t>(after - sorted_.begin());
  return static_cast<double>(i) - (sorted_[i] - place) / (sorted_[i] - sorted_[i - 1]);
}

std::size_t cell_at(const SweepTable& table, std::span<const std::size_t> place) {
  std::size_t cell = 0;
  for (std::size_t a = 0; a < table.axes.size(); ++a) cell = cell * table.axes[a].size() + place[a];
  return cell;
}

std::vector<Plane> planes(const SweepTable& table) {
  std::vector<std::size_t> running;
  for (std::size_t a = 0; a < table.axes.size() && running.size() < 2; ++a)
    if (table.axes[a].words.empty() && table.axes[a].size() > 1) running.push_back(a);
  if (running.empty() || table.cells.empty()) return {};
  Plane plane{running[0], running.size() > 1 ? std::optional(running[1]) : std::nullopt,
              std::vector<std::size_t>(table.axes.size(), 0)};
  std::vector<Plane> out;
  while (true) {
    out.push_back(plane);
    std::size_t a = table.axes.size();
    while (a > 0) {
      --a;
      const bool runs = a == plane.horizontal || plane.vertical == a;
      if (runs) continue;
      if (++plane.place[a] < table.axes[a].size()) break;
      plane.place[a] = 0;
      if (a == 0) return out;
    }
    if (std::all_of(plane.place.begin(), plane.place.end(), [](std::size_t i) { return i == 0; })) return out;
  }
}

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
    const Expression zero = readable(table, predicted.zero, fmt::format("boundary '{}': zero", predicted.name));
    std::unique_ptr<Expression> when;
    if (!predicted.when.empty())
      when = std::make_unique<Expression>(
          readable(table, predicted.when, fmt::format("boundary '{}': when", predicted.name)));
    const auto inside = [&](double x, double y) {
      const double holds = when ? (*when)(view.values(x, y)) : 1;
      return holds != 0 && !std::isnan(holds);
    };
    if (view.flat()) {
      for (const double x :
           find_zeros([&](double at) { return zero(view.values(at, 0)); }, fine(view.x(), fine_points_alone)))
        if (inside(x, 0)) out.push_back(view.boundary(predicted.name, {{x, 0}}));
      continue;
    }
    for (const PlaneCurve& curve : trace_zeros([&](double x, double y) { return zero(view.values(x, y)); },
                                               fine(view.x(), fine_points), fine(view.y(), fine_points), inside))
      out.push_back(view.boundary(predicted.name, curve));
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
    if (s.points == 0) continue;
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
  if (agreement) {
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
