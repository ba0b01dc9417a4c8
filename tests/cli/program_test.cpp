#include "cli/program.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.hpp"
#include "cli/context.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/results/sample_results.hpp"

using namespace edgewise;
using testing_run = edgewise::cli::testing::Run;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;
using nlohmann::json;

namespace {

/// Every bad input ends with status 2 and one line on standard error, nothing on standard output.
void check_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& words) {
  const auto r = run(arguments);
  CAPTURE(r.err);
  CHECK(r.status == 2);
  CHECK(r.one_line());
  CHECK(r.out.empty());
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(r.says(word));
  }
}

}  // namespace

TEST_CASE("help and version") {
  CHECK(run({"--version"}).out == "edgewise 0.2.0\n");
  const auto help = run({"--help"});
  CHECK(help.status == 0);
  for (const char* command :
       {"list", "describe", "solve", "simulate", "validate", "stability", "closed-forms", "sweep", "plot", "measure"}) {
    CHECK(help.out.find(command) != std::string::npos);
    const auto own = run({command, "--help"});
    CHECK(own.status == 0);
    CHECK(own.out.find("--quiet") != std::string::npos);
  }
}

TEST_CASE("help offers only the common options that a command can use, and others are refused") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  struct Row {
    std::string command, word, formats;  // formats: as help lists them; empty: it writes nothing
    bool experiment;
  };
  for (const Row& row :
       {Row{"list", "models", "csv, json, txt", false}, Row{"describe", "sgd", "csv, json, txt", false},
        Row{"closed-forms", "isotropic", "csv, json, txt", false}, Row{"learnability", "x", "csv, json, txt", false},
        Row{"measure", "fashion-mnist", "csv", false}, Row{"plot", file, "svg, png, pdf", false},
        Row{"check", file, "", true}, Row{"solve", file, "csv, nc, json", true},
        Row{"simulate", file, "csv, nc, json", true}, Row{"validate", file, "csv, nc, json", true},
        Row{"stability", file, "csv, json, txt", true}, Row{"tune", file, "csv, json, txt", true},
        Row{"modes", file, "csv, json", true}, Row{"schedule", file, "csv, json, txt, svg, png, pdf", true},
        Row{"sweep", file, "csv, nc, svg, png, pdf", true},
        Row{"collapse", file, "csv, nc, json, txt, svg, png, pdf", true},
        Row{"compare", file, "csv, json, txt, svg, png, pdf", true}}) {
    const auto& [command, word, formats, experiment] = row;
    CAPTURE(row.command);
    const std::string help = run({command, "--help"}).out;
    const auto offers = [&](const std::string& option) { return help.find("  " + option) != std::string::npos; };
    for (const std::string option : {"--set", "--threads", "--seed"}) {
      CHECK(offers(option) == experiment);
      if (!experiment)
        check_refused({command, word, option, option == "--set" ? "foo.bar=1" : "4"},
                      {command + ": " + option + " is an option of other commands", "--quiet"});
    }
    CHECK(offers("-o,") == !formats.empty());
    CHECK(offers("--format") == !formats.empty());
    if (!formats.empty()) {
      CHECK(help.find("of what is written: " + formats + "\n") != std::string::npos);
      check_refused({command, word, "--format", "xml"}, {"--format: must be one of " + formats + ", got 'xml'"});
    }
  }
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"check", file, "--format", "json"},
                                                    {"check", file, "--format=json"},
                                                    {"check", file, "-o", "x.csv"},
                                                    {"check", file, "-ox.csv"},
                                                    {"measure", "fashion-mnist", "--set", "a.b=1"}})
    check_refused(arguments, {" is an option of other commands, nothing here would use it; options: "});
  // Every form that is offered for standard output works there.
  for (const char* form : {"csv", "json", "txt"}) {
    CHECK(run({"stability", file, "--format", form}).status == 0);
    CHECK(run({"list", "spectra", "--format", form}).status == 0);
    CHECK(run({"closed-forms", "least-squares/isotropic-eta-max", "--format", form}).status == 0);
  }
}

