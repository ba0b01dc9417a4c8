// `edgewise new`: what it prints, runs as it stands.
#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "cli/commands/file_keys.hpp"
#include "models/framework/declared_model.hpp"
#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using cli::testing::contents;
using cli::testing::run;
using temporary::Folder;

namespace {

/// Of every model its kinds, and the usual one as "".
std::vector<std::pair<std::string, std::string>> all_kinds() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const models::Model* model : models::all()) {
    const models::DeclaredModel* declared = models::declared(*model);
    REQUIRE(declared);
    out.emplace_back(model->description().name, "");
    for (const std::string& kind : declared->kinds()) out.emplace_back(model->description().name, kind);
  }
  return out;
}

std::vector<std::string> arguments(const std::pair<std::string, std::string>& of) {
  std::vector<std::string> out = {"new", of.first};
  if (!of.second.empty()) out.push_back(of.second);
  return out;
}

}  // namespace

/// Of the models some of whose optimizers have no theory of a trajectory: what `solve` then says.
bool has_simulation_alone(const std::string& said) {
  for (const char* why :
       {"have a simulation only", "has no theory here", "what is judged of other runs are predictions"})
    if (said.find(why) != said.npos) return true;
  return false;
}

TEST_CASE("every model and every kind has a file that can be checked and solved as it stands" *
          doctest::test_suite("slow")) {
  const Folder folder;
  std::size_t optimizers = 0;
  for (const models::Model* model : models::all()) optimizers += model->optimizers().size();
  CHECK(all_kinds().size() >= optimizers + models::all().size());
  for (const auto& one : all_kinds()) {
    CAPTURE(one.first);
    CAPTURE(one.second);
    const auto made = run(arguments(one));
    CHECK(made.status == 0);
    CHECK(made.err == "");
    const std::string file = folder.file("new.toml", made.out);
    const auto checked = run({"check", file});
    CHECK(checked.status == 0);
    // Muon's theory warns of every map but the polar factor.
    if (one.first != "matrix-least-squares") CHECK(checked.err == "");
    const auto solved = run({"solve", file, "--quiet"});
    const bool alone =
        (one.first == "network" || one.first == "quadratic-regression") && has_simulation_alone(solved.err);
    CHECK_MESSAGE((solved.status == 0 || alone), solved.err);
    if (alone) CHECK(run({"simulate", file, "--quiet", "--set", "monte_carlo.replicas=2"}).status == 0);
  }
}

TEST_CASE("what every method of least squares begins with is stable") {
  const Folder folder;
  for (const auto& one : all_kinds()) {
    if (one.first != "least-squares") continue;
    CAPTURE(one.second);
    const std::string file = folder.file("new.toml", run(arguments(one)).out);
    CHECK(run({"stability", file, "--quiet", "--format", "csv"}).out.find("\nstable,true,") != std::string::npos);
  }
}

TEST_CASE("the file has every key of what is chosen, once, with its default") {
  for (const auto& one : all_kinds()) {
    CAPTURE(one.first);
    CAPTURE(one.second);
    std::string text = "\n" + run(arguments(one)).out;
    const models::Model& model = *models::find_model(one.first);
    for (const cli::FileSection& section : cli::sections_of(model)) {
      CAPTURE(section.name);
      const std::string brackets = section.repeated ? "[[" + section.name + "]]\n" : "[" + section.name + "]\n";
      const bool shown = text.find("\n" + brackets) != text.npos || text.find("\n#" + brackets) != text.npos;
      CHECK((shown || section.repeated));
      if (!shown) continue;
      const std::size_t begin = text.find(brackets);
      const std::string part = text.substr(begin, text.find("\n\n", begin) - begin) + "\n";
      for (const settings::Parameter& p : section.parameters) {
        CAPTURE(p.name);
        CHECK((part.find("\n" + p.name + " =") != part.npos || part.find("\n#" + p.name + " =") != part.npos));
      }
    }
  }
}

TEST_CASE("keys that are switched off show their defaults: switched on, those of common sections change nothing") {
  const Folder folder;
  const std::string text = run({"new", "least-squares"}).out;
  std::string on;
  std::istringstream lines(text);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("[") || line.starts_with("#["))
      inside = line == "[time]" || line == "[monte_carlo]" || line == "[verdict]";
    const bool has_value = line.size() > 1 && line.front() == '#' && line[1] != ' ' && !line.ends_with("=");
    on += (inside && has_value ? line.substr(1) : line) + "\n";
  }
  CHECK(on.size() < text.size());
  const std::string off_file = folder.file("off.toml", text), on_file = folder.file("on.toml", on);
  CHECK(run({"simulate", off_file, "--quiet", "--format", "json"}).status == 0);
  const auto body = [](const std::string& csv) { return csv.substr(csv.find("\nstep")); };
  CHECK(body(run({"simulate", off_file, "--quiet"}).out) == body(run({"simulate", on_file, "--quiet"}).out));
}

