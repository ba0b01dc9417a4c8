// Built at -O1: nothing here takes time.
#include "models/least_squares/least_squares.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "models/framework/declared_model.hpp"
#include "models/framework/scaling_law.hpp"
#include "models/ingredients/learning_rate.hpp"
#include "models/ingredients/rare_noise.hpp"
#include "models/least_squares/closed_forms.hpp"
#include "models/least_squares/linear_methods/linear_bands.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "models/least_squares/linear_methods/rate_objective.hpp"
#include "models/least_squares/linear_methods/simulation.hpp"
#include "models/least_squares/linear_methods/stability.hpp"
#include "models/least_squares/linear_methods/tuning.hpp"
#include "models/least_squares/product_variance.hpp"
#include "models/least_squares/rate_theory.hpp"
#include "models/least_squares/scaling_form.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "models/least_squares/theory.hpp"
#include "settings/section.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::models::least_squares {

namespace {

using settings::Parameter;
using settings::Table;
using settings::Values;

struct DataKeys {
  ingredients::InputLaw law = ingredients::InputLaw::gaussian;
};

const settings::Section<DataKeys>& data_section() {
  static const settings::Section<DataKeys> keys([](settings::Section<DataKeys>& s) {
    s.words("law", &DataKeys::law,
            "of the independent z in x = K^(1/2) z, each of unit variance: gaussian; rademacher (+-1, excess "
            "kurtosis -2); uniform (-1.2); laplace (3); rows: real rows of the data set, drawn with "
            "replacement, which the theory takes as Gaussian",
            ingredients::input_laws());
  });
  return keys;
}

DataLaw read_data(const Table& experiment) {
  const ingredients::InputLaw law = data_section().read(experiment.table_or_empty("data")).law;
  return {law, ingredients::even_moments(law).fourth - 3};
}

const std::vector<Parameter>& initial_parameters() {
  static const std::vector<Parameter> parameters = {
      settings::number("scale", "theta_0 = scale * theta*").otherwise(0.0),
      settings::numbers(
          "error_power",
          "|theta_0 - theta*|^2 in each eigenspace, instead of scale: one number per eigenvalue in the order "
          "in which [spectrum] gives them (of a formula: largest first), or per distinct one")
          .at_least(0)};
  return parameters;
}

struct MonteCarloKeys {
  Sampler sampler = Sampler::automatic;
};

const settings::Section<MonteCarloKeys>& monte_carlo_section() {
  static const settings::Section<MonteCarloKeys> keys([](settings::Section<MonteCarloKeys>& s) {
    settings::Words<Sampler> words = samplers();
    std::erase_if(words, [](const auto& word) { return word.second == Sampler::descent; });
    s.words("sampler", &MonteCarloKeys::sampler, "how a step is sampled; auto picks the cheapest that is exact in law",
            words);
  });
  return keys;
}

template <class T>
void append(std::vector<T>& all, std::vector<T> more) {
  std::ranges::move(more, std::back_inserter(all));
}

class LeastSquaresProblem final : public Problem {
 public:
  LeastSquaresProblem(std::shared_ptr<LeastSquares> problem, LinearProblem linear, LeastSquaresTheory theory,
                      Sampler sampler, std::uint64_t replicas, std::optional<ScalingForm> power_law)
      : problem_(std::move(problem)),
        linear_(std::move(linear)),
        theory_(std::move(theory)),
        sampler_(sampler),
        replicas_(replicas),
        power_law_(power_law) {}

  Trajectory solve() const override { return solve(theory_); }

