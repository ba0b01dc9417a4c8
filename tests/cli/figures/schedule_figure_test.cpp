// The figure of `edgewise schedule`, command by command, and where its legends lie.
#include "cli/figures/schedule_figure.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace edgewise;

namespace {

/// Of the panel of rates, whose rates these are.
std::string legend_of(std::vector<double> rates) {
  models::ingredients::ScheduleReport report;
  report.observable.name = "excess_mse";
  report.path.loss.assign(rates.size() + 1, 1.0);
  report.optimum.rates = std::move(rates);
  const std::string script = cli::schedule_script(report, {}, {}, "t", ".svg");
  const std::size_t at = script.find("set key ") + 8;
  return script.substr(at, script.find(" Left", at) - at);
}

constexpr double unknown = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();

/// Of two steps; families by name and gap.
models::ingredients::ScheduleReport small(const std::vector<std::pair<std::string, double>>& families) {
  models::ingredients::ScheduleReport report;
  report.observable.name = "excess_mse";
  report.optimum.rates = {0.5, 0.25};
  report.path.loss = {4, 2, 1};
  for (const auto& [name, gap] : families) {
    models::ingredients::FamilyGap one;
    one.family.name = name;
    one.family.rates = {0.4, 0.1};
    one.gap = gap;
    report.families.push_back(one);
  }
  return report;
}

std::string from(const std::string& script, const std::string& start, const std::string& end) {
  const std::size_t at = script.find(start);
  REQUIRE(at != std::string::npos);
  return script.substr(at, script.find(end, at) - at);
}

}  // namespace

