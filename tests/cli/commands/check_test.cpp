#include <doctest/doctest.h>

#include <string>

#include "tests/cli/program_run.hpp"

using namespace edgewise::cli::testing;

TEST_CASE("check reads what the commands would read, and computes nothing") {
  const Folder folder;
  const std::string good = folder.file("good.toml", small_experiment);
  // Hours of work, were it done.
  const std::string grid = folder.file("grid.toml", R"([sweep]
base = "good.toml"
[[axis]]
key = "optimizer.learning_rate"
values = [0.01, 0.02]
[[measure]]
name = "risk"
observable = "risk"
)");
  const Run run_all = run({"check", good, grid});
  CHECK(run_all.status == 0);
  CHECK(run_all.err.empty());
  CHECK(run_all.out == good + ": good, experiment of model least-squares\n" + grid + ": good, sweep\n");
}

TEST_CASE("check names what is wrong, in every file") {
  const Folder folder;
  const std::string good = folder.file("good.toml", small_experiment);
  const std::string bad = folder.file("bad.toml", std::string(small_experiment) + "[verdict]\nfalse_alarm = 2\n");
  const std::string sweep = folder.file("sweep.toml", "[sweep]\nbase = \"good.toml\"\n");
  const Run one = run({"check", bad});
  CHECK(one.status == 2);
  CHECK(one.one_line());
  CHECK(one.says("bad.toml: verdict.false_alarm"));
  const Run all = run({"check", bad, sweep, good});
  CHECK(all.status == 2);
  CHECK(all.says("bad.toml: verdict.false_alarm"));
  CHECK(all.says("sweep.toml"));
  CHECK(all.out == good + ": good, experiment of model least-squares\n");
  CHECK(run({"check", good, "--set", "optimizer.batch=0"}).says("good.toml: optimizer.batch"));
  CHECK(run({"check", good, "--set", "verdict.predictions=[\"plateau\"]"})
            .says("good.toml: verdict.predictions: nothing is predicted about whole runs here, so not 'plateau'"));
  CHECK(run({"check", good, "-o", folder / "x.csv"}).says("check: -o is an option of other commands"));
}

TEST_CASE("a slip in a section that only one command reads is told by every command") {
  const Folder folder;
  const std::string good = folder.file("good.toml", small_experiment);
  for (const char* section : {"verdict", "schedule_search", "collapse", "tune"})
    for (const char* command : {"check", "solve", "stability"}) {
      CAPTURE(section);
      CAPTURE(command);
      const Run slip = run({command, good, "--set", std::string(section) + ".foo=1"});
      CHECK(slip.status == 2);
      CHECK(slip.one_line());
      CHECK(slip.says(std::string("good.toml: ") + section + ".foo: unknown key"));
    }
  const std::string sweep = folder.file("slip.toml", R"([sweep]
base = "good.toml"
[experiment.verdict]
alowed = 0.1
[[axis]]
key = "noise.variance"
values = [0.01, 0.1]
)");
  CHECK(run({"check", sweep}).says("verdict.alowed: unknown key, did you mean 'allowed'?"));
  CHECK(run({"solve", good, "--set", "verdict.scaling.optimizer.learning_rate=-1"}).status == 0);
  CHECK(run({"check", good, "--set", "tune.learning_rate=[0.01, 0.1]"}).status == 0);
  CHECK(run({"check", good, "--set", "collapse.sizes=[-1, 2]"}).says("collapse.sizes: must be > 0"));
  CHECK(run({"check", good, "--set", "collapse.sizes=[1, 2]", "--set", "collapse.horizon=size +"})
            .says("collapse.horizon"));
}

TEST_CASE("check says what has a theory only") {
  const Folder folder;
  const std::string half = folder.file("half.toml", R"(model = "kernel-regression"
[data]
kind = "sphere"
dimension = 5.5
[kernel]
kind = "ntk"
[target]
powers = [0, 1]
[samples]
at = [10]
)");
  const Run checked = run({"check", half});
  CHECK(checked.status == 0);
  CHECK(checked.out == half +
                           ": good, experiment of model kernel-regression; it cannot be simulated: "
                           "data: data.dimension must be whole for a simulation\n");
  CHECK(run({"solve", half}).status == 0);
  CHECK(run({"simulate", half}).status == 2);
}

TEST_CASE("analyze is stability") {
  const Folder folder;
  const std::string good = folder.file("good.toml", small_experiment);
  const Run analyze = run({"analyze", good});
  CHECK(analyze.status == 0);
  CHECK(analyze.out == run({"stability", good}).out);
}
