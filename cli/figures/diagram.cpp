#include "cli/figures/diagram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/figures/diagram_panels.hpp"
#include "cli/figures/figure_style.hpp"
#include "cli/figures/gnuplot.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using settings::Error;
using validation::Plane;
using validation::SweepAxis;
using validation::SweepTable;

namespace {

/// More maps side by side are too small to read.
constexpr std::size_t most_panels = 12;

/// Which axes run, and where the others stand.
struct Selection {
  std::vector<std::size_t> running;
  std::vector<std::size_t> place;
  std::vector<std::string> held;  ///< "alpha = 0.5", of axes that were sliced
};

/// The axis' index nearest to a value that the user gave.
std::size_t nearest(const SweepAxis& axis, const std::string& slice, const std::string& text) {
  if (!axis.words.empty()) {
    const auto found = std::find(axis.words.begin(), axis.words.end(), text);
    if (found == axis.words.end())
      throw Error(fmt::format("--slice {}: {} has no value '{}'{}; it has {}", settings::shown(slice), axis.name,
                              settings::shown(text), settings::suggestion(text, axis.words),
                              settings::join(axis.words)));
    return static_cast<std::size_t>(found - axis.words.begin());
  }
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || std::isnan(value))
    throw Error(fmt::format("--slice {}: '{}' must be a number", settings::shown(slice), settings::shown(text)));
  if (std::isinf(value) && axis.numbers.back() == value) return axis.size() - 1;
  const validation::AxisScale scale(axis);
  const double place = scale.to_scale(value);
  if (!(place >= scale.edges().front() && place <= scale.edges().back())) {
    const auto [low, high] = std::minmax_element(axis.numbers.begin(), axis.numbers.end());
    throw Error(fmt::format("--slice {}: {} runs from {} to {}", settings::shown(slice), axis.name,
                            settings::text_of(*low), settings::text_of(*high)));
  }
  std::size_t best = 0;
  for (std::size_t i = 1; i < axis.size(); ++i)
    if (std::isfinite(axis.numbers[i]) &&
        std::abs(scale.to_scale(axis.numbers[i]) - place) < std::abs(scale.to_scale(axis.numbers[best]) - place))
      best = i;
  return best;
}

Selection select(const SweepTable& table, const std::vector<std::string>& slices) {
  std::vector<std::string> names;
  for (const SweepAxis& axis : table.axes) names.push_back(axis.name);
  Selection out;
  out.place.assign(table.axes.size(), 0);
  std::vector<bool> held(table.axes.size(), false);
  for (const std::string& slice : slices) {
    const std::size_t equals = slice.find('=');
    if (equals == std::string::npos) throw Error(fmt::format("--slice {}: must be AXIS=VALUE", settings::shown(slice)));
    const std::string name = slice.substr(0, equals);
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw Error(fmt::format("--slice {}: there is no axis '{}'{}; known: {}", settings::shown(slice),
                              settings::shown(name), settings::suggestion(name, names), settings::join(names)));
    const auto a = static_cast<std::size_t>(found - names.begin());
    if (held[a]) throw Error(fmt::format("--slice {}: {} is held already", settings::shown(slice), name));
    held[a] = true;
    out.place[a] = nearest(table.axes[a], slice, slice.substr(equals + 1));
    out.held.push_back(fmt::format("{} = {}", shown_name(name), shown_value(table.axes[a], out.place[a])));
  }
  for (std::size_t a = 0; a < table.axes.size(); ++a)
    if (!held[a] && table.axes[a].size() > 1) out.running.push_back(a);
  return out;
}

std::size_t measure_named(const SweepTable& table, const std::string& name) {
  std::vector<std::string> names;
  for (const validation::MeasureInfo& info : table.measures) names.push_back(info.name);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw Error(fmt::format("--observable: the sweep has no measure '{}'{}; it has {}", settings::shown(name),
                            settings::suggestion(name, names), settings::join(names)));
  return static_cast<std::size_t>(found - names.begin());
}

std::vector<std::vector<std::size_t>> wanted_measures(const SweepTable& table, const DiagramOptions& options,
                                                      bool map) {
  std::vector<std::vector<std::size_t>> out;
  // Those of the file are of the whole grid, not of a slice.
  const bool own = options.observables.empty() && options.slices.empty();
  for (const std::string& text : own ? table.panels : options.observables) {
    if (text == "label" && map) {
      if (table.labels.empty()) throw Error("--observable label: the sweep has no labels");
      out.push_back({});
      continue;
    }
    std::vector<std::size_t> group;
    for (const std::string& name : validation::shown_in(text)) group.push_back(measure_named(table, name));
    if (map && group.size() > 1)
      throw Error(
          fmt::format("--observable {}: a map shows one measure; draw curves with --slice", settings::shown(text)));
    out.push_back(std::move(group));
  }
  if (!out.empty()) return out;
  if (map && !table.labels.empty()) return {{}};
  if (table.measures.empty()) throw Error("the sweep keeps no measure that could be drawn");
  return {{0}};
}

