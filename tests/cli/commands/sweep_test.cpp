#include "cli/commands/sweep.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>

#include "tests/approx.hpp"
#include "tests/cli/commands/sweep_process.hpp"
#include "validation/sweeps/sqlite.hpp"

using namespace edgewise;
using namespace edgewise::cli::testing;
using edgewise::tests::Approx;
using validation::CellState;
using validation::read_sweep_store;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> quick = {"--set", "spectrum.dimension=20", "--set", "time.steps=50"};

Run sweep(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "sweep");
  arguments.insert(arguments.end(), quick.begin(), quick.end());
  return run(arguments);
}

}  // namespace

TEST_CASE("a sweep from file to table") {
  const Folder folder;
  const std::string file = folder.file("grid.toml", grid);
  const auto r = sweep({file, "-o", folder / "a.csv", "-o", folder / "b.nc"});
  CAPTURE(r.err);
  CHECK(r.status == 0);
  CHECK(r.out.empty());
  CHECK(r.says("Grid: 60 cells, 6 failed"));
  CHECK(r.says("kept in " + (folder / "a.db")));
  CHECK(r.says("labels: low "));
  CHECK(r.says("failed: 6 cells, first noise = -1, eta = 0.001: "));
  CHECK(r.says("written to " + (folder / "b.nc")));
  const std::string csv = contents(folder / "a.csv");
  CHECK(csv.starts_with("# kind: sweep\n# title: Grid\n"));
  CHECK(csv.find("#   [experiment.spectrum]\n") != std::string::npos);
  CHECK(csv.find("# version: edgewise ") != std::string::npos);
  CHECK(csv.find("\ncell,noise,eta,risk,label,state,reason\n0,-1,0.001,nan,,failed,") != std::string::npos);
  CHECK(csv.find("\n59,0.08,0.02,") != std::string::npos);
  const validation::SweepTable table = read_sweep_store(folder / "a.db");
  CHECK(table.cells[59].state == CellState::finished);
  CHECK(csv.find("59,0.08,0.02," + settings::text_of(table.cells[59].measures[0]) + ",") != std::string::npos);
  SUBCASE("again: nothing is computed") {
    const auto again = sweep({file, "-o", folder / "a.csv"});
    CHECK(again.status == 0);
    CHECK(again.says("60 cells (60 of them were there), 6 failed"));
    CHECK(same_cells(read_sweep_store(folder / "a.db"), table));
  }
  SUBCASE("failed cells are tried again on request") {
    const auto again = sweep({file, "-o", folder / "a.csv", "--retry-failed"});
    CHECK(again.says("60 cells (54 of them were there), 6 failed"));
  }
  SUBCASE("another grid is refused, then put in the store's place") {
    const auto other = sweep({file, "-o", folder / "a.csv", "--set", "axis.eta.count=3"});
    CHECK(other.status == 2);
    CHECK(other.one_line());
    CHECK(other.says("axis 'eta': count was 6 and is 3"));
    const auto restarted = sweep({file, "-o", folder / "a.csv", "--set", "axis.eta.count=3", "--restart", "--quiet"});
    CHECK(restarted.status == 0);
    CHECK(restarted.err.empty());
    CHECK(read_sweep_store(folder / "a.db").cells.size() == 30);
  }
  SUBCASE("a label that changes costs no computation") {
    const auto other = sweep({file, "-o", folder / "a.csv", "--set", "label.low.when=risk < 0"});
    CHECK(other.status == 0);
    CHECK(other.says("labels: low 0, high 54"));
    CHECK(!other.says("as predicted"));
    const auto predicted = sweep(
        {file, "-o", folder / "a.csv", "--set", "label.low.when=risk < 0", "--set", "label.high.predicted=eta > 0"});
    CHECK(predicted.status == 0);
    CHECK(predicted.says("  labels as predicted: 54 of 54 cells"));
  }
}

TEST_CASE("the table on standard output, the store by its own name, seed and threads") {
  const Folder folder;
  const std::string file = folder.file("grid.toml", grid);
  const auto one = sweep({file, "--store", folder / "one.db", "--format", "csv", "--threads", "1"});
  CHECK(one.status == 0);
  CHECK(one.out.starts_with("# kind: sweep\n"));
  const auto two = sweep({file, "--store", folder / "two.db", "--format", "csv", "--threads", "2"});
  CHECK(two.status == 0);
  CHECK(same_cells(read_sweep_store(folder / "one.db"), read_sweep_store(folder / "two.db")));
  const auto seeded = sweep({file, "--store", folder / "two.db", "--seed", "5"});
  CHECK(seeded.status == 2);
  CHECK(seeded.says("monte_carlo.seed is new, 5"));
}

