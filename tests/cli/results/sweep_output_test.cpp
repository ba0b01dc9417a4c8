#include "cli/results/sweep_output.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using cli::testing::contents;
using cli::testing::Folder;
using validation::CellState;
using validation::SweepTable;

namespace {

/// Two numbers by two words; a finished cell with a label, one without, a failed and a pending one.
SweepTable sample() {
  SweepTable table;
  table.title = "a title";
  table.axes = {{"eta", "optimizer.learning_rate", false, {0.1, 0.25}, {}},
                {"x,y", "noise.law", false, {}, {"a", "b, c"}}};
  table.measures = {{"end", "MSE", "at the end"}, {"slope", "", "an exponent"}};
  table.provenance = {{"version", "edgewise 1\n"}, {"sweep", "[sweep]\ndo = \"solve\"\n\n"}};
  table.cells = {{CellState::finished, {1.5, -2}, "low", "", 9},
                 {CellState::failed, {}, "", "it is, alas, wrong", 9},
                 {CellState::finished, {3, 0.125}, "", "", 9},
                 {CellState::pending, {}, "", "", 9}};
  return table;
}

struct Streams {
  std::ostringstream out, err;
  cli::Context context{out, err};
};

}  // namespace

TEST_CASE("a sweep as CSV, cell by cell") {
  CHECK(cli::sweep_csv_text(sample()) == R"(# kind: sweep
# title: a title
# version: edgewise 1
# sweep: |
#   [sweep]
#   do = "solve"
# measure end [MSE]: at the end
# measure slope []: an exponent
cell,eta,"x,y",end,slope,label,state,reason
0,0.1,a,1.5,-2,low,finished,
1,0.1,"b, c",nan,nan,,failed,"it is, alas, wrong"
2,0.25,a,3,0.125,,finished,
3,0.25,"b, c",nan,nan,,pending,
)");
}

TEST_CASE("a sweep is written nowhere unless a file or a format is given; a store is no output") {
  const Folder folder;
  Streams s;
  CHECK(cli::sweep_targets(s.context).empty());
  s.context.format = "csv";
  const cli::Targets printed = cli::sweep_targets(s.context);
  REQUIRE(printed.size() == 1);
  CHECK_FALSE(printed[0].path);
  CHECK(printed[0].form == "csv");
  s.context.format.clear();
  s.context.outputs = {folder / "a.csv", folder / "a.nc", folder / "a.svg"};
  const cli::Targets files = cli::sweep_targets(s.context);
  REQUIRE(files.size() == 3);
  CHECK(files[1].form == "nc");
  CHECK(files[2].form == "svg");
  s.context.outputs.push_back(folder / "a.db");
  CHECK_THROWS_WITH_AS(cli::sweep_targets(s.context), doctest::Contains("a.db: --output: unknown ending '.db'"),
                       settings::Error);
}

TEST_CASE("every form of a sweep is written to its file; what cannot be drawn names the sweep") {
  const Folder folder;
  Streams s;
  const std::string csv = folder / "a.csv", nc = folder / "a.nc";
  SweepTable table = sample();
  table.provenance.back().second = "[sweep]\ndo = \"solve\"";
  cli::write_sweep(s.context, "s.toml", table, {{csv, "csv"}, {nc, "nc"}});
  CHECK(contents(csv) == cli::sweep_csv_text(table));
  CHECK(contents(nc).starts_with("\x89HDF"));
  for (validation::CellResult& cell : table.cells) cell = {};
  CHECK_THROWS_WITH_AS(cli::write_sweep(s.context, "s.toml", table, {{folder / "a.svg", "svg"}}),
                       doctest::Contains("s.toml: "), settings::Error);
}
