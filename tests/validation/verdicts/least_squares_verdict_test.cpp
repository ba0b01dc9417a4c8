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

TEST_CASE("least squares: right theory rejected at the stated rate, a learning rate 3% off always" *
          doctest::test_suite("slow")) {
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

namespace {

/// Outcomes of seeds 1 to 5 with 200 replicas, and the theory's own reference.
std::string outcomes(const std::string& model, const std::string& optimizer, const std::string& noise) {
  const std::string head = "model = '" + model + "'\n[spectrum]\nkind = 'isotropic'\ndimension = 50\n[noise]\n" + noise;
  models::Experiment experiment = models::read_experiment(
      settings::read_text(head + "\n[optimizer]\nlearning_rate = 0.005\n" + optimizer +
                              "\n[time]\nat = [10, 100, 300]\n" + "[monte_carlo]\nreplicas = 200\n",
                          "rare.toml"));
  const auto problem = models::find(experiment).prepare(experiment);
  const auto theory = problem->reference();
  const auto simulation = problem->simulate();
  VerdictOptions options;
  options.allowed = model == "least-squares" ? 0 : 0.02;  // residual-sgd is a theory of d -> infinity
  options.resolution = 0.5;
  std::string out;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    experiment.monte_carlo.seed = seed;
    out += name(judge(theory, run(*simulation, experiment, {}), options, seed).outcome).substr(0, 1);
  }
  return out;
}

}  // namespace

TEST_CASE("label noise of finite variance that no replica has met rejects no exact theory" *
          doctest::test_suite("slow")) {
  const std::string tails = "law = 'student-t'\ndof = 2.1\nscale = 0.1",
                    outliers = "law = 'contaminated'\nscale = 0.1\noutlier_scale = 300\nprobability = 1e-6",
                    light = "law = 'student-t'\ndof = 8\nvariance = 0.2";
  for (const char* optimizer : {"kind = 'sgd'", "kind = 'momentum'\nmomentum = 0.5",
                                "kind = 'la-diloco'\ninner_steps = 5\nworkers = 2\nouter_learning_rate = 0.7"}) {
    CAPTURE(optimizer);
    CHECK(outcomes("least-squares", optimizer, tails) == "iiiii");
    CHECK(outcomes("least-squares", optimizer, outliers) == "iiiii");
    CHECK(outcomes("least-squares", optimizer, light) == "aaaaa");
  }
  CHECK(outcomes("residual-sgd", "kind = 'sgd'", outliers) == "iiiii");
  CHECK(outcomes("residual-sgd", "kind = 'sgd'", light) == "aaaaa");
  // Clipping bounds what an outlier does: there is nothing unmet.
  CHECK(outcomes("residual-sgd", "kind = 'huber'\nthreshold = 0.5", tails) == "aaaaa");
}
