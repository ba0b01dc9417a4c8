// `edgewise validate` on a theory that holds at infinite dimension.
#include <doctest/doctest.h>

#include <string>

#include "cli/context.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/holds.hpp"

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
