// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/ingredients/central_flow.hpp"
#include "models/ingredients/memory.hpp"
#include "models/ingredients/quadratic_objective.hpp"
#include "models/quadratic_regression/memory.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "models/quadratic_regression/tuned_steps.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

QuadraticEnsemble ensemble_of(const QuadraticProblem& problem) {
  const auto d = static_cast<double>(problem.law.outputs), p = static_cast<double>(problem.law.parameters);
  return {d / p, problem.law.curvature, problem.law.residual_variance, problem.law.jacobian_variance};
}

/// Of the limit; from the fourth on conjectured.
const std::vector<Observable>& observables_of_limit() {
  static const std::vector<Observable> all = {
      {"loss", "label^2", "|z|^2/(2D), per output"},
      {"parameter_power", "1", "|theta|^2/P"},
      {"ntk_mean", "1", "tr K/D, K = J J'"},
      {"ntk_max", "1", "edge of the bulk of K; that it is the largest eigenvalue is a conjecture"},
      {"eta_lambda_max", "1", "eta times the edge of the bulk of K; conjecture, as ntk_max"}};
  return all;
}
constexpr std::size_t conjectured = 3;

/// The observables of a solution at chosen places.
class Columns {
 public:
  Columns(const QuadraticProblem& problem, Trajectory& out) : problem_(problem), out_(out) {
    for (const Observable& o : observables_of_limit()) out_.columns.push_back({o, {}, {}});
  }
  void add(double step, double loss, double q, double kernel_mean, double bulk_edge) {
    add(step, loss, q, kernel_mean, bulk_edge, problem_.learning_rate(step));
  }
  /// At a rate of the run's own.
  void add(double step, double loss, double q, double kernel_mean, double bulk_edge, double eta) {
    out_.steps.push_back(step);
    const double values[] = {loss, q, kernel_mean, bulk_edge, eta * bulk_edge};
    for (std::size_t c = 0; c < std::size(values); ++c) out_.columns[c].value.push_back(values[c]);
  }

 private:
  const QuadraticProblem& problem_;
  Trajectory& out_;
};

/// The first step, if any, from which on at full batch few modes carry the dynamics of a finite system.
void note_edge(const QuadraticProblem& problem, std::optional<std::size_t> post_eos, Trajectory& out) {
  out.labels.emplace_back("post_eos", post_eos ? std::to_string(*post_eos) : "never");
  if (!post_eos) return;
  out.valid_until = static_cast<double>(*post_eos) - 1;
  out.warnings.push_back(fmt::format(
      "post_eos: eta lambda_+ exceeds {} from step {} on; beyond it few modes carry the dynamics and a finite system "
      "departs from this limit by O(1)",
      2 * problem.base.edge_factor(), *post_eos));
}

/// The rate of a rule that is shown what the limit knows of a step; sums over outputs, as a run shows them.
std::function<double(std::size_t, const QuadraticDescent&)> chosen_by(const QuadraticProblem& problem) {
  const ingredients::RateRule& rule = *problem.rate;
  if (!problem.full_batch())
    throw std::invalid_argument(
        "[rate]: the theory is of all outputs a step; mini-batches have a simulation only (theory.method = \"none\")");
  // Where a trial lies near its threshold runs take different branches, at any D.
  if (rule.jumps())
    throw std::invalid_argument("[rate]: the rate of " + problem.rate_kind +
                                " jumps from trial to trial, and runs part there: it has a simulation only "
                                "(theory.method = \"none\")");
  if (rule.averaging() > 0 || rule.vector_run() || rule.needs().sharpness)
    throw std::invalid_argument(
        "[rate]: the theory is of rules that go by loss, gradient and curvature along the gradient (cdat, "
        "stochastic-polyak, polyak, line-search, adagrad-norm, dog, ...); " +
        problem.rate_kind + " has a simulation only (theory.method = \"none\")");
  return [&problem, run = std::make_shared<ingredients::RateRun>(rule)](std::size_t t, const QuadraticDescent& now) {
    const auto d = static_cast<double>(problem.law.outputs), p = static_cast<double>(problem.law.parameters);
    ingredients::StepObservation seen;
    seen.loss = d * now.loss;
    seen.excess_mse = 2 * seen.loss;
    seen.squared_gradient = seen.mean_squared_gradient = seen.squared_direction = d * now.squared_gradient;
    seen.slope = seen.descent = d * now.slope;
    seen.curvature_along = d * now.curvature;
    seen.curvature = std::abs(seen.curvature_along);
    check_scale(seen);
    seen.squared_distance = p * now.q;
    seen.toward_start = -p * now.along;
    return run->step(seen, problem.learning_rate(static_cast<double>(t)));
  };
}

