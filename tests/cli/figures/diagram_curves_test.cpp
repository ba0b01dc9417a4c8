// Curves of sweeps, command by command.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "cli/figures/diagram_panels.hpp"
#include "settings/settings.hpp"
#include "tests/holds.hpp"

using namespace edgewise;
using cli::curve_panel;
using cli::DiagramPanel;
using edgewise::expected::holds;
using validation::CellState;
using validation::SweepTable;

namespace {

/// Cells of x = 4, 1, 2, 3 by two words: "mean" with its error, and "slope".
SweepTable line() {
  SweepTable table;
  table.axes = {{"x_alpha", "a.x", false, {4, 1, 2, 3}, {}}, {"kind", "a.kind", false, {}, {"sgd", "sign"}}};
  table.measures = {{"slope", "", ""}, {"mean", "MSE", ""}, {"mean_se", "MSE", ""}};
  table.labels = {{"low", "", ""}, {"high", "", ""}, {"a rather long name of beta", "", ""}};
  table.boundaries = {
      {"edge of rho", "x_alpha - 1.5", ""}, {"far", "x_alpha - 2.5", ""}, {"edge of rho", "x_alpha - 3.5", ""}};
  const char* labels[] = {"a rather long name of beta", "low", "low", "high"};
  for (int i = 0; i < 4; ++i)
    for (double w : {0, 1}) {
      const double x = table.axes[0].numbers[static_cast<std::size_t>(i)];
      table.cells.push_back({CellState::finished, {-x, 10 + x + 4 * w, 0.25 * x}, labels[i], "", 0});
    }
  return table;
}

/// What a panel begins with, on a linear axis of x.
const std::string cleared = "unset label\nunset object\nunset arrow\nunset colorbox\nset nologscale x\n";

}  // namespace

TEST_CASE(
    "curves along an axis: measures with and without errors on the ground of labels, predicted boundaries upright") {
  SweepTable table = line();
  table.cells[4].measures[2] = NAN;
  CHECK(curve_panel(table, {{0, std::nullopt, {0, 0}}, {0, 1}, ""}, 2) == cleared + R"(set nologscale y
set xrange [0.5:4.5]
set yrange [-5.6:17.6]
set xtics ("1" 1 0, "2" 2 0, "3" 3 0, "4" 4 0)
set ytics ("−5" -5 0, "0" 0 0, "5" 5 0, "10" 10 0, "15" 15 0)
set xlabel "x α\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "" noenhanced
set key outside center bottom horizontal maxcols 3 Left reverse samplen 2.2 spacing 1.15
set object rectangle from graph 0.00000, graph 0 to graph 0.50000, graph 1 behind fc rgb '#8FC1DE' fs transparent solid 0.45 noborder
set label "low" at graph 0.25000, graph 0.95 center noenhanced front
set object rectangle from graph 0.50000, graph 0 to graph 0.75000, graph 1 behind fc rgb '#EDB58C' fs transparent solid 0.45 noborder
set label "high" at graph 0.62500, graph 0.95 center noenhanced front
set object rectangle from graph 0.75000, graph 0 to graph 1.00000, graph 1 behind fc rgb '#8CD0BA' fs transparent solid 0.45 noborder
$c2b0 << EOD
NaN NaN NaN
EOD
$c2b1 << EOD
1.5 -5.6
1.5 17.6

EOD
$c2b2 << EOD
2.4999999999999996 -5.6
2.4999999999999996 17.6

EOD
$c2b3 << EOD
3.4999999999999996 -5.6
3.4999999999999996 17.6

EOD
$c2b4 << EOD
1 -1 -1 -1
2 -2 -2 -2
3 -3 -3 -3
4 -4 -4 -4
EOD
$c2b5 << EOD
1 11 10.5 11.5
2 12 12 12
3 13 11.5 14.5
4 14 12 16
EOD
plot $c2b0 using 1:2:3 with filledcurves fc rgb '#8CD0BA' fs transparent solid 0.45 noborder title "a rather long name of β" noenhanced, \
     $c2b1 using 1:2 with lines lw 1.6 dt (8,5) lc rgb 'black' title "predicted: edge of ρ" noenhanced, \
     $c2b2 using 1:2 with lines lw 1.6 dt (8,5) lc rgb 'black' title "predicted: far" noenhanced, \
     $c2b3 using 1:2 with lines lw 1.6 dt (8,5) lc rgb 'black' notitle, \
     $c2b4 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#0072B2' title "slope" noenhanced, \
     $c2b5 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#D55E00' notitle, \
     $c2b5 using 1:2 with points pt 7 ps 0.5 lc rgb '#D55E00' title "mean ± 2 s.e." noenhanced
)");
  // What failed, or has no number, has no point; without a label there is no ground.
  table.cells[1] = {CellState::failed, {NAN, NAN, NAN}, "", "why", 0};
  table.cells[5].measures[1] = INFINITY;
  table.cells[7].label.clear();
  table.boundaries.clear();
  CHECK(curve_panel(table, {{0, std::nullopt, {0, 1}}, {1}, ""}, 0) == cleared + R"(set nologscale y
set xrange [0.5:4.5]
set yrange [14.18:18.82]
set xtics ("1" 1 0, "2" 2 0, "3" 3 0, "4" 4 0)
set ytics ("15" 15 0, "16" 16 0, "17" 17 0, "18" 18 0)
set xlabel "x α\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "mean [MSE]" noenhanced
set key outside center bottom horizontal maxcols 3 Left reverse samplen 2.2 spacing 1.15
set object rectangle from graph 0.00000, graph 0 to graph 0.50000, graph 1 behind fc rgb '#8FC1DE' fs transparent solid 0.45 noborder
set label "low" at graph 0.25000, graph 0.95 center noenhanced front
$c0b0 << EOD
1 15 14.5 15.5
3 17 15.5 18.5
EOD
plot $c0b0 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#0072B2' notitle, \
     $c0b0 using 1:2 with points pt 7 ps 0.5 lc rgb '#0072B2' notitle
)");
}

