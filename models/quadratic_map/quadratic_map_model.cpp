// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "linear_algebra/dense.hpp"
#include "models/framework/declared_model.hpp"
#include "models/framework/window_means.hpp"
#include "models/ingredients/central_flow.hpp"
#include "models/ingredients/quadratic_objective.hpp"
#include "models/quadratic_map/closed_forms.hpp"
#include "models/quadratic_map/outcome.hpp"
#include "models/quadratic_map/predictions.hpp"
#include "models/quadratic_map/regression.hpp"
#include "models/quadratic_map/simulation.hpp"
#include "models/quadratic_map/start.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"
#include "settings/section.hpp"
#include "solvers/flow.hpp"
#include "solvers/map.hpp"

namespace edgewise::models::quadratic_map {

const Model& quadratic_map_model();

namespace {

using settings::Parameter;
using settings::Table;

/// Theory and simulation are compared while a difference of one rounding stays below this, relative.
constexpr double predictable = 1e-10;
/// Of two arithmetics, and the share of `predictable` that is left to it.
constexpr double rounding = 4 * std::numeric_limits<double>::epsilon(), allowed = 0.2 * predictable;

enum class Method { map, moments, two_step, flow, central_flow };

/// Section [theory].
struct Settings {
  Method method = Method::map;
  std::uint64_t limit_steps = 1'000'000;
  std::size_t max_period = 64;
  double rtol = 1e-10;
};

const settings::Section<Settings>& theory_section() {
  static const settings::Section<Settings> section([](settings::Section<Settings>& s) {
    s.words("method", &Settings::method,
            "map: the algorithm in (z, J), exact; moments: the same in (z, T(0), T(1)), two parameters; "
            "two-step: GD's normal form near the edge, two parameters of opposite curvature; flow: gradient "
            "flow, a step taken as the time eta; central-flow: the mean path at the edge",
            {{"map", Method::map},
             {"moments", Method::moments},
             {"two-step", Method::two_step},
             {"flow", Method::flow},
             {"central-flow", Method::central_flow}});
    s.key("limit_steps", &Settings::limit_steps, "stability: steps after which an orbit is judged as it stands")
        .in("optimizer steps")
        .at_least(1);
    s.key("max_period", &Settings::max_period, "stability: longest cycle that is looked for")
        .in("optimizer steps")
        .at_least(1)
        .at_most(1e5);
    s.key("rtol", &Settings::rtol, "relative tolerance").where("method", {"flow"}).above(0).below(1);
  });
  return section;
}

/// Section [monte_carlo].
struct Run {
  bool rotated = true;
};

const settings::Section<Run>& run_section() {
  static const settings::Section<Run> section([](settings::Section<Run>& s) {
    s.words("sampler", &Run::rotated,
            "basis of the parameters in which the algorithm runs: a random rotation, or Q's eigenbasis",
            {{"rotated", true}, {"eigenbasis", false}});
  });
  return section;
}

class QuadraticMapProblem final : public Problem {
 public:
  QuadraticMapProblem(QuadraticRegression problem, double learning_rate, Time time, Settings options, bool rotated)
      : problem_(std::move(problem)),
        learning_rate_(learning_rate),
        time_(std::move(time)),
        options_(options),
        rotated_(rotated) {}

  Trajectory solve() const override {
    if (options_.method == Method::flow) return solve_flow();
    if (options_.method == Method::two_step) return solve_two_step();
    if (options_.method == Method::central_flow) return solve_central_flow();
    return solve_map(time_.at);
  }

  Trajectory reference() const override {
    if (options_.method == Method::flow || options_.method == Method::two_step) return solve();
    if (options_.method == Method::central_flow) {
      Trajectory out = solve();
      out.claim_from(infinity);  // what is claimed is predicted
      return out;
    }
    const Comparable comparable = comparable_steps();
    Trajectory out = solve_map(comparable.steps);
    if (out.steps.size() < time_.at.size() && !out.diverged_at)
      out.warnings.push_back(fmt::format(
          "compared at {} of {} recorded steps, the last {:.0f}: elsewhere rounding decides more than {:g} of an "
          "observable, because it grows (chaos) or because the observable has fallen to the rounding of its terms",
          out.steps.size(), time_.at.size(), out.steps.back(), predictable));
    const double E = invariant(problem_, problem_.start());
    if (std::isfinite(E) && rounding * comparable.terms > allowed * std::abs(E)) out.columns.pop_back();
    return out;
  }