Trajectory by_memory(const QuadraticProblem& problem, const QuadraticTheory& theory) {
  QuadraticMemoryProblem limit;
  limit.ensemble = ensemble_of(problem);
  limit.batch_fraction = problem.batch_fraction();
  limit.steps = problem.time.steps;
  limit.learning_rate = {problem.rule.learning_rate};
  limit.momentum = problem.base.momentum;
  if (problem.rate) {
    limit.choose_rate = chosen_by(problem);
  } else if (problem.schedule) {
    limit.learning_rate.clear();
    for (std::size_t t = 0; t < limit.steps; ++t) {
      limit.learning_rate.push_back(problem.learning_rate(static_cast<double>(t)));
      if (!(limit.learning_rate.back() > 0))
        throw std::invalid_argument(
            fmt::format("schedule: the learning rate is {} at step {}, and the memory recursion needs one above 0",
                        limit.learning_rate.back(), t));
    }
  }
  // As a run: relative to what it starts from, its residuals of variance sz2.
  limit.largest_loss = std::max(limit.largest_loss, 0.5 * quadratic_divergence * limit.ensemble.residual_variance);
  if (theory.memory_limit > 0) {
    limit.memory_limit = ingredients::bytes_of_gibibytes(theory.memory_limit);
    const auto n = static_cast<double>(limit.steps) + 1;
    if (const auto said = ingredients::too_much_memory(sizeof(double) * 2 * n * (n + 1)))
      throw std::invalid_argument(fmt::format("time.steps: a memory of {} steps needs {}", limit.steps, *said));
  }
  const QuadraticMemorySolution solution = solve_quadratic_memory(limit);

  Trajectory out;
  out.method = "memory recursion, D and P to infinity";
  Columns columns(problem, out);
  std::vector<double> rates;
  for (const std::uint64_t t : problem.time.at) {
    if (t >= solution.loss.size()) continue;
    const auto step = static_cast<double>(t);
    if (problem.rate)
      rates.push_back(t == 0 ? 0 : solution.chosen[std::min<std::size_t>(t, solution.chosen.size()) - 1]);
    columns.add(step, solution.loss[t], solution.q[t], solution.kernel_mean[t], solution.bulk_edge[t],
                problem.rate ? rates.back() : problem.learning_rate(step));
  }
  if (problem.rate)
    out.columns.push_back(
        {{"learning_rate", "1/eigenvalue", "rate of the last step taken; 0 before the first"}, rates, {}});
  if (solution.diverged_at) {
    out.diverged_at = static_cast<double>(*solution.diverged_at);
    out.labels.emplace_back("outcome", "diverged");
  } else {
    const bool converged = !solution.loss.empty() && solution.loss.back() < 1e-6 * solution.loss.front();
    out.labels.emplace_back("outcome", converged ? "converged" : "not converged");
  }
  note_edge(problem, solution.post_eos, out);
  const auto chosen = static_cast<double>(solution.chosen.size());
  if (problem.rate && !out.diverged_at && chosen < static_cast<double>(problem.time.steps)) {
    out.valid_until = std::min(out.valid_until.value_or(chosen), chosen);
    out.warnings.push_back(
        fmt::format("from step {:.0f} on the loss falls by less than {} of itself along a step, as near a floor, and "
                    "the rate stays: "
                    "its ratios are lost in the recursion's rounding",
                    chosen, smallest_descent));
  }
  return out;
}

