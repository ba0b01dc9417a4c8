// `edgewise closed-forms`.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/cli/program_run.hpp"

using namespace edgewise;
using cli::testing::run;
using nlohmann::json;

TEST_CASE("closed forms: one by name, as JSON, text and CSV") {
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