  Trajectory reference() const override {
    LeastSquaresTheory theory = theory_;
    double modes = static_cast<double>(problem_->spectrum.modes());
    const bool known = is_plain_sgd(linear_) && !problem_->rate_rule && theory.method == TheoryMethod::recursion &&
                       unknown_variance(*problem_).empty();
    const bool gaussian = problem_->data.gaussian() && problem_->noise->gaussian();
    if (known && !gaussian && static_cast<double>(problem_->time.steps) * modes * modes > most_pairs) {
      spectra::Spectrum start = problem_->spectrum;
      start.target_power = problem_->initial_power;
      modes = static_cast<double>(modes_of_variance(std::move(start), problem_->data.gaussian()).modes());
    }
    const bool cheap = static_cast<double>(problem_->time.steps) * modes * modes < (gaussian ? 4e9 : most_pairs) ||
                       (gaussian && problem_->schedule->constant() && problem_->time.at.size() <= 60);
    const bool asked = theory.bands;
    theory.bands = known && (asked || cheap);
    Trajectory out = solve(theory);
    if (!is_plain_sgd(linear_) && !problem_->rate_rule && theory.method == TheoryMethod::recursion)
      add_linear_bands(out, with_scaled_noise(linear_, theory.scale_label_noise), asked ? most_bands : cheap_bands);
    mark_unmet_noise(out);
    return out;
  }

  std::unique_ptr<Simulation> simulate() const override {
    return is_plain_sgd(linear_) ? simulate_sgd(problem_, sampler_) : simulate_linear(linear_, sampler_, replicas_);
  }

  std::vector<Finding> stability() const override {
    if (problem_->rate_rule) return rate_rule_findings(*problem_);
    const bool plain = is_plain_sgd(linear_);
    std::vector<Finding> findings = plain ? sgd_stability(*problem_) : linear_stability(linear_);
    if (!power_law_) return findings;
    const auto [alpha, beta] = *power_law_;
    if (!plain) {
      const auto amplification = std::ranges::find(findings, "noise_amplification", &Finding::name);
      append(findings, linear_power_law(alpha, beta, linear_, std::get<double>(amplification->value)));
      return findings;
    }
    append(findings, power_law_findings(alpha, beta, *problem_));
    const auto law_of_sizes = scaling_law();
    const std::string caution = law_of_sizes->caution();
    if (const double horizon = law_of_sizes->horizon(); std::isfinite(horizon))
      findings.push_back({"compute_optimal_steps", horizon,
                          "of this size at a constant rate, z* d^(2 alpha)/eta" +
                              (caution.empty() ? "" : "; not to be believed, " + caution)});
    return findings;
  }

  std::vector<ModeColumn> mode_table() const override {
    if (problem_->rate_rule)
      throw std::invalid_argument("rate: the table of modes needs a constant learning rate; leave [rate] out");
    std::vector<ModeColumn> out = {
        {"eigenvalue", "input^2", "lambda", {}},
        {"multiplicity", "1", "dimension of the eigenspace", {}},
        {"gain", "1", "contraction of the error over a round before the sync", {}},
        {"contraction", "1", "of the parameters that are kept, per period", {}},
        {"mean_radius", "1", "spectral radius of the mean map of a period", {}},
        {"radius", "1", "of its second moments", {}},
        {"generated_noise", "parameter^2", "put into the mode per period, steady state", {}},
        {"stationary_power", "parameter^2", "E v^2 in the steady state, whole eigenspace", {}},
        {"stationary_excess_mse", "label^2", "its part of P", {}}};
    try {
      for (const ModeRow& row : least_squares::mode_table(linear_)) {
        const double values[] = {row.eigenvalue,      row.multiplicity, row.gain,
                                 row.contraction,     row.mean_radius,  row.radius,
                                 row.generated_noise, row.stationary,   row.eigenvalue * row.stationary};
        for (std::size_t i = 0; i < out.size(); ++i) out[i].value.push_back(values[i]);
      }
    } catch (const std::domain_error& e) {
      throw std::domain_error(std::string(e.what()) + "; `edgewise stability` says why");
    }
    return out;
  }

  std::unique_ptr<RateObjective> rate_objective(const std::string& observable) const override {
    if (problem_->rate_rule)
      throw std::invalid_argument("rate: a rule sets the learning rates; leave [rate] out to look for the best ones");
    return linear_rate_objective(linear_, observable, power_law_);
  }