TEST_CASE("rates, gaps and losses; beside them the scores of the shapes") {
  const auto report = small({{"linear", 0.5}, {"lost", unknown}, {"50%", 0.25}, {"below", -1}, {"same", 0}});
  const std::vector<std::vector<double>> losses = {{4, 3, 1.5}, {}, {4, 3.5, 1.25}};
  CHECK(cli::schedule_script(report, losses, {}, "t", ".svg") ==
        R"(set terminal svg enhanced size 1500,430 font 'Helvetica,Arial,sans-serif,14' background 'white'
set multiplot layout 1,3 title "t" noenhanced
set border 3
set tics nomirror
$rates0 << EOD
0 0.5
1 0.25
EOD
$rates1 << EOD
0 0.4
1 0.1
EOD
$rates2 << EOD
0 0.4
1 0.1
EOD
unset logscale
set xrange [0:1]
set yrange [0:0.53]
set xtics auto
set ytics ("0" 0 0, "0.2" 0.2 0, "0.4" 0.4 0) enhanced
set xlabel 'step'
set ylabel "learning rate"
set key top right Left reverse samplen 1.6 spacing 1.1
plot $rates2 using 1:2 with lines lw 1.6 lc rgb '#D55E00' title "50%" noenhanced, \
     $rates1 using 1:2 with lines lw 1.6 lc rgb '#0072B2' title "linear" noenhanced, \
     $rates0 using 1:2 with lines lw 3 lc rgb '#000000' title "optimum" noenhanced
$gaps << EOD
50 0
25 1
0 2
EOD
unset logscale
set xrange [23:52]
set yrange [2.7:-0.7]
set xtics ("30" 30 0, "40" 40 0, "50" 50 0)
set ytics ("linear" 0, "50%%" 1, "same" 2) noenhanced
set xlabel 'gap to the optimum, %'
unset ylabel
unset key
plot $gaps using (23):2:(23):1:($2-0.35):($2+0.35) with boxxyerror fs solid 0.8 noborder lc rgb '#0072B2'
$loss0 << EOD
0 4
1 2
2 1
EOD
$loss1 << EOD
0 4
1 3
2 1.5
EOD
$loss2 << EOD
0 4
1 3.5
2 1.25
EOD
unset logscale
set xrange [0:2]
set yrange [0:4.18]
set xtics auto
set ytics ("0" 0 0, "1" 1 0, "2" 2 0, "3" 3 0, "4" 4 0) enhanced
set xlabel 'step'
set ylabel "excess MSE"
set key bottom left Left reverse samplen 1.6 spacing 1.1
plot $loss2 using 1:2 with lines lw 1.6 lc rgb '#D55E00' title "50%" noenhanced, \
     $loss1 using 1:2 with lines lw 1.6 lc rgb '#0072B2' title "linear" noenhanced, \
     $loss0 using 1:2 with lines lw 3 lc rgb '#000000' title "optimum" noenhanced
unset multiplot
)");
  const std::vector<cli::ShapeScores> scores = {{"linear", {2, 3, 5, infinite}, {0.1, 1, 100}, {1000, 10, infinite}},
                                                {"lost", {infinite}, {0.5, 1}, {unknown, -1}},
                                                {"50%", {4, 4}, {1, 5}, {100, 0}}};
  auto many = report;
  many.optimum.identifiable = false;
  CHECK(from(cli::schedule_script(many, losses, scores, "t", ".svg"), "plot $loss2", "$never") ==
        R"(plot $loss2 using 1:2 with lines lw 1.6 lc rgb '#D55E00' title "50%" noenhanced, \
     $loss1 using 1:2 with lines lw 1.6 lc rgb '#0072B2' title "linear" noenhanced, \
     $loss0 using 1:2 with lines lw 3 lc rgb '#000000' title "one of many optima" noenhanced
$bases << EOD
-1 0 3
0 0 1
0 2 2
EOD
set palette defined (0 '#440154', 1 '#3B518B', 2 '#21908D', 3 '#5CC863', 4 '#FDE725')
unset logscale
set xrange [*:*]
set yrange [2.7:-0.7]
set xtics auto
set ytics ("linear" 0, "lost" 1, "50%%" 2) noenhanced
set xlabel 'log_{10} base rate / best by theory'
unset ylabel
unset key
set colorbox
set cblabel 'log_{10} median loss'
set cbrange [1:2]
plot $bases using 1:2:($1-0.1505149978319906):($1+0.1505149978319906):($2-0.45):($2+0.45):3 with boxxyerror fs solid 1 noborder lc palette
$ecdf0 << EOD
2 0
2 0.25
3 0.25
3 0.5
5 0.5
5 0.75
EOD
$ecdf1 << EOD
4 0
4 0.5
4 0.5
4 1
EOD
unset logscale
set xrange [1.82:5.18]
set yrange [0:1.05]
set xtics ("2" 2 0, "3" 3 0, "4" 4 0, "5" 5 0) enhanced
set ytics auto
set xlabel "score: median excess MSE"
set ylabel 'share of shapes'
set key at graph 1.05, graph 1 left top Left reverse samplen 1.6 spacing 1.1
plot $ecdf0 using 1:2 with linespoints lw 1.8 pt 7 ps 0.3 lc rgb '#0072B2' title "linear" noenhanced, \
     $ecdf1 using 1:2 with linespoints lw 1.8 pt 7 ps 0.3 lc rgb '#D55E00' title "50%" noenhanced
unset multiplot
)");
}

