#include "cli/figures/step_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cli/figures/axis.hpp"
#include "cli/figures/figure_style.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

namespace {

struct Bar {
  std::string name;
  double gap, error;  // relative to the theory; error: two standard errors
};

std::vector<Bar> bars_of(const Result& result) {
  const std::vector<std::string> predictions = prediction_names(result);
  const Field *theory = result.find("theory"), *mean = result.find("mc_mean"), *sem = result.find("mc_sem");
  std::vector<Bar> out;
  for (std::size_t o = 0; theory && mean && sem && o < result.observables.size(); ++o) {
    const std::string& name = result.observables[o].name;
    // Predictions are numbers of whole runs, most of them of an observable that is here too.
    if (std::find(predictions.begin(), predictions.end(), name) != predictions.end()) continue;
    const double t = theory->values[o].back();
    const Bar bar{name, mean->values[o].back() / t - 1, 2 * sem->values[o].back() / std::abs(t)};
    if (std::isfinite(bar.gap) && std::isfinite(bar.error)) out.push_back(bar);
  }
  return out;
}

}  // namespace

bool is_one_step(const Result& result) {
  return result.kind == ResultKind::validation && result.steps.size() == 1 && bars_of(result).size() > 1;
}

std::string step_panel(const Result& result) {
  const std::vector<Bar> bars = bars_of(result);
  if (bars.empty()) throw settings::Error("no observable has a theory other than 0 to compare with");
  std::vector<double> shown;
  std::string rows;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    for (const double sign : {-1.0, 1.0}) shown.push_back(bars[i].gap + sign * bars[i].error);
    rows += fmt::format("{} {} {}\n", i, settings::text_of(bars[i].gap), settings::text_of(bars[i].error));
    names.push_back(fmt::format("{} {}", tick_text(shown_name(bars[i].name)), i));
  }
  shown.push_back(0);
  const Axis y = axis_of({0}, shown, false, 0.12);
  std::string out = "$bars << EOD\n" + rows + "EOD\n";
  out += fmt::format("set xrange [-0.7:{}]\nset yrange [{}:{}]\n", static_cast<double>(bars.size()) - 0.3,
                     settings::text_of(y.low), settings::text_of(y.high));
  out += "set xtics (" + settings::join(names) + ") noenhanced rotate by 45 right\nset ytics " + y.ticks() + "\n";
  out += fmt::format("set ylabel 'simulation / theory - 1, {} {}'\n", result.axis->name,
                     settings::text_of(result.steps.front()));
  out += "set key outside center top horizontal Left reverse samplen 2.2 spacing 1.15\n";
  out += fmt::format("plot 0 with lines lw 2 lc rgb '{}' title 'theory', \\\n", palette[0]);
  out += fmt::format("     $bars using 1:($2-$3):(0):(2*$3) with vectors nohead lw 1.4 lc rgb '{}' notitle, \\\n",
                     palette[1]);
  return out +
         fmt::format("     $bars using 1:2 with points pt 7 ps 0.6 lc rgb '{}' title 'simulation, mean ± 2 s.e.m.'\n",
                     palette[1]);
}

}  // namespace edgewise::cli
