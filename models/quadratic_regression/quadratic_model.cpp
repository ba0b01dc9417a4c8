// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "models/framework/declared_model.hpp"
#include "models/framework/perturbed.hpp"
#include "models/framework/window_means.hpp"
#include "models/ingredients/central_flow.hpp"
#include "models/ingredients/curvature_part.hpp"
#include "models/quadratic_regression/closed_forms.hpp"
#include "models/quadratic_regression/edges.hpp"
#include "models/quadratic_regression/predictions.hpp"
#include "models/quadratic_regression/problem.hpp"
#include "models/quadratic_regression/quadratic_sections.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "models/quadratic_regression/theory.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using settings::Description;

class QuadraticExperiment final : public Problem {
 public:
  QuadraticExperiment(std::shared_ptr<const QuadraticProblem> problem, QuadraticTheory theory)
      : problem_(std::move(problem)), theory_(theory) {}

  Trajectory solve() const override { return solve_quadratic(*problem_, theory_); }
  Trajectory reference() const override {
    if ((problem_->rule.turns() && theory_.method == TheoryMethod::memory) || theory_.method == TheoryMethod::none)
      return edge_alone();
    Trajectory out = solve_quadratic(*problem_, theory_);
    if (theory_.method == TheoryMethod::central_flow) out.claim_from(infinity);  // what is claimed is predicted
    keep_comparable(out);
    if (theory_.method != TheoryMethod::memory || out.valid_until) return out;
    out.valid_until = stochastic_edge_validity(*problem_, out);
    if (out.valid_until && *out.valid_until < out.steps.back())
      out.warnings.push_back(
          fmt::format("judged up to step {} only: there the limit's kernel norm reaches the stochastic edge, which few "
                      "slow runs of a finite system carry",
                      *out.valid_until));
    return out;
  }
  std::vector<Prediction> predictions() const override {
    if (theory_.method == TheoryMethod::central_flow)
      return ingredients::central_flow_predictions(solve_quadratic(*problem_, theory_), 0.7, 1.4, true);
    if (theory_.method == TheoryMethod::linear_mean) return {};
    return theory_.method == TheoryMethod::early_time ? early_time_predictions(*problem_)
                                                      : quadratic_predictions(*problem_);
  }
  std::unique_ptr<Simulation> simulate() const override {
    auto simulation = simulate_quadratic(problem_);
    if (theory_.method != TheoryMethod::central_flow) return simulation;
    return with_window_means(std::move(simulation), {"loss", "parameter_power"}, problem_->time);
  }
  std::vector<Finding> stability() const override { return quadratic_stability(*problem_); }
  std::vector<ModeColumn> mode_table() const override { return quadratic_modes(*problem_); }

 private:
  /// Where there is no theory of the trajectory what can be judged are predictions about whole runs.
  Trajectory edge_alone() const {
    if (predictions().empty()) return solve_quadratic(*problem_, theory_);  // which says why there is none
    Trajectory out;
    out.method = "edge of stability, no trajectory";
    return out;
  }

  std::shared_ptr<const QuadraticProblem> problem_;
  QuadraticTheory theory_;
};

std::vector<Observable> observables_of_model() {
  QuadraticProblem everything;
  everything.rule.rho = everything.rule.deviation = 1;
  everything.traces = true;
  everything.kernel_norms = KernelNorms::exact;
  everything.eigenvalues = 2;
  everything.sharpening_modes = 1;
  everything.every_step = true;
  std::vector<Observable> out = quadratic_observables(everything);
  out.push_back(change_of(out.front()));
  return out;
}

std::vector<std::pair<std::string, std::string>> starts() {
  auto out = ingredients::curvature_starts(0.1, 0.1);
  out.emplace_back("sgd", "optimizer.batch = 10");
  return out;
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const Description* const> optimizers) {
  std::shared_ptr<const QuadraticProblem> problem = read_quadratic_problem(experiment, optimizers);
  return std::make_unique<QuadraticExperiment>(std::move(problem), read_theory(experiment.table));
}

}  // namespace

const Model& quadratic_regression_model() {
  static const DeclaredModel model({
      .description =
          {"quadratic-regression",
           "second-order regression with a random curvature tensor: sharpening, edge of stability, SAM",
           "z(theta) = z0 + J0 theta + Q(theta,theta)/2,  D outputs, P parameters, theta = 0 at the start,  L = "
           "|z|^2/2\n"
           "z0_a ~ N(0, sz2),  J0_ai ~ N(0, sJ2/P),  Q_aij ~ N(0, kappa/P^2), symmetric, twice the variance for i = j\n"
           "GD:   g = J'z,  z' = z - eta J g + (eta^2/2) Q(g,g),  J' = J - eta Q g   (exact)\n"
           "SGD:  g = J' P_t z, B of D rows without replacement;  SAM: the gradient at theta + rho grad\n"
           "H = GGN + NME, GGN = J'J, NME = sum_a z_a Q_a; penalties by H or a part of it, weight noise, traces\n"
           "K = J J' (NTK): EOS at eta lambda_1 = 2 (B = D), stochastic EOS where its kernel norm is 1 (B < D)\n"
           "theory: D, P to infinity at delta = D/P, an exact causal recursion with memory for theta.theta'/P\n"
           "predicted of whole runs that reached their edge (validate judges them; [verdict] predictions demands "
           "them):\n"
           "full batch: plateau, plateau_oscillating (eta lambda_1 ends at 2); B <= D/4 with exact kernel norms:\n"
           "norm_plateau (the norm ends near 1), beyond_edge (eta lambda_1 above 2); SAM, logit SAM, penalties by H "
           "or\n"
           "GGN, full batch: sam_plateau (lambda_1 ends at lambda_SAM); functional SAM, penalty by NME: plateau; one\n"
           "output and parameter, given: saddle_end (where a penalty leads beside a saddle); early-time theory, full "
           "batch: sharpens_1, ... (second differences above "
           "0);\n"
           "[rate] at full batch: extremes_balanced (cdat, 1 <= sigma < 2: eta (lambda_1 + lambda_min) ends at 2, or "
           "eta\n"
           "lambda_1 at sigma where that is more),\n"
           "below_edge (cdat, 1 < sigma < 2, and armijo), on_edge (cdat, sigma = 2),\n"
           "conserved_loss (that, on a linear model, whatever the base)",
           "Agarwala, Pedregosa, Pennington 2022; Agarwala, Pennington 2024; docs/theory/quadratic-regression.md",
           settings::with_sections({{"data", data_parameters()}})},
      .sections = {"data", "optimizer", "rate", "schedule", "theory", "monte_carlo"},
      .dimension = {"data", "outputs", {"data.parameters", "optimizer.batch"}},
      .optimizers = quadratic_optimizers(),
      .observables = observables_of_model(),
      .closed_forms = quadratic_closed_forms,
      .theory = theory_section().parameters(),
      .monte_carlo = simulation_parameters(),
      .build = build,
      .start = R"(data = { outputs = 20, parameters = 40 }
optimizer.learning_rate = 0.1
time.steps = 20
monte_carlo.replicas = 8)",
      .start_of = starts(),
  });
  return model;
}

}  // namespace edgewise::models::quadratic_regression
