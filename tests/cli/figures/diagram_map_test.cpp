// Maps of sweeps, command by command, of grids that are small enough to be drawn by hand.
#include "cli/figures/diagram_panels.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/holds.hpp"

using namespace edgewise;
using cli::DiagramPanel;
using cli::map_panel;
using edgewise::expected::holds;
using validation::CellResult;
using validation::CellState;
using validation::SweepTable;

namespace {

/// Cells of x = 1, 2, 3 (words or numbers) by y = 1, 2, the first row below.
SweepTable grid() {
  SweepTable table;
  table.axes = {{"x_alpha", "a.x", false, {1, 2, 3}, {}}, {"y", "a.y", false, {2, 1}, {}}};
  table.measures = {{"slope_mse", "MSE", ""}, {"other", "", ""}};
  table.labels = {{"low", "", "y < 1.5"}, {"high beta", "", "1"}};
  for (double x : {1, 2, 3})
    for (double y : {2, 1})
      table.cells.push_back({CellState::finished, {x * y, -x}, y < 2 ? "low" : "high beta", "", 0});
  return table;
}

/// Of blocks of more than nine rows, as curves of formulas are, the first and the last.
std::string drawn(const SweepTable& table, std::vector<std::size_t> measures = {}) {
  std::istringstream script(
      map_panel(table, {{0, 1, std::vector<std::size_t>(table.axes.size(), 0)}, std::move(measures), ""}, 3));
  std::string out;
  std::vector<std::string> rows;
  for (std::string line; std::getline(script, line);) {
    const bool row = !line.empty() && line.find_first_not_of("-+.0123456789e ") == std::string::npos;
    if (row) {
      rows.push_back(line);
      continue;
    }
    if (rows.size() > 9) rows = {rows.front(), fmt::format("... {} rows", rows.size()), rows.back()};
    for (const std::string& one : rows) out += one + "\n";
    rows.clear();
    out += line + "\n";
  }
  return out;
}

/// How the axes of grid() are drawn.
const std::string axes = R"(unset label
unset colorbox
set nologscale x
set xrange [0.5:3.5]
set xtics ("1" 1 0, "2" 2 0, "3" 3 0)
set nologscale y
set yrange [0.5:2.5]
set ytics ("0.5" 0.5 0, "1" 1 0, "1.5" 1.5 0, "2" 2 0, "2.5" 2.5 0)
)";
/// How they are named where nothing is said of predictions.
const std::string names = R"(set xlabel "x α\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "y" noenhanced
set key outside center bottom horizontal maxcols 2 Left reverse samplen 2.6 spacing 1.15
)";

/// The borders at y = 1.5, the measured one and the predicted one.
const std::string border = "0.5 1.5\n1 1.5\n2 1.5\n3 1.5\n3.5 1.5\n\nEOD\n";
const std::string predicted = "0.5 1.5\n... 240 rows\n3.5 1.5\n\nEOD\n";

}  // namespace

