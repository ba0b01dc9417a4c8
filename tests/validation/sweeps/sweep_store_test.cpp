#include "validation/sweeps/sweep_store.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>

#include "tests/validation/sweeps/sweep_support.hpp"
#include "validation/sweeps/sqlite.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using namespace edgewise::validation::testing;
namespace fs = std::filesystem;

namespace {

const StoreOptions now{false, 0.1, "edgewise 1"};

FinishedCell cell_of(std::size_t index, std::vector<double> measures, const std::string& label = "same") {
  FinishedCell out{index, {}};
  out.result.state = CellState::finished;
  out.result.measures = std::move(measures);
  out.result.label = label;
  out.result.seconds = 0.25;
  return out;
}

std::string store_error(const std::string& path, const Sweep& sweep, const StoreOptions& options = now) {
  return error_of([&] { SweepStore(path, sweep, options); });
}

}  // namespace

TEST_CASE("a store gives back every bit") {
  const Folder folder;
  const std::string path = folder / "s.db";
  const Sweep sweep = sweep_of(small_sweep);
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> odd{0.1 + 0.2, -1e-310, inf};
  FinishedCell failed = cell_of(3, {nan, nan, nan}, "");
  failed.result.state = CellState::failed;
  failed.result.failure = "it's \"broken\"; DROP TABLE cells";
  {
    SweepStore store(path, sweep, now);
    store.add(std::vector<FinishedCell>{cell_of(29, odd), failed});
    store.add(std::vector<FinishedCell>{cell_of(0, {-inf, 9007199254740993.0, nan})});
    store.add({});
  }
  CHECK(!fs::exists(path + "-wal"));
  CHECK(!fs::exists(path + "-lock"));
  const auto check = [&](const SweepTable& table) {
    REQUIRE(table.cells.size() == 30);
    CHECK(table.title == "Small");
    CHECK(table.axes[1].numbers == sweep.table().axes[1].numbers);
    CHECK(table.axes[2].words == sweep.table().axes[2].words);
    CHECK(table.labels[0].when == "gain > 1.05");
    CHECK(table.boundaries[0].name == "eta = 0.01");
    CHECK(table.measures[2].name == "gain");
    for (std::size_t m = 0; m < 3; ++m)
      CHECK(std::bit_cast<std::uint64_t>(table.cells[29].measures[m]) == std::bit_cast<std::uint64_t>(odd[m]));
    CHECK(table.cells[29].label == "same");
    CHECK(table.cells[29].seconds == 0.25);
    CHECK(table.cells[0].measures[0] == -inf);
    CHECK(std::isnan(table.cells[0].measures[2]));
    CHECK(table.cells[3].state == CellState::failed);
    CHECK(table.cells[3].failure == failed.result.failure);
    CHECK(table.cells[1].state == CellState::pending);
  };
  check(SweepStore(path, sweep, now).table());
  CHECK(is_sweep_store(path));
  check(read_sweep_store(path));
  CHECK(!fs::exists(path + "-wal"));
  CHECK(!fs::exists(path + "-shm"));
  const std::string odd_name = folder / "a?b#c%20.db";
  fs::copy_file(path, odd_name);
  check(read_sweep_store(odd_name));
  SUBCASE("also while it is written") {
    SweepStore store(path, sweep, now);
    store.add(std::vector<FinishedCell>{cell_of(5, {1, 2, 3})});
    CHECK(read_sweep_store(path).cells[5].measures == std::vector<double>{1, 2, 3});
  }
  SUBCASE("people can query it") {
    Database database(path, Database::Mode::read, 1);
    CHECK(database.text("SELECT kind || ' ' || noise || ' ' || label FROM cells WHERE cell = 29") == "cosine 0.1 same");
    CHECK(database.text("SELECT version FROM cells WHERE gain IS NULL AND state = 'failed'") == "edgewise 1");
  }
}

