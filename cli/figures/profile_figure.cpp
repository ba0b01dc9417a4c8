// Built at -O1: nothing here takes time.
#include "cli/figures/profile_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cli/figures/figure_style.hpp"
#include "cli/figures/gnuplot.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::text_of;
using validation::MethodComparison;

namespace {

struct Profile {
  std::string name;
  std::vector<double> ratios;
  std::size_t method = 0;
};

/// The steps of a profile between 1 and `limit`.
std::string profile_data(const Profile& profile, double limit) {
  std::vector<double> at{1};
  for (const double r : profile.ratios)
    if (r > 1 && r < limit) at.push_back(r);
  at.push_back(limit);
  std::ranges::sort(at);
  std::string out;
  for (const double u : at) out += fmt::format("{} {}\n", text_of(u), text_of(validation::profile(profile.ratios, u)));
  return out;
}

std::string profile_panel(const std::string& title, const std::vector<Profile>& profiles, double limit,
                          std::size_t number) {
  std::string out, plots;
  for (const Profile& p : profiles) {
    const std::string name = fmt::format("$profile{}_{}", number, p.method);
    out += fmt::format("{} << EOD\n{}EOD\n", name, profile_data(p, limit));
    plots += fmt::format("{}{} using 1:2 with steps lw 2 dt {} lc rgb '{}' title {} noenhanced",
                         plots.empty() ? "plot " : ", \\\n     ", name, 1 + p.method / palette_size,
                         palette[p.method % palette_size], plain(p.name));
  }
  out += fmt::format("set title {} noenhanced offset 0,-0.3\nset xrange [1:{}]\nset yrange [0:1.02]\n", plain(title),
                     text_of(limit));
  return out + plots + "\n";
}

}  // namespace

std::string profile_script(const MethodComparison& c, const std::string& ending) {
  std::vector<Profile> defaults, calibrated;
  std::size_t longest = 0;
  for (std::size_t m = 0; m < c.plan.methods.size(); ++m) {
    const std::string& name = c.plan.methods[m].name;
    longest = std::max(longest, letters(name));
    if (c.plan.methods[m].has_default) defaults.push_back({name, c.ratios(m, 0), m});
    calibrated.push_back({name, c.ratios(m, c.calibrated(m)), m});
  }
  const double legend = 60 + 7 * static_cast<double>(longest);
  const std::size_t panels = defaults.empty() ? 1 : 2;
  // All of the legend in one column: a second one would take the room of the plot.
  const double height = std::max(420.0, 200 + 21 * static_cast<double>(calibrated.size()));
  std::string out =
      "set encoding utf8\n" + terminal(ending, (420 + legend) * static_cast<double>(panels), height) + "\n";
  out += "set border 3 lw 1 lc rgb '#222222'\nset tics out nomirror scale 0.7,0.35\n";
  out += fmt::format(
      "set xlabel {} noenhanced\nset ylabel {} noenhanced\nset key outside right top Left reverse noenhanced\n",
      plain("factor u of the best tuned schedule"), plain("fraction of workloads within u"));
  if (panels == 2) out += fmt::format("set multiplot layout 1,2 title {} noenhanced\n", plain(c.plan.title));
  if (!defaults.empty()) out += profile_panel("defaults", defaults, c.plan.limit, 0);
  out += profile_panel("one setting for all workloads", calibrated, c.plan.limit, 1);
  return out + (panels == 2 ? "unset multiplot\n" : "");
}

std::string drawn_profiles(const MethodComparison& comparison, const std::string& ending) {
  return run_gnuplot(profile_script(comparison, ending));
}

}  // namespace edgewise::cli