  std::unique_ptr<ScalingLaw> scaling_law() const override { return scaling_law_of(linear_, power_law_); }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> out;
    if (problem_->data.rows())
      out.push_back("the data are real rows: the theory takes them as Gaussian with the same covariance");
    append(out, linear_warnings(linear_));
    return out;
  }

 private:
  /// Where large label noise is so rare that the replicas may not have met it.
  void mark_unmet_noise(Trajectory& out) const {
    if (problem_->rate_rule || !ingredients::has_rare_values(*problem_->noise) || std::isinf(problem_->batch)) return;
    Hyperparameters h = linear_.hyperparameters;
    h.seek(0);
    const std::uint64_t period = linear_.method->period(h);
    const double draws = static_cast<double>(replicas_) * problem_->batch * h.value_or("workers", 1);
    const std::vector<std::uint64_t> steps = ingredients::steps_to_resolve(problem_->time.at, period);
    const std::vector<Observable> observables = linear_observables(linear_);
    const std::vector<std::vector<double>> parts = label_noise_parts(linear_, steps);
    // Of the noise variance only what the law of the labels gives is drawn from it.
    const double share = problem_->label_noise_variance / problem_->noise_variance();
    for (std::size_t o = 0; o < observables.size(); ++o)
      for (Column& column : out.columns) {
        if (column.observable.name != observables[o].name) continue;
        const std::vector<double> unmet = ingredients::unmet_part(*problem_->noise, steps, parts[o], period, draws);
        for (const double step : out.steps) {
          const auto at = std::ranges::lower_bound(steps, static_cast<std::uint64_t>(step)) - steps.begin();
          column.unmet.push_back(share * unmet[static_cast<std::size_t>(at)]);
        }
      }
  }

  Trajectory solve(const LeastSquaresTheory& theory) const {
    if (problem_->rate_rule) return solve_rate_rule(*problem_, theory);
    return is_plain_sgd(linear_) ? solve_sgd(*problem_, theory) : solve_linear(linear_, theory);
  }

  std::shared_ptr<LeastSquares> problem_;
  LinearProblem linear_;
  LeastSquaresTheory theory_;
  Sampler sampler_;
  std::uint64_t replicas_;
  std::optional<ScalingForm> power_law_;
};

// Of a power-law spectrum, for the predicted exponents.
std::optional<ScalingForm> power_law_of(const Table& experiment) {
  const Table* section = experiment.table("spectrum");
  if (!section) return std::nullopt;
  const auto* kind = section->find("kind");
  if (!kind || *kind != settings::Value(std::string("power-law"))) return std::nullopt;
  for (const auto& k : spectra::kinds())
    if (k.description.name == "power-law") {
      std::vector<std::string> also = section->keys();
      const Values values = settings::read(*section, k.description.parameters, also);
      return ScalingForm{values.number("alpha"), values.number("beta")};
    }
  return std::nullopt;
}

/// |theta_0|, where the start is a multiple of the target.
std::optional<double> start_norm(const LeastSquares& problem) {
  if (!problem.alignment) return std::nullopt;
  double target = 0;
  for (const double rho : problem.spectrum.target_power) target += rho;
  return std::abs(1 + *problem.alignment) * std::sqrt(target);
}

