// Built at -O1: nothing here takes time.
#include "models/nonlinear/nonlinear_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "models/ingredients/learning_rate.hpp"
#include "models/ingredients/rare_noise.hpp"
#include "models/nonlinear/coordinate_drift.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/findings.hpp"
#include "models/nonlinear/rate_objective.hpp"
#include "models/nonlinear/simulation.hpp"
#include "models/nonlinear/theory.hpp"
#include "numerics/constants.hpp"
#include "settings/section.hpp"
#include "settings/theory_source.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::nonlinear {

namespace {

using settings::Parameter;
using settings::Table;
using settings::Values;

const settings::Section<NonlinearTheory>& theory_section() {
  using Theory = NonlinearTheory;
  static const settings::Section<Theory> keys([](settings::Section<Theory>& s) {
    s.key("method", &Theory::method, "how the theory is solved; the recursion keeps terms of order eta kappa")
        .one_of({"recursion", "ode", "sde"});
    s.words("integrator", &Theory::integrator,
            "auto is explicit until the largest rate holds its steps down, then sdirk4",
            {{"auto", solvers::Integrator::automatic},
             {"sdirk4", solvers::Integrator::sdirk4},
             {"explicit", solvers::Integrator::explicit_}})
        .where("method", {"ode"});
    s.key("bands", &Theory::bands, "add the predicted standard deviation of one path");
    s.key("effects", &Theory::effects, "add the effects of the nonlinearity, one by one, along the trajectory");
    s.key("compare", &Theory::compare,
          "signs: add SGD, SGD at the sign's effective rate, and that with its preconditioner");
    s.key("rtol", &Theory::rtol, "relative tolerance").where("method", {"ode"}).above(0).below(1);
    s.key("atol", &Theory::atol, "absolute tolerance").where("method", {"ode"}).at_least(0);
    s.key("norm_spread", &Theory::norm_spread,
          "residual methods on rows of a data set: average over the measured norms of the examples");
    s.key("scale_drift", &Theory::scale_drift, "factor on a(P), to see what a run would notice").above(0);
    s.key("scale_noise", &Theory::scale_noise, "factor on b(P), to see what a run would notice").at_least(0);
    s.key("paths", &Theory::paths, "how many are averaged").where("method", {"sde"}).at_least(2).at_most(1e7);
    s.key("time_step", &Theory::time_step, "of the paths").where("method", {"sde"}).in("step").above(0);
  });
  return keys;
}

const std::vector<Parameter>& monte_carlo_keys() {
  static const std::vector<Parameter> parameters = {
      settings::text("sampler", "how a step is sampled; auto picks the cheapest that is exact in law")
          .one_of({"auto", "batch", "naive", "rows"})
          .otherwise(std::string("auto"))};
  return parameters;
}

const std::vector<Parameter>& data_keys() {
  static const std::vector<Parameter> parameters = [] {
    std::vector<Parameter> out = basis_parameters();
    out.push_back(settings::text("law", "gaussian, or rows of the data set drawn with replacement")
                      .one_of({"gaussian", "rows"})
                      .otherwise(std::string("gaussian")));
    return out;
  }();
  return parameters;
}

/// Modes squared times steps for which a verdict takes exact bands that nobody asked for: a second.
constexpr double cheap_bands = 4e8;

class NonlinearExperiment final : public Problem {
 public:
  NonlinearExperiment(std::shared_ptr<const NonlinearProblem> problem, NonlinearTheory theory, std::string sampler,
                      std::uint64_t replicas)
      : problem_(std::move(problem)), theory_(std::move(theory)), sampler_(std::move(sampler)), replicas_(replicas) {}

  Trajectory solve() const override { return solve(theory_); }

  Trajectory reference() const override {
    NonlinearTheory theory = theory_;
    theory.effects = theory.compare = false;
    if (is_exact(*problem_, theory) && std::isfinite(effective_noise(*problem_)->kurtosis())) {
      const auto n = static_cast<double>(modes().kappa.size());
      theory.bands = theory.bands || n * n * static_cast<double>(problem_->time.steps) < cheap_bands;
    }
    Trajectory out = solve(theory);
    if (problem_->method == Method::sgd && ingredients::has_rare_values(*problem_->noise))
      mark_unmet_noise(theory, out);
    return out;
  }

