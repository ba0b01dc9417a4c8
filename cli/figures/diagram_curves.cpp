/// Curves: measures along one axis, or one measure along it for several values of another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/figures/axis.hpp"
#include "cli/figures/diagram_panels.hpp"
#include "cli/figures/figure_style.hpp"
#include "cli/figures/gnuplot.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::text_of;
using validation::AxisScale;
using validation::Boundary;
using validation::CellResult;
using validation::CellState;
using validation::Plane;
using validation::SweepAxis;
using validation::SweepTable;

namespace {

struct SweepCurve {
  std::string legend;
  std::vector<double> x, y, error;  ///< error: standard error, 0 where there is none
  bool has_errors = false;
};

/// Cells along the horizontal axis.
class PlaneLine {
 public:
  PlaneLine(const SweepTable& table, Plane plane)
      : table_(table), plane_(std::move(plane)), scale_(table.axes[plane_.horizontal]) {}
  const AxisScale& scale() const { return scale_; }
  const CellResult& cell(std::size_t sorted) const {
    std::vector<std::size_t> place = plane_.place;
    place[plane_.horizontal] = scale_.index(sorted);
    return table_.cells[validation::cell_at(table_, place)];
  }

 private:
  const SweepTable& table_;
  Plane plane_;
  AxisScale scale_;
};

SweepCurve curve_of(const SweepTable& table, const PlaneLine& line, std::size_t measure, const std::string& legend) {
  SweepCurve out{legend, {}, {}, {}, false};
  std::size_t error = table.measures.size();
  for (std::size_t m = 0; m < table.measures.size(); ++m)
    if (table.measures[m].name == table.measures[measure].name + "_se") error = m;
  for (std::size_t i = 0; i < line.scale().size(); ++i) {
    const CellResult& cell = line.cell(i);
    if (cell.state != CellState::finished || !std::isfinite(cell.measures[measure])) continue;
    out.x.push_back(line.scale().from_scale(line.scale().sorted()[i]));
    out.y.push_back(cell.measures[measure]);
    const double se = error < table.measures.size() ? cell.measures[error] : 0;
    out.error.push_back(std::isfinite(se) ? se : 0);
    out.has_errors = out.has_errors || error < table.measures.size();
  }
  return out;
}

/// Ranges of the horizontal axis with one label, as coloured ground with their names.
std::string label_ground(const SweepTable& table, const PlaneLine& line, std::vector<std::size_t>& in_legend) {
  std::string out;
  const AxisScale& scale = line.scale();
  const double low = scale.edges().front(), width = scale.edges().back() - low;
  std::vector<bool> named(table.labels.size(), false), seen(table.labels.size(), false);
  for (std::size_t i = 0; i < scale.size();) {
    std::size_t end = i;
    while (end < scale.size() && line.cell(end).label == line.cell(i).label) ++end;
    const auto rule = std::find_if(table.labels.begin(), table.labels.end(),
                                   [&](const validation::LabelRule& r) { return r.name == line.cell(i).label; });
    if (rule != table.labels.end()) {
      const auto l = static_cast<std::size_t>(rule - table.labels.begin());
      const double from = (scale.edges()[i] - low) / width, to = (scale.edges()[end] - low) / width;
      out += fmt::format(
          "set object rectangle from graph {:.5f}, graph 0 to graph {:.5f}, graph 1 behind fc rgb '{}' fs transparent "
          "solid 0.45 noborder\n",
          from, to, label_tint(l));
      seen[l] = true;
      if (0.02 + 0.018 * static_cast<double>(letters(rule->name)) < to - from) {
        out += fmt::format("set label {} at graph {:.5f}, graph 0.95 center noenhanced front\n",
                           plain(with_greek(rule->name)), (from + to) / 2);
        named[l] = true;
      }
    }
    i = end;
  }
  for (std::size_t l = 0; l < seen.size(); ++l)
    if (seen[l] && !named[l]) in_legend.push_back(l);
  return out;
}

/// The curves of a panel: one a measure, or one a measure and place of the vertical axis.
std::vector<SweepCurve> curves_of(const SweepTable& table, const DiagramPanel& panel, const PlaneLine& first) {
  std::vector<SweepCurve> out;
  for (const std::size_t m : panel.measures) {
    const std::string name = panel.measures.size() > 1 ? shown_name(table.measures[m].name) : "";
    if (!panel.plane.vertical) {
      out.push_back(curve_of(table, first, m, name));
      continue;
    }
    const SweepAxis& other = table.axes[*panel.plane.vertical];
    for (std::size_t i = 0; i < other.size(); ++i) {
      Plane plane = panel.plane;
      plane.place[*panel.plane.vertical] = i;
      out.push_back(
          curve_of(table, PlaneLine(table, plane), m, (name.empty() ? "" : name + ", ") + shown_value(other, i)));
    }
  }
  return out;
}

/// The axis that holds all curves with their errors.
Axis values_axis(const std::vector<SweepCurve>& curves, const std::string& measure) {
  std::vector<double> central, shown;
  for (const SweepCurve& c : curves)
    for (std::size_t i = 0; i < c.y.size(); ++i) {
      central.push_back(c.y[i]);
      shown.push_back(c.y[i] - 2 * c.error[i]);
      shown.push_back(c.y[i] + 2 * c.error[i]);
    }
  if (central.empty()) throw Error(fmt::format("the measure '{}' is defined in no cell that is drawn", measure));
  return axis_of(central, shown, false, 0.08);
}

/// What gnuplot draws of one panel: blocks of data, and what to plot of them.
class PanelPlots {
 public:
  explicit PanelPlots(std::size_t panel) : panel_(panel) {}

