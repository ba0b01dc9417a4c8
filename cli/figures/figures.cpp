#include "cli/figures/figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "cli/figures/axis.hpp"
#include "cli/figures/figure_style.hpp"
#include "cli/figures/gnuplot.hpp"
#include "cli/figures/step_figure.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::text_of;

namespace {

/// Points closer than this share of the axis are thinned out, so that markers stay apart.
constexpr double marker_spacing = 1.0 / 36;
/// Bands of runs that are all the same have a width of rounding, relative.
constexpr double least_width = 1e-9;
/// Largest value gnuplot's logarithmic axes take without overflow.
constexpr double drawable = 1e300;

struct Curve {
  std::vector<double> x, y, low, high;  ///< low, high: error bar or band; empty for a line
  void add(double the_x, double the_y) {
    x.push_back(the_x);
    y.push_back(the_y);
  }
  void add(double the_x, double the_y, double the_low, double the_high) {
    add(the_x, the_y);
    low.push_back(the_low);
    high.push_back(the_high);
  }
};

enum class Style { line, points, band, guide, level };

struct Series {
  Style style;
  Curve curve;
  std::string color;
  std::string legend;          ///< empty: not in the legend
  bool legend_is_text = true;  ///< plain text of the user, no markup
  int dash = 1;
};

bool finite(double x) {
  return std::isfinite(x) && std::abs(x) < drawable;
}

std::string axis_label(const models::Observable& observable) {
  std::string out = shown_name(observable.name);
  if (!observable.unit.empty() && observable.unit != "1") out += " [" + observable.unit + "]";
  for (const auto& [plain_power, raised] : {std::pair{"^2", "²"}, std::pair{"^3", "³"}})
    for (std::size_t at = out.find(plain_power); at != std::string::npos; at = out.find(plain_power))
      out.replace(at, 2, raised);
  return out;
}

const std::vector<double>* values_of(const Result& result, std::string_view field, std::size_t observable) {
  const Field* found = result.find(field);
  if (!found || observable >= found->values.size() || found->values[observable].empty()) return nullptr;
  return &found->values[observable];
}

/// Everything one result shows of one observable.
struct Parts {
  Curve theory, before, beyond, predicted, points,
      quantiles;  ///< before, beyond: theory where it does not claim to hold
  bool log_normal = false;
};

/// From which step on the theory of an observable claims to hold: line `theory_valid_from`, "NAME STEP, NAME STEP".
double valid_from(const Result& result, const std::string& name) {
  const std::string list = ", " + std::string(result.get("theory_valid_from")), key = ", " + name + " ";
  const std::size_t at = list.find(key);
  return at == std::string::npos ? 0 : std::strtod(list.c_str() + at + key.size(), nullptr);
}

Parts parts_of(const Result& result, std::size_t o) {
  Parts out;
  const bool validation = result.kind == ResultKind::validation;
  // The theory on its own grid where that is known, else at the recorded steps.
  const bool smooth = result.curve && !result.curve->value[o].empty();
  const std::vector<double>& theory_steps = smooth ? result.curve->steps : result.steps;
  const auto* theory = smooth ? &result.curve->value[o] : values_of(result, validation ? "theory" : "", o);
  const auto* std = validation                               ? nullptr  // the replicas' own band is drawn
                    : smooth && result.curve->std[o].empty() ? nullptr
                    : smooth                                 ? &result.curve->std[o]
                                                             : values_of(result, "std", o);
  const auto* mean = values_of(result, validation ? "mc_mean" : "mean", o);
  const auto* sem = values_of(result, validation ? "mc_sem" : "sem", o);
  const auto* q05 = values_of(result, validation ? "mc_q05" : "q05", o);
  const auto* q95 = values_of(result, validation ? "mc_q95" : "q95", o);
  // One kind of band along the whole curve: it would jump where the kind changes.
  for (std::size_t t = 0; std && theory && t < theory_steps.size(); ++t)
    out.log_normal = out.log_normal || (finite((*std)[t]) && (*std)[t] > 0.3 * (*theory)[t]);
  const std::string_view last = result.get("theory_valid_until");
  const double until =
      last.empty() ? std::numeric_limits<double>::infinity() : std::strtod(std::string(last).c_str(), nullptr);
  const double from = valid_from(result, result.observables[o].name);
  for (std::size_t t = 0; theory && t < theory_steps.size(); ++t) {
    const double x = theory_steps[t];
    if (!finite(x) || !finite((*theory)[t])) continue;
    if (x > until && out.beyond.x.empty() && !out.theory.x.empty())
      out.beyond.add(out.theory.x.back(), out.theory.y.back());
    if (x >= from && !out.before.x.empty() && out.theory.x.empty() && out.beyond.x.empty())
      out.before.add(x, (*theory)[t]);
    (x < from ? out.before : x > until ? out.beyond : out.theory).add(x, (*theory)[t]);
    if (std && finite((*std)[t])) {
      const auto [low, high] = predicted_band((*theory)[t], (*std)[t], out.log_normal);
      out.predicted.add(x, (*theory)[t], low, high);
    }
  }
  for (std::size_t t = 0; t < result.steps.size(); ++t) {
    const double x = result.steps[t];
    if (!finite(x)) continue;
    if (mean && finite((*mean)[t])) {
      const double error = sem && finite((*sem)[t]) ? 2 * (*sem)[t] : 0;
      out.points.add(x, (*mean)[t], (*mean)[t] - error, (*mean)[t] + error);
    }
    if (q05 && q95 && finite((*q05)[t]) && finite((*q95)[t])) out.quantiles.add(x, (*q05)[t], (*q05)[t], (*q95)[t]);
  }
  return out;
}

/// Keeps the first point, and of the others those that are `marker_spacing` behind the one kept before.
void thin(Curve& curve, const Axis& axis) {
  Curve kept;
  double last = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    const double at = axis.place(curve.x[i]);
    if (!std::isfinite(at) || at - last < marker_spacing) continue;
    kept.add(curve.x[i], curve.y[i], curve.low[i], curve.high[i]);
    last = at;
  }
  curve = std::move(kept);
}