/// \param ruled a rule sets the rate
const LinearMethod* read_optimizer(const Table& table, double trace, bool ruled, Hyperparameters& h) {
  const std::vector<std::string> also{"phase"};
  const auto kinds = linear_method_descriptions();
  const settings::Choice choice = settings::read_choice(table, "optimizer", kinds, "sgd", also);
  const LinearMethod& method = linear_methods()[choice.index];
  if (table.table_or_empty("optimizer").has("phase") && method.rule)
    throw choice.values.error("phase", "belongs to kind = \"custom\" only");
  h = Hyperparameters(method.description, choice.values, table.table_or_empty("optimizer"));
  const Values& values = choice.values;
  for (const char* key : {"decoupled", "independent"})
    if (values.given(key) && !values.given("weight_decay") && !table.table_or_empty("tune").has("weight_decay"))
      throw values.error(key, "says how weight_decay acts, and there is none; leave it out");
  if (!h.has("gamma") && !h.has("learning_rate") && !method.rule) return &method;
  if (ruled) {
    for (const char* key : {"learning_rate", "gamma"})
      if (values.given(key))
        throw values.error(key, "the rule of [rate] sets the rate; leave this out ([rate] multiplier scales it)");
    h.set("learning_rate", 1);
    return &method;
  }
  h.set("learning_rate", ingredients::read_learning_rate(values, trace));
  return &method;
}

// [schedule] moves the learning rate, [schedule.NAME] any other number of the optimizer.
void read_schedules(const Table& table, double horizon, LeastSquares& problem, LinearProblem& linear) {
  std::vector<std::string> others;
  for (const Parameter& p : numbers_of(linear.method->description))
    if (p.name != "learning_rate" && (p.type == settings::Type::number || is_count(p.name))) others.push_back(p.name);
  problem.schedule = ingredients::read_schedule(table, "schedule", horizon, others);
  Hyperparameters& h = linear.hyperparameters;
  if (h.has("learning_rate"))
    h.schedule("learning_rate", problem.schedule);
  else if (!problem.schedule->constant())
    throw table.table_or_empty("schedule").error("kind", "this optimizer has no learning_rate to schedule");
  const Table schedules = table.table_or_empty("schedule");
  refuse_unread(schedules, linear.method->description, h);
  for (const std::string& name : others)
    if (schedules.has(name)) {
      h.schedule(name, ingredients::read_schedule(table, "schedule." + name, horizon));
      if (h.scheduled(name) && std::isinf(h.base(name)))
        throw schedules.error(name, "optimizer." + name + " is inf, and no part of that is finite; leave it out");
    }
  h.seek(0);
  if (h.has("learning_rate")) problem.learning_rate = h.base("learning_rate");
  problem.batch = h.base("batch");
}

/// Sums over the modes of numbers in the order of the eigenvalues as they were given: one each, or one per distinct
/// eigenvalue in the order of first appearance. Empty when there are neither so many.
std::optional<std::vector<double>> powers_by_mode(const spectra::Spectrum& spectrum, std::vector<double> given,
                                                  const std::vector<double>& powers) {
  std::vector<double> distinct;
  for (const double lambda : given)
    if (std::ranges::find(distinct, lambda) == distinct.end()) distinct.push_back(lambda);
  if (powers.size() != given.size()) given = std::move(distinct);
  // The nodes of a compressed spectrum are nobody's list.
  if (powers.size() != given.size() || spectrum.compressed) given = spectrum.eigenvalue;
  if (powers.size() != given.size()) return std::nullopt;
  std::vector<double> out(spectrum.modes(), 0.0);
  std::vector<bool> taken(spectrum.modes());
  for (std::size_t g = 0; g < given.size(); ++g) {
    // One after another where the modes of this eigenvalue are as many as its powers; else spread over them.
    std::vector<std::size_t> same;
    double dimension = 0;
    for (std::size_t a = 0; a < spectrum.modes(); ++a)
      if (spectrum.eigenvalue[a] == given[g]) {
        same.push_back(a);
        dimension += spectrum.multiplicity[a];
      }
    if (same.empty()) return std::nullopt;
    if (std::ranges::count(given, given[g]) == static_cast<std::ptrdiff_t>(same.size())) {
      const auto mode = *std::ranges::find_if(same, [&](std::size_t a) { return !taken[a]; });
      out[mode] = powers[g];
      taken[mode] = true;
    } else {
      for (const std::size_t a : same) out[a] += powers[g] * (spectrum.multiplicity[a] / dimension);
    }
  }
  return out;
}

