#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/results/header_lines.hpp"
#include "settings/delimited.hpp"
#include "settings/settings.hpp"
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

TEST_CASE("modes prints one row per eigenvalue, under lines that tell its columns and where it comes from") {
  const Folder folder;
  const std::string file = folder.file("e.toml", experiment);
  const Run run_ = run({"modes", file, "--set", "optimizer.learning_rate=0.04"});
  CHECK(run_.status == 0);
  const edgewise::settings::DelimitedText table = edgewise::settings::split_delimited(run_.out);
  REQUIRE(table.lines.size() == 3);
  CHECK(run_.out.find("\neigenvalue,multiplicity,gain,contraction") != std::string::npos);
  std::map<std::string, std::string> told;
  for (const edgewise::cli::HeaderLine& line : edgewise::cli::header_lines(table)) told[line.name] = line.text;
  for (const std::string& name : table.lines.front().cells) {
    CAPTURE(name);
    const auto line =
        std::ranges::find_if(told, [&](const auto& l) { return l.first.starts_with("column " + name + " ["); });
    REQUIRE(line != told.end());
    CHECK(!line->second.empty());
  }
  CHECK(told.at("kind") == "modes");
  CHECK(told.at("title") == "Lookahead");
  CHECK(told.at("model") == "least-squares");
  CHECK(told.at("overrides") == "--set optimizer.learning_rate=0.04");
  // A file says the same, and its experiment gives the same table again.
  const std::string csv = folder / "m.csv";
  CHECK(run({"modes", file, "--set", "optimizer.learning_rate=0.04", "-o", csv}).status == 0);
  CHECK(contents(csv) == run_.out);
  const Run again = run({"modes", folder.file("again.toml", told.at("experiment"))});
  CHECK(again.out.substr(again.out.find("\neigenvalue,")) == run_.out.substr(run_.out.find("\neigenvalue,")));
}

TEST_CASE("modes as JSON is the same table, with its units") {
  const Folder folder;
  const std::string file = folder.file("e.toml", experiment);
  const auto table = nlohmann::json::parse(run({"modes", file, "--format", "json"}).out);
  CHECK(table.at("kind") == "modes");
  CHECK(table.at("columns").at("eigenvalue").size() == 2);
  CHECK(table.at("units").size() == table.at("columns").size());
  const std::string csv = run({"modes", file}).out;
  for (const auto& [name, values] : table.at("columns").items())
    for (const auto& value : values)
      CHECK(csv.find(edgewise::settings::text_of(value.get<double>())) != std::string::npos);
  const edgewise::settings::DelimitedText rows = edgewise::settings::split_delimited(csv);
  for (std::size_t c = 0; c < rows.lines.front().cells.size(); ++c)
    for (std::size_t row = 0; row < 2; ++row)
      CHECK(table.at("columns").at(rows.lines.front().cells[c])[row].get<double>() ==
            rows.number(rows.lines[row + 1].cells[c]).value());
  CHECK(table.at("units").at("eigenvalue").is_string());
  CHECK(
      run({"modes", folder.file("p.toml",
                                "model = 'sum-of-powers'\n[powers]\nterms = [[1, 0.5, 0], [1, 0, 0.5]]\n[time]\nsteps "
                                "= 1\n")})
          .says("p.toml: modes: model sum-of-powers has no table of modes"));
  CHECK(run({"modes", file, "-o", folder / "m.json"}).status == 0);
  CHECK(nlohmann::json::parse(contents(folder / "m.json")) == table);
}

TEST_CASE("commands that run no replicas say that threads change nothing") {
  const Folder folder;
  const std::string file = folder.file("e.toml", experiment);
  for (const char* command : {"modes", "solve", "stability", "check"}) {
    CHECK(run({command, file, "--threads", "2"}).says(std::string("--threads changes nothing: `") + command));
    CHECK(run({command, file, "--threads", "2", "--quiet"}).err.empty());
    CHECK(run({command, file}).err.find("--threads") == std::string::npos);
  }
}

TEST_CASE("modes of an unstable method is one clear line") {
  const Folder folder;
  const Run run_ = run({"modes", folder.file("e.toml", experiment), "--set", "optimizer.learning_rate=3"});
  CHECK(run_.status == 2);
  CHECK(run_.one_line());
  CHECK(run_.says("unstable method is undefined"));
}