TEST_CASE("a map of labels: areas as few rectangles, names, borders") {
  CHECK(
      drawn(grid()) ==
      axes + R"(set xlabel "x α\n{/*0.8 labels as predicted in 6 of 6 cells}\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "y" noenhanced
set key outside center bottom horizontal maxcols 2 Left reverse samplen 2.6 spacing 1.15
set label "low" at graph 0.5000, graph 0.2500 center noenhanced front
set label "high β" at graph 0.5000, graph 0.7500 center noenhanced front
$m3b0 << EOD
2 1 0.5 3.5 0.5 1.5
EOD
$m3b1 << EOD
2 2 0.5 3.5 1.5 2.5
EOD
$m3b2 << EOD
)" + border +
          R"($m3b3 << EOD
)" + predicted +
          R"(plot $m3b0 using 1:2:3:4:5:6 with boxxyerror fc rgb '#8FC1DE' fs solid 1.0 border lc rgb '#8FC1DE' lw 0.3 notitle, \
     $m3b1 using 1:2:3:4:5:6 with boxxyerror fc rgb '#EDB58C' fs solid 1.0 border lc rgb '#EDB58C' lw 0.3 notitle, \
     $m3b2 using 1:2 with lines lw 1.4 lc rgb '#222222' title "measured boundary" noenhanced, \
     $m3b3 using 1:2 with lines lw 2.2 dt (8,5) lc rgb 'black' title "predicted boundary" noenhanced
)");
}

TEST_CASE(
    "a map of labels beside words: failed cells are crossed, pending ones white, predictions go straight across") {
  SweepTable table = grid();
  table.axes[1] = {"kind", "a.kind", false, {}, {"sgd", "50%"}};
  table.labels[0].predicted = "x_alpha < 1.75";
  table.cells[0].label = "low";
  table.cells[2] = {CellState::failed, {NAN, NAN}, "", "why", 0};
  table.cells[4] = {};
  table.cells[5].label.clear();
  CHECK(drawn(table) == R"(unset label
unset colorbox
set nologscale x
set xrange [0.5:3.5]
set xtics ("1" 1 0, "2" 2 0, "3" 3 0)
set nologscale y
set yrange [-0.5:1.5]
set ytics ("sgd" 0, "50%%" 1) noenhanced
set xlabel "x α\n{/*0.8 labels as predicted in 2 of 4 cells; 0 of 1 more than a cell from the boundaries}\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "kind" noenhanced
set key outside center bottom horizontal maxcols 2 Left reverse samplen 2.6 spacing 1.15
set label "low" at graph 0.2778, graph 0.5833 center noenhanced front
$m3b0 << EOD
1 0.5 0.5 1.5 -0.5 1.5
2 1 1.5 2.5 0.5 1.5
EOD
$m3b1 << EOD
3 1 2.5 3.5 0.5 1.5
EOD
$m3b2 << EOD
2 0 1.5 2.5 -0.5 0.5
EOD
$m3b3 << EOD
1.5 -0.5
2.5 0.5

1.5 0.5
2.5 -0.5

EOD
$m3b4 << EOD
NaN NaN
EOD
$m3b5 << EOD
3 0 2.5 3.5 -0.5 0.5
EOD
$m3b6 << EOD
1.7489539748953975 -0.5
... 240 rows
1.7489539748953975 1.5

EOD
plot $m3b0 using 1:2:3:4:5:6 with boxxyerror fc rgb '#8FC1DE' fs solid 1.0 border lc rgb '#8FC1DE' lw 0.3 notitle, \
     $m3b1 using 1:2:3:4:5:6 with boxxyerror fc rgb '#F2F2F2' fs solid 1.0 border lc rgb '#F2F2F2' lw 0.3 title "no label" noenhanced, \
     $m3b2 using 1:2:3:4:5:6 with boxxyerror fc rgb '#E0E0E0' fs solid 1.0 border lc rgb '#E0E0E0' lw 0.3 notitle, \
     $m3b3 using 1:2 with lines lw 0.7 lc rgb '#808080' notitle, \
     $m3b4 using 1:2 with points pt 2 ps 0.8 lw 0.8 lc rgb '#808080' title "failed" noenhanced, \
     $m3b5 using 1:2:3:4:5:6 with boxxyerror fc rgb '#FFFFFF' fs solid 1.0 border lc rgb '#FFFFFF' lw 0.3 title "not computed" noenhanced, \
     $m3b6 using 1:2 with lines lw 2.2 dt (8,5) lc rgb 'black' title "predicted boundary" noenhanced
)");
}

TEST_CASE("areas are covered by few rectangles, from below: as wide as they go, then as high") {
  SweepTable table = grid();
  table.axes[0].numbers = table.axes[1].numbers = {0, 1, 2, 3};
  table.measures.clear();
  for (auto& label : table.labels) label.predicted.clear();
  table.cells.clear();
  for (std::size_t x = 0; x < 4; ++x)
    for (std::size_t y = 0; y < 4; ++y) {
      // From above:  HHLL  LLLL  LLLH  LLLH.
      const bool high = (y == 3 && x < 2) || (y < 2 && x == 3);
      table.cells.push_back({CellState::finished, {}, high ? "high beta" : "low", "", 0});
    }
  CHECK(drawn(table) == R"(unset label
unset colorbox
set nologscale x
set xrange [-0.5:3.5]
set xtics ("0" -0 0, "1" 1 0, "2" 2 0, "3" 3 0)
set nologscale y
set yrange [-0.5:3.5]
set ytics ("0" -0 0, "1" 1 0, "2" 2 0, "3" 3 0)
)" + names + R"(set label "low" at graph 0.3750, graph 0.3750 center noenhanced front
set label "high β" at graph 0.8750, graph 0.2500 center noenhanced front
$m3b0 << EOD
1 1 -0.5 2.5 -0.5 2.5
3 2.5 2.5 3.5 1.5 3.5
2 3 1.5 2.5 2.5 3.5
EOD
$m3b1 << EOD
3 0.5 2.5 3.5 -0.5 1.5
0.5 3 -0.5 1.5 2.5 3.5
EOD
$m3b2 << EOD
2.5 -0.5
2.5 0
2.5 1
3 1.5
3.5 1.5

1.5 3.5
1.5 3
1 2.5
0 2.5
-0.5 2.5

EOD
plot $m3b0 using 1:2:3:4:5:6 with boxxyerror fc rgb '#8FC1DE' fs solid 1.0 border lc rgb '#8FC1DE' lw 0.3 notitle, \
     $m3b1 using 1:2:3:4:5:6 with boxxyerror fc rgb '#EDB58C' fs solid 1.0 border lc rgb '#EDB58C' lw 0.3 notitle, \
     $m3b2 using 1:2 with lines lw 1.4 lc rgb '#222222' title "measured boundary" noenhanced
)");
}

TEST_CASE("a map of a measure") {
  CHECK(
      drawn(grid(), {0}) ==
      axes + names +
          R"(set palette defined (0 '#440154', 1 '#472C7A', 2 '#3B518B', 3 '#2C718E', 4 '#21908D', 5 '#27AD81', 6 '#5CC863', 7 '#AADC32', 8 '#FDE725')
set nologscale cb
set cbrange [1:6]
set cbtics ("1" 1 0, "2" 2 0, "3" 3 0, "4" 4 0, "5" 5 0, "6" 6 0)
set cblabel "slope MSE [MSE]" noenhanced offset 1.5,0
set colorbox
$m3b0 << EOD
1 1 0.5 1.5 0.5 1.5 1
2 1 1.5 2.5 0.5 1.5 2
3 1 2.5 3.5 0.5 1.5 3
1 2 0.5 1.5 1.5 2.5 2
2 2 1.5 2.5 1.5 2.5 4
3 2 2.5 3.5 1.5 2.5 6
EOD
$m3b1 << EOD
)" + border +
          R"($m3b2 << EOD
)" + predicted +
          R"(plot $m3b0 using 1:2:3:4:5:6:7 with boxxyerror fs solid 1.0 border lw 0.3 lc palette notitle, \
     $m3b1 using 1:2 with lines lw 4 lc rgb 'white' notitle, \
     $m3b1 using 1:2 with lines lw 1.4 lc rgb '#222222' title "measured boundary" noenhanced, \
     $m3b2 using 1:2 with lines lw 4 lc rgb 'white' notitle, \
     $m3b2 using 1:2 with lines lw 2.2 dt (8,5) lc rgb 'black' title "predicted boundary" noenhanced
)");
  SweepTable table = grid();
  table.cells[0].measures[0] = NAN;
  table.cells[1].measures[0] = -4;
  table.cells[4] = {CellState::failed, {NAN, NAN}, "", "why", 0};
  table.cells[5] = {};
  table.boundaries = {{"one", "y - 1.5", ""}};
  CHECK(drawn(table, {0}) ==
        axes + names + R"(set palette defined (0 '#0072B2', 1 '#9CC9E3', 2 '#F7F7F7', 3 '#F0B78C', 4 '#D55E00')
set nologscale cb
set cbrange [-4:4]
set cbtics ("−4" -4 0, "−2" -2 0, "0" 0 0, "2" 2 0, "4" 4 0)
set cblabel "slope MSE [MSE]" noenhanced offset 1.5,0
set colorbox
$m3b0 << EOD
1 1 0.5 1.5 0.5 1.5 -4
2 1 1.5 2.5 0.5 1.5 2
2 2 1.5 2.5 1.5 2.5 4
EOD
$m3b1 << EOD
1 2 0.5 1.5 1.5 2.5
EOD
$m3b2 << EOD
3 2 2.5 3.5 1.5 2.5
EOD
$m3b3 << EOD
2.5 1.5
3.5 2.5

2.5 2.5
3.5 1.5

EOD
$m3b4 << EOD
NaN NaN
EOD
$m3b5 << EOD
3 1 2.5 3.5 0.5 1.5
EOD
$m3b6 << EOD
0.5 1.5
1 1.5
2 1.5
2.5 1.5

EOD
$m3b7 << EOD
)" + predicted +
            R"(plot $m3b0 using 1:2:3:4:5:6:7 with boxxyerror fs solid 1.0 border lw 0.3 lc palette notitle, \
     $m3b1 using 1:2:3:4:5:6 with boxxyerror fc rgb '#C8C8C8' fs solid 1.0 border lc rgb '#C8C8C8' lw 0.3 title "not defined" noenhanced, \
     $m3b2 using 1:2:3:4:5:6 with boxxyerror fc rgb '#E0E0E0' fs solid 1.0 border lc rgb '#E0E0E0' lw 0.3 notitle, \
     $m3b3 using 1:2 with lines lw 0.7 lc rgb '#808080' notitle, \
     $m3b4 using 1:2 with points pt 2 ps 0.8 lw 0.8 lc rgb '#808080' title "failed" noenhanced, \
     $m3b5 using 1:2:3:4:5:6 with boxxyerror fc rgb '#FFFFFF' fs solid 1.0 border lc rgb '#FFFFFF' lw 0.3 title "not computed" noenhanced, \
     $m3b6 using 1:2 with lines lw 4 lc rgb 'white' notitle, \
     $m3b6 using 1:2 with lines lw 1.4 lc rgb '#222222' title "measured boundary" noenhanced, \
     $m3b7 using 1:2 with lines lw 4 lc rgb 'white' notitle, \
     $m3b7 using 1:2 with lines lw 2.2 dt (8,5) lc rgb 'black' title "predicted: one" noenhanced
)");
}

TEST_CASE("the colours' range: the values', even on both sides of 0, with room about a single one, or logarithmic") {
  const auto range = [](const std::vector<double>& values) {
    SweepTable table = grid();
    for (std::size_t c = 0; c < table.cells.size(); ++c) table.cells[c].measures[0] = values[c % values.size()];
    const std::string s = drawn(table, {0});
    const std::size_t at = s.find(" cb\nset cbrange "), from = s.rfind("set ", at);
    return s.substr(from + 4, at - from - 4) + " " + s.substr(at + 16, s.find('\n', at + 4) - at - 16);
  };
  CHECK(range({-1, 3}) == "nologscale [-3:3]");
  CHECK(range({-3, 1}) == "nologscale [-3:3]");
  CHECK(range({0, 3}) == "nologscale [0:3]");
  CHECK(range({-3, 0}) == "nologscale [-3:0]");
  CHECK(range({2, 2}) == "nologscale [1.9:2.1]");
  CHECK(range({-2, -2}) == "nologscale [-2.1:-1.9]");
  CHECK(range({0, 0}) == "nologscale [-1:1]");
  CHECK(range({1, 200, NAN}) == "logscale [1:200]");
}

TEST_CASE("a curve of its own for each of at most six predicted boundaries") {
  SweepTable table = grid();
  for (auto& label : table.labels) label.predicted.clear();
  const auto legends = [&](std::size_t boundaries) {
    table.boundaries.clear();
    for (std::size_t i = 0; i < boundaries; ++i)
      table.boundaries.push_back(
          {fmt::format("beta = {}", i), fmt::format("x_alpha - {}", 1 + 0.25 * static_cast<double>(i)), ""});
    // A formula with two zeros is one curve's.
    if (boundaries > 0) table.boundaries[0].zero = "(x_alpha - 0.75) * (x_alpha - 3.25)";
    std::vector<std::string> out;
    std::istringstream script(drawn(table));
    for (std::string line; std::getline(script, line);)
      if (const std::size_t at = line.find(" dt "); at != std::string::npos) out.push_back(line.substr(at));
    return out;
  };
  CHECK(legends(0).empty());
  const std::string dashes[] = {"(8,5)", "(2,4)", "(12,4,2,4)", "(12,4,2,4,2,4)", "(16,6)", "(4,4)"};
  const std::vector<std::string> six = legends(6);
  REQUIRE(six.size() == 6);
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(six[i] == fmt::format(" dt {} lc rgb 'black' title \"predicted: β = {}\" noenhanced{}", dashes[i], i,
                                i < 5 ? ", \\" : ""));
  CHECK(legends(7) == std::vector<std::string>{" dt (8,5) lc rgb 'black' title \"predicted boundary\" noenhanced"});
}

TEST_CASE("the caption: labels as predicted, and away from the boundaries; without predictions how far these are") {
  SweepTable table = grid();
  const auto caption = [&] {
    const std::string s = drawn(table), start = "{/*0.8 ";
    const std::size_t at = s.find(start);
    return at == std::string::npos ? "" : s.substr(at + start.size(), s.find('}', at) - at - start.size());
  };
  CHECK(caption() == "labels as predicted in 6 of 6 cells");
  table.axes[1].numbers = {2, 1, 3, 4};
  table.cells.clear();
  for (int x = 1; x <= 3; ++x)
    for (int y : {2, 1, 3, 4})
      table.cells.push_back({CellState::finished, {0, 0}, y < (x == 1 ? 3 : 2) ? "low" : "high beta", "", 0});
  // Predicted is y < 1.5, found y < 2.5 at one x: wrong there at y = 2, which is within a cell.
  CHECK(caption() == "labels as predicted in 11 of 12 cells; 6 of 6 more than a cell from the boundaries");
  for (auto& label : table.labels) label.predicted.clear();
  CHECK(caption().empty());
  // At y = 2.5 for x = 1, at 1.5 for 2 and 3, in the middle between: 1/4, 1/4, 3/4 and three times 5/4 of a cell.
  table.boundaries = {{"one", "y - 2.75", ""}};
  CHECK(caption() == "measured boundaries 0.83 cells from the predicted ones on average");
}

TEST_CASE("nothing is drawn of no cell") {
  SweepTable table = grid();
  for (CellResult& cell : table.cells) cell = {};
  CHECK_THROWS_WITH_AS(drawn(table, {0}), "the measure 'slope_mse' is defined in no cell that is drawn",
                       settings::Error);
}

TEST_CASE("the room that a name takes: 0.019 of the width a letter and 0.02, 0.07 of the height, upright 1.15 of it") {
  // A cell of its own in the corner, of these shares of the axes.
  const auto stands = [](const std::string& name, double width, double height) {
    SweepTable table = grid();
    table.axes[0].numbers = {0, 1.5 * width, 1};
    table.axes[1].numbers = {0, 1.5 * height, 1};
    table.labels = {{name, "", ""}, {"elsewhere", "", ""}};
    table.cells.assign(9, {CellState::finished, {1, 2}, "elsewhere", "", 0});
    table.cells[0].label = name;
    const std::string s = map_panel(table, {{0, 1, {0, 0}}, {}, ""}, 0);
    const std::string set =
        fmt::format("set label \"{}\" at graph {:.4f}, graph {:.4f} center", name, width / 2, height / 2);
    return std::string(holds(s, set + " rotate by 90 noenhanced") ? "upright"
                       : holds(s, set + " noenhanced")            ? "level"
                       : holds(s, "title \"" + name + "\"")       ? "legend"
                                                                  : "nowhere");
  };
  CHECK(stands("low", 0.0765, 0.5) == "upright");
  CHECK(stands("low", 0.0775, 0.5) == "level");
  CHECK(stands("low", 0.0775, 0.0695) == "legend");
  CHECK(stands("low", 0.0775, 0.0705) == "level");
  CHECK(stands("a long name", 0.2285, 0.0705) == "legend");
  CHECK(stands("a long name", 0.2296, 0.0705) == "level");
  CHECK(stands("low", 0.0695, 0.089) == "legend");
  CHECK(stands("low", 0.0705, 0.089) == "upright");
  CHECK(stands("low", 0.0705, 0.088) == "legend");
}
