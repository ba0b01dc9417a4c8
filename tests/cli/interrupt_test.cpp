#include "cli/interrupt.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include "cli/context.hpp"
#include "tests/cli/program_run.hpp"

extern char** environ;

using namespace edgewise;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::small_experiment;

namespace {

struct Ended {
  bool exited = false;
  int status = -1;
};

/// Seconds that a process has computed.
double computed(pid_t process) {
  clockid_t clock{};
  timespec now{};
  REQUIRE(::clock_getcpuclockid(process, &clock) == 0);
  REQUIRE(::clock_gettime(clock, &now) == 0);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Starts the real program and sends it a signal when it has computed for so many seconds, however long that takes.
Ended interrupt_after(std::vector<std::string> arguments, const std::string& err, double seconds) {
  arguments.insert(arguments.begin(), EDGEWISE_PROGRAM);
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  pid_t child = 0;
  REQUIRE(posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  siginfo_t ended{};
  while (computed(child) < seconds &&
         ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ::kill(child, SIGINT);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return {WIFEXITED(status), WEXITSTATUS(status)};
}

}  // namespace

TEST_CASE("Ctrl-C keeps the replicas that are finished" * doctest::test_suite("threads")) {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  // Short replicas, and hours of them.
  const Ended ended =
      interrupt_after({"simulate", file, "-o", folder / "m.csv", "--set", "monte_carlo.replicas=1000000", "--set",
                       "time.steps=200", "--set", "time.points=3"},
                      folder / "err", 1.5);
  const std::string err = contents(folder / "err");
  CAPTURE(err);
  CHECK(ended.exited);
  CHECK(ended.status == 2);
  CHECK(err.starts_with("edgewise: interrupted after "));
  CHECK(err.find('\n') == err.size() - 1);
  const cli::Result kept = cli::read_result(folder / "m.csv");
  CHECK(kept.get("interrupted") == "true");
  CHECK(kept.get("replicas") != "0");
  CHECK(kept.get("replicas_asked") == "1000000");
}

TEST_CASE("Ctrl-C before the first replica writes nothing and ends with one line" * doctest::test_suite("threads")) {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const Ended ended = interrupt_after({"simulate", file, "-o", folder / "m.csv", "--set", "time.steps=1000000000000"},
                                      folder / "err", 1.0);
  const std::string err = contents(folder / "err");
  CAPTURE(err);
  CHECK(ended.exited);
  CHECK(ended.status == 2);
  CHECK(err.find("interrupted") != std::string::npos);
  CHECK(err.find('\n') == err.size() - 1);
  CHECK(folder.files() == 2);
}

TEST_CASE("work that never looks up is ended, with a line of its own") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  // One step draws a thousand million examples.
  const Ended ended =
      interrupt_after({"simulate", file, "-o", folder / "m.csv", "--set", "optimizer.batch=1000000000", "--set",
                       "noise.law=laplace", "--set", "noise.variance=0.01", "--set", "optimizer.learning_rate=1e-6"},
                      folder / "err", 1.0);
  const std::string err = contents(folder / "err");
  CAPTURE(err);
  CHECK(ended.exited);
  CHECK(ended.status == 2);
  CHECK(err == "edgewise: interrupted; no replica was finished in time, nothing is written\n");
  CHECK(folder.files() == 2);
}

namespace {

/// What a process of its own says and ends with.
Ended alone(const Folder& folder, const std::function<void()>& work, std::string& said) {
  const std::string err = folder / "said";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(file, STDERR_FILENO);
    cli::catch_interrupts();
    work();
    ::_exit(9);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  said = contents(err);
  return {WIFEXITED(status), WEXITSTATUS(status)};
}

}  // namespace

TEST_CASE("what cannot finish ends at once, what can is told first and ended by the second signal") {
  const Folder folder;
  std::string said;
  const auto status = [&](const std::function<void()>& work) { return alone(folder, work, said).status; };
  for (const int number : {SIGINT, SIGTERM}) {
    CHECK(status([&] { std::raise(number); }) == 2);
    CHECK(said == "edgewise: interrupted\n");
  }
  CHECK(status([] {
          const cli::Interruptible scope("; it is kept");
          if (cli::interrupted() || cli::out_of_patience()) return;
          const auto before = std::chrono::steady_clock::now();
          std::raise(SIGINT);
          const bool out_of_patience = cli::out_of_patience();
          // There is time left, unless this process had to wait for it.
          const bool late = std::chrono::steady_clock::now() - before > std::chrono::milliseconds(800);
          ::_exit(cli::interrupted() && (!out_of_patience || late) ? 5 : 6);
        }) == 5);
  CHECK(said.empty());
  CHECK(status([] {
          const cli::Interruptible scope("; it is kept");
          std::raise(SIGINT);
          std::raise(SIGINT);
        }) == 2);
  CHECK(said == "edgewise: interrupted; it is kept\n");
  CHECK(status([] {
          { const cli::Interruptible scope("; it is kept"); }
          std::raise(SIGINT);
        }) == 2);
  CHECK(said == "edgewise: interrupted\n");
  // What is unfinished goes, unless it is finished.
  const std::string file = folder.file("part", "x");
  CHECK(status([&] {
          cli::remove_when_interrupted(file);
          cli::remove_when_interrupted("");
          std::raise(SIGINT);
        }) == 2);
  CHECK(contents(file) == "x");
  CHECK(status([&] {
          cli::remove_when_interrupted(file);
          std::raise(SIGINT);
        }) == 2);
  CHECK(folder.files() == 1);
  CHECK(status([] { cli::leave("so it is"); }) == 2);
  CHECK(said == "edgewise: so it is\n");
  CHECK(status([] { cli::leave(""); }) == 2);
  CHECK(said.empty());
}