/// A curve proportional to step^exponent, a little above the end of `along`.
Curve guide(const Curve& along, double exponent, const Axis& x_axis) {
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < along.x.size(); ++i)
    if (along.x[i] > 0 && along.y[i] > 0) usable.push_back(i);
  Curve out;
  if (usable.empty()) return out;
  const double last = along.x[usable.back()];
  const double first = std::max(along.x[usable.front()], x_axis.log ? last / 100 : last / 10);
  const double middle = std::sqrt(first * last);
  const std::size_t nearest =
      *std::ranges::min_element(usable, {}, [&](std::size_t i) { return std::abs(std::log(along.x[i] / middle)); });
  constexpr int pieces = 60;
  for (int i = 0; i <= pieces; ++i) {
    const double x = first * std::pow(last / first, static_cast<double>(i) / pieces);
    out.add(x, 1.7 * along.y[nearest] * std::pow(x / along.x[nearest], exponent));
  }
  return out;
}

/// A value that a prediction about whole runs names for an observable, and its words.
struct Level {
  std::string observable;
  double value;
  std::string words;
};

std::vector<Level> levels_of(const Result& result) {
  std::vector<Level> out;
  for (const std::string& name : prediction_names(result)) {
    const std::string of = "prediction_" + name + "_";
    const auto value = [&](const char* key) { return std::strtod(std::string(result.get(of + key)).c_str(), nullptr); };
    const char* sign = std::isinf(value("high")) ? "≥ " : std::isinf(value("low")) ? "≤ " : "";
    Level level{std::string(result.get(of + "observable")), value("nominal"), {}};
    level.words = fmt::format("predicted: {}{}{:.4g}", sign, level.value < 0 ? "−" : "", std::abs(level.value));
    const auto same = [&](const Level& l) { return l.observable == level.observable && l.words == level.words; };
    if (finite(level.value) && result.index(level.observable) >= 0 && std::none_of(out.begin(), out.end(), same))
      out.push_back(std::move(level));
  }
  return out;
}

