#include "cli/figures/schedule_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cli/figures/axis.hpp"
#include "cli/figures/figure_style.hpp"
#include "cli/figures/gnuplot.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::text_of;

namespace {

constexpr std::size_t most_curves = 5, most_points = 600, most_bars = 20;

/// A curve with its name and colour; the optimum is black and wide.
struct DrawnCurve {
  std::string name;
  std::vector<double> y;
};

/// Steps of which a curve of `count` is drawn.
std::vector<std::size_t> drawn_steps(std::size_t count) {
  std::vector<std::size_t> out;
  const std::size_t points = std::min(count, most_points);
  for (std::size_t i = 0; i < points; ++i) out.push_back(points > 1 ? i * (count - 1) / (points - 1) : 0);
  return out;
}

/// gnuplot's words for a corner where the legend covers none of the curves; top right where there is none.
std::string legend_corner(const std::vector<DrawnCurve>& curves, const std::vector<std::size_t>& steps, const Axis& y) {
  constexpr double width = 0.55, title_height = 0.08;  // shares of the panel
  const double height = title_height * static_cast<double>(curves.size());
  const auto covers = [&](bool right, bool top) {
    return std::ranges::any_of(curves, [&](const DrawnCurve& curve) {
      return std::ranges::any_of(steps, [&](std::size_t k) {
        const double x = static_cast<double>(k) / static_cast<double>(std::max<std::size_t>(1, steps.back()));
        const double at = y.place(curve.y[k]);
        return (right ? x > 1 - width : x < width) && (top ? at > 1 - height : at < height);
      });
    });
  };
  for (const bool top : {true, false})
    for (const bool right : {true, false})
      if (!covers(right, top)) return fmt::format("{} {}", top ? "top" : "bottom", right ? "right" : "left");
  return "top right";
}

std::string curves_panel(const std::vector<DrawnCurve>& curves, const std::string& block, const std::string& label,
                         bool log_if_wide) {
  std::vector<double> shown, decisive;
  std::string out;
  const std::vector<std::size_t> steps = drawn_steps(curves.front().y.size());
  for (std::size_t c = 0; c < curves.size(); ++c) {
    out += fmt::format("${}{} << EOD\n", block, c);
    for (const std::size_t k : steps) {
      out += fmt::format("{} {}\n", k, text_of(curves[c].y[k]));
      shown.push_back(curves[c].y[k]);
      if (log_if_wide) decisive.push_back(curves[c].y[k]);
    }
    out += "EOD\n";
  }
  if (!log_if_wide) {
    shown.push_back(0);
    decisive.push_back(0);
  }
  const Axis y = axis_of(decisive, shown, false, 0.06);
  out += fmt::format("unset logscale\nset xrange [0:{}]\nset yrange [{}:{}]\n", std::max<std::size_t>(1, steps.back()),
                     text_of(y.low), text_of(y.high));
  out += std::string(y.log ? "set logscale y\n" : "") + "set xtics auto\nset ytics " + y.ticks() + " enhanced\n";
  out += "set xlabel 'step'\nset ylabel " + plain(label) + "\nset key " + legend_corner(curves, steps, y) +
         " Left reverse samplen 1.6 spacing 1.1\n";
  out += "plot ";
  for (std::size_t c = curves.size(); c-- > 0;)
    out += fmt::format("${}{} using 1:2 with lines lw {} lc rgb '{}' title {} noenhanced{}", block, c, c == 0 ? 3 : 1.6,
                       c == 0 ? "#000000" : palette[(c - 1) % palette_size], plain(curves[c].name),
                       c > 0 ? ", \\\n     " : "\n");
  return out;
}

std::string gaps_panel(const models::ingredients::ScheduleReport& report) {
  std::string rows, names;
  std::vector<double> shown{0.0};
  std::size_t count = 0;
  for (const auto& one : report.families) {
    if (!std::isfinite(one.gap) || one.gap < 0 || count == most_bars) continue;
    rows += fmt::format("{} {}\n", text_of(100 * one.gap), count);
    names += fmt::format("{}{} {}", count ? ", " : "", tick_text(one.family.name), count);
    shown.push_back(100 * one.gap);
    ++count;
  }
  if (count == 0) return "";
  std::string out = "$gaps << EOD\n" + rows + "EOD\n";
  std::vector<double> positive;
  for (const double x : shown)
    if (x > 0) positive.push_back(x);
  const Axis x = positive.empty() ? axis_of({0}, shown, false, 0.05) : axis_of(positive, positive, false, 0.08);
  out += fmt::format("unset logscale\nset xrange [{}:{}]\nset yrange [{}:-0.7]\n", text_of(x.low), text_of(x.high),
                     static_cast<double>(count) - 0.3);
  out += std::string(x.log ? "set logscale x\n" : "") + "set xtics " + x.ticks() + "\nset ytics (" + names +
         ") noenhanced\n";
  out += "set xlabel 'gap to the optimum, %'\nunset ylabel\nunset key\n";
  return out + fmt::format(
                   "plot $gaps using ({0}):2:({0}):1:($2-0.35):($2+0.35) with boxxyerror fs solid 0.8 noborder lc rgb "
                   "'{1}'\n",
                   text_of(x.low), palette[0]);
}

/// log10 of the losses over base rates, a row a family, the best on top.
std::string bases_panel(const std::vector<ShapeScores>& scores) {
  std::string rows, names;
  std::size_t count = 0;
  double narrowest = 1, least = 0;
  bool any = false;
  for (const ShapeScores& one : scores) {
    if (count == most_bars) break;
    for (std::size_t i = 0; i < one.factors.size(); ++i) {
      if (i > 0) narrowest = std::min(narrowest, std::log10(one.factors[i] / one.factors[i - 1]));
      if (!std::isfinite(one.medians[i]) || !(one.medians[i] > 0)) continue;
      const double at = std::log10(one.medians[i]);
      least = any ? std::min(least, at) : at;
      any = true;
      rows += fmt::format("{} {} {}\n", text_of(std::log10(one.factors[i])), count, text_of(at));
    }
    names += fmt::format("{}{} {}", count ? ", " : "", tick_text(one.family), count);
    ++count;
  }
  if (rows.empty()) return "";
  std::string out = "$bases << EOD\n" + rows + "EOD\n";
  out += "set palette defined (0 '#440154', 1 '#3B518B', 2 '#21908D', 3 '#5CC863', 4 '#FDE725')\nunset logscale\n";
  out += fmt::format("set xrange [*:*]\nset yrange [{}:-0.7]\nset xtics auto\nset ytics ({}) noenhanced\n",
                     static_cast<double>(count) - 0.3, names);
  out +=
      "set xlabel 'log_{10} base rate / best by theory'\nunset ylabel\nunset key\nset colorbox\nset cblabel 'log_{10} "
      "median loss'\n";
  // Of rates that are far too large no more is shown than that.
  out += fmt::format("set cbrange [{}:{}]\n", text_of(least), text_of(least + 1));
  return out + fmt::format(
                   "plot $bases using 1:2:($1-{0}):($1+{0}):($2-0.45):($2+0.45):3 with boxxyerror fs solid 1 noborder "
                   "lc palette\n",
                   text_of(0.5 * narrowest));
}

/// The share of a family's shapes whose score is below, as steps.
std::string ecdf_panel(const std::vector<ShapeScores>& scores, const std::string& label) {
  std::string out, plots;
  std::vector<double> shown;
  std::size_t drawn = 0;
  for (const ShapeScores& one : scores) {
    if (drawn == palette_size || one.scores.empty() || !std::isfinite(one.scores.front())) continue;
    out += fmt::format("$ecdf{} << EOD\n", drawn);
    const auto n = static_cast<double>(one.scores.size());
    double below = 0;
    for (const double score : one.scores) {
      if (!std::isfinite(score)) break;
      out += fmt::format("{} {}\n{} {}\n", text_of(score), text_of(below), text_of(score), text_of(below + 1 / n));
      below += 1 / n;
      shown.push_back(score);
    }
    out += "EOD\n";
    plots += fmt::format("{}$ecdf{} using 1:2 with linespoints lw 1.8 pt 7 ps 0.3 lc rgb '{}' title {} noenhanced",
                         drawn ? ", \\\n     " : "plot ", drawn, palette[drawn % palette_size], plain(one.family));
    ++drawn;
  }
  if (drawn == 0) return "";
  const Axis x = axis_of(shown, shown, false, 0.06);
  out += fmt::format("unset logscale\nset xrange [{}:{}]\nset yrange [0:1.05]\n", text_of(x.low), text_of(x.high));
  out += std::string(x.log ? "set logscale x\n" : "") + "set xtics " + x.ticks() + " enhanced\nset ytics auto\n";
  // The legend takes the empty place to the right: inside, seven curves leave none.
  out +=
      "set xlabel " + plain("score: median " + label) +
      "\nset ylabel 'share of shapes'\nset key at graph 1.05, graph 1 left top Left reverse samplen 1.6 spacing 1.1\n";
  return out + plots + "\n";
}

}  // namespace

