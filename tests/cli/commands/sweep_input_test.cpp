#include "cli/commands/sweep_input.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "validation/sweeps/sqlite.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using validation::SweepTable;

namespace {

/// Six cells, of which three fail: an isotropic spectrum takes no eigenvalues.
const char* const small_sweep = R"(title = "A small, \"quoted\" sweep"
[sweep]
do = "solve"
[[axis]]
key = "optimizer.learning_rate"
name = "eta"
from = 0.001
to = 0.1
count = 3
scale = "log"
[[axis]]
key = "spectrum.kind"
values = ["list", "isotropic"]
[[measure]]
name = "end"
observable = "excess_mse"
[[measure]]
name = "ratio"
kind = "value"
value = "end > 0.05 ? inf : end"
[[label]]
name = "slow"
when = "end > 0.1"
predicted = "eta < 0.005"
[[label]]
name = "fast"
predicted = "1"
[[boundary]]
name = "eta = 0.005"
zero = "eta - 0.005"
[experiment]
model = "least-squares"
[experiment.spectrum]
eigenvalues = [1.0, 0.1]
target_power = [1.0, 1.0]
[experiment.optimizer]
kind = "sgd"
[experiment.time]
steps = 300
points = 12
)";

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

}  // namespace

TEST_CASE("store, NetCDF and CSV of a sweep read back alike, failed cells too") {
  const Folder folder;
  const std::string sweep = folder.file("s.toml", small_sweep);
  const auto ran =
      run({"sweep", sweep, "-o", folder / "s.nc", "-o", folder / "s.csv", "--store", folder / "s.db", "--quiet"});
  REQUIRE(ran.status == 0);
  const SweepTable store = read_sweep(folder / "s.db"), nc = read_sweep(folder / "s.nc"),
                   csv = read_sweep(folder / "s.csv");
  REQUIRE(store.cells.size() == 6);
  std::size_t failed = 0;
  for (const SweepTable* table : {&nc, &csv}) {
    CHECK(table->title == "A small, \"quoted\" sweep");
    REQUIRE(table->axes.size() == 2);
    CHECK(table->axes[0].log);
    CHECK(table->axes[0].numbers == store.axes[0].numbers);
    CHECK(table->axes[1].words == store.axes[1].words);
    CHECK(table->labels.size() == 2);
    CHECK(table->labels[0].predicted == "eta < 0.005");
    CHECK(table->boundaries.size() == 1);
    REQUIRE(table->measures.size() == store.measures.size());
    CHECK(table->measures[0].doc == store.measures[0].doc);
    for (std::size_t i = 0; i < 6; ++i) {
      CAPTURE(i);
      const auto &a = table->cells[i], &b = store.cells[i];
      CHECK(a.state == b.state);
      CHECK(a.label == b.label);
      CHECK(a.failure == b.failure);
      failed += a.state == validation::CellState::failed ? 1 : 0;
      REQUIRE(a.measures.size() == b.measures.size());
      for (std::size_t m = 0; m < a.measures.size(); ++m) CHECK(same(a.measures[m], b.measures[m]));
    }
  }
  CHECK(failed == 6);  // the isotropic cells, which know no eigenvalues, in both

  for (const char* file : {"s.db", "s.nc", "s.csv"}) {
    CHECK(is_sweep(folder / file));
    const auto drawn = run({"plot", folder / file, "--slice", "kind=list", "-o", folder / "p.svg"});
    CAPTURE(drawn.err);
    CHECK(drawn.status == 0);
    CHECK(contents(folder / "p.svg").starts_with("<?xml"));
  }
  CHECK(run({"plot", folder / "s.db", folder / "s.nc"}).says("a sweep is drawn alone"));
  CHECK(run({"plot", folder / "s.db", "--guide", "1"}).says("--guide: a sweep has no curves along the step"));
  CHECK(run({"plot", folder / "s.db", "--slice", "beta=1"}).says("there is no axis 'beta'"));
  const std::string solved = folder / "x.csv";
  CHECK(run({"solve", folder.file("x.toml", testing::small_experiment), "-o", solved, "--quiet"}).status == 0);
  CHECK_FALSE(is_sweep(solved));
  CHECK(run({"plot", solved, "--slice", "a=1"}).says("--slice: these results are no sweep"));

  const std::string text = contents(folder / "s.csv");
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    REQUIRE(at != std::string::npos);
    return changed.replace(at, from.size(), to);
  };
  CHECK_THROWS_WITH_AS(read_sweep_csv(broken("# kind: sweep", "# kind: sweeps"), "s.csv"),
                       doctest::Contains("s.csv: is no sweep of edgewise"), settings::Error);
  CHECK_THROWS_WITH_AS(read_sweep_csv(broken(",finished,", ",finnished,"), "s.csv"),
                       doctest::Contains("'finnished' is not a state"), settings::Error);
  CHECK_THROWS_WITH_AS(read_sweep_csv(broken("\n0,", "\n0,x,"), "s.csv"),
                       doctest::Contains("has 9 columns, 8 expected"), settings::Error);
  CHECK_THROWS_WITH_AS(read_sweep_csv(broken("\n1,", "\n7,"), "s.csv"), doctest::Contains("cell 1 expected, got 7"),
                       settings::Error);
  CHECK_THROWS_WITH_AS(read_sweep_csv(text.substr(0, text.rfind("\n5,") + 1), "s.csv"),
                       doctest::Contains("has 5 cells, 6 expected"), settings::Error);
  CHECK_THROWS_WITH_AS(read_sweep_csv(broken("\n1,", "\nx,"), "s.csv"),
                       doctest::Contains("column 'cell': 'x' is not a number"), settings::Error);
  const std::string second = "," + settings::text_of(store.cells[2].measures[1]) + ",";
  CHECK_THROWS_WITH_AS(read_sweep_csv(broken(second, ",y,"), "s.csv"),
                       doctest::Contains("column 'ratio': 'y' is not a number"), settings::Error);
  CHECK_THROWS_WITH_AS(read_sweep_csv(text + "\"6", "s.csv"), doctest::Contains("a quote is not closed"),
                       settings::Error);
  // Excel's line, as it is and in a spreadsheet's quotes.
  for (const char* told : {"sep=,\n", "\xef\xbb\xbf\"sep=,\"\r\n"}) {
    const std::string excel = folder.file("e.csv", told + text);
    CHECK(is_sweep(excel));
    CHECK(read_sweep_csv(contents(excel), "e.csv").cells[0].measures == store.cells[0].measures);
  }
  CHECK_FALSE(is_sweep(folder.file("n.csv", "sep=,\nstep,risk\n")));
  CHECK_FALSE(is_sweep(folder.file("n.csv", "sep=,")));
  const auto with_unit = read_sweep_csv(broken("# measure ratio []", "# measure ratio [optimizer steps]"), "s.csv");
  CHECK(with_unit.measures[1].name == "ratio");
  CHECK(with_unit.measures[1].unit == "optimizer steps");
  CHECK(with_unit.measures[1].doc == store.measures[1].doc);
  // A cell that is still to come has no numbers.
  CHECK(read_sweep_csv(broken(",finished,", ",pending,"), "s.csv").cells[0].measures.empty());
  CHECK_THROWS_WITH_AS(read_sweep_csv("# kind: sweep\ncell\n", "s.csv"), doctest::Contains("which sweep it is"),
                       settings::Error);
}

