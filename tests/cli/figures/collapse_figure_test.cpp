// The figure of a scaling collapse, command by command.
#include "cli/figures/collapse_figure.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/figures/script_lines.hpp"

using namespace edgewise;
using cli::collapse_script;
using cli::CollapsePanels;

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// Two sizes at x = 1/4 and 1, two seeds of the first; nothing of the spread over seeds is known.
CollapsePanels panels() {
  CollapsePanels out;
  out.curves = {{0.25, 1}, {8, 16}, {100, 400}, {{{6, 3}, {7, 4}}, {{5, 2}}}};
  out.spread.x = out.curves.x;
  out.spread.mean_of = {{4, 1}, {3, 1}};
  out.spread.delta = {0.5, 0};
  out.spread.deterministic = {0.25, 0.125};
  out.spread.floor = {unknown, unknown};
  return out;
}

/// Of the commands the blocks and what is plotted of them.
std::string plots(const std::string& script) {
  bool inside = false;
  return cli::testing::lines_where(script, [&](const std::string& line) {
    inside = inside || line.starts_with("$") || line.starts_with("plot ");
    const bool wanted = inside;
    if (!line.ends_with("\\") && !line.ends_with("<< EOD") && (line.find(" with ") != std::string::npos))
      inside = false;
    if (line == "EOD") inside = false;
    return wanted;
  });
}

/// Blocks of panels(): the raw curves of its first size, the normalised means of both, and their spread.
const std::string first_size = R"($k0l0 << EOD
25 6
100 3
EOD
$k0l1 << EOD
25 7
100 4
EOD
)";
const std::string normalised = R"($k1l0 << EOD
0.25 4
1 1
EOD
$k1l1 << EOD
0.25 3
1 1
EOD
)";
const std::string spread = R"($k2l0 << EOD
0.25 0.5
1 0
EOD
)";

}  // namespace

TEST_CASE("raw curves over the steps, normalised ones and their spread over the share of the horizon") {
  CHECK(collapse_script({panels()}, "a title", ".svg") == R"gp(set encoding utf8
set terminal svg enhanced size 1500,430 font 'Helvetica,Arial,sans-serif,14' background 'white'
set border 3 lw 1 lc rgb '#222222'
set tics out nomirror scale 0.7,0.35
set multiplot layout 1,3 title "a title" noenhanced
set title "loss" noenhanced offset 0,-0.5
set logscale x
set nologscale y
set xrange [23.6514411681399:422.8072162245521]
set yrange [0:7.3]
set xtics ("" 30 1, "" 40 1, "50" 50 0, "" 60 1, "" 70 1, "" 80 1, "" 90 1, "100" 100 0, "200" 200 0, "" 300 1, "" 400 1)
set ytics ("0" 0 0, "2" 2 0, "4" 4 0, "6" 6 0)
set xlabel "step" enhanced offset 0,0.3
set ylabel "loss" noenhanced
set key inside right top Left reverse samplen 2 spacing 1.1
)gp" + first_size + R"gp($k0l2 << EOD
100 5
400 2
EOD
plot $k0l0 using 1:2 with lines lw 1.4 lc rgb '#440154' title "8" noenhanced, \
     $k0l1 using 1:2 with lines lw 0.5 lc rgb '#440154' notitle, \
     $k0l2 using 1:2 with lines lw 1.4 lc rgb '#dcc828' title "16" noenhanced
set title "normalised" noenhanced offset 0,-0.5
set nologscale x
set nologscale y
set xrange [0:1.015]
set yrange [0:4.18]
set xtics ("0" 0 0, "0.5" 0.5 0, "1" 1 0)
set ytics ("0" 0 0, "1" 1 0, "2" 2 0, "3" 3 0, "4" 4 0)
set xlabel "x = step / horizon" enhanced offset 0,0.3
set ylabel "(L − L₀) / (end − L₀)" noenhanced
set key inside right top Left reverse samplen 2 spacing 1.1
)gp" + normalised + R"gp(plot $k1l0 using 1:2 with lines lw 1.6 lc rgb '#440154' notitle, \
     $k1l1 using 1:2 with lines lw 1.6 lc rgb '#dcc828' notitle
set title "spread" noenhanced offset 0,-0.5
set nologscale x
set nologscale y
set xrange [0:1.02]
set yrange [0:0.53]
set xtics ("0" 0 0, "0.5" 0.5 0, "1" 1 0)
set ytics ("0" 0 0, "0.2" 0.2 0, "0.4" 0.4 0)
set xlabel "x = step / horizon\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "relative standard deviation" noenhanced
set key outside center bottom horizontal maxcols 3 Left reverse samplen 2 spacing 1.1
)gp" + spread + R"gp(plot $k2l0 using 1:2 with lines lw 2 lc rgb '#0072B2' title "Δ, all runs" noenhanced
unset multiplot
)gp");
}

