#include <doctest/doctest.h>

#include <algorithm>

#include "tests/cli/program_run.hpp"

using namespace edgewise::cli::testing;

namespace {
const char* experiment = R"(title = "Lookahead"
model = "least-squares"
[spectrum]
kind = "two-point"
small = 0.2
multiplicities = [3, 7]
[noise]
law = "gaussian"
variance = 0.1
[optimizer]
kind = "lookahead"
learning_rate = 0.05
inner_steps = 4
[time]
at = [40]
)";
}

TEST_CASE("modes prints one row per eigenvalue") {
  const Folder folder;
  const Run run_ = run({"modes", folder.file("e.toml", experiment)});
  CHECK(run_.status == 0);
  CHECK(run_.out.starts_with("eigenvalue,multiplicity,gain,contraction"));
  CHECK(std::count(run_.out.begin(), run_.out.end(), '\n') == 3);
}

TEST_CASE("modes of an unstable method is one clear line") {
  const Folder folder;
  const Run run_ = run({"modes", folder.file("e.toml", experiment), "--set", "optimizer.learning_rate=3"});
  CHECK(run_.status == 2);
  CHECK(run_.one_line());
  CHECK(run_.says("unstable method is undefined"));
}
