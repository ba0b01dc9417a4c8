// The JSON schema of files, against the files that are shipped and against what the program refuses.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/cli/json_schema.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise::cli::testing;
namespace fs = std::filesystem;

namespace {

const Schema& written() {
  static const Schema schema = Schema::parse(run({"schema"}).out);
  return schema;
}

std::string wrong(const std::string& toml) {
  return SchemaCheck(written())(json_of(edgewise::settings::read_text(toml, "text")));
}

}  // namespace

TEST_CASE("every file that is shipped is as the schema says") {
  std::size_t files = 0;
  for (const char* folder : {"experiments", "sweeps", "comparisons"})
    for (const auto& entry : fs::directory_iterator(fs::path(EDGEWISE_TEST_DATA) / folder)) {
      if (entry.path().extension() != ".toml") continue;
      CAPTURE(entry.path().string());
      ++files;
      CHECK(wrong(contents(entry.path().string())) == "");
    }
  CHECK(files > 100);
}

TEST_CASE("the schema refuses what the program refuses") {
  const std::string good = small_experiment;
  CHECK(wrong(good) == "");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {changed("least-squares", "least-squarse"), ".model: enum"},
      {changed("learning_rate", "learning_rates"), ".optimizer.learning_rates: unknown"},
      {changed("steps = 300", "steps = \"300\""), ".time.steps: type"},
      {changed("steps = 300", "steps = 0.5"), ".time.steps: type"},
      {changed("points = 12", "points = 1"), ".time.points: minimum"},
      {changed("kind = \"sgd\"", "kind = \"sgdd\""), ".optimizer.kind: enum"},
      {changed("kind = \"sgd\"\nlearning_rate = 0.01", "kind = \"custom\""), ".optimizer: required"},
      {changed("eigenvalues = [1.0, 0.1]\n", ""), ".spectrum: required"},
      {changed("[spectrum]", "[powers]\nsize = 1\n[spectrum]"), ".powers: unknown"},
      {changed("variance = 0.01", "variance = -1"), ".noise.variance: minimum"},
      {changed("model = \"least-squares\"\n", ""), ": required"}};
  for (const auto& mistake : mistakes) {
    const std::string what = mistake.second, said = wrong(mistake.first);
    CAPTURE(what);
    CAPTURE(said);
    CHECK(said.find(what) != said.npos);
  }
}

TEST_CASE("the schema knows tables within sections, and sections that begin with a default") {
  const std::string good = small_experiment;
  CHECK(wrong(good + "[schedule.batch]\nkind = \"linear\"\nfloor = 0.1\n") == "");
  CHECK(wrong(good + "[schedule.batch]\nkind = \"linear\"\nflor = 0.1\n") != "");
  CHECK(wrong(good + "[schedule]\nflor = 0.1\n") != "");
  CHECK(wrong(good + "[verdict]\ndimensions = [10, 20, 40]\n[verdict.scaling.optimizer]\nlearning_rate = -1\n") == "");
  CHECK(wrong(good + "[verdict.scaling]\noptimizer = -1\n") != "");
  CHECK(wrong("[sweep]\n[experiment]\nmodel = \"least-squares\"\n[[axis]]\nkey = \"noise.variance\"\nvalues = [1]\n") ==
        "");
  CHECK(wrong("[sweep]\n[[axis]]\nvalues = [1]\n") != "");
}

TEST_CASE("keys come with type, default and meaning") {
  const Schema& sgd = written().at("definitions").at("experiment").at("allOf").at(0).at("then").at("properties");
  const Schema& points = sgd.at("time").at("properties").at("points");
  CHECK(points.at("type") == "integer");
  CHECK(points.at("default") == 200);
  CHECK(points.at("description").get<std::string>().find("recorded") != std::string::npos);
  CHECK(sgd.at("theory").at("properties").at("method").at("enum").size() == 5);
}

