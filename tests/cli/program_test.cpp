#include "cli/program.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/program_run.hpp"
#include "tests/cli/refused.hpp"

using namespace edgewise;
using cli::testing::check_refused;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;
using nlohmann::json;

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

TEST_CASE("help and version that cannot be written are an error") {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"}, {"--version"}, {"solve", "--help"}}) {
    std::ofstream full("/dev/full");
    std::ostringstream err;
    CHECK(cli::run(words, full, err) == 2);
    CHECK(
        err.str() ==
        "edgewise: standard output: cannot be written; is the disk full, or the size of files limited (ulimit -f)?\n");
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
  check_refused({"solve", "a.toml", "--seed", "9223372036854775808"}, {"at most 9223372036854775807"});
  for (const std::string option : {"--seed", "--threads", "--set", "--format"})
    check_refused({"solve", "a.toml", option, ""}, {option + ": the value is empty"});
  check_refused({"plot", "a.csv", "--guide", ""}, {"--guide: the value is empty"});
  check_refused({"solve", "a.toml", "--format", "xml"}, {"--format: must be one of csv, nc, json"});
  check_refused({"solve", "a.toml", "-o"}, {"solve: --output needs a value"});
  check_refused({"plot", "a.csv", "--guide", "inf"}, {"--guide: must be a number, got 'inf'"});
  check_refused({"plot", "nonexist.db", "--slice", "B=4"}, {"nonexist.db: no such file"});
  check_refused({"list", "modles"}, {"did you mean 'models'", "optimizers"});
  check_refused({"describe", "sdg"}, {"there is no 'sdg'", "did you mean 'sgd'"});
  check_refused({"measure", "fashion-mnits"}, {"did you mean 'fashion-mnist'"});
  check_refused({"closed-forms", "no-such-form"}, {"no name fits 'no-such-form'"});
}

TEST_CASE("threads are of no use to what runs no replicas, which is said; words that have no place are told") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  for (const std::string command : {"check", "modes", "solve", "stability", "tune"})
    CHECK(run({command, file, "--threads", "1"})
              .says("  warning: --threads changes nothing: `" + command + "` runs no replicas\n"));
  CHECK_FALSE(run({"simulate", file, "--threads", "1"}).says("--threads"));
  CHECK_FALSE(run({"solve", file}).says("--threads"));
  CHECK(run({"solve", file, "-"}).err == "edgewise: solve: one argument too many: '-'; see `edgewise solve --help`\n");
  CHECK(
      run({"list", "spectra", "--qiet"}).err ==
      "edgewise: list: unknown option '--qiet', did you mean '--quiet'?; options: --format, --help, --output, --quiet, "
      "-h, -o\n");
  CHECK(run({"list", "spectra", "-x3"}).says("list: unknown option '-x'"));
  CHECK(run({"solve", "--thread=2", file}).says("solve: unknown option '--thread', did you mean '--threads'?"));
  CHECK(run({"-v"}).says("unknown option '-v'"));
  CHECK(run({"describe", "--help"}).out.find("a name that `list` shows") != std::string::npos);
  CHECK(run({"-h"}).out == run({"--help"}).out);
  CHECK(run({"analyze", file, "--quiet"}).out == run({"stability", file, "--quiet"}).out);
  // A seed is kept to its last digit.
  CHECK(run({"solve", file, "--quiet", "--seed", "9223372036854775807"}).out.find("# seed: 9223372036854775807\n") !=
        std::string::npos);
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
  // Where nobody says which rank it is all work.
  ::setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  const auto any = run({"stability", file});
  ::setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
  const auto alone = run({"stability", file});
  ::unsetenv("OMPI_COMM_WORLD_SIZE");
  CHECK(any.says("`stability` knows no ranks: all 2 that were started do the same; only `sweep` shares its work"));
  CHECK_FALSE(any.out.empty());
  CHECK_FALSE(alone.says("ranks"));
}
