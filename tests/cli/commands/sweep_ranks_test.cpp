/// Sweeps under mpirun. Skipped, with a message, where there is none.
#include "cli/commands/sweep_ranks.hpp"

#include <doctest/doctest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <thread>

#include "settings/settings.hpp"
#include "tests/cli/commands/sweep_process.hpp"

using namespace edgewise;
using namespace edgewise::cli::testing;
using validation::read_sweep_store;
using validation::SweepTable;

namespace {

bool mpirun_there() {
  static const bool there = std::system("mpirun --version >/dev/null 2>&1") == 0;
  if (!there) MESSAGE("skipped: there is no mpirun");
  return there;
}

std::vector<std::string> command(const Folder& folder, int ranks, const std::string& store,
                                 const std::vector<std::string>& more = {}) {
  std::vector<std::string> out;
  if (ranks > 0) out = {"mpirun", "--oversubscribe", "--allow-run-as-root", "-n", std::to_string(ranks)};
  out.insert(out.end(), {EDGEWISE_PROGRAM, "sweep", folder / "grid.toml", "--store", folder / store, "--threads", "1"});
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// Processes of this program below `parent`, rank 0 first.
std::vector<pid_t> ranks_of(pid_t parent) {
  std::map<char, pid_t> by_rank;
  std::ifstream children("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  for (pid_t child = 0; children >> child;) {
    std::ifstream environment("/proc/" + std::to_string(child) + "/environ", std::ios::binary);
    std::string variables((std::istreambuf_iterator<char>(environment)), {});
    const auto at = variables.find("OMPI_COMM_WORLD_RANK=");
    if (at != std::string::npos) by_rank[variables[at + 21]] = child;
  }
  std::vector<pid_t> out;
  for (const auto& [rank, process] : by_rank) out.push_back(process);
  return out;
}

}  // namespace

TEST_CASE("alone there is one rank, which agrees with itself and has the cores that it is allowed") {
  const cli::Ranks ranks;
  CHECK(ranks.rank() == 0);
  CHECK(ranks.size() == 1);
  CHECK(ranks.agree("", "a sweep"));
  CHECK_THROWS_WITH_AS(ranks.agree("it is broken", ""), "it is broken", settings::Error);
  CHECK(ranks.threads(3) == 3);
  cpu_set_t before, one;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  const auto allowed = static_cast<unsigned>(CPU_COUNT(&before));
  CHECK(ranks.threads(0) == allowed);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(ranks.threads(0) == 1);
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("what three ranks compute is what one does, and is said once") {
  if (!mpirun_there()) return;
  const Folder folder;
  folder.file("grid.toml", grid);
  const std::vector<std::string> small = {"--set", "spectrum.dimension=8", "--set", "time.steps=20"};
  REQUIRE(Process(command(folder, 0, "alone.db", small), folder / "err").wait().status == 0);
  const Ended ended = Process(command(folder, 3, "three.db", small), folder / "err").wait();
  CAPTURE(ended.err);
  CHECK(ended.status == 0);
  CHECK(ended.err.find("Grid: 60 cells, 6 failed") != std::string::npos);
  CHECK(ended.err.find("Grid") == ended.err.rfind("Grid"));
  const SweepTable alone = read_sweep_store(folder / "alone.db"), three = read_sweep_store(folder / "three.db");
  CHECK(same_cells(three, alone));
  for (const validation::CellResult& cell : three.cells) CHECK((cell.seconds > 0 && cell.seconds < 60));
}

TEST_CASE("the same bits with one, two and three ranks; rank 0 alone speaks" * doctest::test_suite("slow")) {
  if (!mpirun_there()) return;
  const Folder folder;
  folder.file("grid.toml", grid);
  REQUIRE(Process(command(folder, 0, "alone.db"), folder / "err").wait().status == 0);
  const SweepTable alone = read_sweep_store(folder / "alone.db");
  for (const int ranks : {1, 2, 3}) {
    CAPTURE(ranks);
    const std::string store = "ranks" + std::to_string(ranks) + ".db";
    const Ended ended = Process(command(folder, ranks, store), folder / "err").wait();
    CAPTURE(ended.err);
    CHECK(ended.status == 0);
    CHECK(ended.err.find("Grid: 60 cells, 6 failed") != std::string::npos);
    CHECK(ended.err.find("Grid") == ended.err.rfind("Grid"));
    CHECK(same_cells(read_sweep_store(folder / store), alone));
  }
}

TEST_CASE("a wrong sweep is told once, by rank 0" * doctest::test_suite("slow")) {
  if (!mpirun_there()) return;
  const Folder folder;
  folder.file("grid.toml", grid);
  const Ended ended = Process(command(folder, 2, "s.db", {"--set", "spectrum.alhpa=1"}), folder / "err").wait();
  CAPTURE(ended.err);
  CHECK(ended.status == 2);
  const auto at = ended.err.find("did you mean 'alpha'");
  CHECK(at != std::string::npos);
  CHECK(ended.err.find("did you mean", at + 1) == std::string::npos);
}

TEST_CASE("a rank that is killed takes nobody's finished cells with it" * doctest::test_suite("slow")) {
  if (!mpirun_there()) return;
  const Folder folder;
  folder.file("grid.toml", grid);
  // Under a schedule every step is taken.
  const std::vector<std::string> slow{"--set", "time.steps=10000", "--set", "schedule.kind=cosine"};
  std::size_t kept = 0;
  {
    Process process(command(folder, 3, "s.db", slow), folder / "err");
    while (process.running()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (!validation::is_sweep_store(folder / "s.db") || cells_done(read_sweep_store(folder / "s.db")) <= 12) continue;
      const std::vector<pid_t> ranks = ranks_of(process.pid());
      REQUIRE(ranks.size() == 3);
      kept = cells_done(read_sweep_store(folder / "s.db"));
      ::kill(ranks.back(), SIGKILL);
      break;
    }
    CHECK(process.wait().status != 0);
  }
  const std::size_t after = cells_done(read_sweep_store(folder / "s.db"));
  CHECK(kept > 12);
  CHECK(after >= kept);
  CHECK(after < 60);
  const Ended resumed = Process(command(folder, 2, "s.db", slow), folder / "err").wait();
  CAPTURE(resumed.err);
  CHECK(resumed.status == 0);
  CHECK(resumed.err.find("(" + std::to_string(after) + " of them were there)") != std::string::npos);
  REQUIRE(Process(command(folder, 0, "alone.db", slow), folder / "err").wait().status == 0);
  CHECK(same_cells(read_sweep_store(folder / "s.db"), read_sweep_store(folder / "alone.db")));
}

TEST_CASE("Ctrl-C under mpirun keeps what every rank has finished, and the same command goes on" *
          doctest::test_suite("slow")) {
  if (!mpirun_there()) return;
  const Folder folder;
  folder.file("grid.toml", grid);
  // Long enough: Open MPI passes a signal on to the ranks after a second only.
  const std::vector<std::string> slow{"--set", "time.steps=100000", "--set", "schedule.kind=cosine"};
  std::size_t kept = 0;
  const auto interrupted = [&](const auto& send) {
    Process process(command(folder, 3, "s.db", slow), folder / "err");
    const std::size_t before = kept;
    while (process.running()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (!validation::is_sweep_store(folder / "s.db")) continue;
      kept = cells_done(read_sweep_store(folder / "s.db"));
      if (kept > std::max<std::size_t>(before, 6) + 4) break;
    }
    send(process);
    const Ended ended = process.wait();
    CAPTURE(ended.err);
    CHECK(ended.status != 0);
    const std::size_t after = cells_done(read_sweep_store(folder / "s.db"));
    CHECK(after >= kept);
    CHECK(after < 60);
    kept = after;
    return ended.err;
  };
  interrupted([](const Process& mpirun) { mpirun.signal(SIGINT); });
  // As a batch system does it: to all ranks.
  const std::string said = interrupted([](const Process& mpirun) {
    for (const pid_t rank : ranks_of(mpirun.pid())) ::kill(rank, SIGTERM);
  });
  CAPTURE(said);
  CHECK(said.find("edgewise: interrupted with " + std::to_string(kept) + " of 60 cells done") != std::string::npos);
  const Ended resumed = Process(command(folder, 2, "s.db", slow), folder / "err").wait();
  CAPTURE(resumed.err);
  CHECK(resumed.status == 0);
  CHECK(resumed.err.find("(" + std::to_string(kept) + " of them were there)") != std::string::npos);
  REQUIRE(Process(command(folder, 2, "alone.db", slow), folder / "err").wait().status == 0);
  CHECK(same_cells(read_sweep_store(folder / "s.db"), read_sweep_store(folder / "alone.db")));
}