  std::unique_ptr<Simulation> simulate() const override {
    const bool follows = problem_->threshold_rule != "constant";
    return simulate_nonlinear(follows ? replayable(problem_, modes()) : problem_, sampler_);
  }

  std::unique_ptr<RateObjective> rate_objective(const std::string& observable) const override {
    if (!observable.empty() && observable != "excess_mse")
      throw std::invalid_argument("schedule_search.observable: must be excess_mse for this model");
    return nonlinear_rate_objective(*problem_, modes());
  }

  /// Findings are of the equation that `solve` follows.
  Steps steps() const { return theory_.method == "recursion" ? Steps::finite : Steps::small; }
  std::vector<Finding> stability() const override { return nonlinear_findings(*problem_, modes(), steps()); }
  std::vector<ModeColumn> mode_table() const override { return nonlinear_mode_table(*problem_, steps()); }
  std::vector<std::string> warnings() const override {
    return nonlinear_warnings(*problem_, [this]() -> const ModeSystem& { return modes(); });
  }

 private:
  /// Where large label noise is so rare that the replicas may not have met it. Methods that bound it have no such steps.
  void mark_unmet_noise(NonlinearTheory theory, Trajectory& out) const {
    theory.bands = false;
    NonlinearProblem problem = *problem_;
    problem.time.at = ingredients::steps_to_resolve(problem_->time.at, 1);
    const Trajectory noisy = solve_nonlinear(problem, modes(), theory);
    problem.noise = ingredients::no_noise();
    const Trajectory silent = solve_nonlinear(problem, modes(), theory);
    std::vector<double> part;
    const std::size_t count = std::min(noisy.steps.size(), silent.steps.size());
    for (std::size_t i = 0; i < count; ++i) part.push_back(noisy.columns[0].value[i] - silent.columns[0].value[i]);
    const std::vector<double> unmet =
        ingredients::unmet_part(*problem_->noise, std::span(problem.time.at).first(count), part, 1,
                                static_cast<double>(replicas_) * problem_->batch);
    for (Column& column : out.columns) {
      const double share = column.observable.name == "excess_mse" ? 1 : column.observable.name == "risk" ? 0.5 : 0;
      for (const double step : out.steps) {
        const auto at = static_cast<std::size_t>(
            std::ranges::lower_bound(problem.time.at, static_cast<std::uint64_t>(step)) - problem.time.at.begin());
        column.unmet.push_back(at < count ? share * unmet[at] : 0);
      }
    }
  }

  Trajectory solve(const NonlinearTheory& theory) const { return solve_nonlinear(*problem_, modes(), theory); }

  const ModeSystem& modes() const {
    std::call_once(once_, [this] { modes_ = modes_of(*problem_); });
    return modes_;
  }

