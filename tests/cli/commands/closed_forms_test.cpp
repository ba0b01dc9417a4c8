// `edgewise closed-forms`.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "settings/settings.hpp"
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

TEST_CASE("closed forms: the table, line by line, and CSV are what JSON says") {
  const std::string pattern = "least-squares/isotropic*";
  const auto rows = json::parse(run({"closed-forms", pattern, "--format", "json"}).out);
  REQUIRE(rows.size() > 3);
  std::size_t width = 4;
  for (const auto& row : rows) width = std::max(width, row.at("name").get<std::string>().size());
  std::string text = fmt::format("{:<{}}  {:>22}  {:>22}  {:>8}  {:>8}  {:<4}  {}\n", "name", width, "value",
                                 "computed", "error", "allowed", "", "formula"),
              csv = "name,formula,source,value,computed,error,tolerance,pass,kind\n";
  const auto quoted = [](const std::string& cell) {
    std::string out;
    for (const char c : cell) out += std::string(c == '"' ? 2 : 1, c);
    return cell.find_first_of(",\"") == std::string::npos ? cell : '"' + out + '"';
  };
  std::size_t references = 0;
  for (const auto& row : rows) {
    const auto word = [&](const char* key) { return row.at(key).get<std::string>(); };
    const auto number = [&](const char* key) { return row.at(key).get<double>(); };
    CHECK(row.at("pass") == true);
    CHECK(number("error") <= number("tolerance"));
    const bool reference = word("kind") == "reference value";
    references += reference ? 1 : 0;
    text += fmt::format("{:<{}}  {:>22.15g}  {:>22.15g}  {:>8.1e}  {:>8.1e}  ok    {}{}\n", word("name"), width,
                        number("value"), number("computed"), number("error"), number("tolerance"), word("formula"),
                        reference ? " (reference value)" : "");
    csv +=
        fmt::format("{},{},{},{},{},{},{},true,{}\n", quoted(word("name")), quoted(word("formula")),
                    quoted(word("source")), settings::text_of(number("value")), settings::text_of(number("computed")),
                    settings::text_of(number("error")), settings::text_of(number("tolerance")), word("kind"));
  }
  CHECK(run({"closed-forms", pattern}).out ==
        text + fmt::format("{0} of {0} closed forms come out right ({1} of them reference values: pinned numbers)\n",
                           rows.size(), references));
  CHECK(run({"closed-forms", pattern, "--format", "csv"}).out == csv);
  CHECK(run({"closed-forms", "no-such"}).err.starts_with("edgewise: closed-forms: no name fits 'no-such'"));
}
