// What commands write to, and what they must not.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/refused.hpp"
#include "tests/cli/results/sample_results.hpp"

using namespace edgewise;
using cli::testing::check_refused;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;
using nlohmann::json;

TEST_CASE("output that cannot be written is refused before anything is computed") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  // A run of hours, were it started.
  const std::vector<std::string> long_run = {"--set", "time.steps=1000000000", "--set", "monte_carlo.replicas=1000000"};
  const auto refused = [&](std::vector<std::string> arguments, const std::vector<std::string>& words) {
    arguments.insert(arguments.end(), long_run.begin(), long_run.end());
    check_refused(arguments, words);
  };
  refused({"simulate", file, "-o", "/no/such/folder/a.csv"}, {"/no/such/folder/a.csv: cannot be written"});
  refused({"simulate", file, "-o", folder / "a.dat"}, {"unknown ending '.dat'", ".csv, .nc"});
  refused({"simulate", file, "--format", "nc"}, {"needs a file"});
  refused({"validate", file, file, "-o", folder / "out"}, {"same name"});
  check_refused({"solve", file, "-o", "/dev/full", "--format", "csv"}, {"/dev/full"});
  // A format that no output would have is not dropped in silence.
  check_refused({"solve", file, "-o", folder / "a.csv", "--format", "nc"},
                {"--format: nc is the ending of no --output, " + folder / "a.csv"});
  CHECK(run({"solve", file, "-o", folder / "a.csv", "-o", folder / "a.dat", "--format", "csv", "--quiet"}).status == 0);
  CHECK(cli::read_result(folder / "a.dat").kind == cli::ResultKind::solution);
}

TEST_CASE("what is read is not written over, under whatever name") {
  const Folder folder;
  const std::string spectrum = folder.file("spectrum.csv", "1,20,1\n0.1,30,1\n");
  const std::string schedule = folder.file("schedule.csv", "1\n0.5\n");
  const std::string file = folder.file("small.toml", R"(model = "least-squares"
[spectrum]
kind = "file"
path = "spectrum.csv"
[optimizer]
learning_rate = 0.01
[schedule]
kind = "table"
path = "schedule.csv"
[time]
steps = 300
)");
  const std::string itself = contents(file);
  std::filesystem::create_symlink("spectrum.csv", folder / "link.csv");
  std::filesystem::create_hard_link(schedule, folder / "hard.csv");
  for (const std::string name : {"spectrum.csv", "schedule.csv", "link.csv", "hard.csv", "small.toml"})
    for (const char* command : {"solve", "simulate", "validate", "stability", "modes"}) {
      CAPTURE(name);
      CAPTURE(command);
      check_refused({command, file, "-o", folder / "good.csv", "-o", folder / name, "--format", "csv"},
                    {name + ": is read by this experiment; give --output another name"});
    }
  CHECK_FALSE(std::filesystem::exists(folder / "good.csv"));
  check_refused({"solve", file, "--set", "spectrum.path=" + (folder / "other.csv"), "-o", folder / "other.csv"},
                {"other.csv: is read by this experiment"});
  const std::string two = folder.file("schedule.toml", small_experiment);
  const auto several = run({"validate", file, two, "-o", folder / ""});
  CHECK(several.status == 2);
  CHECK(several.err == fmt::format("edgewise: {}: is read by {}; give --output another name\n", schedule, file));
  CHECK(contents(schedule) == "1\n0.5\n");
  check_refused({"measure", "fashion-mnist", "--folder", folder / "", "-o", folder / "train-images-idx3-ubyte.gz",
                 "--format", "csv"},
                {"train-images-idx3-ubyte.gz: is read by this command"});
  const std::string grid = folder.file("grid.toml", R"([sweep]
base = "small.toml"
[[axis]]
key = "spectrum.path"
values = ["spectrum.csv", "third.csv"]
[[measure]]
name = "risk"
observable = "risk"
)");
  const std::string third = folder.file("third.csv", "1,20,1\n");
  for (const std::string name : {"spectrum.csv", "third.csv", "schedule.csv", "small.toml", "grid.toml"})
    check_refused({"sweep", grid, "--store", folder / "s.db", "-o", folder / name, "--format", "csv"},
                  {name + ": is read by this sweep; give --output another name"});
  CHECK_FALSE(std::filesystem::exists(folder / "s.db"));
  CHECK(run({"solve", file, "-o", folder / "r.csv", "--quiet"}).status == 0);
  std::filesystem::create_symlink("r.csv", folder / "r.svg");
  const std::string result = contents(folder / "r.csv");
  for (const std::string name : {"r.csv", "r.svg"})
    check_refused({"plot", folder / "r.csv", "-o", folder / name, "--format", "svg"},
                  {name + ": is read by this command; give --output another name"});
  check_refused({"plot", folder / "r.csv"}, {"r.svg: is read by this command"});
  CHECK(contents(folder / "r.csv") == result);
  CHECK(contents(file) == itself);
  CHECK(contents(spectrum) == "1,20,1\n0.1,30,1\n");
}

TEST_CASE("every --output gets its file, and one that fails does not keep the others from theirs") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  CHECK(run({"solve", file, "-o", folder / "a.csv", "-o", folder / "b.nc", "--quiet"}).status == 0);
  CHECK(cli::testing::same(cli::read_result(folder / "a.csv"), cli::read_result(folder / "b.nc")));
  CHECK(run({"describe", "time", "-o", folder / "t.csv", "-o", folder / "t.json", "-o", folder / "t.txt"}).status == 0);
  CHECK(contents(folder / "t.csv").starts_with("section,"));
  CHECK(json::parse(contents(folder / "t.json")).at("name") == "time");
  CHECK(contents(folder / "t.txt").starts_with("time ("));
  const auto half = run({"solve", file, "-o", "/dev/full", "-o", folder / "c.csv", "--format", "csv", "--quiet"});
  CHECK(half.status == 2);
  CHECK(half.err == "edgewise: /dev/full: cannot be written: the disk is full\n");
  CHECK(cli::read_result(folder / "c.csv").kind == cli::ResultKind::solution);
}