struct Panel {
  models::Observable observable;
  const models::Axis* along = nullptr;  ///< what x is
  std::vector<Series> series;
  Axis x, y;
  std::vector<double> diverged_at;
};

/// True when results are one experiment seen in several ways, e.g. its theory and its simulation.
bool one_experiment(const std::vector<Result>& results) {
  std::set<ResultKind> kinds;
  for (const Result& r : results)
    if (r.get("title") != results.front().get("title") || !kinds.insert(r.kind).second) return false;
  return true;
}

/// The first one that is compared with a theory, if any, else the first; rows of predictions are no observables.
std::string telling_observable(const Result& result) {
  const std::vector<std::string> predictions = prediction_names(result);
  std::optional<std::string> first;
  for (std::size_t o = 0; o < result.observables.size(); ++o) {
    const std::string& name = result.observables[o].name;
    if (std::ranges::find(predictions, name) != predictions.end()) continue;
    if (!first) first = name;
    if (result.kind != ResultKind::validation) break;
    const auto* theory = values_of(result, "theory", o);
    if (theory && std::ranges::any_of(*theory, finite)) return name;
  }
  return first.value_or(result.observables.front().name);
}

std::string runs_of(const Result& result) {
  const std::string_view replicas = result.get("replicas");
  return replicas.empty() ? "" : fmt::format(" ({} {})", replicas, replicas == "1" ? "run" : "runs");
}

constexpr const char* legend_points = "simulation, mean ± 2 s.e.m.";
constexpr const char *legend_before = "theory, shown, not judged", *legend_beyond = "theory, beyond its validity";
constexpr const char* dark = "#444444";
constexpr const char* legend_quantiles = "simulation, 5–95% of runs";

