// Predictions about whole runs from an experiment file to what is printed, written and drawn.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "cli/context.hpp"
#include "cli/figures/figures.hpp"
#include "cli/results/json.hpp"
#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/holds.hpp"

using namespace edgewise::cli;
using namespace edgewise::cli::testing;
using edgewise::expected::holds;
using edgewise::tests::Approx;

namespace {

std::string experiment(const std::string& verdict = "", const std::string& rate = "0.3") {
  return "title = \"Small edge\"\nmodel = \"quadratic-regression\"\n[data]\noutputs = 16\nparameters = 32\n"
         "curvature = 4.0\n[optimizer]\nkind = \"gd\"\nlearning_rate = " +
         rate +
         "\n[time]\nsteps = 300\npoints = 30\n[monte_carlo]\nreplicas = 100\nseed = 1\n[verdict]\nallowed = 0.4\n"
         "resolution = 0.9\n" +
         verdict;
}

}  // namespace

TEST_CASE("a plateau is printed, written, read back and drawn") {
  const Folder folder;
  folder.file("e.toml", experiment("predictions = [\"plateau\"]\n"));
  const std::string file = (folder / "e.toml"), csv = (folder / "e.csv"), nc = (folder / "e.nc");
  const Run first = run({"validate", file, "-o", csv});
  CHECK(first.status == 0);
  CHECK(first.says("\n  plateau: median of eta_lambda_max over the last quarter 1.977 +- "));
  CHECK(first.says(" runs, predicted 2 (1.9 to 2.1): agrees\n"));
  CHECK(first.says("\n  plateau_oscillating: median of "));
  CHECK(first.says("not judged, too few runs\n"));

  const Result result = read_result(csv);
  const int plateau = result.index("plateau"), lambda = result.index("eta_lambda_max"), loss = result.index("loss");
  REQUIRE(plateau >= 0);
  REQUIRE(lambda >= 0);
  const auto at = [&](const char* field, int o, std::size_t t) {
    return result.find(field)->values[static_cast<std::size_t>(o)][t];
  };
  const std::size_t last = result.steps.size() - 1;
  CHECK(result.steps[last] == 300);
  CHECK(at("theory", plateau, last) == 2);
  CHECK(at("mc_mean", plateau, last) == Approx(1.977).epsilon(1e-3));
  CHECK(at("mc_sem", plateau, last) > 0);
  CHECK(at("z", plateau, last) == 0);
  CHECK(std::isnan(at("theory", plateau, 0)));
  // Shown, not judged: what the prediction names, and the curve beyond its validity.
  CHECK(std::isnan(at("theory", lambda, last)));
  CHECK(at("mc_mean", lambda, last) == Approx(1.95).epsilon(0.05));
  CHECK(std::isnan(at("z", loss, last)));
  CHECK(std::isfinite(at("theory", loss, last)));
  CHECK(result.steps[1] == 1);
  CHECK(std::isfinite(at("z", loss, 1)));
  CHECK(result.get("theory_valid_until") == "7");
  CHECK(result.get("predictions") == "plateau, plateau_oscillating");
  CHECK(result.get("prediction_plateau_outcome") == "agree");
  CHECK(result.get("prediction_plateau_nominal") == "2");
  CHECK(result.get("prediction_plateau_oscillating_outcome") == "not judged");

  CHECK(run({"validate", file, "-o", nc, "--quiet"}).status == 0);
  const Result again = read_result(nc);
  CHECK(again.index("plateau") == plateau);
  CHECK(again.find("mc_mean")->values[static_cast<std::size_t>(plateau)][last] == at("mc_mean", plateau, last));
  CHECK(again.get("prediction_plateau_high") == "2.1");

  const std::string script = figure_script({result}, {"e"}, {}, ".svg");
  CHECK(holds(script, "set multiplot layout 1,2"));  // the loss, and what the prediction is about
  CHECK(holds(script, "title \"theory, beyond its validity\""));
  CHECK(holds(script, "title \"predicted: 2\""));
  const std::string alone = figure_script({result}, {"e"}, {{"loss"}, {}, ""}, ".svg");
  CHECK(alone.find("predicted: 2") == std::string::npos);
  CHECK(alone.find("multiplot layout") == std::string::npos);
}

TEST_CASE("a plateau in JSON") {
  const Folder folder;
  folder.file("e.toml", experiment());
  const Run r = run({"validate", (folder / "e.toml"), "--format", "json", "--quiet"});
  CHECK(r.status == 0);
  const Json json = Json::parse(r.out);
  const Json verdict = json.is_array() ? json[0] : json;
  REQUIRE(verdict["predictions"].size() == 2);
  const Json& p = verdict["predictions"][0];
  CHECK(p["name"] == "plateau");
  CHECK(p["outcome"] == "agree");
  CHECK(p["required"] == false);
  CHECK(p["low"] == 1.9);
  CHECK(p["runs"].get<int>() > 20);
  CHECK(verdict["predictions"][1]["outcome"] == "not judged");
}

TEST_CASE("predictions without runs are not judged; those that are asked for make the verdict inconclusive") {
  const Folder folder;
  // Far below the edge, and ended before the loss is too small for its mean to be sampled.
  const auto validate = [&](const std::string& verdict) {
    folder.file("e.toml", experiment(verdict, "0.05"));
    return run({"validate", (folder / "e.toml"), "--set", "time.steps=40", "-o", (folder / "e.csv")});
  };
  const Run usual = validate("");
  CHECK(usual.status == 0);
  CHECK(usual.says(
      "  plateau: no run of the kind: that came to 2 before the last quarter, and whose loss decayed: not judged\n"));
  const Run asked = validate("predictions = [\"plateau\"]\n");
  CHECK(asked.status == 3);
  CHECK(asked.says("inconclusive: plateau: no run of the kind"));
}

TEST_CASE("bad predictions are refused before anything is computed") {
  const Folder folder;
  const auto says = [&](const std::string& verdict, const std::string& text) {
    folder.file("e.toml", experiment(verdict));
    const Run r = run({"validate", (folder / "e.toml")});
    CHECK(r.status == 2);
    CHECK(r.one_line());
    CHECK(holds(r.err, text));
  };
  says("predictions = [\"plateaux\"]\n",
       "verdict.predictions: 'plateaux' is not predicted here, did you mean 'plateau'?; predicted: plateau, "
       "plateau_oscillating");
  says("predictions = [\"plateau\"]\ndimensions = [8, 16, 24]\n",
       "with `dimensions` the limit of the curves is judged");
}
