#include "validation/sweeps/sweep_overrides.hpp"

#include <doctest/doctest.h>

using namespace edgewise;
using namespace edgewise::validation;
using settings::Value;

namespace {

const char* const sweep = R"(
title = "a sweep"
[sweep]
mode = "solve"
[[axis]]
name = "rate"
key = "optimizer.learning_rate"
from = 0.1
to = 1.0
count = 3
scale = "log"
[[axis]]
key = "spectrum.alpha"
values = [1, 2]
[[label]]
name = "stable"
when = "1"
[experiment]
model = "least-squares"
)";

SweepParts parts_after(const std::vector<std::string>& overrides) {
  SweepParts parts = split_sweep(settings::read_text(sweep, "s.toml"));
  override_sweep(parts, overrides);
  return parts;
}

std::string complaint(const std::vector<std::string>& overrides) {
  try {
    parts_after(overrides);
    settings::Table experiment = settings::read_text("model = 'x'", "s.toml");
    override_experiment(experiment, overrides);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("an assignment is a path and a value") {
  const Assignment a = read_assignment("a.b.c = [1, 2]", "--set");
  CHECK(a.parts == std::vector<std::string>{"a", "b", "c"});
  CHECK(a.path() == "a.b.c");
  CHECK(a.value == Value(std::vector<double>{1, 2}));
  try {
    read_assignment("nothing", "here");
    FAIL("accepted");
  } catch (const settings::Error& error) {
    CHECK(std::string(error.what()).starts_with("here: "));
    CHECK(std::string(error.what()).find("--set") == std::string::npos);
  }
}

TEST_CASE("a sweep's own parts by their names, keys, or a key's last part") {
  for (const char* name : {"axis.rate.count=5", "axis.optimizer.learning_rate.count=5", "axis.learning_rate.count=5"}) {
    CAPTURE(name);
    const SweepParts parts = parts_after({name});
    CHECK(*parts.arrays.at("axis")[0].find("count") == Value(std::int64_t{5}));
    CHECK(parts.arrays.at("axis")[1].find("count") == nullptr);
  }
  const SweepParts parts =
      parts_after({"title=other", "sweep.mode=validate", "label.stable.when=x > 2", "time.steps=7"});
  CHECK(*parts.root.find("title") == Value(std::string("other")));
  CHECK(*parts.section.find("mode") == Value(std::string("validate")));
  CHECK(*parts.arrays.at("label")[0].find("when") == Value(std::string("x > 2")));
  CHECK_FALSE(parts.root.table("time"));
}

TEST_CASE("of the two ways to give an axis its values the newer one stands") {
  const auto rate = [](const std::string& change) { return parts_after({change}).arrays.at("axis")[0]; };
  const settings::Table listed = rate("axis.rate.values=[3, 4]");
  for (const char* key : {"from", "to", "count", "scale"}) CHECK(listed.find(key) == nullptr);
  CHECK(listed.find("name") != nullptr);
  const settings::Table ranged = parts_after({"axis.alpha.from=1"}).arrays.at("axis")[1];
  CHECK(ranged.find("values") == nullptr);
  CHECK(ranged.find("key") != nullptr);
  CHECK(*parts_after({"axis.alpha.name=beta"}).arrays.at("axis")[1].find("values") == Value(std::vector<double>{1, 2}));
}

TEST_CASE("all that is not the sweep's goes to the experiment, with or without its name") {
  settings::Table experiment = settings::read_text("model = 'least-squares'\n[time]\nsteps = 3", "s.toml");
  override_experiment(experiment, {"time.steps=9", "experiment.noise.law=gaussian", "model=residual-sgd",
                                   "axis.rate.count=2", "title=x", "sweep.mode=solve"});
  CHECK(*experiment.table("time")->find("steps") == Value(std::int64_t{9}));
  CHECK(*experiment.table("noise")->find("law") == Value(std::string("gaussian")));
  CHECK(*experiment.find("model") == Value(std::string("residual-sgd")));
  CHECK(experiment.keys().size() == 3);
}

TEST_CASE("what has no place is refused") {
  CHECK(complaint({"experiment=3"}) == "--set experiment=3: must have the form section.key=value");
  CHECK(complaint({"axis.rate=3"}).find("must have the form axis.NAME.key=value") != std::string::npos);
  CHECK(complaint({"axis.rat.count=3"})
            .find("there is no axis 'rat', did you mean 'rate'?; there are: rate, spectrum.alpha") !=
        std::string::npos);
  CHECK(complaint({"boundary.x.formula=3"}).ends_with("there is no boundary 'x'"));
  CHECK(complaint({"sweep.a.b=3"}).find("must have the form sweep.key=value") != std::string::npos);
  CHECK(complaint({"steps=3"}).find("must have the form section.key=value") != std::string::npos);
  CHECK_THROWS_WITH_AS(split_sweep(settings::read_text("[axes]\nx = 1", "s.toml")), doctest::Contains("unknown key"),
                       settings::Error);
  CHECK_THROWS_WITH_AS(split_sweep(settings::read_text("[axis]\nx = 1", "s.toml")),
                       doctest::Contains("must be written [[axis]], with two brackets"), settings::Error);
  CHECK_THROWS_WITH_AS(split_sweep(settings::read_text("axis = 1", "s.toml")),
                       doctest::Contains("must be written [[axis]], with two brackets"), settings::Error);
}

TEST_CASE("a table without some keys keeps values, sections and lists of sections") {
  const settings::Table table = settings::read_text("a = 1\nb = 2\n[c]\nd = 3\n[[e]]\nf = 4\n[[e]]\nf = 5", "s.toml");
  const settings::Table left = without(table, {"a"});
  CHECK(left.find("a") == nullptr);
  CHECK(*left.find("b") == Value(std::int64_t{2}));
  CHECK(*left.table("c")->find("d") == Value(std::int64_t{3}));
  REQUIRE(left.tables("e").size() == 2);
  CHECK(*left.tables("e")[1].find("f") == Value(std::int64_t{5}));
  CHECK_FALSE(without(table, {"c"}).table("c"));
}