TEST_CASE("curves in colours: one for each word and measure") {
  SweepTable table = line();
  // On a logarithmic axis, where bars end at its edge, and a word has no number.
  for (auto& cell : table.cells) cell.measures = {std::pow(10, -cell.measures[0]), cell.measures[1], 6};
  for (std::size_t c = 1; c < table.cells.size(); c += 2) table.cells[c].measures[0] = NAN;
  table.measures[0].unit = "MSE";
  CHECK(curve_panel(table, {{0, 1, {0, 0}}, {0, 1}, ""}, 1) == cleared + R"(set logscale y
set xrange [0.5:4.5]
set yrange [0.4786300923226383:20892.961308540398]
set xtics ("1" 1 0, "2" 2 0, "3" 3 0, "4" 4 0)
set ytics ("" 0.5 1, "" 0.6000000000000001 1, "" 0.7000000000000001 1, "" 0.8 1, "" 0.9 1, "1" 1 0, "" 2 1, "" 3 1, "" 4 1, "" 5 1, "" 6 1, "" 7 1, "" 8 1, "" 9 1, "10" 10 0, "" 20 1, "" 30 1, "" 40 1, "" 50 1, "" 60 1, "" 70 1, "" 80 1, "" 90 1, "10^{2}" 100 0, "" 200 1, "" 300 1, "" 400 1, "" 500 1, "" 600 1, "" 700 1, "" 800 1, "" 900 1, "10^{3}" 1000 0, "" 2000 1, "" 3000 1, "" 4000 1, "" 5000 1, "" 6000 1, "" 7000 1, "" 8000 1, "" 9000 1, "10^{4}" 10000 0, "" 20000 1)
set xlabel "x α\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "[MSE]" noenhanced
set key outside center bottom horizontal maxcols 3 Left reverse samplen 2.2 spacing 1.15
$c1b0 << EOD
1 10 10 10
2 100 100 100
3 1000 1000 1000
4 10000 10000 10000
EOD
$c1b1 << EOD
NaN NaN NaN NaN
EOD
$c1b2 << EOD
1 11 0.4786300923226383 23
2 12 0.4786300923226383 24
3 13 1 25
4 14 2 26
EOD
$c1b4 << EOD
1 15 3 27
2 16 4 28
3 17 5 29
4 18 6 30
EOD
plot $c1b0 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#0072B2' title "slope, sgd" noenhanced, \
     $c1b1 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#D55E00' title "slope, sign" noenhanced, \
     $c1b2 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#009E73' notitle, \
     $c1b2 using 1:2 with points pt 7 ps 0.5 lc rgb '#009E73' title "mean, sgd ± 2 s.e." noenhanced, \
     $c1b4 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#CC79A7' notitle, \
     $c1b4 using 1:2 with points pt 7 ps 0.5 lc rgb '#CC79A7' title "mean, sign ± 2 s.e." noenhanced
)");
  // The unit of all that is drawn, or none.
  const auto label = [&](const std::vector<std::size_t>& measures) {
    const std::string s = curve_panel(table, {{0, 1, {0, 0}}, measures, ""}, 1), start = "set ylabel ";
    const std::size_t at = s.find(start) + start.size();
    return s.substr(at, s.find('\n', at) - at);
  };
  CHECK(label({0}) == "\"slope [MSE]\" noenhanced");
  table.measures[0].unit = "step";
  CHECK(label({0, 1}) == "\"\" noenhanced");
  CHECK(label({1, 0}) == "\"\" noenhanced");
}

