// `edgewise validate`: its statuses and what it prints of one and of several experiments.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands/commands.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/refused.hpp"

using namespace edgewise;
using cli::testing::check_refused;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;
using nlohmann::json;

TEST_CASE("validate: status, JSON, several experiments") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto agreeing = run({"validate", file, "--format", "json"});
  CHECK(agreeing.status == 0);
  const auto verdict = json::parse(agreeing.out);
  CHECK(verdict.at("outcome") == "agree");
  for (const char* key : {"max_z", "critical_z", "p_value", "detectable", "replicas", "heavy_tailed"})
    CHECK(verdict.contains(key));

  const auto weak = run({"validate", file, "--set", "monte_carlo.replicas=8", "--set", "verdict.resolution=0.001"});
  CHECK(weak.status == 3);
  CHECK(weak.says("inconclusive"));

  const std::string other = folder.file("other.toml", small_experiment);
  const auto both = run({"validate", file, other, "-o", folder / "out", "--format", "json"});
  CHECK(both.status == 0);
  CHECK(json::parse(both.out).size() == 2);
  CHECK(!contents(folder / "out/small.csv").empty());
  CHECK(!contents(folder / "out/other.csv").empty());
  // One that fails does not keep the other from its verdict.
  const auto half = run({"validate", folder / "none.toml", file, "--quiet"});
  CHECK(half.status == 2);
  CHECK(half.one_line());
  CHECK(half.out.find("# outcome: agree") != std::string::npos);
}

TEST_CASE("the worst status wins: failure, disagreement, inconclusive, done") {
  using namespace cli;
  CHECK(worse(done, inconclusive) == inconclusive);
  CHECK(worse(inconclusive, disagrees) == disagrees);
  CHECK(worse(disagrees, failed) == failed);
  CHECK(worse(disagrees, inconclusive) == disagrees);
  CHECK(worse(done, done) == done);
}

TEST_CASE("a limit that is not exact at finite dimension can be told from the simulation") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  // Euler's discretisation matters at this learning rate: the homogenized flow is wrong by far more than the noise.
  const auto r = run({"validate", file, "--set", "theory.method=ode", "--set", "theory.level=homog", "--set",
                      "optimizer.learning_rate=0.03", "--set", "monte_carlo.replicas=4000"});
  CAPTURE(r.err);
  CHECK(r.status == 1);
}

TEST_CASE("options of a verdict that would say nothing are refused by name") {
  const Folder folder;
  const std::string path = folder.file("a.toml", small_experiment);
  check_refused({"validate", path, "--set", "verdict.power=1e-9"}, {"a.toml", "verdict.power", ">= 0.5 and <= 0.999"});
  check_refused({"validate", path, "--set", "verdict.false_alarm=5e-324"},
                {"a.toml", "verdict.false_alarm", ">= 1e-09 and <= 0.5"});
}