Trajectory by_flow(const QuadraticProblem& problem) {
  std::vector<double> time;
  std::uint64_t step = 0;
  double tau = 0;
  for (const std::uint64_t t : problem.time.at) {
    if (!problem.schedule) {
      tau = static_cast<double>(t) * problem.rule.learning_rate * problem.batch_fraction();
    } else {
      for (; step < t; ++step) tau += problem.learning_rate(static_cast<double>(step)) * problem.batch_fraction();
    }
    time.push_back(tau);
  }
  QuadraticFlowOptions options;
  // Its grid has a step between any two recorded times, and is refined eightfold at most.
  const double least =
      2 * quadratic_bulk_edge(ensemble_of(problem), 0) * time.back() + static_cast<double>(time.size());
  options.most_steps = static_cast<std::size_t>(std::clamp(8 * least, 600.0, 4000.0));
  const QuadraticFlow flow = solve_quadratic_flow(ensemble_of(problem), time, options);
  Trajectory out;
  out.method = "gradient flow at time eta b t, D and P to infinity";
  Columns columns(problem, out);
  for (std::size_t i = 0; i < time.size(); ++i)
    columns.add(static_cast<double>(problem.time.at[i]), flow.loss[i], flow.q[i], flow.kernel_mean[i],
                flow.bulk_edge[i]);
  out.report = {{"loss_error", flow.loss_error},
                {"parameter_power_error", flow.q_error},
                {"recursion_steps", static_cast<double>(flow.steps)}};
  std::optional<std::size_t> post_eos;
  if (problem.batch == problem.law.outputs)
    for (std::size_t i = 0; i < time.size() && !post_eos; ++i)
      if (problem.learning_rate(static_cast<double>(problem.time.at[i])) * flow.bulk_edge[i] > 2)
        post_eos = problem.time.at[i];
  note_edge(problem, post_eos, out);
  return out;
}

}  // namespace

const settings::Section<QuadraticTheory>& theory_section() {
  static const settings::Section<QuadraticTheory> section([](settings::Section<QuadraticTheory>& s) {
    s.words("method", &QuadraticTheory::method,
            "memory: exact recursion of GD and SGD as D, P -> infinity, time steps^3; flow: eta -> 0 of it "
            "at time eta b t; early-time: expansion of K's first two differences at finite D, P; "
            "linear-mean: curvature 0, one J0: means of z and of the loss, exact at finite D, P; central-flow: the "
            "mean path of GD at its edge, of one instance; none: no curve, predictions about whole runs alone",
            {{"memory", TheoryMethod::memory},
             {"flow", TheoryMethod::flow},
             {"early-time", TheoryMethod::early_time},
             {"linear-mean", TheoryMethod::linear_mean},
             {"central-flow", TheoryMethod::central_flow},
             {"none", TheoryMethod::none}});
    s.key("order", &QuadraticTheory::order,
          "second differences up to this order in eta; 2 leaves out what slows sharpening")
        .where("method", {"early-time"})
        .at_least(2)
        .at_most(3);
    s.key("memory_limit", &QuadraticTheory::memory_limit, "what the recursion may take")
        .where("method", {"memory", "flow"})
        .in("GiB")
        .above(0);
  });
  return section;
}

QuadraticTheory read_theory(const settings::Table& table) {
  const settings::Values values = settings::read(table.table_or_empty("theory"), theory_section().parameters());
  const QuadraticTheory theory = theory_section().from(values);
  if (theory.order != 2 && theory.order != 3) throw values.error("order", "must be 2 or 3");
  return theory;
}