TEST_CASE("more than forty points are a line without marks; of no number there is no curve") {
  SweepTable table = line();
  table.labels.clear();
  table.axes.pop_back();
  const auto style = [&](int points) {
    table.axes[0].numbers.clear();
    table.cells.clear();
    for (int i = 0; i < points; ++i) {
      table.axes[0].numbers.push_back(i);
      table.cells.push_back({CellState::finished, {1.0 * i, NAN, NAN}, "", "", 0});
    }
    const std::string s = curve_panel(table, {{0, std::nullopt, {0}}, {0}, ""}, 0);
    return std::pair(holds(s, "using 1:2 with linespoints lw 2"), holds(s, "using 1:2 with lines lw 2"));
  };
  CHECK(style(40) == std::pair(true, false));
  CHECK(style(41) == std::pair(false, true));
  for (const std::vector<std::size_t>& measures : {std::vector<std::size_t>{1}, {1, 2}})
    CHECK_THROWS_WITH_AS(curve_panel(table, {{0, std::nullopt, {0}}, measures, ""}, 0),
                         "the measure 'mean' is defined in no cell that is drawn", settings::Error);
}

TEST_CASE("a ground has room for its name from 0.02 and 0.018 a letter of the width on") {
  const auto named = [](const std::string& name, double share) {
    SweepTable table = line();
    table.axes = {{"x", "a.x", false, {0, 1.5 * share, 1}, {}}};
    table.labels[0].name = name;
    table.boundaries.clear();
    table.cells.assign(3, {CellState::finished, {1, 2, 0}, "high", "", 0});
    table.cells[0].label = name;
    const std::string s = curve_panel(table, {{0, std::nullopt, {0}}, {0}, ""}, 0);
    CHECK(holds(s, "set object rectangle from graph 0.00000, graph 0 to graph " + fmt::format("{:.5f}", share)));
    CHECK(holds(s, "title \"" + name + "\"") != holds(s, "set label \"" + name + "\""));
    return holds(s, fmt::format("set label \"{}\" at graph {:.5f}, graph 0.95", name, share / 2));
  };
  CHECK_FALSE(named("low", 0.0735));
  CHECK(named("low", 0.0745));
  CHECK_FALSE(named("a long name", 0.2175));
  CHECK(named("a long name", 0.2185));
}