TEST_CASE("five families' curves, twenty bars, six hundred points") {
  std::vector<std::pair<std::string, double>> families;
  for (int i = 0; i < 25; ++i) families.emplace_back(fmt::format("f{}", i), 0.5 + i);
  auto report = small(families);
  const auto drawn = [&] { return cli::schedule_script(report, std::vector(25, report.path.loss), {}, "", ".svg"); };
  CHECK(drawn().find("$loss5 << EOD\n") != std::string::npos);
  CHECK(drawn().find("$loss6 << EOD\n") == std::string::npos);
  CHECK(drawn().find("\"f19\" 19)") != std::string::npos);
  const auto steps = [&](std::size_t count) {
    report.families.clear();
    report.optimum.rates.assign(count, 0.5);
    const std::string script = cli::schedule_script(report, {}, {}, "", ".svg");
    std::string out = from(script, "$rates0", "EOD\nunset");
    std::vector<std::size_t> at;
    for (std::size_t i = out.find('\n'); i + 1 < out.size(); i = out.find('\n', i + 1))
      at.push_back(std::stoul(out.substr(i + 1)));
    CHECK(script.find(fmt::format("set xrange [0:{}]", count == 1 ? 1 : count - 1)) != std::string::npos);
    return at;
  };
  CHECK(steps(1) == std::vector<std::size_t>{0});
  CHECK(steps(3) == std::vector<std::size_t>{0, 1, 2});
  CHECK(steps(600).size() == 600);
  const std::vector<std::size_t> thinned = steps(1198 * 2 + 1);
  REQUIRE(thinned.size() == 600);
  for (std::size_t i = 0; i < 600; ++i) CHECK(thinned[i] == 4 * i);
}

TEST_CASE("no panel of gaps without a gap, a linear one where all are 0") {
  const auto script = [](const std::vector<std::pair<std::string, double>>& families) {
    return cli::schedule_script(small(families), {}, {}, "", ".svg");
  };
  CHECK(script({{"lost", unknown}}).find("set multiplot layout 1,2 ") != std::string::npos);
  CHECK(script({{"lost", infinite}}).find("$gaps") == std::string::npos);
  CHECK(from(script({{"same", 0}, {"too", 0}}), "$gaps", "set yrange") ==
        "$gaps << EOD\n0 0\n0 1\nEOD\nunset logscale\nset xrange [-0.05:0.05]\n");
}

TEST_CASE("the legend's box: 0.55 of the width, 0.08 of the height for every curve") {
  // A hundred steps at half the height, but for the lowest at the start and these, in shares of an axis that ends at 1.06.
  const auto corner = [](const std::vector<std::pair<std::size_t, double>>& others, std::size_t curves) {
    std::vector<double> rates(101, 0.53);
    rates[0] = 0;
    for (const auto& [step, share] : others) rates[step] = 1.06 * share;
    auto report = small(std::vector<std::pair<std::string, double>>(curves - 1, {"f", 1}));
    report.optimum.rates = rates;
    for (auto& one : report.families) one.family.rates.assign(101, 0.53);
    const std::vector<std::vector<double>> losses(curves - 1, std::vector<double>(101, 1.0));
    return from(cli::schedule_script(report, losses, {}, "t", ".svg"), "set key ", " Left").substr(8);
  };
  const double top = 1 / 1.06;
  CHECK(corner({{44, top}}, 1) == "top right");
  CHECK(corner({{46, top}}, 1) == "bottom right");
  CHECK(corner({{54, top}}, 1) == "bottom right");
  CHECK(corner({{56, top}}, 1) == "top left");
  CHECK(corner({{99, top}, {50, 0.919}}, 1) == "top left");
  CHECK(corner({{99, top}, {50, 0.921}}, 1) == "bottom right");
  CHECK(corner({{50, top}, {99, 0.081}}, 1) == "bottom right");
  CHECK(corner({{50, top}, {99, 0.079}}, 1) == "top right");
  CHECK(corner({{99, top}, {40, 0.839}}, 2) == "top left");
  CHECK(corner({{99, top}, {40, 0.841}}, 2) == "bottom right");
}

TEST_CASE("the legend of the rates lies where they are not") {
  std::vector<double> falling, late, rising, flat(100, 1.0);
  for (int k = 0; k < 100; ++k) {
    falling.push_back(1 - k / 100.0);
    late.push_back(k < 90 ? 1 : 0.02);
    rising.push_back(k / 100.0);
  }
  CHECK(legend_of(falling) == "top right");
  CHECK(legend_of(late) == "bottom left");
  CHECK(legend_of(rising) == "top left");
  CHECK(legend_of(flat) == "bottom right");
}