TEST_CASE("a sweep that gives other numbers is refused, with what differs") {
  const Folder folder;
  const std::string path = folder / "s.db";
  {
    SweepStore store(path, sweep_of(small_sweep), now);
    store.add(std::vector<FinishedCell>{cell_of(10, {1, 2, 1.01}), cell_of(11, {1, 2, 1.1}, "helps")});
  }
  const auto other = [&](const std::string& from, const std::string& to) {
    return store_error(path, sweep_of(replaced(small_sweep, from, to)));
  };
  CHECK(holds(other("count = 5", "count = 6"), "axis 'eta': count was 5 and is 6"));
  CHECK(holds(other("eigenvalues = [1.0, 0.1]", "eigenvalues = [1.0, 0.2]"),
              "spectrum.eigenvalues was [1.0, 0.1] and is [1.0, 0.2]"));
  CHECK(holds(other("set = [\"optimizer.batch=4\"]\n", ""),
              "variant 'four': set was [\"optimizer.batch=4\"] and is gone"));
  CHECK(holds(other("do = \"solve\"", "do = \"simulate\""), "sweep.do was \"solve\" and is \"simulate\""));
  const std::string message = other("observable = \"risk\"", "observable = \"excess_mse\"");
  CHECK(holds(message, path + ": holds cells of another sweep: measure 'risk': observable"));
  CHECK(holds(message, "--store"));
  CHECK(holds(message, "--restart"));
  CHECK(message.find('\n') == std::string::npos);
  CHECK(holds(store_error(path, sweep_of(small_sweep), {false, 0.1, "edgewise 2"}),
              "begun by edgewise 1, this is edgewise 2"));
  SUBCASE("nothing is lost by asking") {
    CHECK(read_sweep_store(path).cells[10].measures[2] == 1.01);
  }
  SUBCASE("--restart discards") {
    const Sweep sweep = sweep_of(replaced(small_sweep, "count = 5", "count = 6"));
    CHECK(SweepStore(path, sweep, {true, 0.1, "edgewise 2"}).table().cells[10].state == CellState::pending);
    CHECK(read_sweep_store(path).cells.size() == 36);
  }
  SUBCASE("other labels are given to the same numbers") {
    const Sweep relabelled = sweep_of(replaced(small_sweep, "gain > 1.05", "gain > 1.005"));
    CHECK(SweepStore(path, relabelled, now).table().cells[10].label == "helps");
    const SweepTable table = read_sweep_store(path);
    CHECK(table.cells[10].label == "helps");
    CHECK(table.labels[0].when == "gain > 1.005");
    CHECK(table.cells[10].measures[2] == 1.01);
  }
}

TEST_CASE("a file that the experiment names is part of the sweep") {
  const Folder folder;
  const std::string origin = folder / "small.toml";
  folder.file("data.csv", "1\n");
  const std::string text =
      replaced(small_sweep, "[experiment.noise]", "[experiment.data]\npath = \"data.csv\"\n[experiment.noise]");
  { SweepStore store(folder / "s.db", sweep_of(text, {}, origin), now); }
  CHECK(store_error(folder / "s.db", sweep_of(text, {}, origin)).empty());
  folder.file("data.csv", "2\n");
  CHECK(holds(store_error(folder / "s.db", sweep_of(text, {}, origin)), "the file data.csv has other contents"));
}

TEST_CASE("what is no store is left alone") {
  const Folder folder;
  const Sweep sweep = sweep_of(small_sweep);
  const std::string text = folder.file("notes.db", std::string(5000, 'x'));
  for (const bool restart : {false, true})
    CHECK(holds(store_error(text, sweep, {restart, 0.1, "v"}), "is not a store of a sweep"));
  CHECK(fs::file_size(text) == 5000);
  const std::string other = folder / "other.db";
  Database(other, Database::Mode::write, 1).execute("CREATE TABLE mine (x)");
  for (const bool restart : {false, true})
    CHECK(holds(store_error(other, sweep, {restart, 0.1, "v"}), "is not a store of a sweep"));
  CHECK(holds(store_error(folder / "", sweep), "is a folder"));
  CHECK(holds(store_error(folder / "none/s.db", sweep), "cannot be written"));
  CHECK(!is_sweep_store(other));
  CHECK(!is_sweep_store(text));
  CHECK(!is_sweep_store(folder / "none"));
  CHECK(holds(error_of([&] { read_sweep_store(folder / "none"); }), "no such file"));
  CHECK(holds(error_of([&] { read_sweep_store(other); }), "is not a store"));
}

TEST_CASE("what cannot hold a store is told for what it is") {
  const Folder folder;
  const Sweep sweep = sweep_of(small_sweep);
  const std::string pipe = folder / "pipe", circle = folder / "circle";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(store_error(pipe, sweep) == pipe + ": is no regular file, so it cannot be a store");
  CHECK(store_error("/dev/null", sweep) == "/dev/null: is no regular file, so it cannot be a store");
  fs::create_symlink("circle", circle);
  CHECK(store_error(circle, sweep) == circle + ": cannot be opened: Too many levels of symbolic links");
  CHECK(store_error(folder / "", sweep).ends_with("is a folder, not a store"));
  CHECK(folder.files() == 2);
}

