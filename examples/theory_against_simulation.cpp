// One-pass SGD on a power law: the theory, 500 runs of the algorithm, and whether the two agree.
#include <edgewise/models/framework/model.hpp>
#include <edgewise/validation/monte_carlo/monte_carlo.hpp>
#include <edgewise/validation/verdicts/verdict.hpp>

#include <cstdio>

int main() {
  using namespace edgewise;
  const models::Experiment experiment = models::read_experiment(settings::read_text(R"(
    model = "least-squares"
    spectrum = { kind = "power-law", dimension = 100, alpha = 0.6, beta = 0.5 }
    noise = { law = "gaussian", variance = 0.04 }
    optimizer = { kind = "sgd", learning_rate = 0.3, batch = 4 }
    time = { steps = 200, points = 10 }
    monte_carlo = { replicas = 500, seed = 1 }
  )",
                                                                                    "example"));
  const auto problem = models::find(experiment).prepare(experiment);

  const models::Trajectory theory = problem->reference();
  const validation::Sample sample = validation::run(*problem->simulate(), experiment, {});
  const validation::Verdict verdict = validation::judge(
      theory, sample, validation::read_verdict_options(experiment.table), experiment.monte_carlo.seed);

  const models::Column& risk = *theory.find("risk");
  for (std::size_t k = 0; k < theory.steps.size(); ++k)
    std::printf("step %4.0f   theory %.6f   simulation %.6f\n", theory.steps[k], risk.value[k], sample.mean[k]);
  std::printf("%s: %s\n", std::string(validation::name(verdict.outcome)).c_str(), verdict.reason.c_str());
  return verdict.outcome == validation::Outcome::agree ? 0 : 1;
}
