/// Maps: labels as areas with boundaries on top, or a measure in colours.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

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
using validation::SweepAxis;
using validation::SweepTable;

namespace {

/// Codes of cells that have no label.
enum Special { unlabelled = -1, failed_cell = -2, pending_cell = -3 };

/// A grid of codes, [iy * nx + ix], in the order of the axes' sorted values.
struct Codes {
  std::size_t nx, ny;
  std::vector<int> code;
  int at(std::size_t ix, std::size_t iy) const { return code[iy * nx + ix]; }
};

/// Cells from x0 to x1 and y0 to y1, both ends in.
struct Block {
  std::size_t x0, x1, y0, y1;
};

/// Few rectangles that cover the cells of a code.
std::vector<Block> blocks_of(const Codes& grid, int code) {
  std::vector<Block> out;
  std::vector<bool> covered(grid.code.size(), false);
  const auto free = [&](std::size_t ix, std::size_t iy) {
    return grid.at(ix, iy) == code && !covered[iy * grid.nx + ix];
  };
  for (std::size_t iy = 0; iy < grid.ny; ++iy)
    for (std::size_t ix = 0; ix < grid.nx; ++ix) {
      if (!free(ix, iy)) continue;
      Block block{ix, ix, iy, iy};
      while (block.x1 + 1 < grid.nx && free(block.x1 + 1, iy)) ++block.x1;
      const auto row_free = [&](std::size_t row) {
        for (std::size_t i = block.x0; i <= block.x1; ++i)
          if (!free(i, row)) return false;
        return true;
      };
      while (block.y1 + 1 < grid.ny && row_free(block.y1 + 1)) ++block.y1;
      for (std::size_t j = block.y0; j <= block.y1; ++j)
        for (std::size_t i = block.x0; i <= block.x1; ++i) covered[j * grid.nx + i] = true;
      out.push_back(block);
    }
  return out;
}

/// A map's axes, and where its cells are.
class MapFrame {
 public:
  MapFrame(const SweepTable& table, const DiagramPanel& panel)
      : table_(table), panel_(panel), x_(table.axes[panel.plane.horizontal]), y_(table.axes[*panel.plane.vertical]) {}

  const AxisScale& x() const { return x_; }
  const AxisScale& y() const { return y_; }
  const CellResult& cell(std::size_t ix, std::size_t iy) const {
    std::vector<std::size_t> place = panel_.plane.place;
    place[panel_.plane.horizontal] = x_.index(ix);
    place[*panel_.plane.vertical] = y_.index(iy);
    return table_.cells[validation::cell_at(table_, place)];
  }
  double edge_x(std::size_t i) const { return x_.from_scale(x_.edges()[i]); }
  double edge_y(std::size_t i) const { return y_.from_scale(y_.edges()[i]); }
  /// A row of a data block: middle and corners of some cells.
  std::string row(const Block& b) const {
    const double x0 = edge_x(b.x0), x1 = edge_x(b.x1 + 1), y0 = edge_y(b.y0), y1 = edge_y(b.y1 + 1);
    return fmt::format("{} {} {} {} {} {}", text_of((x0 + x1) / 2), text_of((y0 + y1) / 2), text_of(x0), text_of(x1),
                       text_of(y0), text_of(y1));
  }

  std::string axes(const std::string& caption) const {
    std::string out;
    const auto add = [&](char which, const SweepAxis& axis, const AxisScale& scale) {
      const Axis drawn{axis.log, scale.from_scale(scale.edges().front()), scale.from_scale(scale.edges().back())};
      out += fmt::format("set {} {}\nset {}range [{}:{}]\n", axis.log ? "logscale" : "nologscale", which, which,
                         text_of(drawn.low), text_of(drawn.high));
      out += fmt::format("set {}tics {}\n", which, ticks_of(axis, scale, drawn));
    };
    const SweepAxis &of_x = table_.axes[panel_.plane.horizontal], &of_y = table_.axes[*panel_.plane.vertical];
    add('x', of_x, x_);
    add('y', of_y, y_);
    std::string below = unmarked(shown_name(of_x.name));
    if (!caption.empty()) below += "\n{/*0.8 " + unmarked(caption) + "}";
    below += "\n{/*0.3  }";  // or the legend would touch it
    return out + fmt::format("set xlabel {} enhanced offset 0,0.3\nset ylabel {} noenhanced\n", gnuplot_string(below),
                             plain(shown_name(of_y.name)));
  }

