#include "cli/figures/diagram.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/figures/diagram_panels.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/holds.hpp"
#include "tests/validation/sweeps/sample_sweep.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using cli::testing::Folder;
using edgewise::expected::holds;
using validation::CellState;
using validation::SweepTable;
using validation::testing::sample_sweep;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::string script(const SweepTable& table, const DiagramOptions& options = {}) {
  return diagram_script(table, options, ".svg");
}

/// With a third axis of `values` words or numbers.
SweepTable with_third(std::size_t values, bool words) {
  SweepTable table = sample_sweep(4);
  validation::SweepAxis axis{"third", "optimizer.kind", false, {}, {}};
  for (std::size_t i = 0; i < values; ++i) {
    if (words)
      axis.words.push_back("word" + std::to_string(i));
    else
      axis.numbers.push_back(static_cast<double>(i + 1));
  }
  table.axes.push_back(axis);
  std::vector<validation::CellResult> cells;
  for (const auto& cell : table.cells) cells.insert(cells.end(), values, cell);
  table.cells = cells;
  return table;
}

void refuses(const SweepTable& table, const DiagramOptions& options, const std::string& message) {
  CHECK_THROWS_WITH_AS(script(table, options), doctest::Contains(message.c_str()), settings::Error);
}

}  // namespace

TEST_CASE("labels are areas with their names, boundaries measured and predicted on top") {
  const std::string s = script(sample_sweep());
  CHECK(count(s, "with boxxyerror") == 2);
  CHECK(holds(s, "set label \"low\" at graph"));
  CHECK(holds(s, "set label \"high\" at graph"));
  CHECK(holds(s, "title \"measured boundary\""));
  CHECK(holds(s, "dt (8,5) lc rgb 'black' title \"predicted: b = a\""));
  CHECK(holds(s, "labels as predicted in 400 of 400 cells"));
  CHECK(holds(s, "set title \"a sample\""));
  CHECK(holds(s, "set xrange ["));
}

TEST_CASE(
    "a name stands in the middle of its area, upright where that is narrow, and in the legend where it has no room") {
  for (const std::size_t cells : {1U, 2U, 3U, 6U, 9U, 10U, 15U})
    for (const bool columns : {true, false})
      for (const std::string name : {"low", "rather low"}) {
        CAPTURE(cells);
        CAPTURE(columns);
        CAPTURE(name);
        SweepTable table = sample_sweep(20);
        table.labels[0].name = name;
        for (std::size_t cell = 0; cell < table.cells.size(); ++cell)
          table.cells[cell].label = (columns ? cell / 20 : cell % 20) < cells ? name : "high";
        const std::string s = script(table);
        const double share = static_cast<double>(cells) / 20;
        const auto stands = [&](double at, const std::string& what) {
          return holds(s, columns ? fmt::format("set label \"{}\" at graph {:.4f}, graph 0.5000 center", what, at)
                                  : fmt::format("set label \"{}\" at graph 0.5000, graph {:.4f} center", what, at));
        };
        CHECK(stands((1 + share) / 2, "high"));
        // Two cells have none in their middle, which a name could stand on.
        CHECK(stands(share / 2, name) == (cells > 2));
        CHECK(holds(s, "title \"" + name + "\"") == (cells <= 2));
        CHECK(holds(s, " rotate by 90") == (columns && cells == 3 && name.size() > 3));
      }
}

TEST_CASE("failed cells are crossed, pending ones white, those without a label told") {
  SweepTable table = sample_sweep();
  CHECK_FALSE(holds(script(table), "\"failed\""));
  table.cells[0] = {CellState::failed, {NAN, NAN}, "", "why", 0};
  table.cells[1] = {};
  table.cells[2].label.clear();
  const std::string s = script(table);
  for (const char* legend : {"title \"failed\"", "title \"not computed\"", "title \"no label\""})
    CHECK(holds(s, legend));
}

TEST_CASE("a measure is a map in colours: sequential, signed, logarithmic") {
  const std::string signed_map = script(sample_sweep(), {{"slope"}, {}, ""});
  CHECK(holds(signed_map, "set palette defined (0 '#0072B2'"));
  CHECK(holds(signed_map, "set cbrange [-1."));
  CHECK(holds(signed_map, "set cblabel \"slope\""));
  const std::string log_map = script(sample_sweep(), {{"time"}, {}, ""});
  CHECK(holds(log_map, "set logscale cb"));
  CHECK(holds(log_map, "'#440154'"));
  CHECK(holds(log_map, "set cblabel \"time [step]\""));
  SweepTable holes = sample_sweep();
  holes.cells[5].measures[0] = NAN;
  CHECK(holds(script(holes, {{"slope"}, {}, ""}), "\"not defined\""));
}

