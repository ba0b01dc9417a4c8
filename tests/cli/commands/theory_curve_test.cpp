#include "cli/commands/theory_curve.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "models/framework/experiment.hpp"
#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise::cli;
using edgewise::cli::testing::Folder;
using edgewise::cli::testing::run;
using edgewise::cli::testing::small_experiment;
using edgewise::tests::Approx;

namespace {

Result solved(const Folder& folder, const std::string& command, const std::vector<std::string>& more = {}) {
  const std::string file = folder.file("small.toml", small_experiment), to = folder / "r.csv";
  std::vector<std::string> words{command, file, "-o", to};
  words.insert(words.end(), more.begin(), more.end());
  CHECK(run(words).status == 0);
  return read_result(to);
}

}  // namespace

TEST_CASE("a figure's theory has a grid of its own and goes through what was recorded") {
  const Folder folder;
  for (const char* command : {"solve", "validate"}) {
    CAPTURE(command);
    const Result result = solved(folder, command, {"--set", "time.at=[10, 300]", "--set", "monte_carlo.replicas=300"});
    const auto curve = theory_curve(result);
    REQUIRE(curve.has_value());
    REQUIRE(curve->steps.size() > 150);
    CHECK(curve->steps.back() == 300);
    const auto o = static_cast<std::size_t>(result.index("excess_mse"));
    REQUIRE(curve->value[o].size() == curve->steps.size());
    // Two eigenvalues, B = 1: M' = (1 - 2 eta l + 2 eta^2 l^2) M + eta^2 l^2 (P + sigma^2), P = sum l M.
    const double eta = 0.01, l[] = {1.0, 0.1}, n[] = {20, 30};
    double M[] = {1, 1};  // per eigenspace
    std::size_t at = 0;
    for (int k = 0; k <= 300; ++k) {
      const double P = l[0] * M[0] + l[1] * M[1];
      while (at < curve->steps.size() && curve->steps[at] == k) {
        CHECK(curve->value[o][at] == Approx(P).epsilon(1e-9));
        ++at;
      }
      for (int i = 0; i < 2; ++i)
        M[i] = (1 - 2 * eta * l[i] + eta * eta * l[i] * l[i] * 2) * M[i] + n[i] * eta * eta * l[i] * (P + 0.01);
    }
    CHECK(at == curve->steps.size());
  }
}

TEST_CASE("an orbit that jumps from step to step keeps its recorded points") {
  const Folder folder;
  const std::string to = folder / "r.csv";
  // Normalised SAM of a fixed radius ends in a cycle of two states; gradient descent settles.
  const auto kept_recorded = [&](const std::string& optimizer) {
    const std::string file = folder.file("map.toml",
                                         "model = 'quadratic-map'\n[data]\nepsilon = 0.05\n[initial]\n"
                                         "residual = -0.1\njacobian = [1.3, 0.3]\n[optimizer]\n" +
                                             optimizer + "\n[time]\nsteps = 5000\n");
    CHECK(run({"solve", file, "-o", to}).status == 0);
    const Result result = read_result(to);
    const auto curve = theory_curve(result);
    REQUIRE(curve.has_value());
    return curve->value[static_cast<std::size_t>(result.index("loss"))].empty();
  };
  CHECK(kept_recorded("kind = 'normalized-sam'\nrho = 0.05"));
  CHECK(!kept_recorded("kind = 'gd'\nlearning_rate = 0.2"));
}

