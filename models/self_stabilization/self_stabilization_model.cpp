// Built at -O1: nothing here takes time.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "models/framework/declared_model.hpp"
#include "models/framework/recorder.hpp"
#include "models/self_stabilization/claims.hpp"
#include "models/self_stabilization/closed_forms.hpp"
#include "models/self_stabilization/normal_form.hpp"
#include "numerics/constants.hpp"
#include "settings/section.hpp"
#include "solvers/flow.hpp"

namespace edgewise::models::self_stabilization {

const Model& self_stabilization_model();

namespace {

using settings::Parameter;

/// Theory and simulation are compared while what roundings at every step do stays below this, relative, in so many runs.
constexpr double comparable = 2e-11;
constexpr std::uint64_t shadows = 4;

const std::vector<Parameter>& landscape_keys() {
  static const std::vector<Parameter> keys = {
      settings::number("sharpening", "alpha = -grad L . grad S across the top direction")
          .in("sharpness/time")
          .at_least(0)
          .otherwise(0.01),
      settings::number("epsilon", "instead of sharpening: eta^2 alpha, at a constant rate")
          .above(0)
          .computed("eta^2 sharpening"),
      settings::number("stabilization", "beta = |grad S|^2 across it").at_least(0).otherwise(4.0),
      settings::number("gradient_variance", "of the batch gradient along the top direction, a step")
          .at_least(0)
          .otherwise(0.0),
      settings::number("noise", "instead: n = eta^2 gradient_variance beta/(2 alpha), at a constant rate")
          .at_least(0)
          .computed("eta^2 gradient_variance stabilization/(2 sharpening)"),
      settings::number("bulk_gradient", "squared gradient of the other directions, which tuners see")
          .at_least(0)
          .otherwise(0.0),
      settings::number("bulk_curvature", "h, theirs").at_least(0).otherwise(0.0),
      settings::boolean("bulk_moves", "the bulk's gradient falls by 1 - eta h a step; else it stays").otherwise(false),
      settings::number("floor", "loss of the other directions, which Polyak's rate sees").at_least(0).otherwise(0.0)};
  return keys;
}

const std::vector<Parameter>& initial_keys() {
  static const std::vector<Parameter> keys = {
      settings::number("x", "displacement along the top direction").in("parameter").computed("p"),
      settings::number("p", "instead of x: beta x^2/(2 alpha)").at_least(0).computed("0.5"),
      settings::number("sharpness", "lambda").above(0).computed("2/eta at a constant rate, else 1"),
      settings::number("Y", "instead of sharpness: eta lambda - 2, at a constant rate").above(-2).computed("0")};
  return keys;
}

/// Section [theory].
struct Theory {
  bool flow = false;
};

const settings::Section<Theory>& theory_section() {
  static const settings::Section<Theory> section([](settings::Section<Theory>& s) {
    s.words("method", &Theory::flow, "map: step by step; flow: its continuous limit at a constant rate without noise",
            {{"map", false}, {"flow", true}});
  });
  return section;
}

const std::vector<Parameter>& run_keys() {
  static const std::vector<Parameter> keys = {
      settings::integer("burn_in", "noisy runs: steps before their averages begin")
          .in("optimizer steps")
          .at_least(0)
          .computed("a quarter of the steps")};
  return keys;
}

class SelfStabilizationProblem final : public Problem {
 public:
  SelfStabilizationProblem(Setup setup, std::shared_ptr<const ingredients::RateRule> rule, Time time, bool flow,
                           std::uint64_t burn_in)
      : setup_(std::move(setup)), rule_(std::move(rule)), time_(std::move(time)), flow_(flow), burn_in_(burn_in) {}

  Trajectory solve() const override { return flow_ ? solve_flow() : solve_map(); }

  Trajectory reference() const override {
    Trajectory out = solve();
    if (flow_ || setup_.land.noise > 0) {
      // Approximations: shown; what is claimed are the predictions.
      out.claim_from(infinity);
      return out;
    }
    std::size_t rows = out.steps.size();
    bool amplitude = true;
    for (std::uint64_t shadow = 0; shadow < shadows; ++shadow) {
      random::Stream roundings(0, shadow);
      const Trajectory near = solve_map(&roundings);
      const auto close = [&](std::size_t column, std::size_t row) {
        const double a = out.columns[column].value[row], b = near.columns[column].value[row];
        return std::abs(a - b) <= comparable * std::abs(a);
      };
      std::size_t same = 0;
      double largest = 0;
      for (rows = std::min(rows, near.steps.size()); same < rows && close(1, same) && close(2, same); ++same) {
        largest = std::max(largest, out.columns[0].value[same]);
        amplitude = amplitude && close(0, same) && out.columns[0].value[same] > 1e-20 * largest;
      }
      rows = same;
    }
    if (rows < out.steps.size()) {
      out.warnings.push_back("compared at the first " + std::to_string(rows) +
                             " recorded steps: rounding decides the rest");
      out.diverged_at.reset();
      out.steps.resize(rows);
      for (Column& column : out.columns) column.value.resize(rows);
    }
    if (!amplitude) out.columns.erase(out.columns.begin());  // x has fallen to the rounding of 1 - eta lambda
    return out;
  }

