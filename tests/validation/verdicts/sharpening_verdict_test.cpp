// Verdicts on the early sharpening of second-order regression and on SAM in mini-batches: the shipped experiments agree
// with their theory, and reject it once a term of it is changed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/quadratic_regression/problem.hpp"
#include "validation/verdicts/verdict.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

namespace {

settings::Table file(const std::string& name) {
  return settings::read_file(EDGEWISE_TEST_DATA "/experiments/" + name + ".toml");
}

/// A sample of an experiment, judged by its theory and by others.
class Judged {
 public:
  explicit Judged(const settings::Table& table)
      : experiment_(models::read_experiment(table)),
        options_(read_verdict_options(table)),
        problem_(models::find(experiment_).prepare(experiment_)),
        simulation_(problem_->simulate()),
        sample_(run(*simulation_, experiment_, {})) {}
  models::Trajectory theory() const { return problem_->reference(); }
  Verdict by(const models::Trajectory& theory) const { return judge(theory, sample_, options_, 1); }

 private:
  models::Experiment experiment_;
  VerdictOptions options_;
  std::unique_ptr<models::Problem> problem_;
  std::unique_ptr<models::Simulation> simulation_;
  Sample sample_;
};

models::Trajectory to_order_two(settings::Table table) {
  settings::override_value(table, "theory.order=2");
  const models::Experiment experiment = models::read_experiment(table);
  return models::find(experiment).prepare(experiment)->reference();
}

}  // namespace

TEST_CASE("conservative sharpening: agrees with the slow-down, rejects its absence and one alike along all modes" *
          doctest::test_suite("slow")) {
  const settings::Table table = file("quadratic-conservative-sharpening");
  const Judged judged(table);
  const models::Trajectory theory = judged.theory(), without = to_order_two(table);
  const Verdict verdict = judged.by(theory);
  CHECK_MESSAGE(verdict.outcome == Outcome::agree, verdict.reason);
  CHECK(judged.by(without).outcome == Outcome::disagree);

  // What is lost along each eigenvector, replaced by the mean over them: the trace is right, the eigenvalues are not.
  models::Trajectory alike = theory;
  double lost = 0;
  std::size_t modes = 0;
  const auto along_mode = [](const std::string& name) {
    return name.starts_with("sharpening_second_") && !name.ends_with("mean") && !name.ends_with("max");
  };
  for (std::size_t c = 0; c < theory.columns.size(); ++c)
    if (along_mode(theory.columns[c].observable.name)) {
      lost += without.columns[c].value.back() - theory.columns[c].value.back();
      ++modes;
    }
  REQUIRE(modes == 6);
  lost /= static_cast<double>(modes);
  for (std::size_t c = 0; c < theory.columns.size(); ++c)
    if (along_mode(theory.columns[c].observable.name))
      alike.columns[c].value.back() = without.columns[c].value.back() - lost;
  CHECK(judged.by(alike).outcome == Outcome::disagree);
}

TEST_CASE("progressive sharpening at full batch: every second difference positive, repulsion of levels seen" *
          doctest::test_suite("slow")) {
  const settings::Table table = file("quadratic-progressive-sharpening");
  const Judged judged(table);
  const models::Trajectory theory = judged.theory();
  const Verdict verdict = judged.by(theory);
  CHECK_MESSAGE(verdict.outcome == Outcome::agree, verdict.reason);
  std::size_t seconds = 0;
  for (const Comparison& row : verdict.rows)
    if (row.observable.starts_with("sharpening_second_")) {
      CHECK(row.mc_mean > 50 * row.mc_sem);
      ++seconds;
    }
  CHECK(seconds == 10);
  models::Trajectory without = theory;
  without.columns.back().value.back() = theory.find("sharpening_second_1")->value.back();
  REQUIRE(without.columns.back().observable.name == "sharpening_second_ntk_max");
  CHECK(judged.by(without).outcome == Outcome::disagree);
  CHECK(judged.by(to_order_two(table)).outcome == Outcome::disagree);
}

TEST_CASE("SAM on single examples: the kernel's diagonal regularises, not the kernel" * doctest::test_suite("slow")) {
  const settings::Table table = file("quadratic-sam-batches");
  const Judged judged(table);
  const models::Trajectory theory = judged.theory();
  CHECK(theory.exact);
  const Verdict verdict = judged.by(theory);
  CHECK_MESSAGE(verdict.outcome == Outcome::agree, verdict.reason);
  // As if every batch saw the whole kernel: (I - eta b K (I + rho K))^t.
  models::ingredients::QuadraticLaw law;
  law.outputs = 12;
  law.parameters = 24;
  const models::ingredients::QuadraticStart start = models::ingredients::draw_start(law, 1, 0);
  const Matrix kernel = linear_algebra::product(start.j0, start.j0, Transposed::no, Transposed::yes);
  const auto overlaps = [&](const Matrix& descent) {
    models::Trajectory out = theory;
    std::vector<double>& value =
        std::ranges::find(out.columns, "residual_overlap", [](const auto& c) { return c.observable.name; })->value;
    Matrix mean(12, 1, start.z0);
    std::uint64_t step = 0;
    for (std::size_t i = 0; i < out.steps.size(); ++i) {
      for (; static_cast<double>(step) < out.steps[i]; ++step) {
        const Matrix change = linear_algebra::product(descent, mean);
        for (std::size_t a = 0; a < 12; ++a) mean(a, 0) -= 0.2 * change(a, 0);
      }
      value[i] = 0;
      for (std::size_t a = 0; a < 12; ++a) value[i] += start.z0[a] * mean(a, 0) / 12;
    }
    return out;
  };
  CHECK(judged.by(overlaps(models::ingredients::sam_mean_descent(kernel, 0.5, 1))).outcome == Outcome::agree);
  Matrix whole = models::ingredients::sam_mean_descent(kernel, 0.5, 12);
  for (double& x : whole.entries()) x /= 12;
  CHECK(judged.by(overlaps(whole)).outcome == Outcome::disagree);
}