  /// The name of a new block of these rows.
  std::string block(const std::string& rows) {
    const std::string name = fmt::format("$c{}b{}", panel_, plots_.size());
    data_ += name + " << EOD\n" + rows + "EOD\n";
    return name;
  }
  void add(std::string plot) { plots_.push_back(std::move(plot)); }
  std::string text() const { return data_ + "plot " + settings::join(plots_, ", \\\n     ") + "\n"; }

 private:
  std::size_t panel_;
  std::string data_;
  std::vector<std::string> plots_;
};

/// Upright lines where theory predicts that labels change.
void add_boundaries(PanelPlots& plots, const std::vector<Boundary>& boundaries, const Axis& y) {
  std::vector<std::string> names;
  for (const Boundary& boundary : boundaries) {
    const bool again = std::find(names.begin(), names.end(), boundary.name) != names.end();
    names.push_back(boundary.name);
    std::string rows;
    for (const double at : boundary.x)
      rows += fmt::format("{0} {1}\n{0} {2}\n\n", text_of(at), text_of(y.low), text_of(y.high));
    plots.add(
        fmt::format("{} using 1:2 with lines lw 1.6 dt (8,5) lc rgb 'black' {}", plots.block(rows),
                    again ? "notitle" : "title " + plain("predicted: " + with_greek(boundary.name)) + " noenhanced"));
  }
}

void add_curve(PanelPlots& plots, const SweepCurve& curve, const char* color, const Axis& y) {
  std::string rows;
  for (std::size_t i = 0; i < curve.x.size(); ++i)
    rows += fmt::format("{} {} {} {}\n", text_of(curve.x[i]), text_of(curve.y[i]),
                        text_of(std::max(curve.y[i] - 2 * curve.error[i], y.low)),
                        text_of(curve.y[i] + 2 * curve.error[i]));
  if (rows.empty()) rows = "NaN NaN NaN NaN\n";
  const auto title = [&](const char* more) {
    return curve.legend.empty() ? "notitle" : "title " + plain(curve.legend + more) + " noenhanced";
  };
  const std::string name = plots.block(rows);
  // A measure with an error is a set of points; one without, e.g. a prediction, a line.
  if (curve.has_errors) {
    plots.add(fmt::format("{} using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '{}' notitle", name, color));
    plots.add(fmt::format("{} using 1:2 with points pt 7 ps 0.5 lc rgb '{}' {}", name, color, title(" ± 2 s.e.")));
  } else {
    plots.add(fmt::format("{} using 1:2 with {} lw 2 pt 7 ps 0.4 lc rgb '{}' {}", name,
                          curve.x.size() > 40 ? "lines" : "linespoints", color, title("")));
  }
}

}  // namespace

std::string curve_panel(const SweepTable& table, const DiagramPanel& panel, std::size_t number) {
  const SweepAxis& along = table.axes[panel.plane.horizontal];
  const PlaneLine first(table, panel.plane);
  const validation::MeasureInfo& info = table.measures[panel.measures.front()];
  const std::vector<SweepCurve> curves = curves_of(table, panel, first);
  const Axis y = values_axis(curves, info.name);
  const AxisScale& scale = first.scale();
  const Axis x{along.log, scale.from_scale(scale.edges().front()), scale.from_scale(scale.edges().back())};

  std::string out = "unset label\nunset object\nunset arrow\nunset colorbox\n";
  out +=
      fmt::format("set {} x\nset {} y\nset xrange [{}:{}]\nset yrange [{}:{}]\n", x.log ? "logscale" : "nologscale",
                  y.log ? "logscale" : "nologscale", text_of(x.low), text_of(x.high), text_of(y.low), text_of(y.high));
  std::string label = panel.measures.size() > 1 ? "" : shown_name(info.name);
  const bool shared =
      std::ranges::all_of(panel.measures, [&](std::size_t m) { return table.measures[m].unit == info.unit; });
  if (shared && !info.unit.empty()) label += (label.empty() ? "[" : " [") + info.unit + "]";
  out += fmt::format("set xtics {}\nset ytics {}\nset xlabel {} enhanced offset 0,0.3\nset ylabel {} noenhanced\n",
                     ticks_of(along, scale, x), y.ticks(),
                     gnuplot_string(unmarked(shown_name(along.name)) + "\n{/*0.3  }"), plain(label));
  out += "set key outside center bottom horizontal maxcols 3 Left reverse samplen 2.2 spacing 1.15\n";

  PanelPlots plots(number);
  const bool single = !panel.plane.vertical;
  std::vector<std::size_t> in_legend;
  if (single && !table.labels.empty()) out += label_ground(table, first, in_legend);
  for (const std::size_t l : in_legend)
    plots.add(fmt::format(
        "{} using 1:2:3 with filledcurves fc rgb '{}' fs transparent solid 0.45 noborder title {} noenhanced",
        plots.block("NaN NaN NaN\n"), label_tint(l), plain(with_greek(table.labels[l].name))));
  if (single && along.words.empty()) add_boundaries(plots, validation::predicted_boundaries(table, panel.plane), y);
  for (std::size_t c = 0; c < curves.size(); ++c) add_curve(plots, curves[c], palette[c % palette_size], y);
  return out + plots.text();
}

}  // namespace edgewise::cli