  std::vector<Prediction> predictions() const override {
    return predictions_of(setup_, static_cast<double>(time_.steps), static_cast<double>(burn_in_));
  }
  std::vector<Finding> stability() const override { return findings_of(setup_, static_cast<double>(time_.steps)); }
  std::unique_ptr<Simulation> simulate() const override {
    if (!(setup_.land.stabilization > 0))
      throw std::invalid_argument(
          "landscape.stabilization: a run is gradient descent on (S0 + b m) x^2/2 - a m with b^2 = stabilization, "
          "which must be > 0");
    return simulate_descent(setup_.land, setup_.start, setup_.learning_rate, rule_, burn_in_);
  }

 private:
  /// `state_observables`, a row at a time.
  class StateRecorder {
   public:
    StateRecorder() : recorder_(1) {
      for (const Observable& observable : state_observables()) handles_.push_back(recorder_.add(observable));
    }
    void row(double step, const State& state, double rate) {
      std::vector<double> values(handles_.size());
      observe_state(state, rate, values);
      recorder_.row(step);
      for (std::size_t k = 0; k < values.size(); ++k) recorder_.set(handles_[k], values[k]);
    }
    Trajectory& trajectory() { return recorder_.trajectory(); }
    Trajectory take() { return recorder_.take(); }

   private:
    Recorder recorder_;
    std::vector<Recorder::Handle> handles_;
  };

  /// \param roundings  null, or what the orbit is moved by at every step
  Trajectory solve_map(random::Stream* roundings = nullptr) const {
    const bool noisy = setup_.land.noise > 0;
    StateRecorder recorder;
    Trajectory& out = recorder.trajectory();
    out.method = noisy ? "map of second moments" : "map";
    out.exact = !noisy;
    if (noisy)
      out.warnings.push_back("second moments are closed as if the sharpness did not fluctuate: shown, not judged");
    Orbit orbit(setup_.land, setup_.start, setup_.learning_rate, rule_.get());
    std::uint64_t step = 0;
    for (const std::uint64_t at : time_.at) {
      for (; step < at && orbit.alive(); ++step) {
        if (roundings) orbit.round(*roundings);
        orbit.step();
      }
      if (!orbit.alive()) {
        out.diverged_at = static_cast<double>(step);
        break;
      }
      recorder.row(static_cast<double>(at), orbit.state(), orbit.rate());
    }
    out.labels.emplace_back("outcome", out.diverged_at ? "diverged" : "bounded");
    return recorder.take();
  }

  /// In (log p, Y).
  Trajectory solve_flow() const {
    const double eta = setup_.learning_rate, eps = setup_.epsilon(), p = setup_.start.p(setup_.land);
    const double Y = eta * setup_.start.sharpness - 2;
    if (!setup_.constant() || setup_.land.noise > 0 || setup_.land.x_first)
      throw std::invalid_argument("theory.method: flow is that of the constant rate without noise; use map");
    if (!(p > 0) || !std::isfinite(p) || !(Y > -1))
      throw std::invalid_argument("theory.method: flow needs p > 0 and eta lambda > 1 at the start; use map");
    const std::vector<double> times(time_.at.begin(), time_.at.end());
    const double start[] = {std::log(p), Y};
    // Where the energy allows 1 + Y = 0 the orbit comes to it, and the flow, whose log p has no rate beyond, ends there.
    const double beyond = energy(eps, p, Y) >= 2 ? std::numeric_limits<double>::quiet_NaN() : 2 * std::log(1e-12);
    const auto flow = solvers::integrate_flow(
        [eps, beyond](std::span<const double> x, std::span<double> rate) {
          rate[0] = x[1] > -1 ? 2 * std::log1p(x[1]) : beyond;
          rate[1] = -eps * std::expm1(x[0]);
        },
        start, times);
    StateRecorder recorder;
    for (std::size_t k = 0; k < flow.times.size(); ++k) {
      const double x = std::sqrt(2 * setup_.land.sharpening / setup_.land.stabilization * std::exp(flow.states[k][0]));
      recorder.row(flow.times[k], {x, (2 + flow.states[k][1]) / eta, setup_.start.bulk}, eta);
    }
    Trajectory out = recorder.take();
    out.method = "flow";
    out.diverged_at = flow.diverged_at;
    if (flow.diverged_at)
      out.warnings.push_back("the flow ends where eta lambda = 1: it is that of orbits that turn about 2");
    return out;
  }