TEST_CASE("a model's part of the schema, word by word, and what leads to it") {
  const Schema& of_models = written().at("definitions").at("experiment").at("allOf");
  const auto model = [&](const std::string& name) -> const Schema& {
    for (const Schema& one : of_models)
      if (one.at("if").at("properties").at("model").at("const") == name) return one;
    FAIL(name);
    return of_models;
  };
  Schema powers = model("sum-of-powers");
  powers.at("then").at("properties").erase("time");
  CHECK(powers ==
        Schema::parse(R"json({"if": {"properties": {"model": {"const": "sum-of-powers"}}, "required": ["model"]},
    "then": {"type": "object", "description": "losses that are sums of powers of steps and size", "properties": {
      "title": {"type": "string", "description": "what the experiment is, for figures and results (text, default \"\")",
                "default": ""},
      "model": {"type": "string",
                "description": "name of the model; `edgewise list models` prints them (text, required)"},
      "powers": {"type": "object", "properties": {
        "terms": {"type": "array",
                  "description": "rows [a, mu, nu]: a t^-mu p^-nu (a list of rows of numbers, required)",
                  "items": {"type": "array", "items": {"type": "number"}}},
        "floor": {"type": "number",
                  "description": "L0, the loss that no size gets below (a number, default 0.0, >= 0, in loss)",
                  "minimum": 0, "default": 0},
        "size": {"type": "number", "description": "p (a number, default 100.0, > 0)", "exclusiveMinimum": 0,
                 "default": 100}}, "additionalProperties": false, "required": ["terms"]},
      "collapse": {"$ref": "#/definitions/collapse"}}, "additionalProperties": false}})json"));
  // Sections that models share are told once, those of some kinds of them are not.
  const auto reference = [&](const std::string& of, const char* section) {
    const Schema& found = model(of).at("then").at("properties").at(section);
    return found.contains("$ref") ? found.at("$ref").get<std::string>() : "none";
  };
  CHECK(reference("least-squares", "noise") == "#/definitions/noise");
  CHECK(reference("least-squares", "verdict") == "#/definitions/verdict");
  CHECK(reference("least-squares", "rate") == "none");
  CHECK(reference("network", "rate") == "#/definitions/rate");
  CHECK(reference("matrix-least-squares", "noise") == "none");
  // The word that may be left out is the usual one; parts of experiments, in sweeps, require nothing.
  const Schema& noise = written().at("definitions").at("noise");
  CHECK(noise.at("allOf").at(0).at("if") ==
        Schema::parse(R"({"properties": {"law": {"const": "none"}}, "required": ["law"]})"));
  CHECK(noise.at("allOf").at(1).at("if") == Schema::parse(R"({"properties": {"law": {"const": "gaussian"}}})"));
  CHECK(noise.at("allOf").at(1).at("then").at("required") == Schema::parse(R"(["variance"])"));
  CHECK_FALSE(noise.contains("required"));
  CHECK(written().at("definitions").at("spectrum").at("required") == Schema::parse(R"(["kind"])"));
  for (const char* part : {"noise-part", "spectrum-part", "experiment-part"}) {
    const Schema& of = written().at("definitions").at(part);
    CHECK_FALSE(of.contains("required"));
    for (const Schema& one : of.at("allOf")) CHECK_FALSE(one.at("then").contains("required"));
  }
  const auto inner = [](const char* schedule) -> const Schema& {
    return written().at("definitions").at(schedule).at("allOf").at(0).at("then").at("additionalProperties");
  };
  CHECK(inner("schedule").at("$ref") == "#/definitions/schedule-of-number");
  CHECK(inner("schedule-part").at("$ref") == "#/definitions/schedule-of-number-part");
  CHECK(inner("schedule-of-number") == false);
  // Tables within a section stand under each of its kinds.
  const Schema& optimizer = model("least-squares").at("then").at("properties").at("optimizer");
  CHECK(optimizer.at("properties").at("phase").at("type") == "array");
  for (const Schema& kind : optimizer.at("allOf"))
    CHECK(kind.at("then").at("properties").at("phase") == optimizer.at("properties").at("phase"));
  Schema root = written();
  root.erase("definitions");
  CHECK(root == Schema::parse(R"({"$schema": "http://json-schema.org/draft-07/schema#",
    "title": "edgewise: files of experiments, sweeps and comparisons", "type": "object",
    "if": {"required": ["sweep"]}, "then": {"$ref": "#/definitions/sweep"},
    "else": {"if": {"anyOf": [{"required": ["compare"]}, {"required": ["method"]}, {"required": ["workload"]}]},
             "then": {"$ref": "#/definitions/comparison"}, "else": {"$ref": "#/definitions/experiment"}}})"));
}
