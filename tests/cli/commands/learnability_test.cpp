// `edgewise learnability` from the command line.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise::cli;
using namespace edgewise::cli::testing;

TEST_CASE("learnability: text, CSV and JSON, several formulas, strata, norms") {
  const Run text = run({"learnability", "s + s*e"});
  CHECK(text.status == done);
  CHECK(text.out.find("zeta          9 ") != std::string::npos);
  CHECK(text.out.find("a constant C that is not known") != std::string::npos);
  const Run json = run({"learnability", "0.1*e", "s + 0.1*e", "1/(1 - x)", "--format", "json"});
  REQUIRE(json.status == done);
  const auto parsed = nlohmann::json::parse(json.out);
  CHECK(parsed["formulas"][0]["zeta"].get<double>() == doctest::Approx(0.01));
  CHECK(parsed["formulas"][1]["zeta_ratio"].get<double>() == doctest::Approx(121));
  CHECK(parsed["formulas"][2]["zeta"] == "inf");
  CHECK(parsed["formulas"][2]["remarks"].size() == 1);
  CHECK(parsed.contains("constant"));
  const Run csv = run({"learnability", "x", "3*x", "--weight", "0.5", "--weight", "0.5", "--format", "csv"});
  CHECK(csv.out.find("3*x,share,") != std::string::npos);
  const Run norms = run({"learnability", "(1.25 - x)^(-1/2)", "--kernel", "ntk", "--bias", "--format", "json"});
  CHECK(nlohmann::json::parse(norms.out)["formulas"][0]["norm_squared"].get<double>() ==
        doctest::Approx(2.85844).epsilon(1e-5));
}

TEST_CASE("learnability: bad input is one line and status 2") {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"x +"},
                                             {"x*y", "--kernel", "ntk"},
                                             {"x", "--kernel", "ntkk"},
                                             {"x", "--kernel", "ntk", "--dimension", "1"},
                                             {"x", "--kernel", "ntk", "--dimension", "many"},
                                             {"x", "--kernel", "exp", "--s2", "1e-9"},
                                             {"x", "--weight", "1", "--weight", "2"},
                                             {"x", "--weight", "-1"},
                                             {"x", "--weight", "1", "--delta", "2"},
                                             {"1/(1-x)", "--weight", "1"},
                                             {"x", "--delta", "0.1"},
                                             {"x", "--bias"},
                                             {"x", "--dimension", "5"},
                                             {"x", "--length", "2"},
                                             {"x", "--s2", "2"},
                                             {"x", "--kernel", "ntk", "--s2", "2"},
                                             {"x^5000", "--kernel", "ntk"},
                                             {"x", "--format", "nc"}}) {
    std::vector<std::string> all = {"learnability"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Run r = run(all);
    CAPTURE(r.err);
    CHECK(r.status == failed);
    CHECK(r.one_line());
  }
}