std::string schedule_script(const models::ingredients::ScheduleReport& report,
                            const std::vector<std::vector<double>>& losses, const std::vector<ShapeScores>& scores,
                            const std::string& title, const std::string& ending) {
  const std::string name = report.optimum.identifiable ? "optimum" : "one of many optima";
  std::vector<DrawnCurve> rates{{name, report.optimum.rates}}, loss{{name, report.path.loss}};
  for (std::size_t i = 0; i < losses.size() && rates.size() <= most_curves; ++i) {
    if (losses[i].empty()) continue;
    rates.push_back({report.families[i].family.name, report.families[i].family.rates});
    loss.push_back({report.families[i].family.name, losses[i]});
  }
  const std::string gaps = gaps_panel(report);
  const std::string bases = bases_panel(scores), ecdf = ecdf_panel(scores, shown_name(report.observable.name));
  const int upper = gaps.empty() ? 2 : 3, rows = bases.empty() && ecdf.empty() ? 1 : 2;
  std::string script = terminal(ending, 500 * upper, 430 * rows) + "\n";
  script += fmt::format("set multiplot layout {},{} title {} noenhanced\nset border 3\nset tics nomirror\n", rows,
                        upper, plain(title));
  script += curves_panel(rates, "rates", "learning rate", false);
  script += gaps;
  script += curves_panel(loss, "loss", shown_name(report.observable.name), true);
  script += bases + ecdf;
  return script + "unset multiplot\n";
}

std::string schedule_figure(const models::ingredients::ScheduleReport& report,
                            const std::vector<std::vector<double>>& losses, const std::vector<ShapeScores>& scores,
                            const std::string& title, const std::string& ending) {
  return run_gnuplot(schedule_script(report, losses, scores, title, ending));
}

}  // namespace edgewise::cli