  std::unique_ptr<Simulation> simulate() const override {
    auto simulation = simulate_quadratic(problem_, learning_rate_, rotated_);
    if (options_.method != Method::central_flow) return simulation;
    return with_window_means(std::move(simulation), {"loss", "normalized_sharpness"}, time_);
  }
  std::vector<Prediction> predictions() const override {
    if (options_.method != Method::central_flow) return {};
    return ingredients::central_flow_predictions(solve(), 0.75, 1.33, true);
  }

  std::vector<Finding> stability() const override {
    const Outcome found = outcome_of(problem_, {options_.limit_steps, options_.max_period});
    const std::vector<double> start = problem_.start();
    const double eta = learning_rate_;
    const bool diverged = found.fate == Fate::diverged;
    std::vector<Finding> out = {
        {"outcome", std::string(name(found.fate)),
         "converged, EOS (after the edge), stationary (at rest where z is not 0), persistent_oscillation, diverged or "
         "slow"},
        {"bounded", !diverged, "the residual stays finite"},
        {"converged", found.fate == Fate::converged || found.fate == Fate::after_edge, "the residual falls to 0"},
        {"edge", found.edge, "gradient flow from the start, or a step 1, 2, 4, ..., would end beyond the edge"},
        {"steps", static_cast<double>(found.steps), "until that was known"},
        {"period", static_cast<double>(found.period), "of the cycle; 1 at a fixed point, 0 when there is none"},
        {"residual", diverged ? nan : found.residual / eta, "z at the end"},
        {"residual_low", found.residual_low / eta, "smallest z of the 512 steps after it"},
        {"residual_high", found.residual_high / eta, "largest"},
        {"sharpness_limit", diverged ? nan : found.sharpness,
         "eta lambda at the end; its mean over 512 steps where z oscillates"},
        {"lyapunov_exponent", found.lyapunov_exponent,
         "per step, of a perturbation of the parameters, where the orbit has come to; 0 along a line of minima, above "
         "0 in chaos"},
        {"sharpness_edge", edge_of(problem_), "eta lambda at the edge: 2 of GD, T* of SAM"}};
    if (has_invariant(problem_)) {
      out.push_back({"invariant", invariant(problem_, start) / eta, "E = z - J Q^-1 J'/2"});
      out.push_back({"invariant_drift", found.invariant_drift / eta, "largest change of E on the way: rounding alone"});
    }
    if (const auto pair = canonical_pair(problem_)) add_predictions(*pair, out);
    const FlowEnd flow = flow_end(problem_);
    out.push_back({"flow_sharpness_limit", flow.sharpness, "eta lambda where gradient flow ends"});
    out.push_back({"flow_residual_limit", flow.residual / eta, "z there: 0 at a minimum, else J falls to 0"});
    out.push_back({"flow_sharpens", flow.sharpness > curvature_moment(problem_, start, 0),
                   "gradient flow ends sharper than it starts"});
    out.push_back({"sharpening_rate", sharpening_rate(problem_, start),
                   "d(eta lambda)/dt of gradient flow at the start, per step"});
    out.push_back({"sharpening_acceleration", sharpening_acceleration(problem_, start), "its rate of change"});
    std::erase_if(out, [](const Finding& f) {  // what there is not
      const auto* value = std::get_if<double>(&f.value);
      return value && std::isnan(*value);
    });
    return out;
  }

