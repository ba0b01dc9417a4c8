// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "models/framework/model.hpp"
#include "models/framework/window_means.hpp"
#include "models/ingredients/central_flow.hpp"
#include "models/quadratic_regression/closed_forms.hpp"
#include "models/quadratic_regression/edges.hpp"
#include "models/quadratic_regression/predictions.hpp"
#include "models/quadratic_regression/problem.hpp"
#include "models/quadratic_regression/sharpening_record.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "models/quadratic_regression/theory.hpp"
#include "models/quadratic_regression/theory_closed_forms.hpp"
#include "models/quadratic_regression/theory_early_time.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using settings::Description;
using settings::Parameter;
using settings::Table;
using settings::Values;

/// Largest D at which Kx, of cost D^4 at every recorded step, and Kn, of cost D^3, are observed without being asked
/// for.
constexpr std::size_t usual_exact = 100, usual_annealed = 1000;

const std::vector<Parameter>& data_keys() {
  static const std::vector<Parameter> parameters{
      settings::text("ensemble",
                     "goe: random, as in the equations; given: J0 stands in the file, and z0 and Q unless they are to "
                     "be drawn")
          .one_of({"goe", "given"})
          .otherwise(std::string("goe")),
      settings::number("outputs", "D, data points; whole").at_least(1).at_most(1e6).computed("rows of J0 when given"),
      settings::number("parameters", "P; whole").at_least(1).at_most(1e6).computed("columns of J0 when given"),
      settings::number("curvature", "kappa: Q_aij has variance kappa/P^2, twice that for i = j; 0: linear model")
          .at_least(0)
          .otherwise(1.0),
      settings::number("residual_variance", "sz2, of the entries of z0").above(0).otherwise(1.0),
      settings::number("jacobian_variance", "sJ2, P times that of the entries of J0").above(0).otherwise(1.0),
      settings::boolean("fix_residual_norm", "z0 is rescaled to |z0|^2 = D sz2").otherwise(true),
      settings::boolean("shared_instance",
                        "all replicas run on one instance (z0, J0, Q) and differ in the batches only; one tensor")
          .otherwise(false),
      settings::boolean("shared_initial",
                        "all replicas start from the z0 and J0 of replica 0; each has its own Q and batches")
          .otherwise(false),
      settings::numbers("z0", "residuals at theta = 0, D numbers, for a given ensemble").computed("drawn"),
      settings::matrix("J0", "Jacobian at theta = 0, D rows of P, for a given ensemble").computed("drawn"),
      settings::matrix("Q", "curvature of a given ensemble: D symmetric P x P matrices below each other, D P rows of P")
          .computed("drawn")};
  return parameters;
}

Parameter learning_rate() {
  return settings::number("learning_rate", "eta; the loss is a sum over outputs, |z|^2/2, without 1/B")
      .in("per step")
      .above(0)
      .must();
}

const std::array<Description, 3>& optimizers_of_model() {
  static const std::array<Description, 3> all{
      Description{"gd",
                  "gradient descent on all outputs",
                  "theta' = theta - eta J'z;  exactly z' = z - eta J g + (eta^2/2) Q(g,g), J' = J - eta Q g, g = J'z",
                  "docs/theory/quadratic-regression.md, section 0",
                  {learning_rate()}},
      Description{"sgd",
                  "SGD on B of the D outputs, drawn without replacement at every step",
                  "theta' = theta - eta J' P_t z, P_t a diagonal 0/1 mask of B ones. Mean-batch convention: B eta",
                  "docs/theory/quadratic-regression.md, section 0",
                  {learning_rate(),
                   settings::number("batch", "B, outputs per step; whole, 1..D").in("outputs").at_least(1).must()}},
      Description{"sam",
                  "sharpness-aware minimisation: the gradient at theta + rho grad L(theta)",
                  "theta' = theta - eta grad L(theta + rho grad L(theta)), the same mask in both passes; edge at\n"
                  "eta lambda (1 + rho lambda) = 2, i.e. lambda_SAM = (sqrt(1 + 8 rho/eta) - 1)/(2 rho)",
                  "docs/theory/quadratic-regression.md, sections 0 and 5",
                  {learning_rate(),
                   settings::number("rho", "length of the ascent, in units of the gradient").at_least(0).must(),
                   settings::boolean("normalised", "ascent by rho along the gradient's direction").otherwise(false),
                   settings::number("batch", "B, outputs per step; whole, 1..D")
                       .in("outputs")
                       .at_least(1)
                       .computed("D: all outputs")}}};
  return all;
}

const std::vector<Parameter>& theory_keys() {
  static const std::vector<Parameter> parameters = quadratic_theory_parameters();
  return parameters;
}

