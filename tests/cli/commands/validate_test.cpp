// `edgewise validate`: its statuses and what it prints of one and of several experiments.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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

TEST_CASE("validate says the numbers of its verdict, and its warnings behind them") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const std::vector<std::string> added = {"--set", "time.at=[1, 20]", "--set", "time.steps=40"};
  std::vector<std::string> arguments = {"validate", file};
  arguments.insert(arguments.end(), added.begin(), added.end());
  const auto said = run(arguments);
  arguments.insert(arguments.end(), {"--format", "json", "--quiet"});
  const auto v = json::parse(run(arguments).out);
  const auto number = [&](const char* name) { return v.at(name).get<double>(); };
  CHECK(said.err.starts_with(fmt::format(
      "Two eigenvalues: {}: {}\n  max |z| {:.3g} (critical {:.3g}), p {:.2g}, detectable {:.3g}%, largest gap {:.3g}%, "
      "400 replicas, ",
      v.at("outcome").get<std::string>(), v.at("reason").get<std::string>(), number("max_z"), number("critical_z"),
      number("p_value"), 100 * number("detectable"), 100 * number("largest_gap"))));
  CHECK(said.err.ends_with(
      "\n  warning: step 40, the last by time.steps, is recorded beside those that time.at lists\n"));
  CHECK(v.at("warnings") ==
        json::array({"step 40, the last by time.steps, is recorded beside those that time.at lists"}));
  CHECK(v.at("replicas") == 400);
  CHECK(v.at("comparisons") == 3 * 3);  // risk, excess and parameter error at three steps
  CHECK(v.at("interrupted") == false);
  // Where nothing is judged nothing would be detected.
  CHECK(run({"validate", file, "--set", "monte_carlo.replicas=3"}).says(", detectable nothing, largest gap "));
}

TEST_CASE("several experiments: where their results go") {
  const Folder folder;
  const std::string a = folder.file("a.toml", small_experiment), b = folder.file("b.toml", small_experiment);
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& words) {
    check_refused(arguments, {words});
  };
  const std::string taken = folder.file("taken", "");
  refused({"validate", a, b, "-o", taken},
          taken + ": --output: with several experiments it must be a folder, and this is a file");
  refused({"validate", a, b, "-o", "/dev/null/x"}, "/dev/null/x");
  refused({"validate", a, b, "--format", "nc"}, "--format: nc needs a folder, give -o FOLDER");
  CHECK(run({"validate", a, b, "-o", folder / "nc", "-o", folder / "two", "--format", "nc", "--quiet"}).status == 0);
  for (const char* to : {"nc/a.nc", "nc/b.nc", "two/a.nc", "two/b.nc"})
    CHECK(contents(folder / to).starts_with("\x89HDF"));
  // Results of both, one behind the other, without a folder.
  const auto printed = run({"validate", a, b, "--quiet"}).out;
  const std::size_t first = printed.find("# file: " + a + "\n"), second = printed.find("# file: " + b + "\n");
  CHECK(first < second);
  CHECK(second != std::string::npos);
  // The worst of both outcomes is the status.
  const std::string few = folder.file("few.toml", std::string(small_experiment) + "[verdict]\nresolution = 1e-4\n");
  CHECK(run({"validate", few, a, "--quiet"}).status == 3);
  CHECK(run({"validate", a, few, "--quiet"}).status == 3);
}