TEST_CASE("logarithmic axes of the sweep are logarithmic in the figure") {
  SweepTable table = sample_sweep();
  table.axes[1].log = true;
  const std::string s = script(table);
  CHECK(holds(s, "set nologscale x"));
  CHECK(holds(s, "set logscale y"));
}

TEST_CASE("a slice: curves along the axis that is left, on the ground of the labels") {
  const std::string s = script(sample_sweep(), {{"slope,time", "time"}, {"a=1"}, ""});
  CHECK(count(s, "with linespoints") == 3);
  CHECK(holds(s, "a sample, a = 0.95"));
  CHECK(holds(s, "set object rectangle"));
  CHECK(holds(s, "set multiplot layout 1,2"));
  CHECK(holds(s, "set xlabel \"b\\n"));
  CHECK(holds(s, "title \"predicted: b = a\""));
}

TEST_CASE("a slice names its ground in the middle of it, or in the legend where it is too narrow") {
  for (const std::size_t cells : {1U, 2U, 4U, 10U}) {
    CAPTURE(cells);
    SweepTable table = sample_sweep(20);
    for (std::size_t cell = 0; cell < table.cells.size(); ++cell)
      table.cells[cell].label = cell % 20 < cells ? "low" : "high";
    const std::string s = script(table, {{"slope"}, {"a=1"}, ""});
    const double share = static_cast<double>(cells) / 20;
    CHECK(holds(s, fmt::format("set object rectangle from graph 0.00000, graph 0 to graph {:.5f}, graph 1", share)));
    CHECK(holds(s, fmt::format("set object rectangle from graph {:.5f}, graph 0 to graph 1.00000, graph 1", share)));
    CHECK(holds(s, fmt::format("set label \"high\" at graph {:.5f}, graph 0.95", (1 + share) / 2)));
    // A letter takes 0.018 of the width, the margins 0.02.
    CHECK(holds(s, fmt::format("set label \"low\" at graph {:.5f}, graph 0.95", share / 2)) == (cells > 1));
    CHECK(holds(s, "title \"low\"") == (cells == 1));
  }
}

TEST_CASE("a sweep's own panels are drawn of the whole grid, unless others are asked for") {
  SweepTable table = sample_sweep();
  table.panels = {"label", "time"};
  const std::string own = script(table);
  CHECK(holds(own, "set multiplot layout 1,2"));
  CHECK(holds(own, "set colorbox"));
  CHECK_FALSE(holds(script(table, {{"label"}, {}, ""}), "set multiplot"));
  CHECK(script(table, {{}, {"a=1"}, ""}) == script(sample_sweep(), {{}, {"a=1"}, ""}));
}

TEST_CASE("a measure with a standard error is points with bars") {
  SweepTable table = sample_sweep();
  table.measures[1].name = "slope_se";
  const std::string s = script(table, {{"slope"}, {"b=0.05"}, ""});
  CHECK(holds(s, "with vectors nohead"));
  CHECK(holds(s, "with points pt 7"));
}

TEST_CASE("three axes: maps side by side; words besides one axis: curves in colours") {
  const std::string maps = script(with_third(3, false));
  CHECK(holds(maps, "set multiplot layout 1,3"));
  CHECK(holds(maps, "set title \"third = 2\""));
  CHECK(holds(script(with_third(5, false)), "set multiplot layout 2,3"));
  const std::string family = script(with_third(2, true), {{"time"}, {"a=1"}, ""});
  CHECK(holds(family, "title \"word0\""));
  CHECK(holds(family, "title \"word1\""));
  CHECK(holds(script(with_third(3, true), {{"time"}, {"third=word1"}, ""}), "set colorbox"));
}

TEST_CASE("an axis that ends at infinity can be held there, and only such a one") {
  SweepTable table = with_third(3, false);
  table.axes.back().numbers.back() = INFINITY;
  CHECK(holds(script(table, {{"time"}, {"third=inf"}, ""}), "third = inf"));
  CHECK(holds(script(table, {{"time"}, {"third=2"}, ""}), "third = 2"));
  refuses(with_third(3, false), {{"time"}, {"third=inf"}, ""}, "--slice third=inf: third runs from 1 to 3");
}