const std::vector<Parameter>& monte_carlo_keys() {
  static const std::vector<Parameter> parameters{
      settings::text("tensor",
                     "the curvature tensor: stored, or streamed (drawn anew at every step, to the same bits); auto "
                     "stores it when it fits in memory")
          .one_of({"auto", "stored", "streamed"})
          .otherwise(std::string("auto")),
      settings::number("memory_limit", "what the tensors of all replicas that run at a time may take")
          .in("GiB")
          .above(0)
          .computed("80% of the memory available"),
      settings::text("kernel_norms",
                     "observe the kernel norms of the frozen kernel: annealed costs D^3, exact D^4 per recorded step")
          .one_of({"auto", "none", "annealed", "exact"})
          .otherwise(std::string("auto")),
      settings::number("eigenvalues", "m: the m largest eigenvalues of K are observed, ntk_max and ntk_2 ... ntk_m")
          .at_least(1)
          .otherwise(1.0),
      settings::boolean("antithetic",
                        "a replica is the mean of two runs, on Q and on -Q, with the same batches: noise odd in Q "
                        "drops out")
          .otherwise(false),
      settings::number("sharpening_modes",
                       "m: the differences of K over the first two steps are observed along the m leading eigenvectors "
                       "of the initial K, from step 2 on; 0: not")
          .at_least(0)
          .otherwise(0.0)};
  return parameters;
}

class QuadraticExperiment final : public Problem {
 public:
  QuadraticExperiment(std::shared_ptr<const QuadraticProblem> problem, QuadraticTheory theory, Table table)
      : problem_(std::move(problem)), theory_(std::move(theory)), table_(std::move(table)) {}

  Trajectory solve() const override {
    return settings::naming(table_, "", [&] { return solve_quadratic(*problem_, theory_); });
  }
  Trajectory reference() const override {
    return settings::naming(table_, "", [&] {
      if (problem_->rule.rho > 0 && theory_.method == "memory") return edge_alone();
      Trajectory out = solve_quadratic(*problem_, theory_);
      if (theory_.method == "central-flow")
        for (Column& column : out.columns) column.valid_from = infinity;  // what is claimed is predicted
      keep_comparable(out);
      if (theory_.method != "memory" || out.valid_until) return out;
      out.valid_until = stochastic_edge_validity(*problem_, out);
      if (out.valid_until && *out.valid_until < out.steps.back())
        out.warnings.push_back(fmt::format(
            "judged up to step {} only: there the limit's kernel norm reaches the stochastic edge, which few "
            "slow runs of a finite system carry",
            *out.valid_until));
      return out;
    });
  }
  std::vector<Prediction> predictions() const override {
    if (theory_.method == "central-flow")
      return settings::naming(table_, "", [&] {
        return ingredients::central_flow_predictions(solve_quadratic(*problem_, theory_), 0.7, 1.4);
      });
    if (theory_.method != "early-time" && theory_.method != "memory" && theory_.method != "flow") return {};
    return settings::naming(table_, "", [&] {
      return theory_.method == "early-time" ? early_time_predictions(*problem_) : quadratic_predictions(*problem_);
    });
  }
  std::unique_ptr<Simulation> simulate() const override {
    return settings::naming(table_, "", [&] {
      auto simulation = simulate_quadratic(problem_);
      if (theory_.method != "central-flow") return simulation;
      return with_window_means(std::move(simulation), {"loss", "parameter_power"}, problem_->time);
    });
  }
  std::vector<Finding> stability() const override {
    return settings::naming(table_, "", [&] { return quadratic_stability(*problem_); });
  }
  std::vector<ModeColumn> mode_table() const override {
    return settings::naming(table_, "", [&] { return quadratic_modes(*problem_); });
  }

 private:
  /// SAM has no theory of its trajectory; what can be judged are predictions about whole runs.
  Trajectory edge_alone() const {
    if (predictions().empty()) return solve_quadratic(*problem_, theory_);  // which says why there is none
    Trajectory out;
    out.method = "edge of stability, no trajectory";
    return out;
  }

  std::shared_ptr<const QuadraticProblem> problem_;
  QuadraticTheory theory_;
  Table table_;
};

linear_algebra::Matrix read_matrix(const Values& values, const char* key) {
  const settings::Matrix& rows = values.matrix(key);
  const std::size_t columns = rows.empty() ? 0 : rows.front().size();
  linear_algebra::Matrix out(rows.size(), columns);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != columns) throw values.error(key, "its rows must be of one length");
    for (std::size_t j = 0; j < columns; ++j) {
      if (!std::isfinite(rows[i][j])) throw values.error(key, "its entries must be finite");
      out(i, j) = rows[i][j];
    }
  }
  return out;
}