Panel panel_of(const std::vector<Result>& results, const std::vector<std::string>& labels, const std::string& name,
               const FigureOptions& options) {
  const std::vector<std::string>& files = options.files.empty() ? labels : options.files;
  Panel panel;
  const bool single = one_experiment(results);
  std::vector<Parts> all;
  std::vector<double> xs, central, shown;
  for (std::size_t r = 0; r < results.size(); ++r) {
    const int o = results[r].index(name);
    if (o < 0) {
      std::vector<std::string> known;
      for (const auto& observable : results[r].observables) known.push_back(observable.name);
      throw Error(fmt::format("{}: --observable: it has no observable '{}'{}; it has {}", files[r],
                              settings::shown(name), settings::suggestion(name, known), settings::join(known)));
    }
    if (panel.observable.name.empty()) panel.observable = results[r].observables[static_cast<std::size_t>(o)];
    all.push_back(parts_of(results[r], static_cast<std::size_t>(o)));
    if (const double at = std::strtod(std::string(results[r].get("diverged_at")).c_str(), nullptr);
        at > 0 && finite(at))
      panel.diverged_at.push_back(at);
    for (const Curve* c : {&all.back().theory, &all.back().before, &all.back().beyond, &all.back().points})
      xs.insert(xs.end(), c->x.begin(), c->x.end());
  }
  if (xs.empty()) throw Error(fmt::format("{}: has no finite value of '{}' to draw", settings::join(files), name));

  panel.along = results.front().axis;
  for (std::size_t r = 1; r < results.size(); ++r)
    if (results[r].axis != results.front().axis)
      throw Error(fmt::format("{}: runs along {}, and {} along {}: they have no axis in common", files[r],
                              results[r].axis->name, files.front(), results.front().axis->name));
  const std::vector<double> recorded = xs;
  xs.insert(xs.end(), panel.diverged_at.begin(), panel.diverged_at.end());
  panel.x = axis_of(recorded, xs, true, 0.02);
  const auto visible = [&](double x) { return !panel.x.log || x > 0; };
  for (const Parts& p : all) {
    for (const Curve* c : {&p.theory, &p.before, &p.beyond, &p.points})
      for (std::size_t i = 0; i < c->x.size(); ++i)
        if (visible(c->x[i])) central.push_back(c->y[i]);
    for (const Curve* c : {&p.predicted, &p.quantiles})
      for (std::size_t i = 0; i < c->x.size(); ++i)
        if (visible(c->x[i])) {
          shown.push_back(c->low[i]);
          shown.push_back(c->high[i]);
        }
  }
  std::vector<Level> levels;
  for (const Result& r : results)
    for (Level& level : levels_of(r))
      if (level.observable == name &&
          std::none_of(levels.begin(), levels.end(), [&](const Level& l) { return l.words == level.words; }))
        levels.push_back(std::move(level));
  for (const Level& level : levels) central.push_back(level.value);
  shown.insert(shown.end(), central.begin(), central.end());
  panel.y = axis_of(central, shown, true, 0.06);

  // What has no place on logarithmic axes is not drawn, and neither is a line of one point or a band without width: no legend
  // speaks of it.
  const auto drawn_line = [&](const Curve& c) {
    std::size_t points = 0;
    for (std::size_t i = 0; i < c.x.size(); ++i) points += visible(c.x[i]) && (!panel.y.log || c.y[i] > 0);
    return points > 1;
  };
  const auto drawn_band = [&](const Curve& c) {
    std::size_t points = 0;
    double width = 0;
    for (std::size_t i = 0; i < c.x.size(); ++i) {
      if (!visible(c.x[i])) continue;
      ++points;
      width = std::max(width, (c.high[i] - c.low[i]) / std::max(std::abs(c.high[i]), std::abs(c.low[i])));
    }
    return points > 1 && width > least_width;
  };
  bool any_points = false, any_quantiles = false, any_predicted = false, any_line = false, any_beyond = false,
       any_before = false;
  std::vector<Series> bands, lines, points, beyond;
  for (std::size_t r = 0; r < results.size(); ++r) {
    Parts& p = all[r];
    thin(p.points, panel.x);
    // One experiment: theory blue, simulation vermilion. Several: a colour each.
    const std::string of_theory = single ? palette[0] : palette[r % palette_size];
    const std::string of_simulation = single ? palette[1] : palette[r % palette_size];
    const bool with_line = drawn_line(p.theory), with_points = !p.points.x.empty();
    const bool with_before = drawn_line(p.before), with_beyond = with_before || drawn_line(p.beyond);
    any_line = any_line || with_line;
    any_beyond = any_beyond || with_beyond;
    any_before = any_before || with_before;
    any_points = any_points || with_points;
    if (drawn_band(p.quantiles)) {
      any_quantiles = true;
      bands.push_back({Style::band, p.quantiles, of_simulation, single ? legend_quantiles : ""});
    }
    if (drawn_band(p.predicted)) {
      any_predicted = true;
      bands.push_back({Style::band, p.predicted, of_theory,
                       single ? (p.log_normal ? "theory, 95% of runs" : "theory, ± 2 s.d. of one run") : ""});
    }
    if (with_line) lines.push_back({Style::line, p.theory, of_theory, single ? "theory" : labels[r]});
    for (const Curve* c : {&p.before, &p.beyond})
      if (drawn_line(*c))
        beyond.push_back({Style::guide, *c, of_theory,
                          c == &p.beyond && with_before ? ""
                          : single                      ? (with_before ? legend_before : legend_beyond)
                          : with_line || with_points    ? ""
                                                        : labels[r],
                          true, 2});
    if (!with_line && !with_beyond && !with_points) {
      // A run that ends where it starts: its one value.
      Curve alone;
      for (std::size_t i = 0; i < p.theory.x.size(); ++i)
        if (visible(p.theory.x[i]) && !(panel.y.log && p.theory.y[i] <= 0))
          alone.add(p.theory.x[i], p.theory.y[i], p.theory.y[i], p.theory.y[i]);
      if (!alone.x.empty()) points.push_back({Style::points, alone, of_theory, single ? "theory" : labels[r]});
    }
    if (with_points)
      points.push_back({Style::points, p.points, of_simulation,
                        single ? legend_points + runs_of(results[r]) : (with_line ? "" : labels[r])});
  }
  for (const Level& level : levels) {
    Series s{Style::level, {}, dark, level.words};
    s.curve.add(panel.x.low, level.value);
    s.curve.add(panel.x.high, level.value);
    bands.push_back(std::move(s));
  }
  for (auto* list : {&bands, &points, &beyond, &lines})
    panel.series.insert(panel.series.end(), list->begin(), list->end());
  if (!single) {
    // Legend entries without data say what the marks mean.
    if (any_line && any_points) panel.series.push_back({Style::line, {}, grey, "theory"});
    if (any_beyond)
      panel.series.push_back({Style::guide, {}, grey, any_before ? legend_before : legend_beyond, true, 2});
    if (any_points) panel.series.push_back({Style::points, {}, grey, legend_points});
    if (any_quantiles) panel.series.push_back({Style::band, {}, grey, legend_quantiles});
    if (any_predicted) panel.series.push_back({Style::band, {}, grey, "theory, 95% of runs"});
  }
  const Series* along = !lines.empty() ? &lines.back() : (points.empty() ? nullptr : &points.back());
  int dash = 2;
  for (const double exponent : options.guides) {
    if (!along) break;
    Series s{Style::guide, guide(along->curve, exponent, panel.x), grey, "", false, dash++};
    std::string power = text_of(exponent);
    if (power.starts_with("-")) power = "−" + power.substr(1);
    s.legend = fmt::format("∝ {}^{{{}}}", panel.along->name, power);
    panel.series.push_back(std::move(s));
  }
  return panel;
}