TEST_CASE(
    "a slice is held at the nearest value of its axis, on the axis' scale, and no further than half a cell beyond") {
  const auto held = [](const validation::SweepAxis& axis, const std::string& value) {
    SweepTable table = sample_sweep(4);
    table.axes.insert(table.axes.begin(), axis);
    const std::vector<validation::CellResult> cells = table.cells;
    for (std::size_t i = 1; i < axis.size(); ++i) table.cells.insert(table.cells.end(), cells.begin(), cells.end());
    // Told by the title, and by what is drawn.
    for (std::size_t i = 0; i < table.cells.size(); ++i)
      table.cells[i].measures[0] = static_cast<double>(1000 * (i / cells.size()) + i % cells.size());
    const std::string s = script(table, {{"slope"}, {axis.name + "=" + value}, ""});
    const std::size_t at = s.find("set title \"") + 11;
    const std::string title = s.substr(at, s.find('"', at) - at), start = "a sample, the axis = ";
    REQUIRE(title.starts_with(start));
    std::size_t index = 0;
    while (index < axis.size() && cli::shown_value(axis, index) != title.substr(start.size())) ++index;
    const std::size_t row = s.find("$m0b0 << EOD\n") + 13;
    CHECK(s.substr(row, s.find('\n', row) - row).ends_with(fmt::format(" {}", 1000 * index)));
    return title.substr(start.size());
  };
  const validation::SweepAxis linear{"the_axis", "x.y", false, {100, 1, 10}, {}},
      log{"the_axis", "x.y", true, {1, 10, 100}, {}}, endless{"the_axis", "x.y", false, {1, 2, 3, INFINITY}, {}},
      words{"the_axis", "x.y", false, {}, {"sgd", "adam"}};
  CHECK(held(linear, "5") == "1");
  CHECK(held(linear, "6") == "10");
  CHECK(held(linear, "54") == "10");
  CHECK(held(linear, "56") == "100");
  CHECK(held(linear, "144") == "100");
  CHECK(held(linear, "-3.4") == "1");
  CHECK(held(log, "3.1") == "1");
  CHECK(held(log, "3.2") == "10");
  CHECK(held(log, "0.32") == "1");
  CHECK(held(log, "316") == "100");
  CHECK(held(endless, "3.4") == "3");
  CHECK(held(endless, "3.9") == "3");
  CHECK(held(endless, "inf") == "inf");
  CHECK(held(words, "adam") == "adam");
  const auto beyond = [&](const validation::SweepAxis& axis, const std::string& value, const std::string& range) {
    CHECK_THROWS_WITH_AS(held(axis, value), ("--slice the_axis=" + value + ": the_axis runs from " + range).c_str(),
                         settings::Error);
  };
  beyond(linear, "146", "1 to 100");
  beyond(linear, "-3.6", "1 to 100");
  beyond(log, "0.31", "1 to 100");
  beyond(log, "317", "1 to 100");
  beyond(endless, "-inf", "1 to inf");
}

TEST_CASE("an axis that ends at infinity has ticks at its values, of many at every second or third") {
  const auto ticks = [](std::size_t values) {
    validation::SweepAxis axis{"d", "x.d", false, {}, {}};
    for (std::size_t i = 1; i < values; ++i) axis.numbers.push_back(static_cast<double>(i));
    axis.numbers.push_back(INFINITY);
    return cli::ticks_of(axis, validation::AxisScale(axis), {});
  };
  CHECK(ticks(3) == "(\"1\" 1, \"2\" 2, \"inf\" 3) noenhanced");
  CHECK(ticks(8) == "(\"1\" 1, \"2\" 2, \"3\" 3, \"4\" 4, \"5\" 5, \"6\" 6, \"7\" 7, \"inf\" 8) noenhanced");
  CHECK(ticks(9) == "(\"1\" 1, \"3\" 3, \"5\" 5, \"7\" 7, \"inf\" 9) noenhanced");
  CHECK(ticks(18) == "(\"3\" 3, \"6\" 6, \"9\" 9, \"12\" 12, \"15\" 15, \"inf\" 18) noenhanced");
}