 private:
  void add_predictions(const CanonicalPair& pair, std::vector<Finding>& out) const {
    out.push_back({"epsilon", pair.epsilon, "minus the ratio of the two curvatures, the larger one below"});
    out.push_back({"mu", pair.mu(), "u - 2 z: the sharpness at the minimum as epsilon -> 0"});
    if (pair.minimum_sharpness() >= 0)  // below 0 there is no zero
      out.push_back({"minimum_sharpness", pair.minimum_sharpness(), "eta lambda at z = 0, the slow variable held"});
    out.push_back({"normalized_invariant", pair.invariant, "E in units where omega = (1, -epsilon)"});
    if (problem_.rule == MapRule::normalized_sam) return;
    const bool sam = problem_.rule == MapRule::sam;
    const double r = sam ? problem_.radius : 0;
    if (const auto fate = predicted_fate(pair, r))
      out.push_back({"predicted_outcome", std::string(name(*fate)),
                     sam ? "of small epsilon: bounded iff the orbit with the slow variable held is"
                         : "of small epsilon: bounded iff z < 2 and mu < 4"});
    out.push_back({"predicted_sharpness_limit", predicted_sharpness(pair, r),
                   sam ? "gradient flow's end; after the edge T* and its first order in epsilon"
                       : "gradient flow's end; after the edge 2 - eps (1+E)/2 - eps^2 (1+E)(27+11E)/32"});
  }

  /// A trajectory without steps, with the model's observables as columns.
  Trajectory with_columns() const {
    Trajectory out;
    for (const Observable& observable : quadratic_map_observables(problem_))
      out.columns.push_back({observable, {}, {}});
    return out;
  }

  void append(Trajectory& out, double step, double z, double t0, double t1, double E) const {
    double values[6];
    observe_quadratic(z / learning_rate_, t0 / learning_rate_, t1 / learning_rate_, E / learning_rate_, learning_rate_,
                      values);
    out.steps.push_back(step);
    for (std::size_t c = 0; c < out.columns.size(); ++c) out.columns[c].value.push_back(values[c]);
  }

  /// E from (z, T(0), T(1)) of two parameters.
  double moment_invariant(double z, double t0, double t1) const {
    const double a = problem_.curvature[0], b = problem_.curvature[1];
    // Where a curvature is 0, its J is.
    if (a * b == 0) return a + b == 0 ? z : z - 0.5 * t0 / (a + b);
    return z - 0.5 * ((a + b) * t0 - t1) / (a * b);
  }

  Trajectory solve_map(const std::vector<std::uint64_t>& at) const {
    const bool moments = options_.method == Method::moments;
    if (moments && problem_.parameters() != 2)
      throw std::invalid_argument("theory.method: moments close for two parameters only; use map");
    Trajectory out = with_columns();
    const double E0 = invariant(problem_, problem_.start());
    double drift = 0, last_sharpness = 0;
    solvers::OrbitOptions orbit_options;
    orbit_options.at = at;
    orbit_options.divergence_limit = divergence_limit(problem_);
    const auto read = [&](std::span<const double> x) {
      struct Read {
        double t0, t1, E;
      };
      if (moments) return Read{x[1], x[2], has_invariant(problem_) ? moment_invariant(x[0], x[1], x[2]) : nan};
      return Read{curvature_moment(problem_, x, 0), curvature_moment(problem_, x, 1), invariant(problem_, x)};
    };
    orbit_options.observer = [&](std::uint64_t, std::span<const double> x) {
      const auto now = read(x);
      last_sharpness = now.t0;
      if (std::isfinite(now.E)) drift = std::max(drift, std::abs(now.E - E0));
    };
    const solvers::Orbit orbit = moments ? solvers::iterate(moment_map(problem_), moment_start(problem_), orbit_options)
                                         : solvers::iterate(regression_map(problem_), problem_.start(), orbit_options);
    for (std::size_t k = 0; k < orbit.steps.size(); ++k) {
      const auto now = read(orbit.states[k]);
      append(out, static_cast<double>(orbit.steps[k]), orbit.states[k][0], now.t0, now.t1, now.E);
    }
    out.method = moments ? "moments" : "map";
    out.exact = true;
    if (orbit.diverged_at) out.diverged_at = static_cast<double>(*orbit.diverged_at);
    if (has_invariant(problem_)) out.report.emplace_back("invariant_drift", drift / learning_rate_);
    out.report.emplace_back("last_normalized_sharpness", last_sharpness);
    out.labels.emplace_back("outcome", orbit.diverged_at ? "diverged" : "bounded");
    return out;
  }

