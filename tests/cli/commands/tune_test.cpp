#include <doctest/doctest.h>

#include "tests/cli/program_run.hpp"

using namespace edgewise::cli::testing;

namespace {
const char* experiment = R"(title = "Lookahead"
model = "least-squares"
[spectrum]
kind = "isotropic"
dimension = 10
[noise]
law = "gaussian"
variance = 0.1
[optimizer]
kind = "lookahead"
learning_rate = 0.05
inner_steps = 4
[time]
at = [40]
[tune]
evaluations = 40
learning_rate = [0.01, 0.5]
)";
}

TEST_CASE("tune prints the best values it found, the same for the same seed") {
  const Folder folder;
  const std::string file = folder.file("e.toml", experiment);
  const Run first = run({"tune", file, "--format", "csv", "--seed", "3"});
  CHECK(first.status == 0);
  CHECK(first.out.find("learning_rate,0.") != std::string::npos);
  CHECK(first.out.find("evaluations,40,") != std::string::npos);
  CHECK(run({"tune", file, "--format", "csv", "--seed", "3"}).out == first.out);
}

TEST_CASE("tune without ranges, or with an unknown one, is one clear line") {
  const Folder folder;
  const std::string file = folder.file("e.toml", experiment);
  const Run unknown = run({"tune", file, "--set", "tune.momentum=[0, 0.9]"});
  CHECK(unknown.status == 2);
  CHECK(unknown.one_line());
  CHECK(unknown.says("tune.momentum: unknown key"));
  std::string without = experiment;
  without.resize(without.find("[tune]"));
  const Run none = run({"tune", folder.file("none.toml", without)});
  CHECK(none.status == 2);
  CHECK(none.one_line());
  CHECK(none.says("range for at least one hyperparameter"));
}
