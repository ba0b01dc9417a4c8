#include "cli/context.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using namespace edgewise::cli::testing;

namespace {

struct Streams {
  std::ostringstream out, err;
  Context context{out, err};
};

template <class Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("what is said goes to standard error, cut to a line, and is kept back when quiet") {
  Streams s;
  s.context.say("one\ntwo");
  s.context.warn({"first", "second"});
  s.context.print("result");
  CHECK(s.err.str() == "one\\x0atwo\n  warning: first\n  warning: second\n");
  CHECK(s.out.str() == "result");
  s.context.say(std::string(5000, 'x'));
  CHECK(s.err.str().size() < 1600);
  Streams quiet;
  quiet.context.quiet = true;
  quiet.context.say("one");
  quiet.context.warn({"first"});
  quiet.context.print("result");
  CHECK(quiet.err.str().empty());
  CHECK(quiet.out.str() == "result");
  quiet.out.setstate(std::ios::badbit);
  CHECK(refusal([&] {
          quiet.context.print("more");
        }).starts_with("standard output: cannot be written; is the disk full"));
}

TEST_CASE("a form by a file's ending, else by the format; of standard output by the format, else the usual one") {
  const Folder folder;
  const std::vector<std::string> files = {"csv", "nc", "json"}, printed = {"csv", "json"};
  const auto of = [&](std::vector<std::string> outputs, const std::string& format) {
    Streams s;
    s.context.outputs = std::move(outputs);
    s.context.format = format;
    return targets_of(s.context, files, printed, "json");
  };
  const std::string csv = folder / "a.csv", nc = folder / "b.nc", bare = folder / "bare";
  CHECK_FALSE(of({}, "").front().path);
  CHECK(of({}, "").front().form == "json");
  CHECK(of({}, "csv").front().form == "csv");
  const Targets two = of({csv, nc}, "");
  REQUIRE(two.size() == 2);
  CHECK(*two[0].path == csv);
  CHECK(two[0].form == "csv");
  CHECK(*two[1].path == nc);
  CHECK(two[1].form == "nc");
  CHECK(files_of(two) == csv + " and " + nc);
  CHECK(files_of(of({}, "")).empty());
  CHECK(of({bare}, "nc").front().form == "nc");
  CHECK(of({csv, bare}, "nc")[0].form == "csv");
  CHECK(of({csv, nc}, "nc").size() == 2);
  CHECK(refusal([&] { of({}, "nc"); }) == "--format: nc needs a file, give -o FILE.nc");
  CHECK(refusal([&] { of({}, "txt"); }) == "--format: this command has no txt; accepted: csv, json");
  CHECK(refusal([&] { of({bare}, ""); }) == bare + ": --output: unknown ending ''; accepted: .csv, .nc, .json");
  CHECK(refusal([&] { of({folder / "a.dat"}, "txt"); }) ==
        folder / "a.dat" + std::string(": --output: unknown ending '.dat'; accepted: .csv, .nc, .json"));
  CHECK(refusal([&] {
          of({csv, nc}, "json");
        }) == "--format: json is the ending of no --output, " + csv + ", " + nc + "; leave one of them out");
  CHECK(refusal([&] { of({"/no/such/place/a.csv"}, ""); }).starts_with("/no/such/place/a.csv: cannot be written"));
  CHECK(refusal([&] { of({""}, "csv"); }) == "--output: the path of a file is empty");
}

TEST_CASE("every target is written whatever becomes of the others, and all failures are told behind the last") {
  const Folder folder;
  Streams s;
  const std::string first = folder / "a.csv", second = folder / "b.csv";
  const Targets targets = {{first, "csv"}, {std::nullopt, "txt"}, {"/dev/full", "csv"}, {second, "json"}};
  const std::string said = refusal([&] {
    write_all(s.context, targets, [](const Target& target) {
      if (target.form == "txt") throw std::runtime_error("no words");
      if (target.form == "json") throw std::runtime_error("no numbers");
      return "in " + target.form;
    });
  });
  CHECK(said == "no words; /dev/full: cannot be written: the disk is full; no numbers (for " + second + ")");
  CHECK(contents(first) == "in csv");
  CHECK(contents(second).empty());
  write_all(s.context, {{std::nullopt, "txt"}}, [](const Target&) { return "all"; });
  CHECK(s.out.str() == "all");
}

TEST_CASE("a file that is not there is told with the nearest one of its ending") {
  const Folder folder;
  folder.file("sweep.toml", "");
  folder.file("swee.csv", "");
  CHECK(refusal([&] { require_file(folder / "swep.toml"); }) ==
        folder / "swep.toml" + std::string(": no such file, did you mean 'sweep.toml'?"));
  CHECK(refusal([&] { require_file(folder / "other.toml"); }) == folder / "other.toml" + std::string(": no such file"));
  CHECK(refusal([&] { require_file(folder / ""); }) == folder / "" + std::string(": is a folder, not a file"));
  CHECK(refusal([&] { require_file(folder / "sweep.toml"); }).empty());
  CHECK(refusal([] { require_file(""); }) == "the path of a file is empty");
}

TEST_CASE("an experiment is read with what the command line says, which its provenance keeps") {
  const Folder folder;
  const std::string path = folder.file("small.toml", small_experiment);
  Streams s;
  s.context.overrides = {"optimizer.learning_rate=0.02", "theory.rtol=1e-3", "theory.atol=1", "theory.method=ode",
                         "title=''"};
  s.context.seed = 7;
  const Loaded loaded = load(s.context, path, {});
  CHECK(loaded.provenance.file == path);
  CHECK(loaded.provenance.overrides ==
        std::vector<std::string>{"--set optimizer.learning_rate=0.02", "--set theory.rtol=1e-3", "--set theory.atol=1",
                                 "--set theory.method=ode", "--set title=''", "--seed 7"});
  CHECK(loaded.provenance.experiment.monte_carlo.seed == 7);
  CHECK(loaded.provenance.experiment.title == "small");  // of one without a title
  CHECK(loaded.provenance.experiment.time.steps == 300);
  REQUIRE(loaded.provenance.tolerances.size() == 2);
  for (const auto& [name, value] : loaded.provenance.tolerances) {
    const bool right = name == "rtol" ? value == 1e-3 : name == "atol" && value == 1;
    CHECK(right);
  }
  CHECK(refusal([&] {
          load(s.context, path, {{path, "csv"}});
        }) == path + ": is read by this experiment; give --output another name");
}

TEST_CASE("commands that need no steps, or no rate, put one in the place of what is not given") {
  const Folder folder;
  std::string text = small_experiment;
  const auto without = [&](const std::string& line) { text.erase(text.find(line), line.size()); };
  without("steps = 300\n");
  const std::string no_steps = folder.file("a.toml", text);
  Streams s;
  CHECK(refusal([&] { load(s.context, no_steps, {}); }).find("time.steps") != std::string::npos);
  CHECK(load(s.context, no_steps, {}, 5).provenance.experiment.time.steps == 5);
  const std::string with_steps = folder.file("b.toml", small_experiment);
  CHECK(load(s.context, with_steps, {}, 5).provenance.experiment.time.steps == 300);
  without("learning_rate = 0.01\n");
  const std::string neither = folder.file("c.toml", text);
  CHECK(refusal([&] { load(s.context, neither, {}, 5); }).find("optimizer.learning_rate") != std::string::npos);
  const auto rate = [&](const std::string& path) {
    const auto* value =
        load(s.context, path, {}, 5, true).provenance.experiment.table.table("optimizer")->find("learning_rate");
    return value ? std::get<double>(*value) : 0.0;
  };
  CHECK(rate(neither) == 1e-9);
  CHECK(rate(with_steps) == 0.01);
  CHECK(rate(folder.file("d.toml", text + "[rate]\nkind = 'polyak'\n")) == 0);
}

TEST_CASE("a result as JSON: its provenance, then every column that it has; a file's kind is told by its beginning") {
  const Folder folder;
  Streams s;
  Result r;
  r.kind = ResultKind::solution;
  r.provenance = {attribute("kind", "solution"), attribute("rtol", 0.5), attribute("seed", std::string_view("3"))};
  r.steps = {0, 10};
  r.observables = {{"risk", "", ""}, {"width", "", ""}};
  r.fields = fields_of(r.kind);
  r.fields[0].values = {{1, INFINITY}, {3, 4}};
  r.fields[1].values = {{0.25, 0.5}, {}};
  write_result(s.context, {{folder / "r.json", "json"}, {folder / "r.csv", "csv"}, {folder / "r.nc", "nc"}}, r);
  CHECK(contents(folder / "r.json") == R"({
  "kind": "solution",
  "rtol": 0.5,
  "seed": "3",
  "columns": {
    "step": [
      0.0,
      10.0
    ],
    "risk": [
      1.0,
      "inf"
    ],
    "risk_std": [
      0.25,
      0.5
    ],
    "width": [
      3.0,
      4.0
    ]
  }
}
)");
  for (const char* file : {"r.csv", "r.nc"}) {
    const Result back = read_result(folder / file);
    CHECK(back.steps == r.steps);
    CHECK(back.fields[1].values[0] == r.fields[1].values[0]);
  }
  CHECK(refusal([&] { read_result(folder.file("short", "CD")); }).find("is no result of edgewise") !=
        std::string::npos);
  CHECK(refusal([&] { read_result(folder.file("classic", "CDF\x01")); }).find("is no result") == std::string::npos);
  std::filesystem::create_symlink("gone.toml", folder / "link.toml");
  CHECK(refusal([&] { require_file(folder / "link.toml"); }) ==
        folder / "link.toml" + std::string(": cannot be read: it is a symbolic link to a file that is not there"));
  CHECK(refusal([&] { require_file(folder / "r.csv/x"); }) == folder / "r.csv/x" + std::string(": no such file"));
}

TEST_CASE("the last step is told where it is recorded beside those that are listed") {
  const Folder folder;
  const auto warnings = [&](const std::string& time) {
    Streams s;
    std::string text = small_experiment;
    const std::string given = "steps = 300\npoints = 12\n";
    text.replace(text.find(given), given.size(), time);
    return load(s.context, folder.file("e.toml", text), {}).provenance.warnings;
  };
  CHECK(warnings("at = [10, 30]\nsteps = 40\n") ==
        std::vector<std::string>{"step 40, the last by time.steps, is recorded beside those that time.at lists"});
  CHECK(warnings("at = [10, 40]\nsteps = 40\n").empty());
  CHECK(warnings("at = [10, 40]\n").empty());
  CHECK(warnings("steps = 40\n").empty());
}