  Trajectory solve_flow() const {
    if (problem_.rule != MapRule::gd)
      throw std::invalid_argument("theory.method: flow is the flow of GD; use map with SAM");
    Trajectory out = with_columns();
    std::vector<double> times(time_.at.begin(), time_.at.end());
    solvers::FlowOptions flow_options;
    flow_options.rtol = options_.rtol;
    flow_options.atol = 1e-3 * options_.rtol;
    flow_options.divergence_limit = divergence_limit(problem_);
    const solvers::FlowSolution flow =
        solvers::integrate_flow(regression_flow(problem_), problem_.start(), times, flow_options);
    const double E0 = invariant(problem_, problem_.start());
    double drift = 0;
    for (std::size_t k = 0; k < flow.times.size(); ++k) {
      const std::vector<double>& x = flow.states[k];
      const double E = invariant(problem_, x);
      if (std::isfinite(E)) drift = std::max(drift, std::abs(E - E0));
      append(out, flow.times[k], x[0], curvature_moment(problem_, x, 0), curvature_moment(problem_, x, 1), E);
    }
    out.method = fmt::format("flow, rtol {:g}", options_.rtol);
    out.diverged_at = flow.diverged_at;
    out.report.emplace_back("integration_steps", static_cast<double>(flow.steps));
    if (has_invariant(problem_)) out.report.emplace_back("invariant_drift", drift / learning_rate_);
    const FlowEnd end = flow_end(problem_);
    out.report.emplace_back("flow_sharpness_limit", end.sharpness);
    out.labels.emplace_back("outcome", end.reaches_minimum ? "converged" : "stationary");
    if (end.sharpness > 2)
      out.warnings.push_back(
          fmt::format("the flow ends at eta lambda = {:.4g}, beyond the edge of stability at 2: gradient descent does "
                      "not follow it there",
                      end.sharpness));
    return out;
  }

  Trajectory solve_central_flow() const {
    if (problem_.rule != MapRule::gd)
      throw std::invalid_argument("theory.method: central-flow is GD's; use map with SAM");
    const std::size_t P = problem_.parameters();
    linear_algebra::Matrix j0(1, P);
    for (std::size_t i = 0; i < P; ++i) j0(0, i) = problem_.jacobian[i];
    ingredients::QuadraticObjective objective({problem_.residual}, j0,
                                              [this](std::span<const double> v, linear_algebra::Matrix& w) {
                                                for (std::size_t i = 0; i < v.size(); ++i)
                                                  w(0, i) = problem_.curvature[i] * v[i];
                                              });
    const double eta2 = learning_rate_ * learning_rate_;
    Trajectory out = ingredients::follow_central_flow(
        objective, std::vector<double>(P), 1, time_,
        {{{"loss", "label^2", "z^2/2"}, [&](auto theta) { return objective.move_to(theta) / eta2; }},
         {{"normalized_sharpness", "1", "eta lambda = T(0)"}, [&](auto theta) {
            objective.move_to(theta);
            return numerics::squared_norm_in_order(objective.jacobian().entries());
          }}});
    // Parameters in units of eta = 1 are eta^(1/2) theta.
    const auto displacement =
        std::ranges::find(out.columns, "oscillation", [](const Column& c) { return c.observable.name; });
    for (double& x : displacement->value) x /= learning_rate_;
    return out;
  }

  Trajectory solve_two_step() const {
    const auto pair = canonical_pair(problem_);
    if (problem_.rule != MapRule::gd || !pair || !(pair->epsilon > 0))
      throw std::invalid_argument("theory.method: two-step needs GD and two parameters of opposite curvature; use map");
    Trajectory out;
    out.columns = {{{"loss", "label^2", "z^2/2, every other step"}, {}, {}},
                   {{"minimum_sharpness", "1", "eta lambda at z = 0, the slow variable held"}, {}, {}}};
    solvers::OrbitOptions orbit_options;
    for (const std::uint64_t step : time_.at)
      if (step % 2 == 0) orbit_options.at.push_back(step / 2);
    orbit_options.divergence_limit = divergence_limit(problem_);
    const solvers::Orbit orbit = solvers::iterate(two_step_map(*pair), two_step_start(*pair), orbit_options);
    const double unit = learning_rate_ * pair->scale;
    for (std::size_t k = 0; k < orbit.steps.size(); ++k) {
      out.steps.push_back(2 * static_cast<double>(orbit.steps[k]));
      out.columns[0].value.push_back(0.5 * orbit.states[k][0] / (unit * unit));
      out.columns[1].value.push_back(2 + orbit.states[k][1]);
    }
    out.method = "two-step normal form";
    if (orbit.diverged_at) out.diverged_at = 2 * static_cast<double>(*orbit.diverged_at);
    if (orbit_options.at.size() < time_.at.size())
      out.warnings.push_back("the normal form moves by two steps: odd recorded steps are left out");
    return out;
  }