 private:
  const SweepTable& table_;
  const DiagramPanel& panel_;
  AxisScale x_, y_;
};

/// Data blocks and the plots that use them.
struct Drawing {
  std::string prefix, data;
  std::vector<std::string> plots;
  std::size_t blocks = 0;

  /// A new data block. \return its name.
  std::string block(const std::string& rows) {
    const std::string name = fmt::format("${}b{}", prefix, blocks++);
    data += name + " << EOD\n" + rows + "EOD\n";
    return name;
  }
  void add(std::string plot) { plots.push_back(std::move(plot)); }
  /// An entry of the legend without data.
  void legend(const std::string& style, const std::string& title, const std::string& row = "NaN NaN\n") {
    add(fmt::format("{} {} title {} noenhanced", block(row), style, plain(title)));
  }
};

std::string filled(const std::string& color) {
  return fmt::format("using 1:2:3:4:5:6 with boxxyerror fc rgb '{0}' fs solid 1.0 border lc rgb '{0}' lw 0.3", color);
}
constexpr const char* failed_color = "#E0E0E0";

void add_areas(Drawing& drawing, const MapFrame& frame, const Codes& grid, int code, const std::string& color,
               const std::string& legend) {
  std::string rows;
  for (const Block& b : blocks_of(grid, code)) rows += frame.row(b) + "\n";
  if (rows.empty()) return;
  drawing.add(fmt::format("{} {} {}", drawing.block(rows), filled(color),
                          legend.empty() ? "notitle" : "title " + plain(with_greek(legend)) + " noenhanced"));
}

/// Failed cells are grey and crossed.
void add_failed(Drawing& drawing, const MapFrame& frame, const Codes& grid) {
  std::string rows;
  for (std::size_t iy = 0; iy < grid.ny; ++iy)
    for (std::size_t ix = 0; ix < grid.nx; ++ix) {
      if (grid.at(ix, iy) != failed_cell) continue;
      const double x0 = frame.edge_x(ix), x1 = frame.edge_x(ix + 1), y0 = frame.edge_y(iy), y1 = frame.edge_y(iy + 1);
      rows +=
          fmt::format("{0} {2}\n{1} {3}\n\n{0} {3}\n{1} {2}\n\n", text_of(x0), text_of(x1), text_of(y0), text_of(y1));
    }
  if (rows.empty()) return;
  add_areas(drawing, frame, grid, failed_cell, failed_color, "");
  drawing.add(fmt::format("{} using 1:2 with lines lw 0.7 lc rgb '#808080' notitle", drawing.block(rows)));
  drawing.legend("using 1:2 with points pt 2 ps 0.8 lw 0.8 lc rgb '#808080'", "failed");
}

std::string rows_of(const std::vector<Boundary>& boundaries, const std::string& name = "") {
  std::string rows;
  for (const Boundary& boundary : boundaries) {
    if (!name.empty() && boundary.name != name) continue;
    for (std::size_t i = 0; i < boundary.x.size(); ++i)
      rows += fmt::format("{} {}\n", text_of(boundary.x[i]), text_of(boundary.y[i]));
    rows += "\n";
  }
  return rows;
}

/// Dashes that can be told apart, all of black lines.
std::string dash(std::size_t i) {
  static constexpr const char* patterns[] = {"(8,5)", "(2,4)", "(12,4,2,4)", "(12,4,2,4,2,4)", "(16,6)", "(4,4)"};
  return patterns[i % std::size(patterns)];
}

/// \param halo  under black lines, where the ground may be dark
void add_boundaries(Drawing& drawing, const SweepTable& table, const DiagramPanel& panel, bool halo) {
  const std::vector<Boundary> measured = validation::measured_boundaries(table, panel.plane),
                              predicted = validation::predicted_boundaries(table, panel.plane);
  const auto line = [&](const std::string& rows, const std::string& style, const std::string& title) {
    const std::string block = drawing.block(rows);
    if (halo) drawing.add(fmt::format("{} using 1:2 with lines lw 4 lc rgb 'white' notitle", block));
    drawing.add(fmt::format("{} using 1:2 with lines {} title {} noenhanced", block, style, plain(title)));
  };
  if (!measured.empty()) line(rows_of(measured), "lw 1.4 lc rgb '#222222'", "measured boundary");
  std::vector<std::string> names;
  for (const Boundary& boundary : predicted)
    if (std::find(names.begin(), names.end(), boundary.name) == names.end()) names.push_back(boundary.name);
  constexpr std::size_t most_names = 6;
  if (names.empty()) return;
  if (table.boundaries.empty() || names.size() > most_names) {
    line(rows_of(predicted), "lw 2.2 dt " + dash(0) + " lc rgb 'black'", "predicted boundary");
    return;
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    line(rows_of(predicted, names[i]), "lw 2.2 dt " + dash(i) + " lc rgb 'black'",
         "predicted: " + with_greek(names[i]));
}

// ---- names in their areas -------------------------------------------------------------------------------------------

/// Cells that hang together with a cell, by their sides.
std::vector<std::size_t> connected(const Codes& grid, std::size_t start, std::vector<bool>& seen) {
  std::vector<std::size_t> out = {start};
  seen[start] = true;
  for (std::size_t at = 0; at < out.size(); ++at) {
    const std::size_t ix = out[at] % grid.nx, iy = out[at] / grid.nx;
    const auto visit = [&](std::size_t next) {
      if (seen[next] || grid.code[next] != grid.code[start]) return;
      seen[next] = true;
      out.push_back(next);
    };
    if (ix > 0) visit(out[at] - 1);
    if (ix + 1 < grid.nx) visit(out[at] + 1);
    if (iy > 0) visit(out[at] - grid.nx);
    if (iy + 1 < grid.ny) visit(out[at] + grid.nx);
  }
  return out;
}

/// Where a box of this size, in shares of the axes, has the most room in an area; false when it has none.
bool place_for(const MapFrame& frame, const Codes& grid, int code, double width, double height, double& x, double& y) {
  std::vector<bool> seen(grid.code.size(), false);
  std::vector<std::size_t> largest;
  for (std::size_t c = 0; c < grid.code.size(); ++c)
    if (grid.code[c] == code && !seen[c])
      if (std::vector<std::size_t> area = connected(grid, c, seen); area.size() > largest.size())
        largest = std::move(area);
  const auto share = [](const AxisScale& scale, double place) {
    return (place - scale.edges().front()) / (scale.edges().back() - scale.edges().front());
  };
  const auto room = [&](double at_x, double at_y, double scale) {
    const double half_w = scale * width / 2, half_h = scale * height / 2;
    if (at_x - half_w < 0 || at_x + half_w > 1 || at_y - half_h < 0 || at_y + half_h > 1) return false;
    for (std::size_t iy = 0; iy < grid.ny; ++iy) {
      if (share(frame.y(), frame.y().edges()[iy + 1]) <= at_y - half_h) continue;
      if (share(frame.y(), frame.y().edges()[iy]) >= at_y + half_h) break;
      for (std::size_t ix = 0; ix < grid.nx; ++ix) {
        if (share(frame.x(), frame.x().edges()[ix + 1]) <= at_x - half_w) continue;
        if (share(frame.x(), frame.x().edges()[ix]) >= at_x + half_w) break;
        if (grid.at(ix, iy) != code) return false;
      }
    }
    return true;
  };
  double best = 0, mean_x = 0, mean_y = 0;
  std::size_t ties = 0;
  for (const std::size_t c : largest) {
    const double at_x = share(frame.x(), frame.x().sorted()[c % grid.nx]),
                 at_y = share(frame.y(), frame.y().sorted()[c / grid.nx]);
    double scale = std::max(best, 1.0);
    if (!room(at_x, at_y, scale)) continue;
    while (scale < 8 && room(at_x, at_y, scale * 1.1)) scale *= 1.1;
    if (scale > best * 1.05) {
      best = scale;
      mean_x = at_x;
      mean_y = at_y;
      ties = 1;
    } else {
      // Among places with equal room, the middle.
      mean_x += (at_x - mean_x) / static_cast<double>(++ties);
      mean_y += (at_y - mean_y) / static_cast<double>(ties);
    }
  }
  if (!(best >= 1) || !room(mean_x, mean_y, 1)) return false;
  x = mean_x;
  y = mean_y;
  return true;
}

// ---- the two kinds of map -------------------------------------------------------------------------------------------

std::string caption_of(const SweepTable& table, const DiagramPanel& panel) {
  const validation::DiagramComparison comparison = validation::compare(table, std::span(&panel.plane, 1), {1});
  std::vector<std::string> parts;
  if (comparison.agreement) {
    const auto& counts = comparison.agreement->counts;
    parts.push_back(fmt::format("labels as predicted in {} of {} cells", counts[0].agreeing, counts[0].cells));
    if (counts[1].cells > 0 && counts[1].cells < counts[0].cells)
      parts.push_back(
          fmt::format("{} of {} more than a cell from the boundaries", counts[1].agreeing, counts[1].cells));
  }
  double sum = 0;
  std::size_t points = 0;
  for (const validation::BoundaryDistance& d : comparison.distances)
    if (!d.predicted) {
      sum += d.mean_cells * static_cast<double>(d.points);
      points += d.points;
    }
  if (points > 0 && parts.empty())
    parts.push_back(fmt::format("measured boundaries {:.2g} cells from the predicted ones on average",
                                sum / static_cast<double>(points)));
  return settings::join(parts, "; ");
}

Codes codes_of(const SweepTable& table, const MapFrame& frame) {
  Codes out{frame.x().size(), frame.y().size(), {}};
  for (std::size_t iy = 0; iy < out.ny; ++iy)
    for (std::size_t ix = 0; ix < out.nx; ++ix) {
      const CellResult& cell = frame.cell(ix, iy);
      int code = unlabelled;
      if (cell.state == CellState::failed) code = failed_cell;
      if (cell.state == CellState::pending) code = pending_cell;
      for (std::size_t l = 0; l < table.labels.size() && code == unlabelled; ++l)
        if (table.labels[l].name == cell.label) code = static_cast<int>(l);
      out.code.push_back(code);
    }
  return out;
}

std::string label_map(Drawing& drawing, const SweepTable& table, const DiagramPanel& panel, const MapFrame& frame,
                      const Codes& codes) {
  std::string words;
  for (std::size_t l = 0; l < table.labels.size(); ++l) {
    const std::string& name = table.labels[l].name;
    double x = 0, y = 0;
    const double width = 0.02 + 0.019 * static_cast<double>(letters(name)), height = 0.07;
    const bool level = place_for(frame, codes, static_cast<int>(l), width, height, x, y);
    const bool inside = level || place_for(frame, codes, static_cast<int>(l), height, 1.15 * width, x, y);
    if (inside)
      words += fmt::format("set label {} at graph {:.4f}, graph {:.4f} center{} noenhanced front\n",
                           plain(with_greek(name)), x, y, level ? "" : " rotate by 90");
    add_areas(drawing, frame, codes, static_cast<int>(l), label_tint(l), inside ? "" : name);
  }
  add_areas(drawing, frame, codes, unlabelled, "#F2F2F2", table.labels.empty() ? "" : "no label");
  add_failed(drawing, frame, codes);
  add_areas(drawing, frame, codes, pending_cell, "#FFFFFF", "not computed");
  add_boundaries(drawing, table, panel, false);
  return words;
}

std::string measure_map(Drawing& drawing, const SweepTable& table, const DiagramPanel& panel, const MapFrame& frame,
                        Codes& codes) {
  const std::size_t m = panel.measures.front();
  const validation::MeasureInfo& info = table.measures[m];
  std::vector<double> values;
  std::string rows;
  bool undefined = false;
  for (std::size_t iy = 0; iy < codes.ny; ++iy)
    for (std::size_t ix = 0; ix < codes.nx; ++ix) {
      if (frame.cell(ix, iy).state != CellState::finished) continue;
      const double value = frame.cell(ix, iy).measures[m];
      if (!std::isfinite(value)) {
        codes.code[iy * codes.nx + ix] = unlabelled;
        undefined = true;
        continue;
      }
      codes.code[iy * codes.nx + ix] = 0;
      values.push_back(value);
      rows += frame.row({ix, ix, iy, iy}) + " " + text_of(value) + "\n";
    }
  if (values.empty()) throw Error(fmt::format("the measure '{}' is defined in no cell that is drawn", info.name));
  Axis colors = axis_of(values, values, false, 0);
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  colors.low = *least;
  colors.high = *largest;
  const bool signed_values = *least < 0 && *largest > 0;
  if (signed_values) {
    colors.high = std::max(-*least, *largest);
    colors.low = -colors.high;
  }
  if (!(colors.high > colors.low)) {
    const double width = colors.low == 0 ? 1 : 0.05 * std::abs(colors.low);
    colors.low -= width;
    colors.high += width;
  }
  std::string out = signed_values
                        ? "set palette defined (0 '#0072B2', 1 '#9CC9E3', 2 '#F7F7F7', 3 '#F0B78C', 4 '#D55E00')\n"
                        : "set palette defined (0 '#440154', 1 '#472C7A', 2 '#3B518B', 3 '#2C718E', 4 '#21908D', "
                          "5 '#27AD81', 6 '#5CC863', 7 '#AADC32', 8 '#FDE725')\n";
  out += fmt::format("set {} cb\nset cbrange [{}:{}]\nset cbtics {}\n", colors.log ? "logscale" : "nologscale",
                     text_of(colors.low), text_of(colors.high), colors.ticks());
  std::string label = shown_name(info.name);
  if (!info.unit.empty()) label += " [" + info.unit + "]";
  out += fmt::format("set cblabel {} noenhanced offset 1.5,0\nset colorbox\n", plain(label));
  drawing.add(fmt::format("{} using 1:2:3:4:5:6:7 with boxxyerror fs solid 1.0 border lw 0.3 lc palette notitle",
                          drawing.block(rows)));
  if (undefined) {
    add_areas(drawing, frame, codes, unlabelled, "#C8C8C8", "not defined");
  }
  add_failed(drawing, frame, codes);
  add_areas(drawing, frame, codes, pending_cell, "#FFFFFF", "not computed");
  add_boundaries(drawing, table, panel, true);
  return out;
}

}  // namespace

std::string label_tint(std::size_t label) {
  static constexpr const char* tints[] = {"#8FC1DE", "#EDB58C", "#8CD0BA", "#E3B5CE",
                                          "#F3D189", "#F6F0A3", "#C3B7E0", "#C9C9C9"};
  return tints[label % std::size(tints)];
}

std::string map_panel(const SweepTable& table, const DiagramPanel& panel, std::size_t number) {
  const MapFrame frame(table, panel);
  Drawing drawing{fmt::format("m{}", number), "", {}, 0};
  Codes codes = codes_of(table, frame);
  std::string out = "unset label\nunset colorbox\n";
  const bool labels = panel.measures.empty();
  out += frame.axes(labels ? caption_of(table, panel) : "");
  out += "set key outside center bottom horizontal maxcols 2 Left reverse samplen 2.6 spacing 1.15\n";
  out += labels ? label_map(drawing, table, panel, frame, codes) : measure_map(drawing, table, panel, frame, codes);
  if (drawing.plots.empty()) throw Error("no cell is computed yet: nothing to draw");
  return out + drawing.data + "plot " + settings::join(drawing.plots, ", \\\n     ") + "\n";
}

}  // namespace edgewise::cli
