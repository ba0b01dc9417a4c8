// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/equilibrium_network/linear_iteration.hpp"
#include "models/equilibrium_network/nonlinear_theory.hpp"
#include "models/equilibrium_network/settings.hpp"
#include "models/equilibrium_network/training.hpp"
#include "models/framework/declared_model.hpp"
#include "models/ingredients/networks/training_data.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

using settings::Parameter;
using settings::Values;

/// Of squared lengths after k iterations: the residual's share.
constexpr double most_left = 0.01;

const std::vector<Parameter>& training_keys() {
  static const std::vector<Parameter> keys{
      settings::number("iterations", "k, of the tied network; whole; beyond 300 the theory is that of the fixed point")
          .at_least(1)
          .at_most(1e5)
          .otherwise(30.0),
      settings::number("input_power", "q_h = |h|^2/n of every example").above(0).at_most(1e100).otherwise(1.0),
      settings::number("examples", "N; whole").at_least(1).at_most(1e4).otherwise(16.0),
      settings::number("inputs", "d; x uniform of norm sqrt d; whole").at_least(1).at_most(1e4).otherwise(8.0),
      settings::text("targets", "linear: y = w.x/sqrt d, w ~ N(0, 1); random: y ~ N(0, 1)")
          .one_of({"linear", "random"})
          .otherwise(std::string("linear")),
      settings::integer("seed", "of the examples, which all replicas share").at_least(0).otherwise(std::int64_t{1})};
  return keys;
}

settings::Description tied_descent() {
  return {"gd",
          "gradient descent on all examples, through all iterations",
          "What' = What - eta dL/dWhat, v' = v - eta dL/dv;  W = g What/sqrt n",
          "docs/theory/networks-and-kernels.md, section 1.2",
          {settings::number("learning_rate", "eta").in("per step").above(0).must()}};
}

class TrainingExperiment final : public Problem {
 public:
  explicit TrainingExperiment(std::shared_ptr<const TrainingProblem> problem) : problem_(std::move(problem)) {}

  Trajectory solve() const override {
    try {
      Trajectory out;
      out.steps.assign(problem_->network.depth.at.begin(), problem_->network.depth.at.end());
      out.columns.push_back({training_observables().front(), lazy_losses(*problem_), {}});
      out.method = problem_->iterations > longest_kernel ? "lazy, n and k to infinity" : "lazy, n to infinity";
      limit_claims(out);
      return out;
    } catch (const std::domain_error& e) {
      throw std::domain_error(std::string("network.scale: ") + e.what());
    }
  }
  std::unique_ptr<Simulation> simulate() const override { return simulate_training(problem_); }

  std::vector<Finding> stability() const override {
    const EquilibriumProblem& p = problem_->network;
    const double at = edge(p.family, p.phi, p.input_power);
    std::vector<Finding> out{
        {"scale", p.g, "g at the start"},
        {"edge_scale", at, "g at which the phase ends, of wide networks at the start"},
        {"in_phase", p.g < at, "whether the start is inside"},
        {"relative_scale", p.g / at, "g in units of the edge"},
    };
    if (p.g < at) {
      const double rate = equilibrium(p.family, p.phi, p.input_power, p.g).rate;
      if (!std::isnan(rate)) out.push_back({"iteration_rate", rate, "of the plain iteration at the start"});
    }
    try {
      out.push_back({"edge_learning_rate", lazy_edge(*problem_),
                     "eta beyond which the lazy network's loss grows, of so many iterations"});
    } catch (const std::logic_error&) {
      // Outside the phase, or of a family whose tangent kernel is not known.
    }
    return out;
  }

 private:
  void limit_claims(Trajectory& out) const {
    const EquilibriumProblem& p = problem_->network;
    const double rate = equilibrium(p.family, p.phi, p.input_power, p.g).rate;
    const double left = std::pow(rate, 2 * static_cast<double>(problem_->iterations));
    if (problem_->iterations > longest_kernel && !(left <= most_left))
      out.warnings.push_back(
          fmt::format("{} iterations leave {:.2g} of a squared length on the way to the fixed point, of which the "
                      "theory is: shown, not judged; take more training.iterations, or at most {}",
                      problem_->iterations, left, longest_kernel));
    if (p.width < narrowest)
      out.warnings.push_back(
          fmt::format("the limit of wide networks claims nothing at widths below {}: shown, not judged", narrowest));
    if (!out.warnings.empty()) out.valid_until = 0;
  }

  std::shared_ptr<const TrainingProblem> problem_;
};

std::unique_ptr<Problem> build_training(const Experiment& experiment,
                                        std::span<const settings::Description* const> optimizers) {
  auto problem = std::make_shared<TrainingProblem>();
  read_network(experiment.table, problem->network);
  const Values training = settings::read(experiment.table.table_or_empty("training"), training_keys());
  problem->learning_rate =
      settings::read_choice(experiment.table, "optimizer", optimizers, "gd").values.number("learning_rate");
  problem->network.depth = experiment.time;
  problem->network.input_power = training.number("input_power");
  problem->iterations = training.whole("iterations");
  const std::size_t N = training.whole("examples"), d = training.whole("inputs");
  random::Stream stream(static_cast<std::uint64_t>(training.integer("seed")), 0, 0, random::Purpose::data);
  std::vector<double> teacher(d);
  for (double& x : teacher) x = stream.normal();
  problem->inputs = linear_algebra::Matrix(d, N);
  for (std::size_t i = 0; i < N; ++i) {
    const auto x = problem->inputs.column(i);
    for (double& value : x) value = stream.normal();
    const double factor = std::sqrt(static_cast<double>(d) / numerics::squared_norm_in_order(x));
    for (double& value : x) value *= factor;
    const double drawn = stream.normal();
    problem->targets.push_back(training.text("targets") == "random"
                                   ? drawn
                                   : numerics::dot_in_order(teacher, x) / std::sqrt(static_cast<double>(d)));
  }
  return std::make_unique<TrainingExperiment>(std::move(problem));
}

}  // namespace

const Model& equilibrium_training_model();
const Model& equilibrium_training_model() {
  static const DeclaredModel model({
      .description =
          {"equilibrium-training", "tied networks trained from a family of weights: which scales can be used",
           "z_0 = 0, z_{j+1} = phi(W z_j + h), f = v.z_k/sqrt n, loss = mean (f - y)^2/2, h = sqrt(q_h/d) U x\n"
           "wide: residuals by 1 - eta Theta/N a step, Theta = E z_k z'_k (readout) + the tangent kernel of W",
           "Agarwala, Schoenholz 2022; docs/theory/networks-and-kernels.md, section 1",
           settings::with_sections({{"network", network_parameters()}, {"training", training_keys()}})},
      .sections = {"network", "training", "optimizer", "monte_carlo"},
      .optimizers = {tied_descent()},
      .observables = training_observables(),
      .build = build_training,
      .start = R"(network.scale = 0.5
optimizer.learning_rate = 0.3
time.steps = 20)",
  });
  return model;
}

}  // namespace edgewise::models::equilibrium_network