void read_initial(const Table& table, LeastSquares& problem) {
  const Values values = settings::read(table.table_or_empty("initial"), initial_parameters());
  const auto& target = problem.spectrum.target_power;
  if (values.given("error_power")) {
    if (values.given("scale")) throw values.error("error_power", "give either scale or error_power, not both");
    const std::vector<double>& powers = values.numbers("error_power");
    const auto by_mode = powers_by_mode(problem.spectrum, spectra::eigenvalues_as_given(table), powers);
    if (!by_mode)
      throw values.error(
          "error_power",
          fmt::format(
              "needs one number per distinct eigenvalue: {}, or one per eigenvalue as [spectrum] gives them; got {}",
              target.size(), powers.size()));
    problem.initial_power = *by_mode;
    problem.alignment.reset();
    return;
  }
  const double alignment = values.number("scale") - 1;
  problem.alignment = alignment;
  for (const double rho : target) problem.initial_power.push_back(alignment * alignment * rho);
}

/// The problem of an experiment, and its optimizer in `linear`.
std::shared_ptr<LeastSquares> read_problem(const Experiment& experiment, LinearProblem& linear) {
  const Table& table = experiment.table;
  auto problem = std::make_shared<LeastSquares>();
  problem->time = experiment.time;
  const auto rule = ingredients::read_rate_rule(table, 0.0);
  problem->spectrum =
      rule && rule->vector_run() ? spectra::checked(spectra::build(table)) : spectra::merged(spectra::build(table));
  problem->noise = ingredients::read_noise(table);
  problem->label_noise_variance = problem->noise->variance();
  if (!std::isfinite(problem->label_noise_variance))
    throw table.table_or_empty("noise").error("variance", "must be finite for least squares");
  problem->data = read_data(table);
  problem->dataset = spectra::dataset_of(table);
  if (problem->data.rows() && !problem->dataset)
    throw table.table_or_empty("data").error("law", "rows needs [spectrum] kind = \"dataset\"");
  read_initial(table, *problem);
  problem->rate_rule = ingredients::read_rate_rule(table, start_norm(*problem));
  linear.method =
      read_optimizer(table, problem->spectrum.trace(), problem->rate_rule != nullptr, linear.hyperparameters);
  read_schedules(table, static_cast<double>(experiment.time.steps), *problem, linear);
  linear.data = problem;
  if (problem->rate_rule && !is_plain_sgd(linear))
    throw table.table_or_empty("rate").error(
        "kind", "a rule sets the rate of optimizer sgd alone, without weight_decay or [schedule.batch]");
  settings::naming(table, "", [&] { return linear.method->layout(linear.hyperparameters); });
  return problem;
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const>) {
  const Table& table = experiment.table;
  LinearProblem linear;
  const std::shared_ptr<LeastSquares> problem = read_problem(experiment, linear);

  const Table theory = table.table_or_empty("theory");
  LeastSquaresTheory options = read_theory(theory, is_plain_sgd(linear)                        ? TheoryOf::plain_sgd
                                                   : linear.hyperparameters.has("inner_steps") ? TheoryOf::rounds
                                                                                               : TheoryOf::steps);
  if (options.method == TheoryMethod::reduced && problem->time.steps > 10'000'000)
    throw theory.error("method", "reduced goes step by step, up to 1e7 of them");
  options.seed = experiment.monte_carlo.seed;

  const Sampler sampler =
      monte_carlo_section().from(read_monte_carlo(table, monte_carlo_section().parameters())).sampler;
  return std::make_unique<LeastSquaresProblem>(problem, std::move(linear), options, sampler,
                                               experiment.monte_carlo.replicas, power_law_of(table));
}