  std::shared_ptr<const NonlinearProblem> problem_;
  NonlinearTheory theory_;
  std::string sampler_;
  std::uint64_t replicas_;
  mutable std::once_flag once_;
  mutable ModeSystem modes_;
};

void read_rate(const Values& values, const Experiment& experiment, NonlinearProblem& problem) {
  problem.greedy = values.text("learning_rate_rule") == "greedy";
  const settings::Choice choice = ingredients::read_rate_choice(experiment.table);
  const std::string& kind = ingredients::rate_rule_kinds()[choice.index].description.name;
  if (kind == "line-search") {
    for (const char* key : {"learning_rate", "gamma", "learning_rate_rule"})
      if (values.given(key))
        throw values.error(key, "the rule of [rate] sets the rate; leave this out ([rate] multiplier scales it)");
    if (problem.method == Method::per_example_adam) throw choice.values.error("kind", "this method has no greedy rate");
    problem.greedy = true;
    problem.learning_rate = choice.values.number("multiplier");
  } else if (problem.greedy) {
    if (values.given("gamma"))
      throw values.error("gamma", "a greedy rate is set by the risk; learning_rate multiplies it (default 1)");
    problem.learning_rate = values.given("learning_rate") ? values.number("learning_rate") : 1;
  } else {
    problem.learning_rate = ingredients::read_learning_rate(values, problem.covariance.trace());
  }
  problem.batch = values.number("batch");
  if (problem.batch != std::floor(problem.batch)) throw values.error("batch", "must be a whole number");
  problem.schedule =
      ingredients::read_schedule(experiment.table, "schedule", static_cast<double>(experiment.time.steps));
}

void read_threshold(const Values& values, const Experiment& experiment, NonlinearProblem& problem) {
  if (problem.method == Method::quantile) {
    problem.threshold = values.number("tau");
    return;
  }
  if (problem.method == Method::custom) {
    // What is wrong with chi may show only later, in its averages: the message itself names the key.
    problem.nonlinearity =
        settings::naming(experiment.table, "", [&] { return custom_nonlinearity(values.text("chi")); });
    return;
  }
  if (!problem.cuts_residuals() && problem.method != Method::mean_clip) return;
  if (problem.method != Method::mean_clip) problem.threshold_rule = values.text("threshold_rule");
  if (problem.threshold_rule == "optimal") {
    if (values.given("threshold")) throw values.error("threshold", "the rule optimal finds it; leave it out");
    return;
  }
  if (!values.given("threshold")) throw values.error("threshold", "is required (a number, > 0, or inf)");
  problem.threshold = values.number("threshold");
  constexpr double least_cut = 1e-150;  // whose square is a number
  if (problem.method == Method::clip && problem.threshold_rule == "constant" &&
      problem.threshold / std::sqrt(problem.covariance.trace()) < least_cut)
    throw values.error("threshold",
                       fmt::format("cuts residuals at threshold/sqrt(tr K), which must be at least {}", least_cut));
  if (problem.threshold_rule == "quantile" && !(problem.threshold < 1))
    throw values.error("threshold", "under the rule quantile it is a probability, below 1");
  if (problem.threshold_rule == "sqrt-risk" && !std::isfinite(problem.threshold))
    throw values.error("threshold", "must be finite under the rule sqrt-risk");
}

void read_memory(const Values& values, NonlinearProblem& problem) {
  if (values.has("ema")) problem.ema = values.number("ema");
  if (!problem.method.averages_squares()) return;
  if (values.has("beta1")) problem.ema = values.number("beta1");
  problem.ema_square = values.number("beta2");
  problem.floor = values.number("floor");
  if (problem.method != Method::per_example_adam) return;
  if (problem.greedy) throw values.error("learning_rate_rule", "this method has no greedy rate");
  if (values.given("zeta") && values.given("second_moment"))
    throw values.error("zeta", "give either zeta or second_moment, not both");
  const std::string& word = values.text("second_moment");
  if (values.given("zeta"))
    problem.zeta = values.number("zeta");
  else
    problem.zeta = word == "mean" ? 0 : word == "adam" ? 1 / problem.batch : word == "variance" ? infinity : 1;
  if (problem.lacks_examples())
    throw values.error("batch", "a variance over examples needs at least 2; of one example zeta must be 1");
  if (problem.zeta < 1 / problem.batch && problem.floor == 0)
    throw values.error("floor", "must be > 0 where zeta < 1/batch, for the estimate n may vanish");
}

/// Values of |x|^2 over its mean, the means of as many equal parts of the sorted rows.
std::vector<double> measured_norm_spread(const spectra::DatasetOptions& options) {
  constexpr std::size_t parts = 64;
  const auto data = spectra::load(options);
  std::vector<double> square(data->rows, 0.0);
  double total = 0;
  for (std::size_t i = 0; i < data->rows; ++i) {
    for (const float x : data->row(i)) square[i] += static_cast<double>(x) * static_cast<double>(x);
    total += square[i];
  }
  std::ranges::sort(square);
  std::vector<double> out;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t first = part * data->rows / parts, last = (part + 1) * data->rows / parts;
    double sum = 0;
    for (std::size_t i = first; i < last; ++i) sum += square[i];
    if (last > first) out.push_back(sum / static_cast<double>(last - first) * static_cast<double>(data->rows) / total);
  }
  return out;
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const> methods) {
  const Table& table = experiment.table;
  auto problem = std::make_shared<NonlinearProblem>();
  problem->time = experiment.time;
  const Values data = settings::read(table.table_or_empty("data"), data_keys());
  problem->covariance = read_covariance(table);
  problem->noise = ingredients::read_noise(table);
  if (data.text("law") == "rows") {
    problem->dataset = spectra::dataset_of(table);
    if (!problem->dataset) throw data.error("law", "rows needs [spectrum] kind = \"dataset\"");
  }
  const settings::Choice choice = settings::read_choice(table, "optimizer", methods, methods.front()->name);
  problem->method = methods[choice.index]->name;
  read_rate(choice.values, experiment, *problem);
  read_threshold(choice.values, experiment, *problem);
  read_memory(choice.values, *problem);

  const Table theory = table.table_or_empty("theory");
  NonlinearTheory options = theory_section().read(theory);
  if (options.norm_spread) {
    if (problem->coordinatewise() || !problem->dataset)
      throw theory.error("norm_spread", "is for residual methods on rows of a data set (data.law = \"rows\")");
    problem->norm_spread = measured_norm_spread(*problem->dataset);
  }
  options.seed = experiment.monte_carlo.seed;

  const Values monte_carlo = read_monte_carlo(table, monte_carlo_keys());
  return std::make_unique<NonlinearExperiment>(problem, options, monte_carlo.text("sampler"),
                                               experiment.monte_carlo.replicas);
}

}  // namespace

