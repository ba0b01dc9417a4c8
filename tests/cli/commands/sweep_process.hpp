#pragma once
/// The real program as a process of its own, and sweeps to run with it.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/cli/program_run.hpp"
#include "validation/sweeps/sweep.hpp"
#include "validation/sweeps/sweep_store.hpp"

extern char** environ;

namespace edgewise::cli::testing {

struct Ended {
  int status = -1;  ///< of exit; -1 when a signal ended it
  bool killed = false;
  std::string err;
};

/// A running process; its standard error goes to a file.
class Process {
 public:
  Process(std::vector<std::string> command, std::string err) : err_(std::move(err)) {
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(failed == 0);
  }
  ~Process() {
    if (!over_) {
      ::kill(pid_, SIGKILL);
      int ignored = 0;
      ::waitpid(pid_, &ignored, 0);
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  bool running() {
    if (!over_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) over_ = true;
    return !over_;
  }
  Ended wait() {
    if (!over_) REQUIRE(::waitpid(pid_, &status_, 0) == pid_);
    over_ = true;
    Ended out;
    out.killed = WIFSIGNALED(status_);
    if (WIFEXITED(status_)) out.status = WEXITSTATUS(status_);
    out.err = contents(err_);
    return out;
  }

 private:
  std::string err_;
  pid_t pid_ = 0;
  int status_ = 0;
  bool over_ = false;
};

/// 60 cells of a few milliseconds each, six of which fail.
inline const char* const grid = R"(title = "Grid"
[sweep]
do = "solve"
[[axis]]
key = "noise.variance"
name = "noise"
values = [-1.0, 0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]
[[axis]]
key = "optimizer.learning_rate"
name = "eta"
from = 0.001
to = 0.02
count = 6
scale = "log"
[[measure]]
name = "risk"
observable = "risk"
[[label]]
name = "low"
when = "risk < 0.1"
[[label]]
name = "high"
[experiment]
model = "least-squares"
[experiment.spectrum]
kind = "power-law"
dimension = 2000
alpha = 0.6
beta = 0.5
[experiment.noise]
law = "gaussian"
[experiment.optimizer]
kind = "sgd"
[experiment.time]
steps = 1000
points = 10
[experiment.theory]
method = "recursion"
)";

/// Bit for bit, except the seconds.
inline bool same_cells(const validation::SweepTable& a, const validation::SweepTable& b) {
  const auto bits = [](double p, double q) {
    return std::bit_cast<std::uint64_t>(p) == std::bit_cast<std::uint64_t>(q);
  };
  return std::equal(a.cells.begin(), a.cells.end(), b.cells.begin(), b.cells.end(),
                    [&](const validation::CellResult& x, const validation::CellResult& y) {
                      return x.state == y.state && x.label == y.label && x.failure == y.failure &&
                             std::equal(x.measures.begin(), x.measures.end(), y.measures.begin(), y.measures.end(),
                                        bits);
                    });
}

inline std::size_t cells_done(const validation::SweepTable& table) {
  return static_cast<std::size_t>(
      std::count_if(table.cells.begin(), table.cells.end(),
                    [](const validation::CellResult& c) { return c.state != validation::CellState::pending; }));
}

}  // namespace edgewise::cli::testing
