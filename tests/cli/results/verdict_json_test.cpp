#include "cli/results/verdict_json.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "tests/cli/results/sample_verdict.hpp"

using namespace edgewise;
using cli::Json;

namespace {

validation::Verdict verdict() {
  validation::Verdict v = cli::testing::sample_verdict();
  v.replicas = 64;
  v.exact_std = true;
  v.rows.resize(9);
  validation::PredictionVerdict p = cli::testing::sample_prediction();
  p.prediction.source = "docs/x.md, section 1";
  p.prediction.quantity = "mean of lambda";
  p.prediction.runs = "did not diverge";
  p.prediction.high = std::numeric_limits<double>::infinity();
  p.prediction.centre = models::Centre::mean;
  p.critical_z = 3.1;
  v.predictions = {p, p};
  v.predictions[1].judged = false;
  v.predictions[1].required = true;
  return v;
}

cli::Result result() {
  cli::Result r;
  r.kind = cli::ResultKind::validation;
  for (const auto& [name, text] :
       std::initializer_list<std::pair<const char*, const char*>>{{"file", "a.toml"},
                                                                  {"title", "T"},
                                                                  {"model", "M"},
                                                                  {"method", "recursion"},
                                                                  {"sampler", "exact"},
                                                                  {"seed", "3"},
                                                                  {"interrupted", "true"},
                                                                  {"warnings", "one\ntwo, and more"}})
    r.provenance.push_back(cli::attribute(name, text));
  return r;
}

}  // namespace

TEST_CASE("every statistic of a verdict stands under its own name") {
  const Json json = cli::verdict_json(verdict(), result());
  CHECK(json["outcome"] == "disagree");
  CHECK(json["reason"] == "because");
  CHECK(json["max_z"] == 1.5);
  CHECK(json["critical_z"] == 2.5);
  CHECK(json["p_value"] == 0.125);
  CHECK(json["detectable"] == 0.03);
  CHECK(json["largest_gap"] == 0.04);
  CHECK(json["effective_comparisons"] == 17.5);
  CHECK(json["comparisons"] == 9);
  CHECK(json["replicas"] == 64);
  CHECK(json["heavy_tailed"] == false);
  CHECK(json["exact_std"] == true);
}

TEST_CASE("so does each prediction about whole runs, judged or not") {
  const Json json = cli::verdict_json(verdict(), result());
  REQUIRE(json["predictions"].size() == 2);
  const Json& p = json["predictions"][0];
  CHECK(p["name"] == "plateau");
  CHECK(p["statement"] == "it holds");
  CHECK(p["source"] == "docs/x.md, section 1");
  CHECK(p["quantity"] == "mean of lambda");
  CHECK(p["centre"] == "mean");
  CHECK(p["runs_that"] == "did not diverge");
  CHECK(p["nominal"] == 2.0);
  CHECK(p["low"] == 1.9);
  CHECK(p["high"] == "inf");  // no number in JSON
  CHECK(p["runs"] == 41);
  CHECK(p["estimate"] == 2.01);
  CHECK(p["error"] == 0.011);
  CHECK(p["z"] == 0.7);
  CHECK(p["critical_z"] == 3.1);
  CHECK(p["p_value"] == 0.48);
  CHECK(p["detectable"] == 0.021);
  CHECK(p["required"] == false);
  CHECK(p["outcome"] == "agree");
  CHECK(p["reason"] == "inside");
  CHECK(json["predictions"][1]["outcome"] == "not judged");
  CHECK(json["predictions"][1]["required"] == true);
}

TEST_CASE("provenance: where it comes from, and the warnings line by line") {
  const Json json = cli::verdict_json(verdict(), result());
  CHECK(json["experiment"] == "a.toml");
  CHECK(json["title"] == "T");
  CHECK(json["model"] == "M");
  CHECK(json["method"] == "recursion");
  CHECK(json["sampler"] == "exact");
  CHECK(json["seed"] == "3");
  CHECK(json["interrupted"] == true);
  CHECK(json["warnings"] == Json::array({"one", "two, and more"}));
  CHECK(cli::verdict_json({}, {})["warnings"].empty());
  CHECK(cli::verdict_json({}, {})["interrupted"] == false);
  CHECK(cli::verdict_json({}, {})["outcome"] == "inconclusive");
}