// ---- placing the legend -----------------------------------------------------------------------------------------

struct Mark {
  double x, low, high;  ///< a vertical piece of drawing, in shares of the axes
};

std::vector<Mark> marks_of(const Panel& panel) {
  std::vector<Mark> out;
  const auto place = [&](double y) {
    const double at = panel.y.place(y);
    return std::isfinite(at) ? at : 0.0;
  };
  for (const Series& s : panel.series) {
    for (std::size_t i = 0; i < s.curve.x.size(); ++i) {
      const double x = panel.x.place(s.curve.x[i]);
      if (!std::isfinite(x)) continue;
      Mark mark{x, place(s.curve.low.empty() ? s.curve.y[i] : s.curve.low[i]),
                place(s.curve.high.empty() ? s.curve.y[i] : s.curve.high[i])};
      if (s.style != Style::points && !out.empty() && i > 0) {
        const Mark before = out.back();
        constexpr int pieces = 8;
        for (int k = 1; k < pieces && x > before.x; ++k) {
          const double f = static_cast<double>(k) / pieces;
          out.push_back({before.x + f * (x - before.x), before.low + f * (mark.low - before.low),
                         before.high + f * (mark.high - before.high)});
        }
      }
      out.push_back(mark);
    }
  }
  for (const double step : panel.diverged_at) out.push_back({panel.x.place(step), 0, 1});
  return out;
}