std::vector<Finding> tune_least_squares(const Experiment& experiment) {
  if (ingredients::read_rate_rule(experiment.table, 0.0))
    throw experiment.table.error("rate", "there is nothing to tune under a rule; leave [rate] or `tune` out");
  return tune_experiment(experiment);
}

std::vector<settings::Description> optimizers() {
  std::vector<settings::Description> out;
  for (const LinearMethod& method : linear_methods()) out.push_back(method.description);
  return out;
}

std::vector<ClosedForm> closed_forms() {
  std::vector<ClosedForm> forms = least_squares_closed_forms();
  for (auto* more : {linear_closed_forms, collapse_closed_forms, rate_closed_forms, schedule_closed_forms})
    append(forms, more());
  return forms;
}

}  // namespace

const std::vector<Observable>& least_squares_observables() {
  static const std::vector<Observable> observables = {
      {"risk", "label^2", "population loss with noise, (P + sigma^2)/2"},
      {"excess_mse", "label^2", "P = v'Kv"},
      {"parameter_error", "parameter^2", "|v|^2 = |theta - theta*|^2"}};
  return observables;
}

std::vector<Observable> observables(const LeastSquares& problem) {
  std::vector<Observable> out = least_squares_observables();
  if (problem.rate_rule) append(out, ingredients::rate_observables(*problem.rate_rule));
  return out;
}

LinearProblem read_linear_problem(const Experiment& experiment) {
  LinearProblem linear;
  read_problem(experiment, linear);
  return linear;
}

const Model& least_squares_model() {
  static const DeclaredModel model({
      .description =
          {"least-squares", "streaming SGD on high-dimensional linear regression",
           "x ~ N(0, K), y = <x, theta*> + eps, v = theta - theta*, P = v'Kv, sigma^2 = E eps^2\n"
           "D_a' = a_a D_a + (eta^2/B) n_a lambda_a (P + sigma^2),   P = sum_a lambda_a D_a      (exact at finite d)\n"
           "a_a = (1 - eta lambda_a)^2 + eta^2 lambda_a^2 / B\n"
           "ode:      dq_a/dt = -A_a q_a + b_a (P + sigma^2),  q_a = lambda_a D_a\n"
           "volterra: P(t) = F(t) + int_0^t H(t-s) (P(s) + sigma^2) ds",
           "Paquette, Lee, Pedregosa, Paquette 2021; Paquette, Paquette, Adlam, Pennington 2022; Collins-Woodfin, "
           "Paquette 2023; docs/theory/least-squares-sgd.md",
           settings::with_sections({{"data", data_section().parameters()},
                                    {"initial", initial_parameters()},
                                    {"optimizer.phase", phase_parameters()},
                                    {"rate", {ingredients::rate_kind(ingredients::rates_without_own_loss())}},
                                    {"tune", tune_parameters()}})},
      .sections = {"spectrum", "noise", "data", "optimizer", "rate", "schedule", "initial", "theory", "monte_carlo",
                   "schedule_search", "tune"},
      .optimizers = optimizers(),
      .observables = least_squares_observables(),
      .closed_forms = closed_forms,
      .theory = theory_parameters(),
      .monte_carlo = monte_carlo_section().parameters(),
      .build = build,
      .tune = tune_least_squares,
      .start = R"(spectrum = { kind = "power-law", dimension = 100, alpha = 1.0, beta = 0.5 }
noise = { law = "gaussian", variance = 0.01 }

optimizer.learning_rate = 0.1
time.steps = 960)",
      // A buffer that keeps 0.9 makes the steps ten times as long.
      .start_of = {{"momentum", "optimizer.learning_rate = 0.01"}, {"custom", R"([optimizer]
start = [1, 0]
readout = [1, 0]
[[optimizer.phase]]
T0 = [[1, -0.08], [0, 0.8]]
T1 = [[-0.1, 0], [1, 0]]
n = [-0.1, 1]
e = [1, 0])"}},
  });
  return model;
}

}  // namespace edgewise::models::least_squares