TEST_CASE("a store in use, and one that somebody else has locked") {
  const Folder folder;
  const std::string path = folder / "s.db";
  const Sweep sweep = sweep_of(small_sweep);
  SweepStore store(path, sweep, now);
  CHECK(holds(store_error(path, sweep), "another sweep is working on it"));
  Database somebody(path, Database::Mode::write, 1);
  somebody.execute("BEGIN IMMEDIATE");
  const std::string message = error_of([&] { store.add(std::vector<FinishedCell>{cell_of(1, {1, 2, 3})}); });
  CHECK(holds(message, path + ": is locked by another process, for more than 0.1 s"));
  CHECK(message.find('\n') == std::string::npos);
  somebody.execute("ROLLBACK");
  store.add(std::vector<FinishedCell>{cell_of(1, {1, 2, 3})});
  CHECK(read_sweep_store(path).cells[1].measures[0] == 1);
}

TEST_CASE("a store that somebody else has changed is told, not run or believed") {
  const Folder folder;
  const Sweep sweep = sweep_of(small_sweep);
  int number = 0;
  const auto says = [&](const std::string& sql, const std::string& words) {
    CAPTURE(sql);
    const std::string path = folder / ("s" + std::to_string(number++) + ".db");
    {
      SweepStore store(path, sweep, now);
      store.add(std::vector<FinishedCell>{cell_of(0, {1, 2, 3})});
    }
    Database(path, Database::Mode::write, 0.1).execute(sql);
    const std::string said = error_of([&] { read_sweep_store(path); });
    CAPTURE(said);
    CHECK(said.starts_with(path + ": "));
    CHECK(said.find(words) != std::string::npos);
  };
  says("UPDATE cells SET risk_one = 'a text'", "a text stands where a number must");
  says("UPDATE cells SET state = 'odd'", "cell 0 is neither finished nor failed");
  says("UPDATE cells SET cell = -1", "is not in the grid");
  says("UPDATE meta SET value = 'title = 3' WHERE name = 'presentation'", "title: must be text");
  says("UPDATE meta SET value = value || char(10) || '[sweep]' || char(10) || 'panels = 1' WHERE name = 'presentation'",
       "sweep");
  says("UPDATE meta SET value = replace(value, 'count', 'cuont') WHERE name = 'definition'", "axis");
  const std::string unreadable = "is damaged: the experiment that it keeps cannot be read";
  says("UPDATE meta SET value = value || char(10) || 'x = [1' WHERE name = 'definition'", unreadable);
  says("UPDATE meta SET value = '= 3' WHERE name = 'presentation'", unreadable);
  says("DELETE FROM meta", "is not a store of a sweep, or is damaged");
  says("PRAGMA user_version = 7", "another version of edgewise");
  const std::string path = folder / "measures.db";
  { const SweepStore store(path, sweep, now); }
  Database(path, Database::Mode::write, 0.1).execute("DELETE FROM measures WHERE position = 0");
  CHECK(
      holds(error_of([&] { SweepStore(path, sweep, now); }), "another sweep: the measures that it keeps are others;"));
  // A view in a table's place could be anything, also something that never ends.
  says(
      "DROP TABLE cells; CREATE VIEW cells AS WITH RECURSIVE n(cell) AS (SELECT 0 UNION ALL SELECT 0 FROM n) SELECT "
      "cell, "
      "'finished' AS state, '' AS label, '' AS reason, 0 AS seconds FROM n",
      "is damaged, or no store");
}

TEST_CASE("a small store that claims a large grid is refused before memory is taken") {
  const Folder folder;
  const std::string path = folder / "s.db";
  { SweepStore store(path, sweep_of(small_sweep), now); }
  Database(path, Database::Mode::write, 0.1)
      .execute(
          "UPDATE meta SET value = '[[axis]]' || char(10) || 'key = \"noise.variance\"' || char(10) || 'from = 1' || "
          "char(10) || 'to = 2' || char(10) || 'count = 1000000' || char(10) || '[[axis]]' || char(10) || 'key = "
          "\"spectrum.alpha\"' || char(10) || 'name = \"eta\"' || char(10) || 'from = 1' || char(10) || 'to = 2' || "
          "char(10) || 'count = 100' WHERE "
          "name = 'definition'");
  const std::string said = error_of([&] { read_sweep_store(path); });
  CAPTURE(said);
  CHECK(said.find("too few are there to be read") != std::string::npos);
}
