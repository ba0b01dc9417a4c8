// What the program says to bad experiments and absurd words: one line, with what is accepted.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/cli/program_run.hpp"
#include "tests/cli/refused.hpp"

using namespace edgewise;
using cli::testing::check_refused;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;

TEST_CASE("bad experiments are refused with file, key and accepted values") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto refused = [&](const std::string& assignment, const std::vector<std::string>& words) {
    CAPTURE(assignment);
    check_refused({"solve", file, "--set", assignment}, words);
  };
  refused("optimizer.learning_rat=0.1", {"small.toml", "optimizer.learning_rat", "did you mean 'learning_rate'"});
  refused("optimizer.learning_rate=fast", {"optimizer.learning_rate", "a number"});
  refused("optimizer.learning_rate=-1", {"optimizer.learning_rate", "-1"});
  refused("noise.variance=-1", {"noise.variance", "-1"});
  refused("noise.law=gausian", {"noise.law", "did you mean 'gaussian'"});
  refused("model=least-square", {"model", "did you mean 'least-squares'"});
  refused("spectrun.kind=list", {"spectrun", "did you mean 'spectrum'"});
  refused("time.steps=many", {"time.steps"});
  refused("time.steps=1e17", {"time.steps: must be >= 0 and <= 9007199254740992, got 1e+17"});
  refused("no-assignment", {"--set no-assignment", "section.key=value"});
  check_refused({"solve", folder / "smal.toml"}, {"smal.toml: no such file", "did you mean 'small.toml'"});
  std::filesystem::create_symlink(folder / "gone/x.toml", folder / "link.toml");
  check_refused({"solve", folder / "link.toml"},
                {"link.toml: cannot be read: it is a symbolic link to a file that is not"});
  check_refused({"solve", folder / ""}, {"is a folder"});
  for (const char* command : {"solve", "sweep", "check", "plot", "collapse", "compare"})
    check_refused({command, ""}, {"the path of a file is empty"});
  check_refused({"solve", file, "-o", ""}, {"--output: the path of a file is empty"});
  check_refused({"solve", folder.file("broken.toml", "title = \n")}, {"broken.toml: line 1"});

  const std::string isotropic = folder.file("iso.toml", R"(model = "least-squares"
[spectrum]
kind = "isotropic"
dimension = 0
[optimizer]
learning_rate = 0.1
[time]
steps = 10
)");
  check_refused({"solve", isotropic}, {"iso.toml: spectrum.dimension", "0"});
  const std::string dataset = folder.file("data.toml", R"(model = "least-squares"
[spectrum]
kind = "dataset"
folder = "/no/such/place"
[optimizer]
learning_rate = 0.001
[time]
steps = 10
)");
  check_refused({"simulate", dataset}, {"/no/such/place"});
  check_refused({"measure", "fashion-mnist", "--folder", "/no/such/place"},
                {"/no/such/place", "dataset-fashion-mnist"});
}

TEST_CASE("a message is one line, whatever stands in names, and is cut") {
  const Folder folder;
  for (const std::string& name :
       {std::string("two\nlines.toml"), std::string("bell\a\x1b[31m.toml"), std::string("\xff.toml")}) {
    const auto r = run({"solve", folder / name});
    CHECK(r.one_line());
    CHECK(r.says("no such file"));
    for (const char c : r.err.substr(0, r.err.size() - 1)) CHECK(static_cast<unsigned char>(c) >= 0x20);
  }
  const std::string long_word(100000, 'x');
  const std::string file = folder.file("small.toml", small_experiment);
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{long_word},
                                             {"list", long_word},
                                             {"describe", long_word},
                                             {"solve", long_word},
                                             {"solve", file, "--seed", long_word},
                                             {"solve", file, "--set", "model=" + long_word},
                                             {"solve", file, "--set", long_word + "=1"},
                                             {"solve", file, "--" + long_word},
                                             {"solve", file, file, long_word},
                                             {"closed-forms", long_word},
                                             {"solve", file, "--format", long_word},
                                             {"measure", long_word},
                                             {"solve", file, "-o", long_word}}) {
    const auto r = run(arguments);
    CAPTURE(arguments.front());
    CHECK(r.status == 2);
    CHECK(r.one_line());
    CHECK(r.err.size() < 1600);
  }
  const std::string loop = folder / "loop.toml";
  std::filesystem::create_symlink("loop.toml", loop);
  check_refused({"solve", loop}, {"loop.toml: cannot be read: Too many levels of symbolic links"});
}