struct Layout {
  std::vector<DiagramPanel> panels;
  bool map = false;
  std::size_t columns = 1;
};

Layout lay_out(const SweepTable& table, const Selection& selection, const DiagramOptions& options) {
  std::vector<std::size_t> axes = selection.running;
  if (axes.empty()) throw Error("nothing to draw: a single cell is left");
  const auto is_words = [&](std::size_t a) { return !table.axes[a].words.empty(); };
  // Numbers first: they are what an axis can be drawn along.
  std::stable_partition(axes.begin(), axes.end(), [&](std::size_t a) { return !is_words(a); });
  const bool curves = axes.size() == 1 || (axes.size() == 2 && is_words(axes[1]));
  Layout out;
  out.map = !curves;
  Plane plane{axes[0], std::nullopt, selection.place};
  if (axes.size() > 1) plane.vertical = axes[1];
  const auto wanted = wanted_measures(table, options, out.map);
  if (axes.size() > 3)
    throw Error(fmt::format("{} axes are too many for a figure: hold some with --slice AXIS=VALUE", axes.size()));
  if (axes.size() < 3) {
    for (const auto& measures : wanted) out.panels.push_back({plane, measures, ""});
    out.columns = std::min<std::size_t>(out.panels.size(), 3);
  } else {
    const SweepAxis& third = table.axes[axes[2]];
    if (third.size() * wanted.size() > most_panels)
      throw Error(fmt::format("{} values of {} are too many to draw side by side: hold it with --slice {}=VALUE",
                              third.size(), third.name, third.name));
    for (const auto& measures : wanted)
      for (std::size_t i = 0; i < third.size(); ++i) {
        plane.place[axes[2]] = i;
        out.panels.push_back({plane, measures, fmt::format("{} = {}", shown_name(third.name), shown_value(third, i))});
      }
    out.columns = std::min<std::size_t>(third.size(), 3);
  }
  if (out.panels.size() > most_panels)
    throw Error(fmt::format("more than {} panels are too small to read", most_panels));
  return out;
}

}  // namespace

std::string ticks_of(const SweepAxis& axis, const validation::AxisScale& scale, const Axis& drawn) {
  std::vector<std::string> ticks;
  for (std::size_t i = 0; i < axis.words.size(); ++i)
    ticks.push_back(fmt::format("{} {}", tick_text(axis.words[i]), i));
  if (!axis.numbers.empty() && std::isinf(axis.numbers.back())) {
    constexpr std::size_t most = 8;
    const std::size_t every = (axis.size() + most - 1) / most;
    for (std::size_t i = (axis.size() - 1) % every; i < axis.size(); i += every)
      ticks.push_back(fmt::format("{} {}", tick_text(shown_value(axis, i)),
                                  settings::text_of(scale.from_scale(scale.sorted()[i]))));
  }
  return ticks.empty() ? drawn.ticks() : "(" + settings::join(ticks) + ") noenhanced";
}

std::string shown_value(const SweepAxis& axis, std::size_t index) {
  return axis.words.empty() ? fmt::format("{:.4g}", axis.numbers[index]) : axis.words[index];
}

std::string diagram_script(const SweepTable& table, const DiagramOptions& options, const std::string& ending) {
  const Selection selection = select(table, options.slices);
  const Layout layout = lay_out(table, selection, options);
  std::string title = options.title.empty() ? table.title : options.title;
  if (options.title.empty() && !selection.held.empty())
    title += fmt::format("{}{}", title.empty() ? "" : ", ", settings::join(selection.held));

  const std::size_t count = layout.panels.size(), columns = layout.columns, rows = (count + columns - 1) / columns;
  std::string out =
      "set encoding utf8\n" +
      terminal(ending, 600 * static_cast<double>(columns), (layout.map ? 560 : 420) * static_cast<double>(rows)) + "\n";
  out +=
      fmt::format("set border {} lw 1 lc rgb '#222222'\nset tics out nomirror scale 0.7,0.35\n", layout.map ? 15 : 3);
  if (count > 1)
    out += fmt::format("set multiplot layout {},{}{}\n", rows, columns,
                       title.empty() ? "" : " title " + plain(title) + " noenhanced");
  for (std::size_t i = 0; i < count; ++i) {
    const DiagramPanel& panel = layout.panels[i];
    const std::string& heading = count > 1 ? panel.title : title;
    out += heading.empty() ? "unset title\n" : "set title " + plain(heading) + " noenhanced offset 0,-0.3\n";
    out += layout.map ? map_panel(table, panel, i) : curve_panel(table, panel, i);
  }
  return out + (count > 1 ? "unset multiplot\n" : "");
}

std::string drawn_sweep(const SweepTable& table, const DiagramOptions& options, const std::string& ending) {
  return run_gnuplot(diagram_script(table, options, ending));
}

}  // namespace edgewise::cli
