#include "models/nonlinear/nonlinear_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/simulation.hpp"
#include "models/nonlinear/theory.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models {

namespace {

using settings::Parameter;
using settings::Table;
using settings::Values;

const std::vector<Parameter>& theory_keys() {
  static const std::vector<Parameter> parameters = {
      settings::text("method", "how the theory is solved; the recursion keeps terms of order eta kappa")
          .one_of({"recursion", "ode", "sde"})
          .otherwise(std::string("recursion")),
      settings::text("integrator", "of the ode").one_of({"sdirk4", "explicit"}).otherwise(std::string("sdirk4")),
      settings::boolean("bands", "add the predicted standard deviation of one path (isotropic covariance)")
          .otherwise(false),
      settings::boolean("effects", "add the effects of the nonlinearity, one by one, along the trajectory")
          .otherwise(false),
      settings::boolean("compare", "signs: add SGD, SGD at the sign's effective rate, and that with its preconditioner")
          .otherwise(false),
      settings::number("rtol", "relative tolerance").above(0).below(1).otherwise(1e-8),
      settings::number("atol", "absolute tolerance").at_least(0).otherwise(0.0),
      settings::number("scale_drift", "factor on a(P), to see what a run would notice").above(0).otherwise(1.0),
      settings::number("scale_noise", "factor on b(P), to see what a run would notice").at_least(0).otherwise(1.0),
      settings::integer("paths", "of the sde").at_least(2).at_most(1e7).otherwise(std::int64_t{64}),
      settings::number("time_step", "of the sde").in("step").above(0).otherwise(1.0)};
  return parameters;
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

class NonlinearExperiment final : public Problem {
 public:
  NonlinearExperiment(std::shared_ptr<const NonlinearProblem> problem, NonlinearTheory theory, std::string sampler,
                      Table table)
      : problem_(std::move(problem)),
        theory_(std::move(theory)),
        sampler_(std::move(sampler)),
        table_(std::move(table)) {}

  Trajectory solve() const override { return solve(theory_); }

  Trajectory reference() const override {
    NonlinearTheory theory = theory_;
    theory.effects = theory.compare = false;
    return solve(theory);
  }

  std::unique_ptr<Simulation> simulate() const override {
    return named([&] {
      const bool follows = problem_->greedy || problem_->threshold_rule != "constant";
      return simulate_nonlinear(follows ? replayable(problem_, modes()) : problem_, sampler_);
    });
  }

  std::vector<Finding> stability() const override {
    return named([&] { return findings(); });
  }

  std::vector<std::string> warnings() const override {
    return named([&] {
      std::vector<std::string> out;
      const NonlinearProblem& p = *problem_;
      if (p.dataset)
        out.push_back("the data are real rows: the theory takes them as Gaussian with the same covariance");
      if (p.coordinatewise()) {
        const double local = localisation(p);
        if (local > 0.5)
          out.push_back(
              fmt::format("not delocalised: sqrt(B) max |rho_i| = {:.2g} at the start (above 0.5), where the "
                          "linear-response drift overestimates",
                          local));
        const double P = p.covariance.signal();
        const double drift = P > 0 ? sign_phi(*p.noise, P) / std::sqrt(P) : 0;
        if (p.ema > 0 && !p.greedy && 2 * p.learning_rate * drift * modes().largest() > 0.1 * (1 - p.ema))
          out.push_back("the exponential average is slow: its theory needs eta << 1 - its beta");
        return out;
      }
      const double trace = p.covariance.trace();
      if (p.method == "clip" || p.method == "mean-clip") {
        const double dimension = trace / modes().largest();
        if (dimension < 5)
          out.push_back(
              fmt::format("intrinsic dimension tr K/|K| = {:.2g} is below 5: norms of examples spread, and "
                          "clipping by norm is not clipping of residuals",
                          dimension));
      }
      if (p.method == "mean-clip") {
        const double most = 0.1 * trace * trace / p.covariance.trace_of_square();
        if (p.batch > most)
          out.push_back(
              fmt::format("batch {} exceeds a tenth of (tr K)^2/tr K^2, {:.3g}: the theory of mean-clip "
                          "assumes far smaller batches",
                          p.batch, most));
      }
      return out;
    });
  }

 private:
  // Errors of the theory name the file.
  template <class F>
  auto named(const F& f) const -> decltype(f()) {
    try {
      return f();
    } catch (const std::invalid_argument& e) {
      throw table_.error("", e.what());
    }
  }

  Trajectory solve(const NonlinearTheory& theory) const {
    return named([&] { return solve_nonlinear(*problem_, modes(), theory); });
  }

  const ModeSystem& modes() const {
    std::call_once(once_, [this] { modes_ = modes_of(*problem_); });
    return modes_;
  }

  std::vector<Finding> findings() const {
    const NonlinearProblem& p = *problem_;
    const ScalarLaws laws = scalar_laws(p);
    const std::shared_ptr<const Noise> noise = effective_noise(p);
    const ModeSystem& m = modes();
    std::vector<Finding> out;
    const double P = m.excess_mse();
    double at = P;  // where the criteria are read
    if (!p.greedy && p.threshold_rule != "optimal") {
      const std::vector<double> steady = steady_states(m, laws, p.learning_rate);
      out.push_back({"stable", !steady.empty(), "a fixed point exists at the full learning rate"});
      if (!steady.empty()) {
        out.push_back({"steady_excess_mse", steady.front(), "2 a(P) P = eta b(P) sum s: where P settles"});
        if (steady.size() > 1)
          out.push_back({"largest_steady_excess_mse", steady.back(), "there are several fixed points"});
      }
    }
    if (!(P > 0)) return out;
    const LawValues law = laws.exact(at);
    const double best = law.a * m.drift_power() / (law.b * m.noise_trace());
    out.push_back({"greedy_learning_rate", best, "a Q/(b S) at the start: the fastest decrease of P"});
    out.push_back({"eta_decrease", 2 * best, "P falls at the start below this learning rate"});
    out.push_back({"eta_stable_step", 1 / (2 * law.a * m.largest()), "2 eta a kappa_max = 1 at the start"});
    if (std::isfinite(noise->variance()))
      out.push_back({"efficiency", law.a * law.a * (at + noise->variance()) / (law.b * p.batch),
                     "a^2 (P + sigma^2)/(b B) at the start: SGD has 1"});
    out.push_back({"residual_information", residual_information(*noise, at),
                   "J at the start: the ceiling of mu^2/q for any nonlinearity"});
    if (p.coordinatewise()) {
      out.push_back({"noise_compression", noise_compression(*noise, at), "kappa_nc at the start: > 1 helps"});
      if (p.batch > 1)
        out.push_back({"best_placement", std::string(early_sign_wins(*noise, at, p.batch) ? "early" : "late"),
                       "sign of every example, or of their mean, at the start"});
      out.push_back({"localisation", localisation(p), "sqrt(B) max |rho_i| at the start: small for linear response"});
    } else {
      const OptimalThreshold h = optimal_threshold(*noise, at);
      out.push_back({"optimal_threshold", h.threshold, "h* on |r| at the start, inf for no clipping"});
      out.push_back(
          {"clipping_gain", h.progress * (at + noise->variance()), "mu^2/nu at h*: clipping helps where it exceeds 1"});
      out.push_back({"intrinsic_dimension", p.covariance.trace() / m.largest(), "tr K/|K|"});
    }
    return out;
  }

  std::shared_ptr<const NonlinearProblem> problem_;
  NonlinearTheory theory_;
  std::string sampler_;
  Table table_;
  mutable std::once_flag once_;
  mutable ModeSystem modes_;
};

void read_rate(const Values& values, const Experiment& experiment, NonlinearProblem& problem) {
  problem.greedy = values.text("learning_rate_rule") == "greedy";
  if (values.given("learning_rate") && values.given("gamma"))
    throw values.error("learning_rate", "give either learning_rate or gamma (= learning_rate * tr K)");
  if (problem.greedy) {
    if (values.given("gamma"))
      throw values.error("gamma", "a greedy rate is set by the risk; learning_rate multiplies it (default 1)");
    problem.learning_rate = values.given("learning_rate") ? values.number("learning_rate") : 1;
  } else if (values.given("gamma")) {
    problem.learning_rate = values.number("gamma") / problem.covariance.trace();
  } else if (values.given("learning_rate")) {
    problem.learning_rate = values.number("learning_rate");
  } else {
    throw values.error("learning_rate", "is required (a number, > 0), unless gamma is given");
  }
  problem.batch = values.number("batch");
  if (problem.batch != std::floor(problem.batch)) throw values.error("batch", "must be a whole number");
  problem.schedule = read_schedule(experiment.table, "schedule", static_cast<double>(experiment.time.steps));
}

void read_threshold(const Values& values, NonlinearProblem& problem) {
  if (problem.method == "quantile") {
    problem.threshold = values.number("tau");
    return;
  }
  if (problem.method != "clip" && problem.method != "huber" && problem.method != "reject" &&
      problem.method != "mean-clip")
    return;
  if (problem.method != "mean-clip") problem.threshold_rule = values.text("threshold_rule");
  if (problem.threshold_rule == "optimal") {
    if (values.given("threshold")) throw values.error("threshold", "the rule optimal finds it; leave it out");
    return;
  }
  if (!values.given("threshold")) throw values.error("threshold", "is required (a number, > 0, or inf)");
  problem.threshold = values.number("threshold");
  if (problem.threshold_rule == "quantile" && !(problem.threshold < 1))
    throw values.error("threshold", "under the rule quantile it is a probability, below 1");
  if (problem.threshold_rule == "sqrt-risk" && !std::isfinite(problem.threshold))
    throw values.error("threshold", "must be finite under the rule sqrt-risk");
}

}  // namespace

std::vector<Parameter> rate_parameters() {
  return {settings::number("learning_rate", "eta, per step; give this or gamma. With a greedy rule its multiple")
              .in("per step")
              .above(0)
              .computed("gamma / tr K"),
          settings::number("gamma", "eta tr K; gives eta = gamma / tr K").in("1").above(0).computed("eta tr K"),
          settings::text("learning_rate_rule",
                         "constant, or greedy: eta = a Q/(b S), the fastest decrease of P at every instant (the best "
                         "overall on an isotropic covariance only). The simulation replays the theory's rates")
              .one_of({"constant", "greedy"})
              .otherwise(std::string("constant")),
          settings::number("batch", "B, examples per step, whole").in("samples").at_least(1).otherwise(1.0)};
}

NonlinearModel::NonlinearModel(NonlinearClass the_class) : class_(std::move(the_class)) {
  for (const settings::Description& method : class_.methods) methods_.push_back(&method);
}

std::span<const std::string> NonlinearModel::sections() const {
  static const std::vector<std::string> names = {"spectrum", "noise",  "data",       "optimizer",
                                                 "schedule", "theory", "monte_carlo"};
  return names;
}

std::span<const Observable> NonlinearModel::observables() const {
  static const std::vector<Observable> observables = {
      {"excess_mse", "label^2", "P = v'Kv"},
      {"risk", "label^2", "population loss with noise, (P + sigma^2)/2, where sigma^2 is finite"}};
  return observables;
}

std::span<const Parameter> NonlinearModel::theory_parameters() const {
  return theory_keys();
}

std::span<const Parameter> NonlinearModel::monte_carlo_parameters() const {
  return monte_carlo_keys();
}

std::unique_ptr<Problem> NonlinearModel::prepare(const Experiment& experiment) const {
  const Table& table = experiment.table;
  if (table.has("initial")) throw table.error("initial", "this model starts at theta = 0; leave the section out");
  auto problem = std::make_shared<NonlinearProblem>();
  problem->time = experiment.time;
  const Values data = settings::read(table.table_or_empty("data"), data_keys());
  problem->covariance = read_covariance(table);
  problem->noise = read_noise(table);
  if (data.text("law") == "rows") {
    problem->dataset = spectra::dataset_of(table);
    if (!problem->dataset) throw data.error("law", "rows needs [spectrum] kind = \"dataset\"");
  }
  const settings::Choice choice = settings::read_choice(table, "optimizer", methods_, methods_.front()->name);
  problem->method = methods_[choice.index]->name;
  read_rate(choice.values, experiment, *problem);
  read_threshold(choice.values, *problem);
  if (choice.values.has("ema")) problem->ema = choice.values.number("ema");
  if (problem->method == "adam") {
    problem->ema = choice.values.number("beta1");
    problem->ema_square = choice.values.number("beta2");
    problem->floor = choice.values.number("floor");
  }

  const Values theory = settings::read(table.table_or_empty("theory"), theory_keys());
  NonlinearTheory options;
  options.method = theory.text("method");
  options.integrator = theory.text("integrator");
  options.bands = theory.flag("bands");
  options.effects = theory.flag("effects");
  options.compare = theory.flag("compare");
  options.rtol = theory.number("rtol");
  options.atol = theory.number("atol");
  options.scale_drift = theory.number("scale_drift");
  options.scale_noise = theory.number("scale_noise");
  options.paths = static_cast<std::uint64_t>(theory.integer("paths"));
  options.time_step = theory.number("time_step");
  options.seed = experiment.monte_carlo.seed;

  std::vector<std::string> shared_keys;
  for (const Parameter& p : models::monte_carlo_parameters()) shared_keys.push_back(p.name);
  const Values monte_carlo = settings::read(table.table_or_empty("monte_carlo"), monte_carlo_keys(), shared_keys);
  return std::make_unique<NonlinearExperiment>(problem, options, monte_carlo.text("sampler"),
                                               Table(table.origin(), ""));
}

}  // namespace edgewise::models