TEST_CASE("the grid has the recorded steps, evenly spaced ones, and more where the run begins") {
  const Folder folder;
  const Result result = solved(folder, "solve", {"--set", "time.steps=5000", "--set", "time.points=7"});
  const auto curve = theory_curve(result);
  REQUIRE(curve.has_value());
  std::set<double> expected(result.steps.begin(), result.steps.end());
  CHECK(expected.size() == 7);
  for (int i = 0; i <= 240; ++i) expected.insert(std::floor(5000.0 * i / 240));
  for (const std::uint64_t step : edgewise::models::recorded_steps(5000, 240))
    expected.insert(static_cast<double>(step));
  CHECK(curve->steps == std::vector<double>(expected.begin(), expected.end()));
  // What is recorded may be off by 1e-4 of its largest value, in no observable by more.
  for (std::size_t o = 0; o < result.observables.size(); ++o) {
    CAPTURE(result.observables[o].name);
    const std::vector<double>& values = result.fields[0].values[o];
    const double largest = *std::ranges::max_element(values);
    for (const double off : {-1.0, 1.0}) {
      Result near = result, far = result, none = result;
      near.fields[0].values[o].back() += off * 0.97e-4 * largest;
      far.fields[0].values[o].back() += off * 1.03e-4 * largest;
      none.fields[0].values[o][2] = std::nan("");
      CHECK(theory_curve(near).has_value());
      CHECK_FALSE(theory_curve(far).has_value());
      CHECK_FALSE(theory_curve(none).has_value());
    }
  }
  // A step that the grid does not have is passed over.
  Result between = result;
  for (std::size_t t = 1; t + 1 < between.steps.size(); ++t) between.steps[t] += 0.5;
  between.fields[0].values[0][3] *= 2;
  CHECK(theory_curve(between).has_value());
  // The band is that of the theory.
  const Result judged = solved(folder, "validate", {"--set", "time.at=[10, 300]"});
  const auto banded = theory_curve(judged);
  REQUIRE(banded.has_value());
  for (const char* name : {"risk", "excess_mse"}) {
    const auto o = static_cast<std::size_t>(judged.index(name));
    const std::vector<double>& std = judged.find("theory_std")->values[o];
    REQUIRE(banded->std[o].size() == banded->steps.size());
    for (std::size_t t = 0; t < std.size(); ++t) {
      const auto at = std::ranges::find(banded->steps, judged.steps[t]) - banded->steps.begin();
      CHECK(banded->std[o][static_cast<std::size_t>(at)] == Approx(std[t]).epsilon(1e-9));
    }
  }
}

TEST_CASE("what grows or falls slowly is followed between its recorded steps") {
  const Folder folder;
  // From the optimum the noise takes the excess up, by a thousandth to a hundredth from point to point.
  for (const char* power : {"spectrum.target_power=[0.0, 0.0]", "spectrum.target_power=[1.0, 1.0]"}) {
    CAPTURE(std::string(power));
    const auto curve = theory_curve(solved(
        folder, "solve", {"--set", power, "--set", "time.steps=5000", "--set", "optimizer.learning_rate=0.001"}));
    REQUIRE(curve.has_value());
    for (const auto& values : curve->value) CHECK(values.size() == curve->steps.size());
  }
}

TEST_CASE("an orbit that swings, many points a period, is followed") {
  const Folder folder;
  // Heavy-ball momentum: an excess that falls and rises some ten times.
  const auto curve = theory_curve(
      solved(folder, "solve",
             {"--set", "optimizer.kind=momentum", "--set", "optimizer.momentum=0.99", "--set",
              "optimizer.learning_rate=0.0001", "--set", "time.steps=1500", "--set", "optimizer.batch=inf"}));
  REQUIRE(curve.has_value());
  const std::vector<double>& excess = curve->value[1];
  CHECK(excess.size() == curve->steps.size());
  std::size_t turns = 0;
  for (std::size_t i = 1; i + 1 < excess.size(); ++i)
    turns += (excess[i] - excess[i - 1]) * (excess[i + 1] - excess[i]) < 0;
  CHECK(turns > 1);
}

TEST_CASE("no curve where the theory is another, or cannot be had") {
  const Folder folder;
  Result result = solved(folder, "solve");
  CHECK(theory_curve(result).has_value());
  Result changed = result;
  changed.fields[0].values[0][3] *= 1.01;
  CHECK(!theory_curve(changed).has_value());
  Result bare = result;
  bare.fields.clear();
  CHECK(!theory_curve(bare).has_value());
  Result without = result;
  std::erase_if(without.provenance, [](const Attribute& a) { return a.name == "experiment"; });
  CHECK(!theory_curve(without).has_value());
  CHECK(!theory_curve(solved(folder, "simulate")).has_value());
  CHECK(!theory_curve(solved(folder, "solve", {"--set", "theory.method=sde", "--set", "theory.paths=5"})).has_value());
}
