#include "validation/collapse/scaling_experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>

#include "models/framework/scaling_law.hpp"
#include "numerics/constants.hpp"
#include "numerics/whole.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/collapse/frontier.hpp"
#include "validation/monte_carlo/statistics.hpp"
#include "validation/sweeps/sweep_overrides.hpp"

namespace edgewise::validation {

using settings::Error;
using settings::Table;
using settings::Value;

const std::vector<settings::Parameter>& collapse_parameters() {
  static const std::vector<settings::Parameter> keys = {
      settings::numbers("sizes", "sizes p to be compared").must().above(0),
      settings::text("key", "of the experiment that the size is").otherwise(std::string("spectrum.dimension")),
      settings::text("horizon",
                     "steps of a size, a formula of size and of optimal, the compute-optimal steps that the model "
                     "knows of a constant rate")
          .in("optimizer steps")
          .otherwise(std::string("optimal")),
      settings::number("floor", "L0, the loss that no size gets below").computed("the model's"),
      settings::texts("set", "further keys that change with the size, as \"section.key = FORMULA of size\"")
          .otherwise(std::vector<std::string>{}),
      settings::integer("points", "curves are compared at x = k/points")
          .at_least(4)
          .at_most(1000)
          .otherwise(std::int64_t{20}),
      settings::boolean("simulate", "run the sizes too, monte_carlo.replicas seeds each")
          .computed("true where the model has runs to simulate"),
      settings::number("from", "the verdict is about x >= this").above(0).below(1).otherwise(0.3),
      settings::number("well", "well scaled: the largest spread of the theory is below this").above(0).otherwise(0.03),
      settings::number("broken", "broken: it is above this").above(0).otherwise(0.06)};
  return keys;
}

namespace {

std::shared_ptr<const settings::Expression> formula_of(const settings::Values& values, std::string_view key,
                                                       const std::string& text, std::vector<std::string> variables) {
  return settings::naming(values, key,
                          [&] { return std::make_shared<const settings::Expression>(text, std::move(variables)); });
}

std::string without_blanks_around(const std::string& text) {
  const auto first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::vector<std::string> key_parts(const std::string& path) {
  std::vector<std::string> out(1);
  for (const char c : path)
    if (c == '.')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

Value whole_or_not(double x) {
  constexpr double exact = 9007199254740992.0;
  if (numerics::is_whole(x) && std::abs(x) <= exact) return static_cast<std::int64_t>(x);
  return x;
}

}  // namespace

ScalingOptions read_scaling(const Table& experiment) {
  const Table* section = experiment.table("collapse");
  if (!section)
    throw experiment.error("collapse",
                           "this section is needed, with sizes = [...]; `edgewise describe collapse` tells more");
  const settings::Values values = settings::read(*section, collapse_parameters());
  ScalingOptions out;
  out.key = values.text("key");
  if (!values.given("key") && !experiment.table(key_parts(out.key).front()))
    throw values.error("key", fmt::format("is required where there is no section [{}]: the key that the size is, as "
                                          "section.key",
                                          key_parts(out.key).front()));
  if (key_parts(out.key).size() != 2)
    throw values.error("key", fmt::format("must have the form section.key, got '{}'", settings::shown(out.key)));
  out.sizes = values.numbers("sizes");
  std::sort(out.sizes.begin(), out.sizes.end());
  if (out.sizes.size() < 2 || std::adjacent_find(out.sizes.begin(), out.sizes.end()) != out.sizes.end() ||
      !std::isfinite(out.sizes.back()))
    throw values.error("sizes", "two or more different sizes are needed");
  out.horizon = formula_of(values, "horizon", values.text("horizon"), {"size", "optimal"});
  if (values.has("floor")) out.floor = values.number("floor");
  for (const std::string& assignment : values.texts("set")) {
    const std::size_t equals = assignment.find('=');
    const std::string key = without_blanks_around(assignment.substr(0, equals));
    if (equals == std::string::npos || key_parts(key).size() < 2)
      throw values.error("set",
                         fmt::format("must be \"section.key = FORMULA\", got '{}'", settings::shown(assignment)));
    if (key.starts_with("time.") || key.starts_with("collapse."))
      throw values.error("set", fmt::format("{} cannot change with the size; the steps are the horizon's", key));
    out.set.emplace_back(key,
                         formula_of(values, "set", without_blanks_around(assignment.substr(equals + 1)), {"size"}));
  }
  out.points = static_cast<std::size_t>(values.integer("points"));
  if (values.has("simulate")) out.simulate = values.flag("simulate");
  out.rule = {values.number("from"), values.number("well"), values.number("broken")};
  if (!(out.rule.well <= out.rule.broken)) throw values.error("broken", "must not be below `well`");
  return out;
}

namespace {

/// The experiment at one size and one horizon.
models::Experiment scaled(const models::Experiment& base, const ScalingOptions& options, double size, double steps) {
  Table table = base.table;
  set_path(table, key_parts(options.key), whole_or_not(size));
  for (const auto& [key, formula] : options.set) {
    const double value = (*formula)(std::vector{size});
    if (std::isnan(value))
      throw base.table.error("collapse.set", fmt::format("{} is no number at size {}", key, settings::text_of(size)));
    set_path(table, key_parts(key), whole_or_not(value));
  }
  std::vector<double> at;
  for (std::size_t k = 1; k < options.points; ++k) {
    const double step = std::floor(static_cast<double>(k) / static_cast<double>(options.points) * steps);
    at.push_back(step);
    at.push_back(step + 1);
  }
  const Table time = without(table.table_or_empty("time"), {"points"});
  table.make_table("time") = time;
  table.make_table("time").set("steps", static_cast<std::int64_t>(steps));
  table.make_table("time").set("at", at);
  return models::read_experiment(std::move(table));
}

}  // namespace

std::vector<ScaledProblem> at_sizes(const models::Experiment& base, const ScalingOptions& options) {
  std::vector<ScaledProblem> out;
  const bool needs_optimal = [&] {
    const std::vector<std::string> used = options.horizon->used();
    return std::find(used.begin(), used.end(), "optimal") != used.end();
  }();
  for (const double size : options.sizes) {
    const auto prepared = [&](double steps) {
      ScaledProblem one{size, scaled(base, options, size, steps), nullptr};
      one.problem = models::find(one.experiment).prepare(one.experiment);
      return one;
    };
    double optimal = nan;
    if (needs_optimal) {
      const ScaledProblem trial = prepared(static_cast<double>(options.points));
      if (const auto law = trial.problem->scaling_law()) optimal = law->horizon();
      if (!std::isfinite(optimal))
        throw base.table.error(
            "collapse.horizon",
            "`optimal` is not known here; give a formula of size. It is known of model least-squares "
            "with sgd on a power-law spectrum with tail = \"noise\", and of sum-of-powers");
    }
    const double steps = std::round((*options.horizon)(std::vector{size, optimal}));
    if (!(steps >= static_cast<double>(options.points)) || !(steps <= 1e15))
      throw base.table.error("collapse.horizon",
                             fmt::format("gives {} step{} at size {}; {} to 1e15 are needed", settings::text_of(steps),
                                         steps == 1 ? "" : "s", settings::text_of(size), options.points));
    out.push_back(prepared(steps));
    // Sizes share no random numbers.
    out.back().experiment.monte_carlo.seed += 0x9E3779B97F4A7C15ULL * (out.size() - 1);
  }
  return out;
}

namespace {

/// A curve at x = k/points of its own end, between the recorded steps around it.
std::vector<double> on_grid(std::span<const double> steps, const std::vector<double>& values, const SampledCurves& grid,
                            double horizon) {
  LossCurve curve;
  curve.step.assign(steps.begin(), steps.end());
  curve.loss = values;
  std::vector<double> out;
  for (const double x : grid.x) out.push_back(loss_at(curve, std::min(x * horizon, steps.back())));
  return out;
}

SampledCurves grid_of(const std::vector<ScaledProblem>& sizes, const ScalingOptions& options) {
  SampledCurves out;
  for (std::size_t k = 1; k <= options.points; ++k)
    out.x.push_back(static_cast<double>(k) / static_cast<double>(options.points));
  for (const ScaledProblem& one : sizes) {
    out.size.push_back(one.size);
    out.horizon.push_back(static_cast<double>(one.experiment.time.steps));
  }
  return out;
}

/// Relative spreads from here on are those of fourth moments that grow without bound while the mean is stable.
constexpr double unbounded_spread = 1e3;

/// Predicted floor and Delta, infinite where a size's spread is unbounded; by (4.4) and with the log-normal law of a ratio of two losses: with relative spreads s of
/// the loss, s_1 at the end, and their correlation c, E l = (mean/end)(1 + s_1^2)/(1 + c s s_1) and
/// Var l/(E l)^2 = (1 + s^2)(1 + s_1^2)/(1 + c s s_1)^2 - 1.
/// \returns the relative spread at the end, averaged over sizes
double predict(ScalingCollapse& out, const std::vector<ScaledProblem>& sizes, double seeds,
               std::vector<double>* delta) {
  const std::size_t points = out.theory.x.size();
  std::vector<std::vector<double>> mean, variance, spread;
  for (std::size_t p = 0; p < sizes.size(); ++p) {
    const auto law = sizes[p].problem->scaling_law();
    std::vector<std::uint64_t> steps;
    for (const double x : out.theory.x)
      steps.push_back(static_cast<std::uint64_t>(std::llround(x * out.theory.horizon[p])));
    const auto known = law ? law->fluctuations(steps) : std::nullopt;
    if (!known) return nan;
    auto& m = mean.emplace_back();
    auto& v = variance.emplace_back();
    auto& s = spread.emplace_back();
    const std::vector<double>& loss = out.theory.loss[p].front();
    const double end = known->std.back() / (loss.back() - out.floor);
    for (std::size_t k = 0; k < points; ++k) {
      const double here = known->std[k] / (loss[k] - out.floor);
      const double both = 1 + (k + 1 == points ? 1 : known->correlation[k]) * here * end;
      m.push_back(out.theory_spread.mean_of[p][k] * (1 + end * end) / both);
      v.push_back(m.back() * m.back() * std::max(0.0, (1 + here * here) * (1 + end * end) / (both * both) - 1));
      s.push_back(here);
    }
  }
  const auto n = static_cast<double>(sizes.size());
  const auto bounded = [&](std::size_t k) {
    return std::ranges::all_of(spread, [k](const std::vector<double>& s) { return s[k] < unbounded_spread; });
  };
  std::vector<double>& of = delta ? *delta : out.predicted_delta;
  out.predicted_floor.assign(points, 0);
  of.assign(points, 0);
  for (std::size_t k = 0; k < points; ++k) {
    double all = 0, squares = 0, within = 0, variances = 0;
    for (std::size_t p = 0; p < sizes.size(); ++p) {
      all += mean[p][k] / n;
      within += variance[p][k] / n;
      variances += spread[p][k] * spread[p][k] / n;
    }
    out.predicted_floor[k] = std::sqrt(variances);
    if (!bounded(k) || !bounded(points - 1)) {
      out.predicted_floor[k] = of[k] = infinity;
      continue;
    }
    for (std::size_t p = 0; p < sizes.size(); ++p) squares += std::pow(mean[p][k] - all, 2) / n;
    // The population variance of n x seeds values.
    of[k] = std::sqrt(squares + within * (1 - 1 / (n * seeds))) / all;
  }
  double end = 0;
  for (const std::vector<double>& s : spread) end += s.back() / n;
  return end;
}

/// The measure of the simulated runs without every blocks-th seed, from `first` on.
std::vector<double> measured_without(const SampledCurves& simulated, double floor, bool of_floor, std::size_t first,
                                     std::size_t blocks) {
  SampledCurves some = simulated;
  for (auto& of_size : some.loss)
    for (std::size_t w = of_size.size(); w-- > 0;)
      if (w % blocks == first) of_size.erase(of_size.begin() + static_cast<std::ptrdiff_t>(w));
  const CollapseSpread spread = spread_of(some, floor);
  return of_floor ? spread.floor : spread.delta;
}

/// Above this relative spread few, rare runs decide what a sample's is.
constexpr double heavy_spread = 0.3;
/// Relative error of a predicted spread that is accepted.
constexpr double allowed_spread = 0.1;
/// Delta is that of a ratio of two losses, and is predicted (4.4) from their second moments: to first order in how much the
/// lower one spreads. Above this it is shown and not judged.
constexpr double max_end_spread = 0.1;

/// Relative spreads above the law's own floor, where the one given is below it; else none. A constant that is added to the losses
/// makes their spread small, and their tails no lighter.
std::vector<double> spread_of_tails(const ScalingCollapse& out, const std::vector<ScaledProblem>& sizes,
                                    double floor_of_law) {
  if (!(out.floor < floor_of_law)) return std::vector<double>(out.theory.x.size(), 0.0);
  ScalingCollapse own = out;
  own.floor = floor_of_law;
  predict(own, sizes, infinity, nullptr);
  return own.predicted_floor;
}

/// Delta of the simulated runs, or their noise floor, against the prediction.
SpreadCheck check_spread(const SampledCurves& simulated, double floor, const std::vector<double>& predicted,
                         const std::vector<double>& tails, bool of_floor) {
  SpreadCheck out;
  out.predicted = predicted;
  // No seed is in a block of that number.
  out.measured = measured_without(simulated, floor, of_floor, 1, 1);
  std::size_t seeds = SIZE_MAX;
  for (const auto& of_size : simulated.loss) seeds = std::min(seeds, of_size.size());
  const std::size_t blocks = std::min<std::size_t>(seeds, 40);
  std::vector<std::vector<double>> left;
  for (std::size_t b = 0; b < blocks; ++b) left.push_back(measured_without(simulated, floor, of_floor, b, blocks));
  for (std::size_t k = 0; k < simulated.x.size(); ++k) {
    std::vector<double> values;
    for (const auto& one : left) values.push_back(one[k]);
    const auto n = static_cast<double>(blocks);
    // The jackknife misses what rare runs do to a spread: no less than a log-normal law of that spread has.
    const double spread = std::max(predicted[k], tails[k]), w = 1 + spread * spread,
                 kurtosis = w * w * (w * w + 2 * w + 3) - 6;
    const double least = std::sqrt((kurtosis + 2) / (4 * static_cast<double>(seeds * simulated.loss.size())));
    out.error.push_back(std::max(moments(values).std * (n - 1) / std::sqrt(n), predicted[k] * least));
    if (simulated.x[k] < 0.2 - 1e-9 || simulated.x[k] > 0.95 + 1e-9 || spread > heavy_spread) continue;
    const double gap = std::abs(out.measured[k] - predicted[k]);
    out.largest = std::max(out.largest, gap / predicted[k]);
    out.agrees = out.agrees && gap <= std::max(4 * out.error[k], allowed_spread * predicted[k]);
  }
  return out;
}

double fraction_below(const std::vector<double>& x, const std::vector<double>& delta,
                      const std::vector<double>& floor) {
  CollapseSpread s;
  s.x = x;
  s.delta = delta;
  s.floor = floor;
  return supercollapse_fraction(s);
}

}  // namespace

Outcome ScalingCollapse::simulation() const {
  const auto any = [&](Outcome outcome) { return std::ranges::count(of_size, outcome, &Verdict::outcome) > 0; };
  if (any(Outcome::disagree) || (delta_check && delta_check->judged && !delta_check->agrees) ||
      (floor_check && !floor_check->agrees))
    return Outcome::disagree;
  const bool spreads_agree = delta_check && delta_check->judged && floor_check;
  return any(Outcome::inconclusive) && !spreads_agree ? Outcome::inconclusive : Outcome::agree;
}

ScalingCollapse collapse_of(const std::vector<ScaledProblem>& sizes, const ScalingOptions& options,
                            const std::function<Sample(const ScaledProblem&)>& simulate) {
  ScalingCollapse out;
  const Table& table = sizes.front().experiment.table;
  const auto law = sizes.back().problem->scaling_law();
  if (!options.floor && !law)
    throw table.error("collapse.floor", "is needed: this model knows no loss that no size gets below");
  out.floor = options.floor ? *options.floor : law->floor();
  out.theory = grid_of(sizes, options);
  for (const ScaledProblem& one : sizes) {
    const models::Trajectory solved = one.problem->solve();
    const double T = static_cast<double>(one.experiment.time.steps);
    if (solved.diverged_at || solved.steps.empty() || solved.steps.back() < T || solved.columns.empty())
      throw table.error("collapse.sizes",
                        fmt::format("size {} has no theory up to its horizon, {} steps{}", settings::text_of(one.size),
                                    T, solved.diverged_at ? ": it diverges" : ""));
    out.theory.loss.push_back({on_grid(solved.steps, solved.columns.front().value, out.theory, T)});
    if (!(out.theory.loss.back().front().back() > out.floor))
      throw table.error("collapse.floor", fmt::format("{} is not below the last loss of size {}, {}",
                                                      settings::text_of(out.floor), settings::text_of(one.size),
                                                      settings::text_of(out.theory.loss.back().front().back())));
  }
  out.theory_spread = spread_of(out.theory, out.floor);
  out.verdict = judge_collapse(out.theory, out.floor, options.rule);
  if (law && std::isfinite(law->limit(0.5)) && !options.floor)
    for (std::size_t k = 0; k < out.theory.x.size(); ++k) {
      out.limit.push_back(law->limit(out.theory.x[k]));
      if (out.theory.x[k] >= options.rule.from - 1e-9)
        out.limit_gap = std::max(out.limit_gap, std::abs(out.theory_spread.mean_of.back()[k] / out.limit.back() - 1));
    }
  predict(out, sizes, infinity, nullptr);
  out.predicted_supercollapse =
      out.predicted_delta.empty() ? nan : fraction_below(out.theory.x, out.predicted_delta, out.predicted_floor);
  const bool has_runs = !law || law->simulated();
  if (options.simulate.value_or(false) && !has_runs)
    throw table.error("collapse.simulate",
                      "must be false: this model is a formula, of which there is nothing to simulate");
  if (!options.simulate.value_or(has_runs)) return out;

  out.simulated = grid_of(sizes, options);
  double seeds = 0;
  for (const ScaledProblem& one : sizes) {
    const Sample sample = simulate(one);
    const double T = static_cast<double>(one.experiment.time.steps);
    if (sample.steps.empty() || sample.steps.back() != one.experiment.time.steps || sample.diverged > 0)
      throw table.error("collapse.sizes", fmt::format("{} of {} runs of size {} diverge", sample.diverged,
                                                      sample.replicas, settings::text_of(one.size)));
    seeds = static_cast<double>(sample.replicas);
    const std::vector<double> steps(sample.steps.begin(), sample.steps.end());
    auto& runs = out.simulated->loss.emplace_back();
    for (std::uint64_t w = 0; w < sample.replicas; ++w) {
      std::vector<double> values;
      for (std::size_t t = 0; t < steps.size(); ++t) values.push_back(sample.values[t][w]);
      runs.push_back(on_grid(steps, values, *out.simulated, T));
      if (!(runs.back().back() > out.floor))
        throw table.error("collapse.floor", fmt::format("{} is not below the last loss of a run of size {}, {}",
                                                        settings::text_of(out.floor), settings::text_of(one.size),
                                                        settings::text_of(runs.back().back())));
    }
    VerdictOptions how = read_verdict_options(table);
    how.false_alarm /= static_cast<double>(sizes.size());
    how.predictions.clear();
    out.of_size.push_back(judge(one.problem->reference(), sample, how, one.experiment.monte_carlo.seed));
  }
  out.simulated_spread = spread_of(*out.simulated, out.floor);
  out.simulated_supercollapse = supercollapse_fraction(*out.simulated_spread);
  out.simulated_supercollapse_bounds = supercollapse_bounds(*out.simulated, out.floor);
  if (out.predicted_delta.empty() || seeds < 8) return out;
  std::vector<double> expected;
  const double end_spread = predict(out, sizes, seeds, &expected);
  const std::vector<double> tails = spread_of_tails(out, sizes, law->floor());
  out.delta_check = check_spread(*out.simulated, out.floor, expected, tails, false);
  out.delta_check->judged = end_spread <= max_end_spread;
  out.floor_check = check_spread(*out.simulated, out.floor, out.predicted_floor, tails, true);
  return out;
}

}  // namespace edgewise::validation