  /// Size of what the residual is made of in parameter space, which does not shrink with it.
  double terms_of_residual(std::span<const double> x) const {
    double size = std::abs(x[0]);
    for (std::size_t i = 0; i < problem_.parameters(); ++i)
      if (problem_.curvature[i] != 0)
        size = std::max(size, 0.5 * x[i + 1] * x[i + 1] / std::abs(problem_.curvature[i]));
    return size;
  }

  /// The recorded steps at which rounding decides little of any observable: orbits that are rounded anew at every step are still at
  /// the same place there, and the observables are not small against the terms they are made of.
  struct Comparable {
    std::vector<std::uint64_t> steps;
    double terms = 0;  ///< the largest that the residual was made of until the last of them, as the invariant is
  };
  Comparable comparable_steps() const {
    const solvers::Map map = regression_map(problem_);
    std::vector<double> x = problem_.start(), next(x.size());
    std::vector<std::vector<double>> shadows(4, x);
    random::Stream roundings(0, 0);
    const double limit = divergence_limit(problem_);
    Comparable out;
    std::size_t recorded = 0;
    double largest_terms = 0, largest_jacobian = 0;
    for (std::uint64_t k = 0; std::abs(x[0]) < limit && recorded < time_.at.size(); ++k) {
      // Residual and Jacobian are sums along the run, of components in another basis: rounded as the largest they were made of.
      largest_terms = std::max(largest_terms, terms_of_residual(x));
      for (std::size_t i = 1; i < x.size(); ++i) largest_jacobian = std::max(largest_jacobian, std::abs(x[i]));
      if (k == time_.at[recorded]) {
        const double t1 = curvature_moment(problem_, x, 1);
        double terms = 0;
        for (std::size_t i = 0; i < problem_.parameters(); ++i)
          terms += std::abs(problem_.curvature[i]) * x[i + 1] * x[i + 1];
        double of_residual = rounding * largest_terms, of_moment = rounding * terms;
        for (const std::vector<double>& shadow : shadows) {
          of_residual = std::max(of_residual, std::abs(x[0] - shadow[0]));
          of_moment = std::max(of_moment, std::abs(t1 - curvature_moment(problem_, shadow, 1)));
        }
        if (of_residual <= allowed * std::abs(x[0]) && of_moment <= allowed * std::abs(t1)) {
          out.steps.push_back(k);
          out.terms = largest_terms;
        }
        ++recorded;
      }
      for (std::vector<double>& shadow : shadows) {
        for (std::size_t i = 0; i < shadow.size(); ++i) {
          const double share = rounding * (roundings.uniform() - 0.5);
          if (i > 0 && options_.method == Method::moments) {  // squares, of two sums
            const double square = shadow[i] * shadow[i] + share * largest_jacobian * largest_jacobian;
            shadow[i] = std::copysign(std::sqrt(std::max(square, 0.0)), shadow[i]);
          } else {
            shadow[i] += share * (i == 0 ? largest_terms : largest_jacobian);
          }
        }
        map.step(shadow, next);
        shadow.swap(next);
      }
      map.step(x, next);
      x.swap(next);
    }
    if (out.steps.empty()) out.steps.push_back(0);
    return out;
  }