TEST_CASE("errors are one line and come before anything is computed") {
  const Folder folder;
  const std::string file = folder.file("grid.toml", grid);
  const auto refused = [&](const std::vector<std::string>& arguments, const std::vector<std::string>& words) {
    const auto r = sweep(arguments);
    CAPTURE(r.err);
    CHECK(r.status == 2);
    CHECK(r.one_line());
    for (const std::string& word : words) CHECK(r.says(word));
    CHECK(folder.files() == 1);
  };
  const std::string store = folder / "s.db";
  refused({folder / "none.toml", "--store", store}, {"none.toml"});
  refused({file, "--store", store, "--set", "spectrum.alhpa=1"}, {"spectrum.alhpa: unknown key, did you mean 'alpha'"});
  refused({file, "--store", store, "--set", "axis.ta.count=1"}, {"there is no axis 'ta'"});
  refused({file, "--store", store, "--set", "measure.risk.observable=rsik"},
          {"grid.toml: measure", "observable", "the theory has no observable 'rsik', did you mean 'risk'"});
  refused({file, "-o", folder / "x.txt"}, {"unknown ending '.txt'", ".csv"});
  refused({file, "-o", folder / "x.db"}, {"unknown ending '.db'", "--store"});
  refused({file, "-o", folder / "none/x.csv"}, {"cannot be written"});
  refused({file, "--store", store, "--format", "nc"}, {"--format"});
  refused({file, file}, {"one argument too many"});
  refused({file, "--stroe", store}, {"unknown option '--stroe'", "did you mean '--store'"});
}

TEST_CASE("no output of a sweep takes the place of a file that a cell reads; its store stands where it is run") {
  const Folder folder;
  for (const char* name : {"one.csv", "two.csv", "base.csv", "other.csv"}) folder.file(name, "1.0\n0.5\n");
  const std::string file = folder.file("paths.toml", R"(title = "Paths"
[sweep]
do = "solve"
[[axis]]
key = "spectrum.path"
name = "which"
values = ["one.csv", "two.csv"]
[[axis]]
key = "noise.variance"
values = [0.1, 0.2]
[[measure]]
name = "risk"
observable = "risk"
[[variant]]
name = "plain"
[[variant]]
name = "table"
set = ["schedule.kind=table", "schedule.path=other.csv"]
[experiment]
model = "least-squares"
spectrum = { kind = "file", path = "base.csv" }
noise = { law = "gaussian", variance = 0 }
optimizer.learning_rate = 0.1
time.steps = 2
)");
  for (const char* name : {"one.csv", "two.csv", "other.csv"}) {
    CAPTURE(name);
    CHECK(run({"sweep", file, "--store", folder / "s.db", "-o", folder / name})
              .says(folder / name + std::string(": is read by this sweep; give --output another name")));
    CHECK(contents(folder / name) == "1.0\n0.5\n");
  }
  CHECK(run({"sweep", file, "-o", file}).status == 2);
  const fs::path before = fs::current_path();
  const std::string small = folder.file("small.toml", grid);
  fs::create_directory(folder / "there");
  fs::current_path(folder / "there");
  const auto r = sweep({"../small.toml", "--set", "axis.eta.count=2", "--set", "spectrum.dimension=4"});
  fs::current_path(before);
  CHECK(r.status == 0);
  CHECK(fs::exists(folder / "there/small.db"));
  CHECK(r.says("; kept in small.db\n"));
}

TEST_CASE("a sweep whose every cell fails is a failure") {
  const Folder folder;
  const std::string file = folder.file("grid.toml", grid);
  // Told by the solver only: this integrator needs a constant schedule.
  const auto r = sweep({file, "--store", folder / "s.db", "--set", "theory.method=ode", "--set",
                        "theory.integrator=contour", "--set", "schedule.kind=cosine"});
  CAPTURE(r.err);
  CHECK(r.status == 2);
  CHECK(r.one_line());
  CHECK(r.says("every cell failed, most often with: "));
}

TEST_CASE("describe knows the sections of a sweep file") {
  for (const char* name : {"sweep", "axis", "derived", "variant", "measure", "label", "boundary"}) {
    const auto r = run({"describe", name});
    CAPTURE(name);
    CHECK(r.status == 0);
    CHECK(r.out.starts_with(std::string(name) + " (section of a sweep file)"));
  }
}

TEST_CASE(
    "ten thousand finished cells are taken up as they are: nothing is computed, not a byte of the store written") {
  const Folder folder;
  const std::string file = folder.file("grid.toml", grid);
  const std::vector<std::string> command{file,    "--store",      folder / "s.db", "--set", "axis.eta.count=1000",
                                         "--set", "time.points=2"};
  std::vector<std::string> large = command;
  CHECK(sweep(large).status == 0);
  const std::string before = contents(folder / "s.db");
  CHECK(before.size() > 10000);
  CHECK(sweep(large).says("10000 cells (10000 of them were there)"));
  CHECK(contents(folder / "s.db") == before);
}