TEST_CASE("a floor, a limit, spreads over seeds and the theory's have curves of their own") {
  CollapsePanels row = panels();
  row.title = "linear";
  row.floor = 1.5;
  row.limit = {3.5, 1};
  row.spread.floor = {0.75, unknown};
  row.theory_delta = {0.375, 0.0625};
  row.theory_floor = {0.875, 1e301};
  row.curves.loss[1][0][0] = -INFINITY;
  CHECK(plots(collapse_script({row}, "", ".png")) == first_size + R"($k0l2 << EOD
400 2
EOD
$k0l3 << EOD
25 1.5
400 1.5
EOD
plot $k0l0 using 1:2 with lines lw 1.4 lc rgb '#440154' title "8" noenhanced, \
     $k0l1 using 1:2 with lines lw 0.5 lc rgb '#440154' notitle, \
     $k0l2 using 1:2 with lines lw 1.4 lc rgb '#dcc828' title "16" noenhanced, \
     $k0l3 using 1:2 with lines lw 1 dt 2 lc rgb '#555555' title "floor" noenhanced
)" + normalised + R"($k1l2 << EOD
0.25 3.5
1 1
EOD
plot $k1l0 using 1:2 with lines lw 1.6 lc rgb '#440154' notitle, \
     $k1l1 using 1:2 with lines lw 1.6 lc rgb '#dcc828' notitle, \
     $k1l2 using 1:2 with lines lw 1.6 dt (6,4) lc rgb 'black' title "limit of large sizes" noenhanced
)" + spread + R"($k2l1 << EOD
0.25 0.25
1 0.125
EOD
$k2l2 << EOD
0.25 0.75
EOD
$k2l3 << EOD
0.25 0.375
1 0.0625
EOD
$k2l4 << EOD
0.25 0.875
1 0.9275
EOD
plot $k2l0 using 1:2 with lines lw 2 lc rgb '#0072B2' title "Δ, all runs" noenhanced, \
     $k2l1 using 1:2 with lines lw 1.4 lc rgb '#009E73' title "Δ of the sizes alone" noenhanced, \
     $k2l2 using 1:2 with lines lw 2 lc rgb '#D55E00' title "noise floor" noenhanced, \
     $k2l3 using 1:2 with lines lw 1.6 dt (6,4) lc rgb '#0072B2' title "Δ, theory" noenhanced, \
     $k2l4 using 1:2 with lines lw 1.6 dt (6,4) lc rgb '#D55E00' title "noise floor, theory" noenhanced
)");
}

TEST_CASE("of many sizes the first and the last are in the legend, of many seeds eight are drawn") {
  const auto drawn = [](std::size_t sizes, std::size_t seeds) {
    CollapsePanels row = panels();
    row.curves.size.clear();
    row.curves.horizon.assign(sizes, 10);
    row.spread.mean_of.assign(sizes, {2, 1});
    row.curves.loss.assign(sizes, std::vector<std::vector<double>>(seeds, {2, 1}));
    for (std::size_t p = 0; p < sizes; ++p) row.curves.size.push_back(static_cast<double>(p + 1));
    std::istringstream script(collapse_script({row}, "", ".svg"));
    std::vector<std::string> out;
    for (std::string line; std::getline(script, line) && !line.starts_with("$k1");)
      if (line.find("$k0l") != std::string::npos && line.find(" with ") != std::string::npos) {
        const std::size_t at = line.find("lines lw ") + 9;
        out.push_back(line.substr(at, line.find(',', at) - at));
      }
    return out;
  };
  CHECK(drawn(1, 1) == std::vector<std::string>{"1.4 lc rgb '#440154' title \"1\" noenhanced"});
  // The colours' own five stops, and the middles between them.
  const std::vector<std::string> five = drawn(5, 1), nine = drawn(9, 1);
  const char* stops[] = {"#440154", "#3b528b", "#21918c", "#5ec962", "#dcc828"};
  const char* middles[] = {"#402a70", "#2e728c", "#40ad77", "#9dc945"};
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(five[i] == fmt::format("1.4 lc rgb '{}' title \"{}\" noenhanced", stops[i], i + 1));
    CHECK(nine[2 * i] == fmt::format("1.4 lc rgb '{}' title \"{}\" noenhanced", stops[i], 2 * i + 1));
    if (i < 4) CHECK(nine[2 * i + 1] == fmt::format("1.4 lc rgb '{}' title \"{}\" noenhanced", middles[i], 2 * i + 2));
  }
  for (const std::size_t sizes : {std::size_t{12}, std::size_t{13}}) {
    const std::vector<std::string> many = drawn(sizes, 1);
    REQUIRE(many.size() == sizes);
    for (std::size_t p = 0; p < sizes; ++p) {
      const bool named = many[p].ends_with(fmt::format(" title \"{}\" noenhanced", p + 1));
      CHECK(named == (sizes == 12 || p == 0 || p + 1 == sizes));
      CHECK(many[p].ends_with(" notitle") == !named);
    }
  }
  const std::vector<std::string> seeds = drawn(1, 9);
  REQUIRE(seeds.size() == 8);
  for (std::size_t w = 0; w < 8; ++w)
    CHECK(seeds[w] == (w == 0 ? "1.4 lc rgb '#440154' title \"1\" noenhanced" : "0.5 lc rgb '#440154' notitle"));
}