settings::Description method(std::string name, std::string summary, std::string equations, std::string_view section,
                             const std::vector<Parameter>& more) {
  std::vector<Parameter> parameters = {
      settings::number("learning_rate", "eta, per step; give this or gamma. With a greedy rule its multiple")
          .in("per step")
          .above(0)
          .computed("gamma / tr K"),
      settings::number("gamma", "eta tr K; gives eta = gamma / tr K").in("1").above(0).computed("eta tr K"),
      settings::text(
          "learning_rate_rule",
          "constant, or greedy: eta = a Q/(b S + c sum kappa^3 M), the fastest decrease of P in every step (the best "
          "overall on an isotropic covariance only). The same as [rate] kind = line-search")
          .one_of({"constant", "greedy"})
          .otherwise(std::string("constant")),
      settings::number("batch", "B, examples per step, whole").in("samples").at_least(1).otherwise(1.0)};
  parameters.insert(parameters.end(), more.begin(), more.end());
  return {std::move(name), std::move(summary), std::move(equations), settings::theory_source("sign-and-clip", section),
          std::move(parameters)};
}

ModelDeclaration nonlinear_declaration(settings::Description description, std::vector<settings::Description> methods,
                                       std::function<std::vector<ClosedForm>()> closed_forms,
                                       const std::string& unread) {
  description.parameters =
      settings::with_sections({{"data", data_keys()}, {"rate", {ingredients::rate_kind({"constant", "line-search"})}}});
  std::vector<Parameter> theory = theory_section().parameters();
  std::erase_if(theory, [&](const Parameter& p) { return p.name == unread; });
  return {.description = std::move(description),
          .sections = {"spectrum", "noise", "data", "optimizer", "rate", "schedule", "theory", "monte_carlo",
                       "schedule_search"},
          .optimizers = std::move(methods),
          .observables = {excess_observable,
                          {"risk", "label^2", "population loss with noise, (P + sigma^2)/2, where sigma^2 is finite"}},
          .closed_forms = std::move(closed_forms),
          .theory = std::move(theory),
          .monte_carlo = monte_carlo_keys(),
          .build = build,
          .start = R"(spectrum = { kind = "power-law", dimension = 200, alpha = 0.25, beta = 0.0, signal = 1.0 }
noise = { law = "gaussian", variance = 2.0 }
optimizer.learning_rate = 0.001
time.steps = 500)"};
}

}  // namespace edgewise::models::nonlinear