TEST_CASE("a new file, word by word: what must be given is on, all else shows its default behind #") {
  const std::string powers = run({"new", "sum-of-powers"}).out;
  CHECK(powers.starts_with(R"(# sum-of-powers: losses that are sums of powers of steps and size
# A key behind # is switched off and shows its default: take the # away, of its section too, to set it.
title = "sum-of-powers"
model = "sum-of-powers"

[powers]
# rows [a, mu, nu]: a t^-mu p^-nu. a list of rows of numbers, required
terms = [[1.0, 0.5, 0.0], [1.0, 0.0, 0.5]]
# L0, the loss that no size gets below. a number, default 0.0, >= 0, in loss
#floor = 0.0
# p. a number, default 100.0, > 0
#size = 100.0

# how many optimizer steps, and which are recorded
[time]
# the last step, also the horizon T of schedules. a whole number, default the last of `at`, >= 0 and <=
# 9007199254740992, in optimizer steps
steps = 1000
)"));
  CHECK(powers.find("\n\n# sizes whose normalised curves `edgewise collapse` compares\n#[collapse]\n# sizes p to be "
                    "compared. a list of numbers, required, > 0\n#sizes =\n") != std::string::npos);
  // A section that chooses: its word, the keys of that, and the other words. Off where nothing of it must be given.
  const std::string cdat = run({"new", "mini-batch-cdat"}).out;
  CHECK(cdat.find(R"(
# the algorithm and its hyperparameters
#[optimizer]
# which one. text, default "sgd", one of sgd
#kind = "sgd"
# B, whole, or inf: the population. a number, default 200.0, >= 1, or inf, in samples
#batch = 200.0

# a rule that sets the learning rate from what the run has seen
[rate]
# which one. text, required, one of cdat
kind = "cdat"
# 1 greedy, 2 on edge. a number, default 2.0, > 0
#sigma = 2.0
)") != std::string::npos);
  // Sections that do nothing while they are empty are on.
  CHECK(cdat.find("\n\n# replicas of the simulation\n[monte_carlo]\n") != std::string::npos);
  CHECK(cdat.find("\n\n# how theory and simulation are compared\n[verdict]\n") != std::string::npos);
  const std::string custom = run({"new", "least-squares", "custom"}).out;
  CHECK(custom.find("\ntitle = \"least-squares, custom\"\nmodel = \"least-squares\"\n") != std::string::npos);
  CHECK(custom.find(R"(
# Others: sgd, momentum, ema, tail-average, lookahead, la-diloco, sla, diloco. `edgewise new least-squares KIND`
# gives their keys.

[[optimizer.phase]]
# T(lambda) = T0 + lambda T1. a list of rows of numbers, required
T0 = [[1.0, -0.08], [0.0, 0.8]]
)") != std::string::npos);
  CHECK(custom.find("\n#kind = \"constant\"\n# Others, of which `edgewise describe NAME` tells more, and their "
                    "keys:\n#     adagrad-norm: eta0, b0, multiplier\n#     polyak: multiplier\n") !=
        std::string::npos);
  CHECK(custom.find("\n#     contaminated: scale (required), outlier_scale (required), probability (required)\n") !=
        std::string::npos);
  CHECK(custom.find("\n#     none: no keys\n") != std::string::npos);
}

TEST_CASE("new says what is wrong in one line and overwrites nothing") {
  const Folder folder;
  const std::string file = folder / "mine.toml";
  CHECK(run({"new", "sign-sgd", "adam", "-o", file}).status == 0);
  const std::string before = contents(file);
  CHECK(before.find("kind = \"adam\"") != before.npos);
  const auto again = run({"new", "sign-sgd", "-o", file});
  CHECK(again.status == 2);
  CHECK(again.one_line());
  CHECK(again.says("is there already"));
  CHECK(contents(file) == before);
  const auto model = run({"new", "least-square"});
  CHECK(model.status == 2);
  CHECK(model.one_line());
  CHECK(model.says("did you mean 'least-squares'?"));
  const auto kind = run({"new", "least-squares", "momentun"});
  CHECK(kind.status == 2);
  CHECK(kind.one_line());
  CHECK(kind.says("did you mean 'momentum'?"));
  CHECK(run({"new", "sum-of-powers", "sgd"}).says("has no kinds"));
  CHECK(run({"new"}).says("model is required"));
  CHECK(run({"new", "least-squares", "-o", folder / "a.csv"}).status == 2);
}