TEST_CASE("errors of the command line are one line with a suggestion") {
  check_refused({}, {"a command is needed", "solve"});
  check_refused({"sovle", "a.toml"}, {"unknown command 'sovle'", "did you mean 'solve'"});
  check_refused({"--verson"}, {"unknown option '--verson'", "did you mean '--version'"});
  check_refused({"solve"}, {"solve: ", "experiment is required"});
  check_refused({"solve", "a.toml", "--ouput", "x.csv"}, {"unknown option '--ouput'", "did you mean '--output'"});
  check_refused({"solve", "a.toml", "b.toml"}, {"one argument too many: 'b.toml'"});
  check_refused({"solve", "a.toml", "--threads", "two"}, {"--threads: must be a whole number", "'two'"});
  check_refused({"solve", "a.toml", "--threads", "-1"}, {"--threads: must be a whole number"});
  check_refused({"solve", "a.toml", "--seed", "-1"}, {"--seed: must be a whole number"});
  check_refused({"solve", "a.toml", "--format", "xml"}, {"--format: must be one of csv, nc, json"});
  check_refused({"solve", "a.toml", "-o"}, {"solve: --output needs a value"});
  check_refused({"plot", "a.csv", "--guide", "inf"}, {"--guide: must be a number, got 'inf'"});
  check_refused({"plot", "nonexist.db", "--slice", "B=4"}, {"nonexist.db: no such file"});
  check_refused({"list", "modles"}, {"did you mean 'models'", "optimizers"});
  check_refused({"describe", "sdg"}, {"there is no 'sdg'", "did you mean 'sgd'"});
  check_refused({"measure", "fashion-mnits"}, {"did you mean 'fashion-mnist'"});
  check_refused({"closed-forms", "no-such-form"}, {"no name fits 'no-such-form'"});
}

TEST_CASE("list and describe know every name") {
  const auto all = json::parse(run({"list", "--format", "json"}).out);
  for (const char* group : {"models", "optimizers", "spectra", "noise", "schedules", "closed-forms"}) {
    CAPTURE(group);
    CHECK(!all.at(group).empty());
    const auto text = run({"list", group});
    CHECK(text.status == 0);
    std::size_t place = 0;
    for (const auto& entry : all.at(group)) {
      const std::string name = entry.at("name");
      CHECK(text.out.find(name) != std::string::npos);
      // Of the thousands of closed forms, which are described alike, every fiftieth.
      if (group == std::string("closed-forms") && place++ % 50 != 0) continue;
      const auto one = run({"describe", name});
      CHECK(one.status == 0);
      CHECK(one.out.find(name) == 0);
    }
  }
  for (const char* section : {"experiment", "spectrum", "noise", "optimizer", "schedule", "time", "theory",
                              "monte_carlo", "verdict", "[time]"})
    CHECK(run({"describe", section}).status == 0);
  const auto time = json::parse(run({"describe", "time", "--format", "json"}).out);
  CHECK(time.at("group") == "sections");
  CHECK(time.at("parameters").size() >= 3);
  CHECK(run({"list", "--format", "csv"}).out.starts_with("group,name,summary\n"));
  CHECK(run({"describe", "time", "--format", "csv"}).out.starts_with("section,name,type,default,range,unit,meaning\n"));
}

TEST_CASE("solve, simulate and validate write both formats") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  for (const std::string command : {"solve", "simulate", "validate"}) {
    CAPTURE(command);
    const std::string csv = folder / (command + ".csv"), nc = folder / (command + ".nc");
    const auto to_csv = run({command, file, "-o", csv, "--quiet"}), to_nc = run({command, file, "-o", nc, "--quiet"});
    CHECK(to_csv.status == 0);
    CHECK(to_csv.err.empty());
    CHECK(to_csv.out.empty());
    CHECK(to_nc.status == 0);
    const cli::Result a = cli::read_result(csv), b = cli::read_result(nc);
    CHECK(cli::testing::same(a, b));
    CHECK(a.get("title") == "Two eigenvalues");
    CHECK(a.get("experiment").find("learning_rate = 0.01") != std::string::npos);
    CHECK(a.get("seed") == "1");
    CHECK(!a.get("wall_time_s").empty());
    const auto printed = run({command, file});
    CHECK(printed.status == 0);
    CHECK(printed.out.find("\nstep,") != std::string::npos);
    CHECK(printed.says("Two eigenvalues"));
  }
}

