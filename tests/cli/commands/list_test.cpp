#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/commands/catalog.hpp"
#include "cli/commands/commands.hpp"
#include "models/framework/model.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using cli::testing::run;
using nlohmann::json;

TEST_CASE("list without a word fits a screen and leads on") {
  const auto overview = run({"list"});
  CHECK(overview.status == 0);
  const auto lines = std::count(overview.out.begin(), overview.out.end(), '\n');
  CHECK(lines <= 36);
  std::size_t longest = 0;
  for (std::size_t at = 0; at < overview.out.size();) {
    const std::size_t end = overview.out.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  CHECK(longest <= 120);
  std::size_t forms = 0;
  for (const models::Model* model : models::all()) {
    CHECK(overview.out.find("  " + model->description().name + " ") != std::string::npos);
    forms += model->closed_forms().size();
    for (const auto* optimizer : model->optimizers()) CHECK(overview.out.find(optimizer->name) != std::string::npos);
  }
  CHECK(overview.out.find("closed-forms  " + std::to_string(forms) + " of them") != std::string::npos);
  for (const char* name : {"power-law", "student-t", "cosine", "edgewise describe NAME"})
    CHECK(overview.out.find(name) != std::string::npos);
  // For programs everything is there, as before.
  CHECK(json::parse(run({"list", "--format", "json"}).out).at("closed-forms").size() == forms);
}

TEST_CASE("optimizers stand under their models, and MODEL/NAME picks one of several") {
  const std::string listed = run({"list", "optimizers"}).out;
  std::size_t with_sgd = 0;
  for (const models::Model* model : models::all()) {
    const std::string& name = model->description().name;
    const std::size_t title = listed.find(name + "\n");
    for (const auto* optimizer : model->optimizers()) {
      CAPTURE(name);
      CAPTURE(optimizer->name);
      CHECK(title != std::string::npos);
      CHECK(listed.find("  " + optimizer->name + " ", title) != std::string::npos);
      const auto one = run({"describe", name + "/" + optimizer->name, "--format", "json"});
      CHECK(one.status == 0);
      const json described = json::parse(one.out);
      CHECK(described.is_object());
      CHECK(described.at("summary") == optimizer->summary);
      CHECK(described.at("models").at(0) == name);
      with_sgd += optimizer->name == "sgd" ? 1 : 0;
    }
  }
  CHECK(with_sgd > 2);
  CHECK(json::parse(run({"describe", "sgd", "--format", "json"}).out).size() == with_sgd);
  CHECK(run({"describe", "sgd"}).out.find("sgd (optimizer of least-squares)") != std::string::npos);
  CHECK(run({"describe", "least-squares/sdg"}).says("did you mean 'least-squares/sgd'?"));
}