/// gnuplot's words for a corner, or the middle of a side, where the legend covers nothing, else below the axes.
std::string legend_place(const Panel& panel) {
  std::size_t entries = 0, longest = 0;
  for (const Series& s : panel.series)
    if (!s.legend.empty()) {
      ++entries;
      longest = std::max(longest, letters(s.legend));
    }
  const double width = 0.13 + 0.0155 * static_cast<double>(longest),
               height = 0.03 + 0.066 * static_cast<double>(entries);
  const std::vector<Mark> marks = marks_of(panel);
  // The side, and how much of the height that the legend leaves is below it.
  constexpr std::pair<bool, double> places[] = {{true, 1},    {false, 0},  {false, 1},   {true, 0},   {true, 0.5},
                                                {false, 0.5}, {true, 0.2}, {false, 0.2}, {true, 0.8}, {false, 0.8}};
  for (const auto& place : places) {
    const bool right = place.first;
    const double up = place.second, x0 = right ? 1 - width : 0, y0 = up * (1 - height);
    const bool free = width < 0.8 && height < 0.7 && std::none_of(marks.begin(), marks.end(), [&](const Mark& m) {
                        return m.x >= x0 && m.x <= x0 + width && m.high >= y0 && m.low <= y0 + height;
                      });
    const char* side = right ? "right" : "left";
    if (free && (up == 0 || up == 1)) return fmt::format("inside {} {}", up == 1 ? "top" : "bottom", side);
    if (free)
      return fmt::format("at graph {}, graph {} {} center", right ? 0.98 : 0.02, text_of(y0 + height / 2), side);
  }
  return "outside center bottom horizontal maxcols 2";
}

// ---- the script -------------------------------------------------------------------------------------------------

std::string number(double x) {
  return text_of(x);
}

/// Rows of a data block; on logarithmic axes what has no place is left out or cut at the edge.
std::string rows_of(const Series& s, const Panel& panel) {
  std::string out;
  const auto clip = [&](double y) { return std::clamp(y, panel.y.low, panel.y.high); };
  for (std::size_t i = 0; i < s.curve.x.size(); ++i) {
    const double x = s.curve.x[i], y = s.curve.y[i];
    if (panel.x.log && x <= 0) continue;
    if (s.style == Style::band) {
      out += fmt::format("{} {} {}\n", number(x), number(clip(s.curve.low[i])), number(clip(s.curve.high[i])));
    } else {
      if (panel.y.log && y <= 0) continue;
      out += fmt::format("{} {}", number(x), number(y));
      if (s.style == Style::points)
        out += fmt::format(" {} {}", number(clip(s.curve.low[i])), number(clip(s.curve.high[i])));
      out += "\n";
    }
  }
  return out;
}

std::string panel_script(const Panel& panel, std::size_t number_of_panel) {
  std::string out = "unset arrow\nunset label\n";
  out += fmt::format("set {} x\nset {} y\n", panel.x.log ? "logscale" : "nologscale",
                     panel.y.log ? "logscale" : "nologscale");
  out += fmt::format("set xrange [{}:{}]\nset yrange [{}:{}]\n", number(panel.x.low), number(panel.x.high),
                     number(panel.y.low), number(panel.y.high));
  out += fmt::format("set xtics {}\nset ytics {}\n", panel.x.ticks(), panel.y.ticks());
  const std::string legend = legend_place(panel);
  // Below the axes it would touch their label.
  const char* room = legend.starts_with("outside") ? "\n{/*0.3  }" : "";
  out += fmt::format("set xlabel {} offset 0,0.3\nset ylabel {} noenhanced\n",
                     gnuplot_string(panel.along->label + room), plain(axis_label(panel.observable)));
  out += fmt::format("set key {} Left reverse samplen 2.2 spacing 1.15\n", legend);
  for (const double step : panel.diverged_at) {
    const bool left = panel.x.place(step) > 0.5;
    out += fmt::format("set arrow from {0}, graph 0 to {0}, graph 1 nohead dt 2 lw 1.2 lc rgb '{1}'\n", number(step),
                       grey);
    out += fmt::format("set label 'diverges at {4} {0}' at {0}, graph 0.05 {1} offset {2},0 tc rgb '{3}'\n",
                       number(step), left ? "right" : "left", left ? -0.7 : 0.7, grey, panel.along->name);
  }
  std::vector<std::string> plots;
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    const Series& s = panel.series[i];
    const std::string rows = rows_of(s, panel);
    std::string data = fmt::format("$p{}s{}", number_of_panel, i);
    // A legend entry without data: one row that has no place on the axes.
    const bool three = s.style == Style::band;
    out += data + " << EOD\n" + (rows.empty() ? (three ? "NaN NaN NaN\n" : "NaN NaN NaN NaN\n") : rows) + "EOD\n";
    const std::string title = s.legend.empty()
                                  ? "notitle"
                                  : fmt::format("title {}{}", plain(s.legend), s.legend_is_text ? " noenhanced" : "");
    switch (s.style) {
      case Style::band:
        plots.push_back(fmt::format("{} using 1:2:3 with filledcurves fc rgb '{}' fs transparent solid 0.2 noborder {}",
                                    data, s.color, title));
        break;
      case Style::points:
        // yerrorbars would leave a white gap between the point and its bar.
        plots.push_back(
            fmt::format("{} using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '{}' notitle", data, s.color));
        plots.push_back(fmt::format("{} using 1:2 with points pt 7 ps 0.5 lc rgb '{}' {}", data, s.color, title));
        break;
      case Style::line:
        plots.push_back(fmt::format("{} using 1:2 with lines lw 2 lc rgb '{}' {}", data, s.color, title));
        break;
      case Style::level:
        plots.push_back(fmt::format("{} using 1:2 with lines lw 0.9 lc rgb '{}' {}", data, s.color, title));
        break;
      case Style::guide:
        plots.push_back(
            fmt::format("{} using 1:2 with lines lw 1.6 dt {} lc rgb '{}' {}", data, s.dash, s.color, title));
        break;
    }
  }
  return out + "plot " + settings::join(plots, ", \\\n     ") + "\n";
}

}  // namespace