TEST_CASE("bands, overrides and the seed reach the result") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto r =
      run({"solve", "--set", "theory.bands=true", "--set", "optimizer.learning_rate=0.02", "--seed", "7", file});
  CHECK(r.status == 0);
  CHECK(r.out.find("risk_std") != std::string::npos);
  CHECK(r.out.find("learning_rate = 0.02") != std::string::npos);
  CHECK(r.out.find("# seed: 7\n") != std::string::npos);
  CHECK(r.out.find("--set theory.bands=true") != std::string::npos);
  const auto first = run({"simulate", file, "--seed", "1", "--threads", "1"}),
             again = run({"simulate", file, "--threads", "2"}), other = run({"simulate", file, "--seed", "2"});
  const auto rows = [](const testing_run& x) { return x.out.substr(x.out.find("\nstep,")); };
  CHECK(rows(first) == rows(again));
  CHECK(rows(first) != rows(other));
}

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

TEST_CASE("stability and closed forms") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto findings = json::parse(run({"stability", file, "--format", "json"}).out);
  for (const char* key : {"kernel_norm", "eta_max", "stable"}) CHECK(findings.contains(key));
  CHECK(run({"stability", file}).out.find("kernel_norm") != std::string::npos);
  CHECK(run({"stability", file, "--format", "csv"}).out.starts_with("name,value,meaning\n"));
  // A capped rate is none that the theory of tuners knows.
  const std::string nothing = folder.file("nothing.toml",
                                          "model = 'self-stabilisation'\n[time]\nsteps = 3\n[rate]\nkind = "
                                          "'inverse-sharpness'\ndelay = 2\neta_max = 1.0\n");
  CHECK(run({"stability", nothing}).out == "nothing\n  nothing is known of it at these parameters\n");

  const auto names = json::parse(run({"list", "closed-forms", "--format", "json"}).out).at("closed-forms");
  const std::string first = names.at(0).at("name");
  const auto rows = json::parse(run({"closed-forms", first, "--format", "json"}).out);
  CHECK(rows.at(0).at("name") == first);
  CHECK(rows.at(0).at("pass") == true);
  CHECK(run({"closed-forms", first}).out.find("closed forms come out right") != std::string::npos);
  // Pinned numbers are told apart from formulas.
  CHECK(
      run({"closed-forms", "least-squares/isotropic-eta-max", "--format", "csv"}).out.ends_with(",true,closed form\n"));
  CHECK(run({"closed-forms", "finite-data/fin-sharpness", "--format", "csv"}).out.ends_with(",true,reference value\n"));
  CHECK(run({"closed-forms", "finite-data/fin-sharpness"}).out.find("(1 of them reference values") !=
        std::string::npos);
}

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
  refused("no-assignment", {"--set no-assignment", "section.key=value"});
  check_refused({"solve", folder / "smal.toml"}, {"smal.toml: no such file", "did you mean 'small.toml'"});
  check_refused({"solve", folder / ""}, {"is a folder"});
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

TEST_CASE("divergence is a result") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto r =
      run({"solve", file, "--set", "optimizer.learning_rate=3", "--set", "time.steps=100000", "-o", folder / "d.csv"});
  CHECK(r.status == 0);
  CHECK(r.says("diverged at step"));
  const cli::Result result = cli::read_result(folder / "d.csv");
  CHECK(!result.get("diverged_at").empty());
  CHECK(result.steps.back() < 100000);
}

TEST_CASE("plot reads both formats and refuses what is no result") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  check_refused({"plot", file}, {"small.toml: is no result of edgewise"});
  check_refused({"plot", folder / "none.csv"}, {"no such file"});
  run({"validate", file, "-o", folder / "v.nc", "--quiet"});
  check_refused({"plot", folder / "v.nc", "-o", folder / "v.gif"}, {".svg, .png, .pdf"});
  check_refused({"plot", folder / "v.nc", "--observable", "rsk"}, {"did you mean 'risk'"});
  check_refused({"plot", folder / "v.nc", "--guide", "steep"}, {"--guide: must be a number"});
  const auto drawn = run({"plot", folder / "v.nc"});
  CHECK(drawn.status == 0);
  CHECK(contents(folder / "v.svg").starts_with("<?xml"));
}