Trajectory solve_quadratic(const QuadraticProblem& problem, const QuadraticTheory& theory) {
  if (theory.method == TheoryMethod::none)
    throw std::invalid_argument(
        "theory.method = \"none\" has no curve and here no prediction about whole runs either; simulate it, or "
        "validate it "
        "where there is one");
  // A preconditioner is of the coordinates, which the ensemble and its limit know nothing of.
  if (problem.base.adaptive || (!problem.base.plain() && theory.method != TheoryMethod::memory))
    throw std::invalid_argument(
        "optimizer: the theories are of steps along gradients, memory of momentum too; rmsprop and adam, whose "
        "preconditioner goes by coordinates, have a simulation only (theory.method = \"none\")");
  if (problem.rate && theory.method != TheoryMethod::memory)
    throw std::invalid_argument(
        "[rate]: of the theories memory alone follows a rule; theory.method = \"memory\" or \"none\"");
  if (problem.rule.deviation > 0)
    throw std::invalid_argument(
        "optimizer.kind: the trajectory under weight noise and trace penalties has no theory here, only findings "
        "(`edgewise "
        "stability`); simulate it");
  if (theory.method == TheoryMethod::linear_mean) return solve_linear_mean(problem);
  if (problem.rule.rho > 0)
    throw std::invalid_argument(
        fmt::format("optimizer.kind: {} trajectory has no theory here, only its edge (`edgewise stability`); simulate "
                    "or validate it",
                    problem.rule.kind == StepKind::sam ? "SAM's" : "this optimizer's"));
  if (theory.method == TheoryMethod::early_time && problem.law.portable)
    throw std::invalid_argument("data.ensemble: early-time is of \"goe\": the portable diagonal is smaller");
  if (theory.method == TheoryMethod::early_time) return solve_early_time(problem, theory.order == 3 ? 3 : 2);
  if (theory.method == TheoryMethod::central_flow) return solve_central_flow(problem);
  if (problem.given || problem.given_j0.size() > 0)
    throw std::invalid_argument(
        "data.ensemble: the theory is of the random ensemble in the limit D, P -> infinity; a given instance "
        "has a simulation only (theory.method = \"none\" judges predictions about whole runs)");
  Trajectory out = theory.method == TheoryMethod::flow ? by_flow(problem) : by_memory(problem, theory);
  if (problem.fixed_residual())
    out.warnings.push_back(
        "all replicas have one start: its own departure from the limit does not average out over them");
  return out;
}

void keep_comparable(Trajectory& trajectory) {
  const auto conjectures = std::span(observables_of_limit()).subspan(conjectured);
  std::erase_if(trajectory.columns, [&](const Column& c) {
    return std::ranges::find(conjectures, c.observable.name, &Observable::name) != conjectures.end();
  });
}

Trajectory solve_central_flow(const QuadraticProblem& problem) {
  if (!problem.fixed_curvature())
    throw std::invalid_argument(
        "theory.method: central-flow is of one instance: data.shared_instance = true, or a given Q");
  if (problem.batch < problem.law.outputs || problem.schedule || problem.rule.turns())
    throw std::invalid_argument(
        "theory.method: central-flow is of gradient descent on all outputs at a constant learning rate");
  ingredients::QuadraticObjective objective(first_instance(problem));
  const auto D = static_cast<double>(problem.law.outputs), P = static_cast<double>(problem.law.parameters);
  return ingredients::follow_central_flow(
      objective, std::vector<double>(problem.law.parameters), problem.rule.learning_rate, problem.time,
      {{{"loss", "label^2", "|z|^2/(2D), per output"}, [&](auto theta) { return objective.move_to(theta) / D; }},
       {{"parameter_power", "1", "|theta|^2/P"},
        [&](auto theta) { return numerics::squared_norm_in_order(theta) / P; }}});
}

}  // namespace edgewise::models::quadratic_regression