TEST_CASE("what stands above the panels: size, layout and titles") {
  const auto head = [](const SweepTable& table, const DiagramOptions& options) {
    const std::string s = script(table, options);
    std::string out;
    for (const char* start :
         {"set terminal svg enhanced size ", "set border ", "set multiplot ", "\nset title ", "\nunset title"})
      for (std::size_t at = s.find(start); at != std::string::npos; at = s.find(start, at + 1)) {
        const std::size_t from = at + (s[at] == '\n' ? 1 : 0);
        out += s.substr(from, std::min(s.find('\n', from), s.find(" font", from)) - from) + "; ";
      }
    return out;
  };
  const std::string border = " lw 1 lc rgb '#222222'; ";
  SweepTable table = sample_sweep(4);
  CHECK(head(table, {}) == "set terminal svg enhanced size 600,560; set border 15" + border +
                               "set title \"a sample\" noenhanced offset 0,-0.3; ");
  CHECK(head(table, {{"slope", "time"}, {"a=1.3"}, ""}) ==
        "set terminal svg enhanced size 1200,420; set border 3" + border +
            "set multiplot layout 1,2 title \"a sample, a = 1.317\" noenhanced; unset title; unset title; ");
  CHECK(head(table, {{"slope", "time", "label", "slope"}, {}, "mine"}) ==
        "set terminal svg enhanced size 1800,1120; set border 15" + border +
            "set multiplot layout 2,3 title \"mine\" noenhanced; unset title; unset title; unset title; unset title; ");
  table.title.clear();
  CHECK(head(table, {}) == "set terminal svg enhanced size 600,560; set border 15" + border + "unset title; ");
  CHECK(head(table, {{"slope", "time"}, {}, ""}) == "set terminal svg enhanced size 1200,560; set border 15" + border +
                                                        "set multiplot layout 1,2; unset title; unset title; ");
  SweepTable three = with_third(2, true);
  three.title.clear();
  CHECK(head(three, {{"slope"}, {"third=word1", "b=0.7"}, ""}) ==
        "set terminal svg enhanced size 600,420; set border 3" + border +
            "set title \"third = word1, b = 0.6833\" noenhanced offset 0,-0.3; ");
  CHECK(head(three, {{"slope", "time"}, {}, ""}) ==
        "set terminal svg enhanced size 1200,1120; set border 15" + border +
            "set multiplot layout 2,2; set title \"third = word0\" noenhanced offset 0,-0.3; set title \"third = "
            "word1\" noenhanced offset 0,-0.3; set title \"third = word0\" noenhanced offset 0,-0.3; set title \"third "
            "= word1\" noenhanced offset 0,-0.3; ");
}

TEST_CASE("at most twelve panels; an axis of one value does not run") {
  CHECK(holds(script(with_third(12, false)), "set multiplot layout 4,3 "));
  CHECK(holds(script(with_third(6, false), {{"slope", "time"}, {}, ""}), "set multiplot layout 4,3 "));
  refuses(with_third(7, false), {{"slope", "time"}, {}, ""}, "7 values of third are too many to draw side by side");
  CHECK(holds(script(sample_sweep(4), {std::vector<std::string>(12, "slope"), {}, ""}), "set multiplot layout 4,3 "));
  refuses(sample_sweep(4), {std::vector<std::string>(13, "slope"), {}, ""},
          "more than 12 panels are too small to read");
  CHECK(script(with_third(1, true)) == script(sample_sweep(4)));
  // Words stand behind numbers, wherever their axis is: the first number along the figure, the second upwards.
  SweepTable table = sample_sweep(4);
  table.axes[0] = {"kind", "x.kind", false, {}, {"v", "w", "x", "y"}};
  const std::string s = script(table, {{"slope"}, {}, ""});
  CHECK(holds(s, "set xlabel \"b\\n"));
  CHECK(count(s, "with linespoints") == 4);
  // Without labels the first measure is drawn; without measures nothing can be.
  table = sample_sweep(4);
  table.labels.clear();
  CHECK(script(table) == script(table, {{"slope"}, {}, ""}));
  refuses(table, {{"label"}, {}, ""}, "--observable label: the sweep has no labels");
}