TEST_CASE("absurd values are cut and made harmless, and what is accepted is told behind them") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const std::string grid = folder.file("grid.toml", R"([sweep]
base = "small.toml"
[[axis]]
key = "optimizer.learning_rate"
name = "eta"
values = [0.01, 0.02]
[[variant]]
name = "a"
[[variant]]
name = "b"
[[measure]]
name = "risk"
observable = "risk"
variant = "a"
)");
  REQUIRE(run({"sweep", grid, "--store", folder / "s.db", "--quiet"}).status == 0);
  // Long, of several lines, with what moves a cursor and what is no UTF-8.
  const std::string absurd = "a\nb\x1b\xff" + std::string(100000, 'q') + "end";
  const auto assigned = [&](const std::string& key) { return key + "=" + absurd; };
  struct Case {
    std::vector<std::string> arguments;
    std::vector<std::string> words;
  };
  for (const auto& [arguments, words] : std::vector<Case>{
           {{"solve", file, "--set", assigned("model")}, {"small.toml: model: 'a\\x0ab\\x1b\\xffqq", "least-squares"}},
           {{"solve", file, "--set", assigned("noise.law")}, {"small.toml: noise.law: ", "gaussian"}},
           {{"solve", file, "--set", assigned("optimizer.kind")}, {"small.toml: optimizer.kind: ", "sgd"}},
           {{"solve", file, "--set", assigned("time.steps")}, {"time.steps: must be a whole number"}},
           {{"solve", file, "--set", "schedule.kind=table", "--set", assigned("schedule.path")},
            {"small.toml: schedule.path: ", "cannot be read"}},
           {{"solve", file, "--set", "title=ab\ncd", "--set", assigned("optimizer.learning_rate")},
            {"optimizer.learning_rate: must be a number"}},
           {{"simulate", file, "--set", assigned("monte_carlo.sampler")}, {"monte_carlo.sampler", "naive"}},
           {{"validate", file, "--set", "verdict.predictions=[\"" + std::string(100000, 'q') + "\"]"},
            {"small.toml: verdict.predictions: "}},
           {{"solve", file, "--seed", absurd}, {"--seed: must be a whole number >= 0"}},
           {{"solve", file, "--threads", absurd}, {"--threads: must be a whole number >= 0"}},
           {{"solve", file, "--format", absurd}, {"--format: must be one of csv, nc, json"}},
           {{"solve", file, "-o", folder / ("x." + std::string(200, 'y'))}, {"unknown ending", "accepted: .csv, .nc"}},
           {{"measure", absurd}, {"measure: there is no data set", "accepted: fashion-mnist"}},
           {{"list", absurd}, {"list: there is no", "models"}},
           {{"closed-forms", absurd}, {"closed-forms: no name fits", "`edgewise list closed-forms`"}},
           {{"measure", "fashion-mnist", "--target", absurd, "--folder", folder / ""},
            {"target", "class-0 .. class-9"}},
           {{"plot", folder / "s.db", "--slice", absurd}, {"--slice ", "must be AXIS=VALUE"}},
           {{"plot", folder / "s.db", "--slice", assigned("eta")}, {"--slice eta=", "must be a number"}},
           {{"plot", folder / "s.db", "--slice", absurd + "=1"}, {"there is no axis", "known: eta"}},
           {{"plot", folder / "s.db", "--observable", absurd},
            {"--observable: the sweep has no measure", "it has risk"}},
           {{"sweep", grid, "--set", assigned("measure.risk.observable")}, {"observable"}},
           {{"sweep", grid, "--set", assigned("measure.risk.variant")}, {"there is no variant", "a, b"}},
           {{"sweep", grid, "--set", assigned("axis.eta.key")}, {"axis", "must have the form section.key"}},
           {{"sweep", grid, "--set", assigned("axis.eta.name")}, {"axis", "cannot stand in a formula"}},
           {{"sweep", grid, "--set", "axis." + absurd + ".count=3"}, {"there is no axis", "eta"}},
           {{"sweep", grid, "--set", assigned("sweep.base")}, {"no such file"}}}) {
    const auto r = run(arguments);
    CAPTURE(r.err);
    CHECK(r.status == 2);
    CHECK(r.one_line());
    CHECK(r.err.size() < 1000);
    for (const char c : r.err.substr(0, r.err.size() - 1)) CHECK((c & '\x7f') >= 0x20);
    for (const std::string& word : words) {
      CAPTURE(word);
      CHECK(r.says(word));
    }
  }
}

TEST_CASE(
    "a batch or workers that cannot be drawn, coordinates that are not kept: refused with the key, before any work") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  check_refused({"simulate", file, "--set", "optimizer.batch=1e308", "--set", "noise.law=laplace", "--set",
                 "noise.variance=0.01", "--set", "monte_carlo.replicas=2"},
                {"small.toml: optimizer.batch: 1e+308 examples a step are more than can be drawn one by one"});
  const std::string wide = folder.file("wide.toml", R"(model = "least-squares"
spectrum = { kind = "power-law", dimension = 1000000, alpha = 1.0, beta = 0.3 }
optimizer.learning_rate = 0.01
time.steps = 10
)");
  for (const char* command : {"simulate", "validate"}) {
    CAPTURE(command);
    check_refused({command, file, "--set", "optimizer.batch=1e20", "--set", "data.law=rademacher"},
                  {"small.toml: optimizer.batch: 1e+20 examples a step are more than can be drawn one by one"});
    check_refused(
        {command, file, "--set", "optimizer.kind=la-diloco", "--set", "optimizer.workers=1e20"},
        {"small.toml: optimizer.workers: 1e+20 workers in each of 400 replicas are more than have random numbers"});
    const std::string nodes = "wide.toml: spectrum.nodes: the nodes of a compressed spectrum cannot be simulated";
    // The theory has reasons of its own, but comes later.
    check_refused({command, wide, "--set", "theory.method=sde"}, {nodes});
    for (const char* model : {"sign-sgd", "residual-sgd"})
      check_refused({command, wide, "--set", std::string("model=") + model}, {nodes});
  }
}