TEST_CASE("what cannot be drawn is told of the result, not of the figure") {
  const Folder folder;
  std::ostringstream rows;
  std::istringstream lines(run({"solve", folder.file("small.toml", small_experiment)}).out);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with('#') || line.starts_with("step"))
      rows << line << '\n';
    else
      rows << line.substr(0, line.find(',')) << [&] {
        std::string out;
        for (const char c : line) out += c == ',' ? ",nan" : "";
        return out;
      }() << '\n';
  const std::string result = folder.file("r.csv", rows.str()), figure = folder / "o.svg";
  CHECK(run({"plot", result, "-o", figure}).err ==
        "edgewise: " + result + ": has no finite value of 'risk' to draw (for " + figure + ")\n");
  CHECK(
      run({"plot", result, result, "-o", figure, "--observable", "rsk"})
          .err.starts_with("edgewise: " + result + ": --observable: it has no observable 'rsk', did you mean 'risk'"));
}

TEST_CASE("a last step that time.at does not list is recorded, and said to be") {
  const Folder folder;
  const std::string path = folder.file("a.toml", small_experiment);
  const auto added = run({"solve", path, "--set", "time.at=[0]", "--set", "time.steps=50"});
  CHECK(added.status == 0);
  CHECK(added.says("step 50, the last by time.steps, is recorded beside those that time.at lists"));
  CHECK(added.out.find("\n50,") != std::string::npos);
  const auto listed = run({"solve", path, "--set", "time.at=[0, 50]", "--set", "time.steps=50"});
  CHECK(listed.status == 0);
  CHECK_FALSE(listed.says("time.at"));
}

TEST_CASE("options of a verdict that would say nothing are refused by name") {
  const Folder folder;
  const std::string path = folder.file("a.toml", small_experiment);
  check_refused({"validate", path, "--set", "verdict.power=1e-9"}, {"a.toml", "verdict.power", ">= 0.5 and <= 0.999"});
  check_refused({"validate", path, "--set", "verdict.false_alarm=5e-324"},
                {"a.toml", "verdict.false_alarm", ">= 1e-09 and <= 0.5"});
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

TEST_CASE("--format chooses among figures too" * doctest::skip(std::system("gnuplot --version >/dev/null 2>&1") != 0)) {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment), result = folder / "r.csv";
  REQUIRE(run({"solve", file, "-o", result, "--quiet"}).status == 0);
  CHECK(run({"plot", result, "-o", folder / "figure", "--format", "pdf"}).status == 0);
  CHECK(contents(folder / "figure").starts_with("%PDF"));
  CHECK(run({"plot", result, "--format", "png"}).status == 0);
  CHECK(contents(folder / "r.png").starts_with("\x89PNG"));
  check_refused({"plot", result, "--format", "csv"}, {"--format: must be one of svg, png, pdf, got 'csv'"});
  check_refused({"solve", file, "--format", "svg"}, {"--format: must be one of csv, nc, json, got 'svg'"});
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

TEST_CASE("what knows no ranks runs on one of them and says so") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto as_rank = [&](const char* rank, std::vector<std::string> arguments) {
    ::setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    ::setenv("OMPI_COMM_WORLD_RANK", rank, 1);
    const auto r = run(arguments);
    ::unsetenv("OMPI_COMM_WORLD_SIZE");
    ::unsetenv("OMPI_COMM_WORLD_RANK");
    return r;
  };
  const auto first = as_rank("0", {"validate", file}), second = as_rank("1", {"validate", file});
  CHECK(first.status == 0);
  CHECK(first.says("`validate` knows no ranks: of the 2 that were started the first works"));
  CHECK(first.out.find("# outcome: agree") != std::string::npos);
  CHECK(second.status == 0);
  CHECK(second.out.empty());
  CHECK(second.err.empty());
  CHECK(run({"stability", file}).err.find("ranks") == std::string::npos);
}

TEST_CASE("a batch that cannot be drawn is refused") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  check_refused({"simulate", file, "--set", "optimizer.batch=1e308", "--set", "noise.law=laplace", "--set",
                 "noise.variance=0.01", "--set", "monte_carlo.replicas=2"},
                {"small.toml: optimizer.batch: 1e+308 examples a step are more than can be drawn one by one"});
}
