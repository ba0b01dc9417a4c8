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