void read_given(const Values& data, QuadraticProblem& problem) {
  if (!data.given("J0")) throw data.error("J0", "is required when ensemble = \"given\"");
  const bool z_given = data.given("z0"), q_given = data.given("Q");
  if (q_given && !z_given) throw data.error("z0", "is required where Q is given");
  for (const char* key : {"jacobian_variance", "shared_instance"})
    if (data.given(key)) throw data.error(key, "belongs to ensemble = \"goe\"");
  for (const char* key : {"residual_variance", "fix_residual_norm", "shared_initial"})
    if (z_given && data.given(key)) throw data.error(key, "is of a z0 that is drawn; it is given here");
  if (q_given && data.given("curvature")) throw data.error("curvature", "is of a Q that is drawn; it is given here");
  const linear_algebra::Matrix j0 = read_matrix(data, "J0");
  problem.law.outputs = j0.rows();
  problem.law.parameters = j0.columns();
  if (j0.size() == 0) throw data.error("J0", "needs at least one row and one column");
  std::vector<double> z0;
  if (z_given) z0 = data.numbers("z0");
  if (z_given && z0.size() != j0.rows())
    throw data.error("z0", fmt::format("needs one number per row of J0: {}, got {}", j0.rows(), z0.size()));
  for (const double z : z0)
    if (!std::isfinite(z)) throw data.error("z0", "its numbers must be finite");
  for (const auto& [key, size] : {std::pair{"outputs", j0.rows()}, std::pair{"parameters", j0.columns()}})
    if (data.given(key) && data.whole(key) != size)
      throw data.error(key, fmt::format("J0 has {} of them; leave it out", size));
  if (!q_given) {
    problem.given_z0 = z0;
    problem.given_j0 = j0;
    return;
  }
  problem.given = settings::naming(data, "Q", [&] {
    return std::make_shared<const QuadraticInstance>(
        QuadraticInstance{z0, j0, CurvatureTensor(j0.rows(), j0.columns(), read_matrix(data, "Q"))});
  });
}

void read_data(const Values& data, QuadraticProblem& problem) {
  problem.law.curvature = data.number("curvature");
  problem.law.residual_variance = data.number("residual_variance");
  problem.law.jacobian_variance = data.number("jacobian_variance");
  problem.law.fix_residual_norm = data.flag("fix_residual_norm");
  problem.shared_instance = data.flag("shared_instance");
  problem.shared_initial = data.flag("shared_initial");
  if (problem.shared_instance && problem.shared_initial)
    throw data.error("shared_initial", "a shared instance has one start already; leave one of the two out");
  if (data.text("ensemble") == "given") {
    read_given(data, problem);
    return;
  }
  for (const char* key : {"z0", "J0", "Q"})
    if (data.given(key)) throw data.error(key, "belongs to ensemble = \"given\"");
  for (const char* key : {"outputs", "parameters"})
    if (!data.given(key)) throw data.error(key, "is required (a whole number, >= 1)");
  problem.law.outputs = data.whole("outputs");
  problem.law.parameters = data.whole("parameters");
}

void read_optimizer(const settings::Choice& choice, QuadraticProblem& problem) {
  const Values& values = choice.values;
  problem.optimizer = optimizers_of_model()[choice.index].name;
  problem.rule.learning_rate = values.number("learning_rate");
  if (values.has("rho")) problem.rule.rho = values.number("rho");
  if (values.has("normalised")) problem.rule.normalised = values.flag("normalised");
  problem.batch = problem.law.outputs;
  if (!values.has("batch")) return;
  if (values.number("batch") > static_cast<double>(problem.law.outputs))
    throw values.error("batch", fmt::format("must be at most the number of outputs, {}", problem.law.outputs));
  problem.batch = values.whole("batch");
}

void read_simulation(const Values& values, QuadraticProblem& problem) {
  problem.tensor = values.text("tensor");
  if (values.given("memory_limit")) problem.memory_limit = gibibyte * values.number("memory_limit");
  const std::string& norms = values.text("kernel_norms");
  const bool frozen = problem.rule.rho == 0;  // the norms are of z' = (I - eta K P) z
  if (norms == "annealed" || norms == "exact") {
    if (!frozen) throw values.error("kernel_norms", "are those of SGD's frozen kernel; SAM has none");
    problem.kernel_norms = norms == "exact" ? KernelNorms::exact : KernelNorms::annealed;
  } else if (norms == "auto" && frozen) {
    const std::size_t d = problem.law.outputs;
    problem.kernel_norms = d <= usual_exact      ? KernelNorms::exact
                           : d <= usual_annealed ? KernelNorms::annealed
                                                 : KernelNorms::none;
  }
  problem.eigenvalues = values.whole("eigenvalues");
  problem.sharpening_modes = values.whole("sharpening_modes");
  for (const auto& [key, count] :
       {std::pair{"eigenvalues", problem.eigenvalues}, std::pair{"sharpening_modes", problem.sharpening_modes}})
    if (count > problem.law.outputs)
      throw values.error(key, fmt::format("K has {} eigenvalues, one per output", problem.law.outputs));
  const auto early = [](std::uint64_t step) { return step == 1; };
  if (problem.sharpening_modes > 0 && std::ranges::any_of(problem.time.at, early))
    throw values.error("sharpening_modes", "second differences are known from step 2 on: record no step 1 ([time] at)");
  if (problem.sharpening_modes > 0 && problem.time.steps < SharpeningRecord::last_step)
    throw values.error("sharpening_modes", "second differences need two steps ([time])");
  problem.antithetic = values.flag("antithetic");
  if (!problem.antithetic) return;
  if (problem.fixed_curvature()) throw values.error("antithetic", "is of a Q that every replica draws");
}

