// What `edgewise solve` and `simulate` print and write.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cli/context.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/results/sample_results.hpp"

using namespace edgewise;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::Run;
using cli::testing::small_experiment;

TEST_CASE("solve, simulate and validate write both formats") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  for (const std::string command : {"solve", "simulate", "validate"}) {
    CAPTURE(command);
    const std::string csv = folder / (command + ".csv"), nc = folder / (command + ".nc");
    const auto to_csv = run({command, file, "-o", csv, "--quiet"}), to_nc = run({command, file, "-o", nc, "--quiet"});
    CHECK(to_csv.status == 0);
    CHECK(to_csv.err.empty());
    CHECK(to_csv.out.empty());
    CHECK(to_nc.status == 0);
    const cli::Result a = cli::read_result(csv), b = cli::read_result(nc);
    CHECK(cli::testing::same(a, b));
    CHECK(a.get("title") == "Two eigenvalues");
    CHECK(a.get("experiment").find("learning_rate = 0.01") != std::string::npos);
    CHECK(a.get("seed") == "1");
    CHECK(!a.get("wall_time_s").empty());
    const auto printed = run({command, file});
    CHECK(printed.status == 0);
    CHECK(printed.out.find("\nstep,") != std::string::npos);
    CHECK(printed.says("Two eigenvalues"));
  }
}

TEST_CASE("bands, overrides and the seed reach the result") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto r =
      run({"solve", "--set", "theory.bands=true", "--set", "optimizer.learning_rate=0.02", "--seed", "7", file});
  CHECK(r.status == 0);
  CHECK(r.out.find("risk_std") != std::string::npos);
  CHECK(r.out.find("learning_rate = 0.02") != std::string::npos);
  CHECK(r.out.find("# seed: 7\n") != std::string::npos);
  CHECK(r.out.find("--set theory.bands=true") != std::string::npos);
  const auto first = run({"simulate", file, "--seed", "1", "--threads", "1"}),
             again = run({"simulate", file, "--threads", "2"}), other = run({"simulate", file, "--seed", "2"});
  const auto rows = [](const Run& x) { return x.out.substr(x.out.find("\nstep,")); };
  CHECK(rows(first) == rows(again));
  CHECK(rows(first) != rows(other));
}

TEST_CASE("divergence is a result") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto r =
      run({"solve", file, "--set", "optimizer.learning_rate=3", "--set", "time.steps=100000", "-o", folder / "d.csv"});
  CHECK(r.status == 0);
  CHECK(r.says("diverged at step"));
  const cli::Result result = cli::read_result(folder / "d.csv");
  CHECK(!result.get("diverged_at").empty());
  CHECK(result.steps.back() < 100000);
}

TEST_CASE("a last step that time.at does not list is recorded, and said to be") {
  const Folder folder;
  const std::string path = folder.file("a.toml", small_experiment);
  const auto added = run({"solve", path, "--set", "time.at=[0]", "--set", "time.steps=50"});
  CHECK(added.status == 0);
  CHECK(added.says("step 50, the last by time.steps, is recorded beside those that time.at lists"));
  CHECK(added.out.find("\n50,") != std::string::npos);
  const auto listed = run({"solve", path, "--set", "time.at=[0, 50]", "--set", "time.steps=50"});
  CHECK(listed.status == 0);
  CHECK_FALSE(listed.says("time.at"));
}