  QuadraticRegression problem_;
  double learning_rate_;
  Time time_;
  Settings options_;
  bool rotated_;
};

/// In the order of MapRule.
std::vector<settings::Description> rules() {
  const Parameter rate = settings::number("learning_rate", "eta; 1 makes the variables the normalised ones")
                             .in("per step")
                             .above(0)
                             .otherwise(1.0);
  const Parameter rho = settings::number("rho",
                                         "distance of the look-ahead, in units of the gradient for sam, of "
                                         "the parameters for normalized-sam")
                            .at_least(0)
                            .must();
  const std::string source = "docs/theory/quadratic-regression.md, ";
  return {{"gd", "gradient descent", "theta' = theta - eta grad L(theta)", source + "section 0", {rate}},
          {"sam",
           "sharpness-aware minimisation, unnormalised",
           "theta' = theta - eta grad L(theta + rho grad L(theta));  edge: eta lambda (1 + rho lambda) = 2",
           source + "sections 0 and 5",
           {rate, rho}},
          {"normalized-sam",
           "sharpness-aware minimisation with a look-ahead of fixed length",
           "theta' = theta - eta grad L(theta + rho g/|g|), g = grad L(theta)",
           source + "sections 0 and 5",
           {rate, rho}}};
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const> optimizers) {
  const Table& table = experiment.table;
  const settings::Choice choice = settings::read_choice(table, "optimizer", optimizers, "gd");

  QuadraticRegression problem = read_regression(table);
  const double eta = choice.values.number("learning_rate");
  problem.rule = static_cast<MapRule>(choice.index);
  if (problem.rule != MapRule::gd) {
    const double rho = choice.values.number("rho");
    problem.radius = problem.rule == MapRule::sam ? rho / eta : rho * std::sqrt(eta);
    if (rho == 0) problem.rule = MapRule::gd;
  }
  problem.residual *= eta;
  double sharpness = 0;
  for (double& J : problem.jacobian) {
    J *= std::sqrt(eta);
    sharpness += J * J;
  }
  if (!std::isfinite(problem.residual * problem.residual) || !std::isfinite(sharpness * sharpness))
    throw choice.values.error("learning_rate",
                              fmt::format("{:g} makes the step overflow: eta z_0 = {:g}, eta lambda_0 = {:g}", eta,
                                          problem.residual, sharpness));
  const Settings options = theory_section().read(table.table_or_empty("theory"));
  const bool rotated = run_section().from(read_monte_carlo(table, run_section().parameters())).rotated;
  return std::make_unique<QuadraticMapProblem>(std::move(problem), eta, experiment.time, options, rotated);
}

}  // namespace

const Model& quadratic_map_model() {
  static const DeclaredModel model({
      .description =
          {"quadratic-map", "one-sample quadratic regression: sharpening and the edge of stability as a map",
           "z = z_0 + J_0 theta + theta'Q theta/2,  J = J_0 + Q theta,  loss z^2/2,  sharpness lambda = |J|^2\n"
           "map:      z' = z (1 - T(0)) + z^2 T(1)/2,  J_i' = (1 - z omega_i) J_i,  T(k) = sum omega_i^k J_i^2   "
           "(units of eta = 1)\n"
           "flow:     dz/dt = -z T(0),  dJ_i/dt = -z omega_i J_i\n"
           "E = z - T(-1)/2 is conserved by all of them, by SAM too; [data] holds Q's eigenvalues, [initial] z_0 and "
           "J_0",
           "Agarwala, Pedregosa, Pennington 2022; Agarwala, Dauphin 2023; docs/theory/quadratic-regression.md, "
           "sections 1, 5",
           settings::with_sections(
               {{"data", quadratic_data_parameters()}, {"initial", quadratic_initial_parameters()}})},
      .sections = {"data", "initial", "optimizer", "theory", "monte_carlo"},
      .optimizers = rules(),
      .observables = quadratic_map_observables({{1.0}, 0, {1.0}, MapRule::gd, 0}),
      .closed_forms = quadratic_map_closed_forms,
      .theory = theory_section().parameters(),
      .monte_carlo = run_section().parameters(),
      .build = build,
      .start = R"(data.epsilon = 0.1
initial = { residual = 0.2, sharpness = 1.0, invariant = 0.0 }
time.steps = 100)",
      .start_of = {{"sam", R"(optimizer.rho = 0.1)"}, {"normalized-sam", R"(optimizer.rho = 0.1)"}},
  });
  return model;
}

}  // namespace edgewise::models::quadratic_map
