// The worked example of docs/developer.md from its file to the verdict on its simulation and to a figure.
#include <doctest/doctest.h>

#include <string>

#include "cli/figures/figures.hpp"
#include "cli/results/results.hpp"
#include "models/framework/experiment.hpp"
#include "tests/models/example/masked_sgd.cpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/verdicts/verdict.hpp"

using namespace edgewise;

namespace {

models::Experiment experiment(const std::string& kept) {
  return models::read_experiment(settings::read_text(
      "model = 'masked-sgd'\n[spectrum]\nkind = 'power-law'\ndimension = 20\nalpha = 0.6\nbeta = 0.5\n"
      "[noise]\nlaw = 'gaussian'\nvariance = 0.05\n[optimizer]\nlearning_rate = 0.05\nkept = " +
          kept + "\n[time]\nat = [0, 5, 20, 80, 200]\n[monte_carlo]\nreplicas = 400\n",
      "masked.toml"));
}

validation::Verdict judged(const models::Experiment& theory, const models::Experiment& simulated, std::uint64_t seed) {
  const auto& model = models::masked_sgd::masked_sgd_model();
  models::Experiment seeded = simulated;
  seeded.monte_carlo.seed = seed;
  const auto problem = model.prepare(seeded);
  const auto simulation = problem->simulate();
  validation::VerdictOptions options;
  options.resolution = 0.3;
  return validation::judge(model.prepare(theory)->reference(), validation::run(*simulation, seeded, {}), options, seed);
}

}  // namespace

TEST_CASE("the example model: its verdict agrees, and rejects a theory that is 7% off") {
  // False alarm: 1% a seed, 10 seeds, more than one of them: 0.4%.
  int alarms = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed)
    alarms += judged(experiment("0.4"), experiment("0.4"), seed).outcome == validation::Outcome::disagree ? 1 : 0;
  CHECK(alarms <= 1);
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    CHECK(judged(experiment("0.43"), experiment("0.4"), seed).outcome == validation::Outcome::disagree);
}

TEST_CASE("the example model: its figure") {
  cli::Provenance provenance{experiment("0.4"), "masked.toml", {}, {}, {}, 0};
  const models::Trajectory theory = models::masked_sgd::masked_sgd_model().prepare(provenance.experiment)->solve();
  const std::string script =
      cli::figure_script({cli::solution(theory, provenance)}, {"masked SGD"}, {{"excess_mse"}, {}, ""}, ".svg");
  CHECK(script.find("excess MSE") != std::string::npos);
  CHECK(cli::drawn({cli::solution(theory, provenance)}, {"masked SGD"}, {}, ".svg").find("<svg") != std::string::npos);
}