TEST_CASE("a store that is damaged, or another program's database, is said to be that") {
  const Folder folder;
  const std::string store = folder / "s.db";
  CHECK(run({"sweep", folder.file("s.toml", small_sweep), "--store", store, "--quiet"}).status == 0);
  const std::string cut = folder.file("cut.db", contents(store).substr(0, 5000));
  const std::string other = folder / "other.db";
  validation::Database(other, validation::Database::Mode::write, 1).execute("CREATE TABLE t (x)");
  for (const char* command : {"plot", "collapse"}) {
    CHECK(run({command, cut}).err == "edgewise: " + cut + ": is damaged\n");
    CHECK(run({command, other}).err == "edgewise: " + other + ": is not a store of a sweep, and is left alone\n");
  }
}

TEST_CASE("files that are no sweeps") {
  const Folder folder;
  CHECK_FALSE(is_sweep(folder / "none"));
  CHECK_FALSE(is_sweep(folder.file("a.csv", "step,risk\n")));
  CHECK_THROWS_AS(read_sweep(folder / "none"), settings::Error);
  CHECK_THROWS_AS(read_sweep(folder / "a.csv"), settings::Error);
  // What it keeps is no TOML; the line of that text is none of the file.
  const std::string damaged =
      folder.file("d.csv", "# kind: sweep\n# sweep: |\n#   [sweep]\n#   do = [\ncell,label,state,reason\n");
  CHECK_THROWS_WITH_AS(read_sweep(damaged),
                       (damaged + ": is damaged: the experiment that it keeps cannot be read").c_str(),
                       settings::Error);
}
