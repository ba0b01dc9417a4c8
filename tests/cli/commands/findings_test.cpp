// `edgewise stability`: every finding in text, JSON and CSV.
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "settings/delimited.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;
using nlohmann::json;

TEST_CASE("findings are the same in JSON, CSV and text, whose columns stand below each other") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto findings = json::parse(run({"stability", file, "--format", "json"}).out);
  for (const char* key : {"kernel_norm", "eta_max", "stable"}) CHECK(findings.contains(key));
  CHECK(findings["title"] == "Two eigenvalues");
  CHECK(findings["model"] == "least-squares");
  CHECK(findings["warnings"].empty());
  const auto csv = settings::split_delimited(run({"stability", file, "--format", "csv"}).out);
  REQUIRE(csv.lines.size() > 4);
  CHECK(csv.lines[0].cells == std::vector<std::string>{"name", "value", "meaning"});
  // Beside them the title, the model and the warnings.
  CHECK(findings.size() == csv.lines.size() - 1 + 3);
  const std::string text = run({"stability", file}).out;
  CHECK(text.starts_with("Two eigenvalues\n  "));
  CHECK(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) == csv.lines.size());
  std::size_t values_at = std::string::npos, docs_at = std::string::npos, at = text.find('\n') + 1;
  bool flags = false, numbers = false;
  for (std::size_t i = 1; i < csv.lines.size(); ++i) {
    const std::string &name = csv.lines[i].cells[0], &value = csv.lines[i].cells[1], &doc = csv.lines[i].cells[2];
    CAPTURE(name);
    const json& same = findings.at(name);
    flags |= same.is_boolean();
    numbers |= same.is_number();
    CHECK(value == (same.is_boolean()  ? (same.get<bool>() ? "true" : "false")
                    : same.is_number() ? settings::text_of(same.get<double>())
                                       : same.get<std::string>()));
    const std::string line = text.substr(at, text.find('\n', at) - at);
    at = text.find('\n', at) + 1;
    CHECK(line.starts_with("  " + name + "  "));
    CHECK(line.ends_with("  " + doc));
    const std::size_t of_value = line.find_first_not_of(' ', name.size() + 2), of_doc = line.size() - doc.size();
    if (i == 1) {
      values_at = of_value;
      docs_at = of_doc;
    }
    CHECK(of_value == values_at);
    CHECK(of_doc == docs_at);
    CHECK(line.substr(of_value, value.size() + 1) == value + " ");
  }
  CHECK(flags);
  CHECK(numbers);
}

TEST_CASE("where nothing is known that is said, and warnings go to standard error and into JSON") {
  const Folder folder;
  const std::string nothing = folder.file("nothing.toml",
                                          "model = 'self-stabilisation'\n[time]\nsteps = 3\n[rate]\nkind = "
                                          "'stochastic-polyak'\n");
  CHECK(run({"stability", nothing}).out == "nothing\n  nothing is known of it at these parameters\n");
  const std::string file = folder.file("small.toml", small_experiment);
  const std::vector<std::string> added = {"stability", file, "--set", "time.at=[0]", "--set", "time.steps=50"};
  CHECK(run(added).err == "  warning: step 50, the last by time.steps, is recorded beside those that time.at lists\n");
  std::vector<std::string> as_json = added;
  as_json.insert(as_json.end(), {"--format", "json", "-o", folder / "s.json"});
  CHECK(run(as_json).status == 0);
  CHECK(json::parse(contents(folder / "s.json"))["warnings"] ==
        json::array({"step 50, the last by time.steps, is recorded beside those that time.at lists"}));
}

TEST_CASE("every form is written to its file") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  for (const std::string form : {"csv", "json", "txt"}) {
    CAPTURE(form);
    CHECK(run({"stability", file, "-o", folder / ("s." + form), "--quiet"}).status == 0);
    CHECK(contents(folder / ("s." + form)) == run({"stability", file, "--format", form}).out);
  }
}