TEST_CASE("the store and an output are two files") {
  const Folder folder;
  const std::string file = folder.file("grid.toml", grid);
  fs::create_symlink(folder / "x.nc", folder / "link.nc");
  for (const std::string output : {"x.nc", "./x.nc", "link.nc"}) {
    const auto r = sweep({file, "--store", folder / "x.nc", "-o", folder / output});
    CHECK(r.status == 2);
    CHECK(r.says("--store and --output name the same file"));
    CHECK(r.one_line());
  }
  const auto itself = sweep({file, "--store", file});
  CHECK(itself.says("grid.toml: --store: this is the sweep's own file"));
  CHECK(contents(file) == grid);
  CHECK_FALSE(fs::exists(folder / "x.nc"));
  // What is no store is left alone, also with --restart.
  const std::string notes = folder.file("notes.txt", "my notes");
  CHECK(sweep({file, "--store", notes, "--restart"}).says("notes.txt: is not a store of a sweep, and is left alone"));
  CHECK(contents(notes) == "my notes");
}

TEST_CASE("an output that fails does not keep the others from theirs") {
  const Folder folder;
  const std::string file = folder.file("grid.toml", grid);
  // A single cell cannot be drawn.
  const auto r = sweep({file, "--set", "axis.noise.values=[0.01]", "--set", "axis.eta.values=[0.01]", "-o",
                        folder / "x.svg", "-o", folder / "x.nc", "--quiet"});
  CHECK(r.status == 2);
  CHECK(r.one_line());
  CHECK(r.err ==
        fmt::format("edgewise: {}: nothing to draw: a single cell is left (for {})\n", file, folder / "x.svg"));
  CHECK(sweep({file, "--set", "axis.noise.values=[0.01]", "--set", "axis.eta.values=[0.01]", "-o", folder / "x.nc"})
            .says("Grid: 1 cell (1 of them were there), 0 failed"));
  CHECK(read_sweep_store(folder / "x.db").cells.size() == 1);
  CHECK(run({"plot", folder / "x.nc"}).says("a single cell is left"));
  CHECK(fs::exists(folder / "x.nc"));
  CHECK_FALSE(fs::exists(folder / "x.svg"));
}

TEST_CASE("a sweep of schedule searches needs no learning rate, as the command needs none") {
  const Folder folder;
  // One step of d = 1, B = 4, P0 = 1: P = 1 - 1/(1.5 + sigma^2/4).
  const std::string file = folder.file("s.toml", R"(title = "Searches"
[sweep]
do = "schedule"
[[axis]]
key = "noise.variance"
values = [0.1, 2]
[[measure]]
name = "best"
kind = "finding"
finding = "optimum"
[experiment]
model = "least-squares"
spectrum = { kind = "isotropic", dimension = 1 }
noise = { law = "gaussian", variance = 0 }
optimizer.batch = 4
time.steps = 1
schedule_search.families = ["constant"]
)");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--set", "optimizer.gamma=0.3"}}) {
    std::vector<std::string> line{"sweep", file, "--store", folder / (more.empty() ? "s.db" : "t.db"), "--quiet"};
    line.insert(line.end(), more.begin(), more.end());
    const auto r = run(line);
    CAPTURE(r.err);
    CHECK(r.status == 0);
    const validation::SweepTable table = read_sweep_store(line[3]);
    REQUIRE(table.cells.size() == 2);
    CHECK(table.cells[0].measures[0] == Approx(1 - 1 / 1.525).epsilon(1e-12));
    CHECK(table.cells[1].measures[0] == Approx(0.5).epsilon(1e-12));
  }
}

TEST_CASE("what a sweep says: labels in order with those of none, the commonest reasons first, and how many more") {
  const Folder folder;
  const std::string file = folder.file("s.toml", R"(title = "Kinds"
[sweep]
do = "solve"
[[axis]]
key = "optimizer.learning_rate"
name = "eta"
values = [0.01, 0.02, 0.03]
[[axis]]
key = "spectrum.kind"
values = ["list", "isotropic", "power-law", "two-point", "spiked", "none"]
[[measure]]
name = "end"
observable = "excess_mse"
[[label]]
name = "small"
when = "eta < 0.015"
[[label]]
name = "middle"
when = "eta < 0.025"
[experiment]
model = "least-squares"
[experiment.spectrum]
eigenvalues = [1.0, 0.1]
[experiment.time]
steps = 3
)");
  const auto r = run({"sweep", file, "--store", folder / "s.db", "--format", "csv"});
  CAPTURE(r.err);
  CHECK(r.status == 0);
  CHECK(r.says("Kinds: 18 cells, 15 failed, "));
  CHECK(r.says("\n  labels: small 1, middle 1, none of them 1\n"));
  std::size_t reasons = 0;
  for (std::size_t at = r.err.find("\n  failed: 3 cells, first eta = 0.01, kind = "); at != std::string::npos;
       at = r.err.find("\n  failed: 3 cells, first eta = 0.01, kind = ", at + 1))
    ++reasons;
  CHECK(reasons == 3);
  CHECK(r.says("\n  failed: 2 more reasons, see the column `reason`\n"));
  const auto all_fail = run({"sweep", file, "--store", folder / "t.db", "--set", "axis.kind.values=[\"none\"]"});
  CHECK(all_fail.status == 2);
  CHECK(all_fail.one_line());
}
