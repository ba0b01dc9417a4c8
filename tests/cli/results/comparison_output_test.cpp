#include "cli/results/comparison_output.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/holds.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::expected::holds;
using nlohmann::json;

namespace {

/// Two workloads, whose best baselines are different ones with values 1/4 and 1/8; a method by theory with a default and
/// another setting, and a simulated one without a default.
MethodComparison sample() {
  MethodComparison c;
  c.plan.title = "T";
  c.plan.observable = "excess_mse";
  c.plan.workloads = {"one", "large"};
  c.plan.baselines = {{"constant", {}}, {"cosine", {}}};
  c.baselines = {{{.value = 0.5, .rate = 0.01}, {.value = 0.125, .rate = 0.1, .on_edge = true}},
                 {{.value = 0.25, .rate = 0.02}, {.value = 0.25, .rate = 0.3}}};
  c.plan.methods = {{"DoG", true, false, {{"default", "constant", {}}, {"r_eps = 0.1", "cosine", {}}}},
                    {"mem", false, true, {{"beta = 0.9", "", {}}}}};
  c.runs = {{{{.value = 0.25}, {.value = 0.5}}, {{.value = 0.375, .trusted = false}, {.value = 0.1875}}},
            {{{.value = 0.5, .error = 0.03125}, {.value = std::numeric_limits<double>::infinity()}}}};
  return c;
}

}  // namespace

// Ratios 1, 4 and 1.5, 1.5 of the first method: scores (1 + 0)/2, 5/6 and, of the best of both, (1 + 5/6)/2. Of the second
// 2 and none: (2/3 + 0)/2.
TEST_CASE("comparison: the printed tables, number by number") {
  CHECK(cli::comparison_text(sample()) == R"(T

Best tuned schedule of each workload, excess_mse at the last step
  workload  baseline  schedule    its rate
  one           0.25    cosine        0.02
  large        0.125  constant  0.1 (edge)

Scores: 1 where every workload ends as its baseline, 0 where none within a factor 4
  method  default  calibrated  oracle   calibrated setting
  DoG      0.5000      0.8333  0.9167  r_eps = 0.1, cosine
  mem           -      0.3333  0.3333           beta = 0.9
)"
                                          R"(
Ratio to the baseline, defaults
  method  one  large
  DoG       1      4

Ratio to the baseline, calibrated
  method   one      large
  DoG     1.5*        1.5
  mem       2^  diverged^
  * not self-averaging: the theory's number, single runs differ; simulate
  ^ simulated, the mean over replicas
)");
  MethodComparison plain = sample();
  plain.plan.methods.pop_back();
  plain.runs.pop_back();
  plain.runs[0][1][0].trusted = true;
  const std::string text = cli::comparison_text(plain);
  CHECK_FALSE(holds(text, "self-averaging"));
  CHECK_FALSE(holds(text, "simulated"));
  // A mark beside a default that nobody chose is explained as well.
  plain.runs[0][0][1].trusted = false;
  CHECK(holds(cli::comparison_text(plain), "  DoG       1     4*\n"));
  CHECK(holds(cli::comparison_text(plain), "  * not self-averaging"));
}

TEST_CASE("comparison: every run is a row of the CSV file, with as many cells as the first line names") {
  CHECK(cli::comparison_csv(sample()) == R"(method,setting,schedule,workload,value,sem,rate,ratio,by,calibrated
baseline,tuned,constant,one,0.5,0,0.01,2,theory,0
baseline,tuned,constant,large,0.125,0,0.1,1,"theory, best rate on the edge",1
baseline,tuned,cosine,one,0.25,0,0.02,1,theory,1
baseline,tuned,cosine,large,0.25,0,0.3,2,theory,0
DoG,default,constant,one,0.25,0,,1,theory,0
DoG,default,constant,large,0.5,0,,4,theory,0
DoG,r_eps = 0.1,cosine,one,0.375,0,,1.5,theory that is not self-averaging,1
DoG,r_eps = 0.1,cosine,large,0.1875,0,,1.5,theory,1
mem,beta = 0.9,,one,0.5,0.03125,,2,simulation,1
mem,beta = 0.9,,large,inf,0,,inf,simulation,1
)");
}

TEST_CASE("comparison: JSON") {
  json out = json::parse(cli::comparison_json(sample()));
  for (json& method : out["methods"])
    for (const char* of : {"default", "calibrated", "oracle"})
      if (method.contains(of)) method[of]["score"] = std::to_string(method[of]["score"].get<double>());
  CHECK(out == json::parse(R"({"title": "T", "observable": "excess_mse", "limit": 4, "workloads": [
    {"name": "one", "baseline": 0.25, "schedule": "cosine", "learning_rate": 0.02, "on_edge": false},
    {"name": "large", "baseline": 0.125, "schedule": "constant", "learning_rate": 0.1, "on_edge": true}], "methods": [
    {"name": "DoG", "by": "theory",
     "default": {"setting": "default", "score": "0.500000", "ratios": [1, 4], "self_averaging": true},
     "calibrated": {"setting": "r_eps = 0.1, cosine", "score": "0.833333", "ratios": [1.5, 1.5], "self_averaging": false},
     "oracle": {"score": "0.916667", "ratios": [1, 1.5]}},
    {"name": "mem", "by": "simulation",
     "calibrated": {"setting": "beta = 0.9", "score": "0.333333", "ratios": [2, "inf"], "self_averaging": true},
     "oracle": {"score": "0.333333", "ratios": [2, "inf"]}}]})"));
}
