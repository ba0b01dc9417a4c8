// The plateaus of second-order regression judged against its simulations, and wrong ones rejected.
#include <doctest/doctest.h>

#include <string>

#include "models/framework/model.hpp"
#include "validation/verdicts/predictions.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using models::Prediction;

namespace {

models::Experiment experiment(const std::string& optimizer, const std::string& rest) {
  return models::read_experiment(
      settings::read_text("model = 'quadratic-regression'\n[data]\noutputs = 40\nparameters = 80\ncurvature = 4\n"
                          "[optimizer]\n" +
                              optimizer + "\n[monte_carlo]\nseed = 1\n" + rest,
                          "x.toml"));
}

std::unique_ptr<models::Problem> prepare(const models::Experiment& e) {
  return models::find(e).prepare(e);
}

VerdictOptions finely() {
  VerdictOptions options;
  options.resolution = 0.1;
  return options;
}

/// With the interval moved by a factor.
Prediction moved(Prediction p, double factor) {
  p.nominal *= factor;
  p.low *= factor;
  p.high *= factor;
  return p;
}

}  // namespace

TEST_CASE("full batch: the plateau is at 2 and at no value 8% away" * doctest::test_suite("slow")) {
  const auto e = experiment("kind = 'gd'\nlearning_rate = 0.3", "replicas = 40\n[time]\nsteps = 600\npoints = 40\n");
  const auto problem = prepare(e);
  const Sample sample = run(*problem->simulate(), e, {});
  const Prediction plateau = problem->predictions().at(0);
  const auto verdict = judge_prediction(plateau, sample, finely(), 0.005);
  CHECK(verdict.outcome == Outcome::agree);
  CHECK(verdict.runs >= 25);
  CHECK(verdict.estimate > 1.95);
  CHECK(verdict.estimate < 2);
  for (const double factor : {0.92, 1.08})
    CHECK(judge_prediction(moved(plateau, factor), sample, finely(), 0.005).outcome == Outcome::disagree);
}

TEST_CASE("small batches: the norm is held near 1 where eta lambda_1 stands far above 2" *
          doctest::test_suite("slow")) {
  const auto e =
      experiment("kind = 'sgd'\nlearning_rate = 0.65\nbatch = 4", "replicas = 80\n[time]\nsteps = 600\npoints = 30\n");
  const auto problem = prepare(e);
  const Sample sample = run(*problem->simulate(), e, {});
  const auto predictions = problem->predictions();
  const auto norm = judge_prediction(predictions.at(0), sample, finely(), 0.005);
  CHECK(norm.outcome == Outcome::agree);
  CHECK(norm.runs >= 48);
  for (const double factor : {0.92, 1.08})
    CHECK(judge_prediction(moved(predictions[0], factor), sample, finely(), 0.005).outcome == Outcome::disagree);
  const auto beyond = judge_prediction(predictions.at(1), sample, finely(), 0.005);
  CHECK(beyond.outcome != Outcome::disagree);
  CHECK(beyond.estimate > 4);
  // The plateau of full batch is not where small batches stand.
  Prediction full = predictions[1];
  full.high = 2.1;
  CHECK(judge_prediction(full, sample, finely(), 0.005).outcome == Outcome::disagree);
}

TEST_CASE("SAM: runs come back to lambda_SAM of their own rho, and not to that of another" *
          doctest::test_suite("slow")) {
  const std::string record = "replicas = 32\n[time]\nat = [10, 20, 30, 40, 50, 70, 100, 200, 400, 600, 700]\n";
  const auto e = experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 0.3", record);
  const auto problem = prepare(e);
  const Sample sample = run(*problem->simulate(), e, {});
  const auto predictions = problem->predictions();
  const Verdict verdict = judge(problem->reference(), sample, predictions, finely(), 1);
  CHECK(verdict.outcome == Outcome::agree);
  CHECK(verdict.rows.empty());
  CHECK(verdict.predictions.at(0).runs >= 22);
  CHECK(verdict.detectable < 0.02);
  for (const char* rho : {"0.27", "0.33"}) {  // lambda_SAM moves by 4%
    const auto other = prepare(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = " + std::string(rho), record));
    CHECK(judge_prediction(other->predictions().at(0), sample, finely(), 0.01).outcome == Outcome::disagree);
  }
}