  Setup setup_;
  std::shared_ptr<const ingredients::RateRule> rule_;
  Time time_;
  bool flow_;
  std::uint64_t burn_in_;
};

settings::Description descent() {
  return {"gd",
          "gradient descent",
          "x' = (1 - eta lambda) x",
          "docs/theory/curvature-dynamics.md, section 1",
          {settings::number("learning_rate", "eta; none beside a section [rate]").in("per step").above(0).computed("1"),
           settings::boolean("gauss_seidel",
                             "the sharpness moves by x' instead of x: area-preserving, not gradient descent")
               .otherwise(false)}};
}

const std::map<std::string, Tuner>& tuners() {
  static const std::map<std::string, Tuner> all = {{"constant", Tuner::constant},
                                                   {"inverse-sharpness", Tuner::inverse_sharpness},
                                                   {"cdat", Tuner::cdat},
                                                   {"stochastic-polyak", Tuner::stochastic_polyak}};
  return all;
}

settings::Parameter tuner_key() {
  std::vector<std::string> words;
  for (const auto& entry : tuners()) words.push_back(entry.first);
  return ingredients::rate_kind(std::move(words));
}

/// The rule's kind and its numbers.
void read_tuner(const settings::Table& table, Setup& setup) {
  const settings::Choice choice = ingredients::read_rate_choice(table);
  const settings::Values& values = choice.values;
  setup.tuner = tuners().at(ingredients::rate_rule_kinds()[choice.index].description.name);
  if (setup.constant()) return;
  // Polyak's rate is (L - f_min)/(c |g|^2), which has a 1/c where the others have a sigma.
  setup.sigma = values.number("multiplier") * (values.has("c") ? 1 / values.number("c") : values.number("sigma"));
  if (values.has("ema")) setup.average = values.number("ema");
  if (values.has("delay")) setup.delay = static_cast<std::uint64_t>(values.integer("delay"));
  if (values.has("f_min")) setup.least_loss = values.number("f_min");
  setup.largest_rate = values.number("multiplier") * values.number("eta_max");
  setup.softened = values.has("epsilon") && values.number("epsilon") > 0;
}

void only_constant(const settings::Values& values, const char* key, const char* other, const Setup& s) {
  if (!values.given(key)) return;
  if (values.given(other))
    throw values.error(key, std::string("and ") + other + " say the same; leave one of them out");
  if (!s.constant()) throw values.error(key, std::string("is of a constant rate; under a rate rule give ") + other);
}

/// What the rule does not see of the other directions, and so changes nothing.
void refuse_unread(const settings::Values& values, const Setup& s) {
  const bool cdat = s.tuner == Tuner::cdat, polyak = s.tuner == Tuner::stochastic_polyak;
  const bool moves = values.flag("bulk_moves");
  const auto refuse = [&](const char* key, bool read, const char* by) {
    if (values.given(key) && !read)
      throw values.error(key,
                         std::string("is read by ") + by + " alone, and changes nothing under this rate; leave it out");
  };
  refuse("bulk_gradient", cdat || polyak, "[rate] kind = cdat and stochastic-polyak");
  refuse("bulk_moves", cdat || polyak, "[rate] kind = cdat and stochastic-polyak");
  refuse("bulk_curvature", cdat || (polyak && moves),
         "[rate] kind = cdat, and stochastic-polyak where bulk_moves = true");
  refuse("floor", polyak, "[rate] kind = stochastic-polyak");
}

void read_landscape(const settings::Values& values, Setup& s) {
  only_constant(values, "epsilon", "sharpening", s);
  only_constant(values, "noise", "gradient_variance", s);
  refuse_unread(values, s);
  const double square = s.learning_rate * s.learning_rate;
  s.land.sharpening = values.given("epsilon") ? values.number("epsilon") / square : values.number("sharpening");
  s.land.stabilization = values.number("stabilization");
  s.land.noise = values.number("gradient_variance");
  if ((s.land.noise > 0 || values.given("noise")) && !(s.land.sharpening > 0 && s.land.stabilization > 0))
    throw values.error(s.land.noise > 0 ? "gradient_variance" : "noise", "needs sharpening and stabilization > 0");
  if (values.given("noise"))
    s.land.noise = values.number("noise") / square * 2 * s.land.sharpening / s.land.stabilization;
  if (s.land.noise > 0 && !s.constant()) throw values.error("gradient_variance", "is offered at a constant rate only");
  for (const auto& [key, number] : {std::pair{"epsilon", s.land.sharpening}, std::pair{"noise", s.land.noise}})
    if (!std::isfinite(number)) throw values.error(key, "is out of range at this learning rate");
  s.start.bulk = values.number("bulk_gradient");
  s.land.bulk_curvature = values.number("bulk_curvature");
  s.land.bulk_moves = values.flag("bulk_moves") && s.land.bulk_curvature > 0;
  s.land.floor = values.number("floor");
}

void read_start(const settings::Values& values, Setup& s) {
  only_constant(values, "Y", "sharpness", s);
  s.start.sharpness = values.given("sharpness") ? values.number("sharpness")
                      : s.constant()            ? (2 + (values.given("Y") ? values.number("Y") : 0)) / s.learning_rate
                                                : 1;
  if (values.given("x") && values.given("p")) throw values.error("p", "and x say the same; leave one of them out");
  if (values.given("x")) {
    s.start.x = values.number("x");
  } else {
    if (!(s.land.sharpening > 0 && s.land.stabilization > 0))
      throw values.error("p", "needs sharpening and stabilization > 0; give x");
    s.start.x =
        std::sqrt(2 * s.land.sharpening / s.land.stabilization * (values.given("p") ? values.number("p") : 0.5));
  }
  if (!std::isfinite(s.start.x * s.start.x)) throw values.error(values.given("x") ? "x" : "p", "is out of range");
  if (!std::isfinite(s.start.sharpness)) throw values.error("Y", "is out of range at this learning rate");
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const> optimizers) {
  const settings::Table& table = experiment.table;
  Setup s;
  read_tuner(table, s);
  const auto rule = ingredients::read_rate_rule(table, std::nullopt);
  const settings::Values optimizer = settings::read_choice(table, "optimizer", optimizers, "gd").values;
  if (rule && optimizer.given("learning_rate"))
    throw optimizer.error("learning_rate", "is what the section [rate] sets; leave one of them out");
  if (optimizer.given("learning_rate")) s.learning_rate = optimizer.number("learning_rate");
  read_landscape(settings::read(table.table_or_empty("landscape"), landscape_keys()), s);
  s.land.x_first = optimizer.flag("gauss_seidel");
  read_start(settings::read(table.table_or_empty("initial"), initial_keys()), s);
  const settings::Values run = read_monte_carlo(table, run_keys());
  const std::uint64_t burn_in =
      run.given("burn_in") ? static_cast<std::uint64_t>(run.integer("burn_in")) : experiment.time.steps / 4;
  if (run.given("burn_in") && !(s.land.noise > 0))
    throw run.error("burn_in", "is of the averages of noisy runs, and there is no landscape.noise here; leave it out");
  if (s.land.noise > 0 && burn_in >= experiment.time.steps && experiment.time.steps > 0)
    throw run.error("burn_in", "leaves no step to average over");
  return std::make_unique<SelfStabilizationProblem>(
      std::move(s), rule, experiment.time, theory_section().read(table.table_or_empty("theory")).flow, burn_in);
}

std::vector<ClosedForm> closed_forms() {
  std::vector<ClosedForm> out = normal_form_closed_forms();
  for (ClosedForm& form : tuner_closed_forms()) out.push_back(std::move(form));
  return out;
}

}  // namespace

const Model& self_stabilization_model() {
  static const DeclaredModel model({
      .description =
          {"self-stabilisation",
           "the sharpness and the direction that oscillates at the edge, at a constant rate or under a tuner",
           "x' = (1 - eta lambda) x + eta g_noise,   lambda' = lambda + eta (alpha - (beta/2) x^2)\n"
           "p = beta x^2/(2 alpha), Y = eta lambda - 2, eps = eta^2 alpha:   p' = (1 + Y)^2 p,   Y' = Y + eps (1 - p)\n"
           "the simulation is gradient descent on (S0 + b m) x^2/2 - a m, beta = b^2, alpha = a b",
           "Damian, Nichani, Lee 2022; Roulet, Agarwala, Grill et al. 2024; docs/theory/curvature-dynamics.md, "
           "sections "
           "1 and 2",
           settings::with_sections(
               {{"landscape", landscape_keys()}, {"initial", initial_keys()}, {"rate", {tuner_key()}}})},
      .sections = {"landscape", "initial", "optimizer", "rate", "theory", "monte_carlo"},
      .optimizers = {descent()},
      .observables = state_observables(),
      .closed_forms = closed_forms,
      .theory = theory_section().parameters(),
      .monte_carlo = run_keys(),
      .build = build,
      .start = R"(optimizer.learning_rate = 1.0
time.steps = 200)",
  });
  return model;
}

}  // namespace edgewise::models::self_stabilization
