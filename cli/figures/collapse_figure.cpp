#include "cli/figures/collapse_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/figures/axis.hpp"
#include "cli/figures/figure_style.hpp"
#include "cli/figures/gnuplot.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::text_of;
using validation::CollapseSpread;
using validation::SampledCurves;

namespace {

struct CollapseLine {
  std::vector<double> x, y;
  std::string style, legend;
};

/// A colour for each size, from dark to light blue-green, told apart by lightness.
std::string size_color(std::size_t index, std::size_t count) {
  const double share = count > 1 ? static_cast<double>(index) / static_cast<double>(count - 1) : 0;
  const double stops[5][3] = {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {220, 200, 40}};
  const double at = 4 * share;
  const auto i = std::min<std::size_t>(static_cast<std::size_t>(at), 3);
  int rgb[3];
  for (int c = 0; c < 3; ++c)
    rgb[c] =
        static_cast<int>(std::lround(stops[i][c] + (at - static_cast<double>(i)) * (stops[i + 1][c] - stops[i][c])));
  return fmt::format("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
}

std::string panel_of_lines(const std::vector<CollapseLine>& lines, const std::string& title, const std::string& x_label,
                           const std::string& y_label, bool linear, const std::string& key, std::size_t number) {
  std::vector<double> xs, ys;
  for (const CollapseLine& line : lines)
    for (std::size_t i = 0; i < line.x.size(); ++i)
      if (std::isfinite(line.y[i]) && std::abs(line.y[i]) < 1e300 && line.x[i] > 0) {
        xs.push_back(line.x[i]);
        ys.push_back(line.y[i]);
      }
  // An axis whose decisive values begin at 0 is linear.
  if (linear) {
    xs.push_back(0);
    ys.push_back(0);
  }
  const Axis x = axis_of(xs, xs, !linear, 0.02), y = axis_of(ys, ys, !linear, 0.06);
  std::string out = fmt::format("set title {} noenhanced offset 0,-0.5\n", plain(title));
  out +=
      fmt::format("set {} x\nset {} y\nset xrange [{}:{}]\nset yrange [{}:{}]\n", x.log ? "logscale" : "nologscale",
                  y.log ? "logscale" : "nologscale", text_of(x.low), text_of(x.high), text_of(y.low), text_of(y.high));
  out += fmt::format("set xtics {}\nset ytics {}\nset xlabel {} enhanced offset 0,0.3\nset ylabel {} noenhanced\n",
                     x.ticks(), y.ticks(), gnuplot_string(x_label + (key.starts_with("outside") ? "\n{/*0.3  }" : "")),
                     plain(y_label));
  out += fmt::format("set key {} Left reverse samplen 2 spacing 1.1\n", key);
  std::vector<std::string> plots;
  for (const CollapseLine& line : lines) {
    const std::string name = fmt::format("$k{}l{}", number, plots.size());
    std::string rows;
    for (std::size_t i = 0; i < line.x.size(); ++i)
      if (std::isfinite(line.y[i]) && (!x.log || line.x[i] > 0) && (!y.log || line.y[i] > 0))
        rows += fmt::format("{} {}\n", text_of(line.x[i]), text_of(std::clamp(line.y[i], y.low, y.high)));
    out += name + " << EOD\n" + (rows.empty() ? "NaN NaN\n" : rows) + "EOD\n";
    plots.push_back(fmt::format("{} using 1:2 with {} {}", name, line.style,
                                line.legend.empty() ? "notitle" : "title " + plain(line.legend) + " noenhanced"));
  }
  return out + "plot " + settings::join(plots, ", \\\n     ") + "\n";
}

/// Curves of single runs are drawn up to this many a size.
constexpr std::size_t drawn_runs = 8;

}  // namespace

std::string collapse_script(const std::vector<CollapsePanels>& rows, const std::string& title,
                            const std::string& ending) {
  std::string out = "set encoding utf8\n" + terminal(ending, 1500, 400 * static_cast<double>(rows.size()) + 30) +
                    "\nset border 3 lw 1 lc rgb '#222222'\nset tics out nomirror scale 0.7,0.35\n" +
                    fmt::format("set multiplot layout {},3 title {} noenhanced\n", rows.size(), plain(title));
  std::size_t number = 0;
  for (const CollapsePanels& row : rows) {
    std::vector<CollapseLine> raw, normalised, spread;
    const SampledCurves& c = row.curves;
    const std::size_t sizes = c.size.size();
    double last = 0;
    for (std::size_t p = 0; p < sizes; ++p) {
      const std::string color = size_color(p, sizes);
      std::string legend = sizes <= 12 || p == 0 || p + 1 == sizes ? fmt::format("{:.4g}", c.size[p]) : "";
      for (std::size_t w = 0; w < std::min(c.loss[p].size(), drawn_runs); ++w) {
        CollapseLine curve{{}, c.loss[p][w], fmt::format("lines lw {} lc rgb '{}'", w == 0 ? 1.4 : 0.5, color), legend};
        for (const double x : c.x) curve.x.push_back(x * c.horizon[p]);
        last = std::max(last, c.horizon[p]);
        raw.push_back(std::move(curve));
        legend.clear();
      }
      normalised.push_back({row.spread.x, row.spread.mean_of[p], fmt::format("lines lw 1.6 lc rgb '{}'", color), ""});
    }
    if (row.floor > 0)
      raw.push_back({{c.x.front() * c.horizon.front(), last},
                     {row.floor, row.floor},
                     "lines lw 1 dt 2 lc rgb '#555555'",
                     "floor"});
    if (!row.limit.empty())
      normalised.push_back({row.spread.x, row.limit, "lines lw 1.6 dt (6,4) lc rgb 'black'", "limit of large sizes"});
    const bool seeds =
        std::any_of(row.spread.floor.begin(), row.spread.floor.end(), [](double x) { return std::isfinite(x); });
    spread.push_back(
        {row.spread.x, row.spread.delta, fmt::format("lines lw 2 lc rgb '{}'", palette[0]), "Δ, all runs"});
    if (seeds) {
      spread.push_back({row.spread.x, row.spread.deterministic, fmt::format("lines lw 1.4 lc rgb '{}'", palette[2]),
                        "Δ of the sizes alone"});
      spread.push_back(
          {row.spread.x, row.spread.floor, fmt::format("lines lw 2 lc rgb '{}'", palette[1]), "noise floor"});
    }
    if (!row.theory_delta.empty())
      spread.push_back(
          {row.spread.x, row.theory_delta, fmt::format("lines lw 1.6 dt (6,4) lc rgb '{}'", palette[0]), "Δ, theory"});
    if (!row.theory_floor.empty())
      spread.push_back({row.spread.x, row.theory_floor, fmt::format("lines lw 1.6 dt (6,4) lc rgb '{}'", palette[1]),
                        "noise floor, theory"});
    const std::string of = row.title.empty() ? "" : row.title + ": ";
    out += panel_of_lines(raw, of + "loss", "step", "loss", false, "inside right top", number++);
    out += panel_of_lines(normalised, of + "normalised", "x = step / horizon", "(L − L₀) / (end − L₀)", false,
                          "inside right top", number++);
    out += panel_of_lines(spread, of + "spread", "x = step / horizon", "relative standard deviation", true,
                          "outside center bottom horizontal maxcols 3", number++);
  }
  return out + "unset multiplot\n";
}

}  // namespace edgewise::cli
