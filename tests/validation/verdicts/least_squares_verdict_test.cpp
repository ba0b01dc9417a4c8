// The verdict on the real model: theory, bands and exact sampler of SGD on least squares.
#include <doctest/doctest.h>

#include <string>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "validation/monte_carlo/statistics.hpp"
#include "validation/verdicts/verdict.hpp"

using namespace edgewise;
using namespace edgewise::validation;

namespace {

models::Experiment power_law(std::uint64_t replicas, double learning_rate) {
  return models::read_experiment(
      settings::read_text("model = 'least-squares'\n"
                          "[spectrum]\nkind = 'power-law'\ndimension = 20\nalpha = 0.6\nbeta = 0.5\n"
                          "[noise]\nlaw = 'gaussian'\nvariance = 0.04\n"
                          "[optimizer]\nkind = 'sgd'\nbatch = 4\nlearning_rate = " +
                              settings::text_of(learning_rate) +
                              "\n[theory]\nbands = true\n"
                              "[time]\nat = [1, 2, 4, 8, 16, 32, 64]\n"
                              "[monte_carlo]\nreplicas = " +
                              std::to_string(replicas) + "\n",
                          "power-law.toml"));
}

Verdict judged(const models::Trajectory& theory, const models::Simulation& simulation, models::Experiment experiment,
               std::uint64_t seed) {
  experiment.monte_carlo.seed = seed;
  VerdictOptions options;
  options.resolution = 0.5;
  return judge(theory, run(simulation, experiment, {}), options, seed);
}

}  // namespace

TEST_CASE("least squares: right theory rejected at the stated rate, a learning rate 3% off always") {
  const auto experiment = power_law(64, 0.4);
  const auto& model = models::find(experiment);
  const auto theory = model.prepare(experiment)->solve();
  const auto simulation = model.prepare(experiment)->simulate();
  CHECK(theory.exact);
  std::uint64_t rejected = 0;
  bool exact = true;
  constexpr std::uint64_t seeds = 300;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto verdict = judged(theory, *simulation, experiment, seed);
    rejected += verdict.outcome == Outcome::disagree ? 1 : 0;
    exact = exact && verdict.exact_std;
  }
  CAPTURE(rejected);
  CHECK(exact);
  const auto [low, high] = binomial_interval(rejected, seeds, 0.999);
  CHECK(low <= 0.01);
  CHECK(high >= 0.01);

  const auto more = power_law(6000, 0.4);
  const auto wrong = model.prepare(power_law(6000, 0.4 * 1.03))->solve();
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    CHECK(judged(wrong, *simulation, more, seed).outcome == Outcome::disagree);
}