TEST_CASE("what cannot be drawn is told") {
  const SweepTable table = sample_sweep();
  refuses(table, {{"slop"}, {}, ""}, "--observable: the sweep has no measure 'slop', did you mean 'slope'?");
  refuses(table, {{"slope,time"}, {}, ""}, "a map shows one measure");
  refuses(table, {{}, {"a"}, ""}, "--slice a: must be AXIS=VALUE");
  refuses(table, {{}, {"c=1"}, ""}, "--slice c=1: there is no axis 'c'");
  refuses(table, {{}, {"a=x"}, ""}, "--slice a=x: 'x' must be a number");
  refuses(table, {{}, {"a=7"}, ""}, "--slice a=7: a runs from 0.05 to 1.95");
  refuses(table, {{}, {"a=1", "a=1"}, ""}, "a is held already");
  refuses(table, {{}, {"a=1", "b=1"}, ""}, "a single cell is left");
  refuses(with_third(2, true), {{}, {"third=wort1"}, ""}, "did you mean 'word1'?");
  refuses(with_third(13, false), {}, "hold it with --slice third=VALUE");
  SweepTable four = with_third(2, false);
  four.axes.push_back({"fourth", "x", false, {1, 2}, {}});
  four.cells.resize(2 * four.cells.size());
  refuses(four, {}, "4 axes are too many for a figure");
  SweepTable bare = sample_sweep();
  bare.labels.clear();
  bare.measures.clear();
  refuses(bare, {}, "keeps no measure");
  SweepTable undefined = sample_sweep();
  for (auto& cell : undefined.cells) cell.measures = {NAN, NAN};
  refuses(undefined, {{"slope"}, {}, ""}, "is defined in no cell");
  refuses(undefined, {{"slope"}, {"a=1"}, ""}, "is defined in no cell");
}

TEST_CASE("gnuplot draws maps and curves in every format" *
          doctest::skip(std::system("gnuplot --version >/dev/null 2>&1") != 0)) {
  const Folder folder;
  SweepTable table = with_third(2, true);
  table.title = "it's `a` title_with {markup} \\n";
  table.labels[0].name = "it's {odd}_label";
  for (auto& cell : table.cells)
    if (cell.label == "low") cell.label = table.labels[0].name;
  table.cells[3] = {CellState::failed, {NAN, NAN}, "", "why", 0};
  const std::pair<const char*, const char*> formats[] = {{".svg", "<?xml"}, {".png", "\x89PNG"}, {".pdf", "%PDF"}};
  for (const auto& [ending, start] : formats) CHECK(drawn_sweep(table, {}, ending).starts_with(start));
  for (const DiagramOptions& options :
       {DiagramOptions{{"slope", "time"}, {"third=word0"}, ""},
        DiagramOptions{{"slope,time"}, {"third=word0", "b=1"}, ""}, DiagramOptions{{"slope"}, {"b=1"}, ""}})
    CHECK(drawn_sweep(table, options, ".svg").starts_with("<?xml"));
  CHECK_THROWS_AS(drawn_sweep(table, {}, ".gif"), settings::Error);
}

TEST_CASE("no text of a sweep is run or ends its string, wherever it stands" *
          doctest::skip(std::system("gnuplot --version >/dev/null 2>&1") != 0)) {
  const Folder folder;
  const std::string made = folder / "made";
  const std::string run_it = "touch " + made;
  const std::string texts[] = {"`" + run_it + "`\"; system(\"" + run_it + "\"); \"",
                               "'; !" + run_it + "\n!" + run_it + "\n", "'' 100% %s %d \\",
                               "'''{/*9 a^b_c@d&e~f\xff\xfe\x01"};
  for (const std::string& text : texts) {
    CAPTURE(text);
    SweepTable table = with_third(2, true);
    table.title = text;
    table.axes[2].words = {text, "other"};
    table.boundaries[0].name = text;
    for (auto& measure : table.measures) measure.unit = text;
    table.labels[0].name = text;
    for (auto& cell : table.cells)
      if (cell.label == "low") cell.label = text;
    for (const DiagramOptions& options :
         {DiagramOptions{}, DiagramOptions{{"slope"}, {"a=1"}, ""}, DiagramOptions{{"slope"}, {"a=1", "b=1"}, text}})
      CHECK(drawn_sweep(table, options, ".svg").starts_with("<?xml"));
    // Such names stand in no formula.
    table.boundaries.clear();
    for (auto& label : table.labels) label.predicted.clear();
    for (auto& axis : table.axes) axis.name += text;
    for (auto& measure : table.measures) measure.name += text;
    CHECK(drawn_sweep(table, {}, ".svg").starts_with("<?xml"));
    CHECK(drawn_sweep(table, {{"slope" + text}, {"a" + text + "=1"}, ""}, ".svg").starts_with("<?xml"));
    CHECK(folder.files() == 0);
  }
}
