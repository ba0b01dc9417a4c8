// `edgewise validate` on a theory that holds at infinite dimension.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/holds.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using namespace edgewise::cli::testing;
using edgewise::expected::holds;

namespace {

const char* const sign_experiment = R"(title = "signSGD, isotropic"
model = "sign-sgd"
[spectrum]
kind = "isotropic"
dimension = 64
[noise]
law = "gaussian"
variance = 0.25
[optimizer]
kind = "sign-late"
learning_rate = 0.00625
[time]
steps = 384
points = 12
[monte_carlo]
replicas = 300
[verdict]
dimensions = [32, 64, 128]
resolution = 0.15
[verdict.scaling]
optimizer.learning_rate = -1
time.steps = 1
)";

}  // namespace

TEST_CASE("validate at several dimensions: agrees, and says what it saw, in every format" *
          doctest::test_suite("slow")) {
  const Folder folder;
  const std::string file = folder.file("sign.toml", sign_experiment);
  const auto r = run({"validate", file, "-o", folder / "sign.csv"});
  CAPTURE(r.err);
  CHECK(r.status == done);
  CHECK(r.says("extrapolated from 3 dimensions up to 128"));
  CHECK(r.says("in the limit"));
  const Result csv = read_result(folder / "sign.csv");
  CHECK(csv.get("dimensions") == "32, 64, 128");
  CHECK(!csv.get("gap_limit").empty());
  CHECK(!csv.get("gap_exponent").empty());
  CHECK(csv.index("excess_mse") >= 0);
  CHECK(csv.steps.back() == 768);  // at d = 128
  CHECK(run({"validate", file, "-o", folder / "sign.nc", "--quiet"}).status == done);
  const Result nc = read_result(folder / "sign.nc");
  CHECK(nc.get("gap_limit") == csv.get("gap_limit"));
  CHECK(nc.get("dimensions") == "32, 64, 128");
  const auto json = run({"validate", file, "--format", "json", "--quiet"});
  CHECK(holds(json.out, "\"gap_fit_p_value\""));
  CHECK(holds(json.out, "\"dimensions\": \"32, 64, 128\""));
  // The same bits whatever the threads.
  CHECK(run({"validate", file, "--format", "json", "--quiet", "--threads", "1"}).out == json.out);
}

TEST_CASE("validate at several dimensions: the gaps that are told are those of the file") {
  const Folder folder;
  const std::string file = folder.file("sign.toml", sign_experiment);
  const std::vector<std::string> small = {"--set", "monte_carlo.replicas=12", "--set", "time.steps=24"};
  std::vector<std::string> to_file = {"validate", file, "-o", folder / "s.csv"},
                           printed = {"validate", file, "--format", "json"};
  for (auto* line : {&to_file, &printed}) line->insert(line->end(), small.begin(), small.end());
  const auto said = run(to_file);
  const auto json = nlohmann::json::parse(run(printed).out);
  const Result csv = read_result(folder / "s.csv");
  const auto list = [&](const char* name) {
    std::vector<double> out;
    std::istringstream numbers{std::string(csv.get(name))};
    for (std::string one; std::getline(numbers, one, ',');) out.push_back(std::stod(one));
    CHECK(json.at(name) == std::string(csv.get(name)));
    return out;
  };
  const auto number = [&](const char* name) {
    CHECK(json.at(name).get<double>() == std::stod(std::string(csv.get(name))));
    return json.at(name).get<double>();
  };
  CHECK(list("dimensions") == std::vector<double>{32, 64, 128});
  const std::vector<double> mean = list("gap_mean"), sem = list("gap_sem");
  REQUIRE(mean.size() == 3);
  REQUIRE(sem.size() == 3);
  std::string line = "\n  mean gap:";
  for (std::size_t i = 0; i < 3; ++i)
    line += fmt::format(" {:.3g}% +- {:.3g}% at d = {},", 100 * mean[i], 100 * sem[i], 32 << i);
  line +=
      fmt::format(" {:.3g}% +- {:.3g}% in the limit (best fit d^-{}, p {:.2g})\n", 100 * number("gap_limit"),
                  100 * number("gap_limit_sem"), settings::text_of(number("gap_exponent")), number("gap_fit_p_value"));
  CAPTURE(said.err);
  CAPTURE(line);
  CHECK(said.says(line));
  CHECK(run({"validate", file, "--set", "verdict.predictions=['x']"})
            .says("verdict.predictions: are about the runs of one experiment; with `dimensions` the limit"));
}

TEST_CASE("validate at several dimensions: a wrong drift is seen") {
  const Folder folder;
  const std::string file = folder.file("sign.toml", sign_experiment);
  CHECK(run({"validate", file, "--set", "theory.scale_drift=1.08", "--quiet"}).status == disagrees);
  CHECK(run({"validate", file, "--set", "verdict.gap_exponent=1", "--quiet"}).status == done);
  CHECK(run({"validate", file, "--set", "monte_carlo.replicas=8", "--quiet"}).status == inconclusive);
}

TEST_CASE("validate at several dimensions: bad input") {
  const Folder folder;
  const std::string file = folder.file("sign.toml", sign_experiment);
  const auto refused = [&](const std::string& assignment, const std::string& part) {
    const auto r = run({"validate", file, "--set", assignment});
    CAPTURE(r.err);
    CHECK(r.status == failed);
    CHECK(r.one_line());
    CHECK(r.says(part));
  };
  refused("verdict.dimensions=[32, 64]", "at least 3");
  refused("verdict.dimension=[32, 64, 128]", "did you mean 'dimensions'");
  refused("verdict.scaling.optimizer.batch=0.5", "verdict.scaling.optimizer.batch");
  refused("spectrum.kind=\"dataset\"", "spectrum");
}
