/// What a sweep survives: kill -9, Ctrl-C, a full disk, another process that holds the store.
#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/cli/commands/sweep_process.hpp"
#include "validation/sweeps/sqlite.hpp"

using namespace edgewise;
using namespace edgewise::cli::testing;
using validation::read_sweep_store;
using validation::SweepTable;

namespace {

std::vector<std::string> command(const Folder& folder, const std::string& store) {
  return {EDGEWISE_PROGRAM, "sweep", folder / "grid.toml", "--store", folder / store, "--threads", "2"};
}

}  // namespace

TEST_CASE("kill -9 at any moment loses nothing: what is resumed is the uninterrupted sweep, bit for bit" *
          doctest::test_suite("slow")) {
  const Folder folder;
  folder.file("grid.toml", grid);
  const Ended whole = Process(command(folder, "whole.db"), folder / "err").wait();
  CAPTURE(whole.err);
  REQUIRE(whole.status == 0);
  const SweepTable expected = read_sweep_store(folder / "whole.db");
  REQUIRE(cells_done(expected) == 60);

  // Runs on a few stores, each killed when it has done some more cells: none (it may have not begun), or up to 12.
  std::mt19937 random(1);
  std::uniform_int_distribution<std::size_t> more(0, 12);
  int kills = 0, halfway = 0, stores = 0;
  for (int run = 0; kills < 25 && run < 200;) {
    const std::string store = "killed" + std::to_string(stores++) + ".db";
    std::size_t before = 0;
    for (bool complete = false; !complete; ++run) {
      Process process(command(folder, store), folder / "err");
      // With all cells done it is left to end.
      for (const std::size_t until = std::min<std::size_t>(before + more(random), 60); process.running();) {
        if (before < 60 && until == before) break;
        if (before < 60 && validation::is_sweep_store(folder / store) &&
            cells_done(read_sweep_store(folder / store)) >= until)
          break;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      process.signal(SIGKILL);
      const Ended ended = process.wait();
      if (!ended.killed) {
        CHECK(ended.status == 0);
        complete = true;
      } else {
        ++kills;
        if (!validation::is_sweep_store(folder / store)) continue;  // it had not come so far
        const SweepTable now = read_sweep_store(folder / store);
        const std::size_t done = cells_done(now);
        CHECK(done >= before);
        if (done > before && done < 60) ++halfway;
        before = done;
        for (std::size_t i = 0; i < now.cells.size(); ++i)
          if (now.cells[i].state != validation::CellState::pending) {
            REQUIRE(now.cells[i].state == expected.cells[i].state);
            REQUIRE(now.cells[i].label == expected.cells[i].label);
          }
      }
    }
    CHECK(same_cells(read_sweep_store(folder / store), expected));
  }
  MESSAGE(kills << " kills on " << stores << " stores, " << halfway << " of them with new cells kept");
  CHECK(kills >= 25);
  CHECK(halfway >= 3);
}

TEST_CASE("Ctrl-C ends with one line, and the same command goes on") {
  const Folder folder;
  folder.file("grid.toml", grid);
  std::vector<std::string> slow = command(folder, "s.db");
  // Under a schedule every step is taken.
  slow.insert(slow.end(), {"--set", "time.steps=10000", "--set", "schedule.kind=cosine"});
  Process process(slow, folder / "err");
  // As soon as there is something to keep.
  while (process.running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (validation::is_sweep_store(folder / "s.db") && cells_done(read_sweep_store(folder / "s.db")) > 6) break;
  }
  process.signal(SIGINT);
  const Ended ended = process.wait();
  CAPTURE(ended.err);
  CHECK(ended.status == 2);
  CHECK(ended.err.starts_with("edgewise: interrupted with "));
  CHECK(ended.err.find('\n') == ended.err.size() - 1);
  const std::size_t done = cells_done(read_sweep_store(folder / "s.db"));
  CHECK(ended.err.find("interrupted with " + std::to_string(done) + " of 60 cells done") != std::string::npos);
  CHECK(done < 60);
  // A second interruption, and then to the end: the numbers of an uninterrupted run, bit for bit.
  Process second(slow, folder / "err");
  while (second.running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (cells_done(read_sweep_store(folder / "s.db")) > done + 6) break;
  }
  second.signal(SIGTERM);
  CHECK(second.wait().status == 2);
  const std::size_t later = cells_done(read_sweep_store(folder / "s.db"));
  CHECK(later > done);
  CHECK(later < 60);
  const Ended resumed = Process(slow, folder / "err").wait();
  CAPTURE(resumed.err);
  CHECK(resumed.status == 0);
  CHECK(resumed.err.find("(" + std::to_string(later) + " of them were there)") != std::string::npos);
  slow[4] = folder / "whole.db";
  REQUIRE(Process(slow, folder / "err").wait().status == 0);
  CHECK(same_cells(read_sweep_store(folder / "s.db"), read_sweep_store(folder / "whole.db")));
}

TEST_CASE("a store that cannot even be begun leaves nothing") {
  const Folder folder;
  folder.file("grid.toml", grid);
  const std::string line = "ulimit -f 1; exec '" + std::string(EDGEWISE_PROGRAM) + "' sweep '" +
                           (folder / "grid.toml") + "' --store '" + (folder / "s.db") + "' 2>/dev/null";
  CHECK(Process({"bash", "-c", line}, folder / "err").wait().status == 2);
  CHECK(folder.files() == 2);
}

TEST_CASE("a full disk ends with one line; with room again the sweep goes on" * doctest::test_suite("slow")) {
  const Folder folder;
  folder.file("grid.toml", grid);
  // Cells enough to outgrow the limit however few commits they take.
  const std::string line = "ulimit -f 70; exec '" + std::string(EDGEWISE_PROGRAM) + "' sweep '" +
                           (folder / "grid.toml") + "' --store '" + (folder / "s.db") +
                           "' --set time.steps=100 --set axis.eta.count=100";
  const Ended full = Process({"bash", "-c", line}, folder / "err").wait();
  CAPTURE(full.err);
  CHECK(full.status == 2);
  CHECK(full.err.starts_with("edgewise: " + (folder / "s.db") + ": cannot be written"));
  CHECK(full.err.find('\n') == full.err.size() - 1);
  auto again = command(folder, "s.db");
  again.insert(again.end(), {"--set", "time.steps=100", "--set", "axis.eta.count=100"});
  const Ended ended = Process(again, folder / "err").wait();
  CAPTURE(ended.err);
  CHECK(ended.status == 0);
  again[4] = folder / "other.db";
  CHECK(Process(again, folder / "err").wait().status == 0);
  CHECK(same_cells(read_sweep_store(folder / "s.db"), read_sweep_store(folder / "other.db")));
}