std::pair<double, double> predicted_band(double mean, double std, bool log_normal) {
  if (!(mean > 0) || !log_normal) return {mean - 2 * std, mean + 2 * std};
  const double ratio = std / mean, variance = std::log1p(ratio * ratio);
  const double middle = std::log(mean) - variance / 2, spread = 2 * std::sqrt(variance);
  return {std::exp(middle - spread), std::exp(middle + spread)};
}

std::string figure_script(const std::vector<Result>& results, const std::vector<std::string>& labels,
                          const FigureOptions& options, const std::string& ending) {
  if (results.empty()) throw Error("plot: no results given");
  std::vector<std::string> observables = options.observables;
  const bool one_step = observables.empty() && results.size() == 1 && is_one_step(results.front());
  if (observables.empty()) {
    if (results.front().observables.empty())
      throw Error((options.files.empty() ? labels : options.files).front() + ": has no observables to draw");
    observables.push_back(telling_observable(results.front()));
    for (const Level& level : results.size() == 1 ? levels_of(results.front()) : std::vector<Level>{})
      if (std::find(observables.begin(), observables.end(), level.observable) == observables.end())
        observables.push_back(level.observable);
  }
  std::string title = options.title;
  if (title.empty()) {
    const auto has_first = [&](const Result& r) { return r.get("title") == results[0].get("title"); };
    if (std::ranges::all_of(results, has_first)) title = results[0].get("title");
  }
  std::string out = "set encoding utf8\n" + terminal(ending, 600 * static_cast<double>(observables.size()), 420) + "\n";
  out += "set border 3 lw 1 lc rgb '#222222'\nset tics out nomirror scale 0.7,0.35\n";
  const bool several = observables.size() > 1;
  if (several)
    out += fmt::format("set multiplot layout 1,{}{}\n", observables.size(),
                       title.empty() ? "" : " title " + plain(title) + " noenhanced");
  else if (!title.empty())
    out += "set title " + plain(title) + " noenhanced offset 0,-0.3\n";
  if (one_step) return out + step_panel(results.front());
  for (std::size_t i = 0; i < observables.size(); ++i)
    out += panel_script(panel_of(results, labels, observables[i], options), i);
  return out + (several ? "unset multiplot\n" : "");
}

std::string drawn(const std::vector<Result>& results, const std::vector<std::string>& labels,
                  const FigureOptions& options, const std::string& ending) {
  return run_gnuplot(figure_script(results, labels, options, ending));
}

}  // namespace edgewise::cli