class QuadraticModel final : public Model {
 public:
  const Description& description() const override {
    static const Description description{
        "quadratic-regression",
        "second-order regression with a random curvature tensor: sharpening, edge of stability, SAM",
        "z(theta) = z0 + J0 theta + Q(theta,theta)/2,  D outputs, P parameters, theta = 0 at the start,  L = |z|^2/2\n"
        "z0_a ~ N(0, sz2),  J0_ai ~ N(0, sJ2/P),  Q_aij ~ N(0, kappa/P^2), symmetric, twice the variance for i = j\n"
        "GD:   g = J'z,  z' = z - eta J g + (eta^2/2) Q(g,g),  J' = J - eta Q g   (exact)\n"
        "SGD:  g = J' P_t z, B of D rows without replacement;  SAM: the gradient at theta + rho grad\n"
        "K = J J' (NTK): EOS at eta lambda_1 = 2 (B = D), stochastic EOS where its kernel norm is 1 (B < D)\n"
        "theory: D, P to infinity at delta = D/P, an exact causal recursion with memory for theta.theta'/P\n"
        "predicted of whole runs that reached their edge (validate judges them; [verdict] predictions demands them):\n"
        "full batch: plateau, plateau_oscillating (eta lambda_1 ends at 2); B <= D/4 with exact kernel norms:\n"
        "norm_plateau (the norm ends near 1), beyond_edge (eta lambda_1 above 2); SAM, full batch: sam_plateau\n"
        "(lambda_1 ends at lambda_SAM); early-time theory, full batch: sharpens_1, ... (second differences above 0)",
        "Agarwala, Pedregosa, Pennington 2022; Agarwala, Pennington 2024; docs/theory/quadratic-regression.md",
        data_keys()};
    return description;
  }
  std::span<const std::string> sections() const override {
    static const std::vector<std::string> names{"data", "optimizer", "schedule", "theory", "monte_carlo"};
    return names;
  }
  std::span<const Description* const> optimizers() const override {
    static const std::vector<const Description*> all = [] {
      std::vector<const Description*> out;
      for (const Description& d : optimizers_of_model()) out.push_back(&d);
      return out;
    }();
    return all;
  }
  std::span<const Observable> observables() const override {
    static const std::vector<Observable> all = [] {
      QuadraticProblem everything;
      everything.rule.rho = 1;
      everything.kernel_norms = KernelNorms::exact;
      everything.eigenvalues = 2;
      everything.sharpening_modes = 1;
      return quadratic_observables(everything);
    }();
    return all;
  }
  std::vector<ClosedForm> closed_forms() const override {
    std::vector<ClosedForm> out = quadratic_simulation_closed_forms();
    std::ranges::move(quadratic_closed_forms(), std::back_inserter(out));
    return out;
  }
  std::span<const Parameter> theory_parameters() const override { return theory_keys(); }
  std::span<const Parameter> monte_carlo_parameters() const override { return monte_carlo_keys(); }

  std::unique_ptr<Problem> build(const Experiment& experiment) const override {
    const Table& table = experiment.table;
    auto problem = std::make_shared<QuadraticProblem>();
    problem->time = experiment.time;
    problem->replicas = experiment.monte_carlo.replicas;
    problem->seed = experiment.monte_carlo.seed;
    read_data(settings::read(table.table_or_empty("data"), data_keys()), *problem);
    read_optimizer(settings::read_choice(table, "optimizer", optimizers(), "gd"), *problem);
    std::unique_ptr<ingredients::Schedule> schedule =
        ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
    if (!schedule->constant()) problem->schedule = std::move(schedule);
    read_simulation(read_monte_carlo(table, monte_carlo_keys()), *problem);
    const QuadraticTheory theory = read_quadratic_theory(settings::read(table.table_or_empty("theory"), theory_keys()));
    return std::make_unique<QuadraticExperiment>(problem, theory, Table(table.origin(), ""));
  }
};

}  // namespace

const Model& quadratic_regression_model() {
  static const QuadraticModel model;
  return model;
}

}  // namespace edgewise::models::quadratic_regression
