// Built at -O1: nothing here takes time.
#include "models/least_squares/linear_methods/tuning.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "random/random.hpp"
#include "settings/shown.hpp"

namespace edgewise::models::least_squares {

namespace {

/// A run that has grown this much is lost.
constexpr double lost = 1e3;
constexpr double bound_margin = 0.01;

// One hyperparameter on its search scale, 0..1.
class Scale {
 public:
  /// A memory, from 0 to below 1, is searched by its length 1/(1 - value); what counts takes whole numbers.
  Scale(TuneRange range, const settings::Parameter& parameter)
      : range_(std::move(range)),
        memory_(parameter.minimum == 0 && parameter.maximum == 1 && parameter.maximum_excluded),
        whole_(parameter.type == settings::Type::integer || is_count(parameter.name)) {
    if (!(range_.to >= range_.from) || (memory_ ? range_.from < 0 || range_.to >= 1 : !(range_.from > 0)))
      throw std::invalid_argument("tune." + range_.name + ": needs " +
                                  (memory_ ? "0 <= from <= to < 1" : "0 < from <= to"));
    low_ = to_scale(range_.from);
    high_ = to_scale(range_.to);
  }
  const std::string& name() const { return range_.name; }
  /// Whether the value is an end of the range: one of the whole numbers, or as good as that of the others.
  bool on_bound(double x) const {
    if (range_.from == range_.to) return false;  // there was nothing to choose
    return x < bound_margin || x > 1 - bound_margin || (whole_ && (value(x) == value(0) || value(x) == value(1)));
  }
  double value(double x) const {
    const double y = low_ + (high_ - low_) * x;
    const double v = memory_ ? -std::expm1(-y) : std::exp(y);
    return whole_ ? std::round(v) : std::clamp(v, range_.from, range_.to);
  }

 private:
  double to_scale(double v) const { return memory_ ? -std::log1p(-v) : std::log(v); }
  TuneRange range_;
  bool memory_, whole_;
  double low_ = 0, high_ = 0;
};

// As of time.steps.
constexpr double most_steps = 9007199254740992.0;

// Reflects into 0..1, so that the ends are reached but not favoured.
double reflected(double x) {
  x = std::fmod(std::abs(x), 2.0);
  return x > 1 ? 2 - x : x;
}

}  // namespace

double value_at_budget(const LinearProblem& problem, const TuneOptions& options, std::uint64_t* steps) {
  Hyperparameters h = problem.hyperparameters;
  h.seek(0);
  std::uint64_t last = problem.data->time.steps;
  if (options.samples > 0) {
    const double most = options.samples / (h.value_or("batch", 1) * h.value_or("workers", 1));
    if (most > most_steps)
      throw std::invalid_argument(fmt::format("tune.samples: {} samples are {} steps of a run, which takes at most {}",
                                              options.samples, most, most_steps));
    last = static_cast<std::uint64_t>(most);
  }
  if (!h.scheduled("inner_steps")) last -= last % problem.method->period(h);
  if (steps) *steps = last;
  LinearRecursion run(problem);
  const auto observables = linear_observables(problem);
  const auto found = std::ranges::find(observables, options.observable, &Observable::name);
  if (found == observables.end()) {
    std::vector<std::string> names;
    for (const Observable& o : observables) names.push_back(o.name);
    throw std::invalid_argument("tune.observable: there is no " + settings::shown(options.observable) +
                                settings::suggestion(options.observable, names) +
                                "; accepted: " + settings::join(names));
  }
  run.set_limit(lost * std::max(run.excess_mse(), problem.data->noise_variance()));
  run.advance(last);
  if (run.diverged()) return std::numeric_limits<double>::infinity();
  std::vector<double> values(observables.size());
  run.observe(values);
  return values[static_cast<std::size_t>(found - observables.begin())];
}

Tuned tune(const LinearProblem& problem, const std::vector<TuneRange>& ranges, const TuneOptions& options) {
  if (ranges.empty()) throw std::invalid_argument("tune: there is nothing to tune");
  std::vector<Scale> scales;
  const std::vector<settings::Parameter> numbers = numbers_of(problem.method->description);
  for (const TuneRange& range : ranges) {
    const auto parameter = std::ranges::find(numbers, range.name, &settings::Parameter::name);
    if (!problem.hyperparameters.has(range.name) || parameter == numbers.end())
      throw std::invalid_argument("tune." + range.name + ": optimizer " + problem.method->description.name +
                                  " has no such number");
    scales.emplace_back(range, *parameter);
  }
  const std::size_t dimensions = scales.size();
  LinearProblem trial = problem;
  // Larger batches and more workers would win for nothing: the samples of the run as it is written, if no others.
  TuneOptions how = options;
  const Hyperparameters& written = problem.hyperparameters;
  const bool samples_move =
      std::ranges::any_of(ranges, [](const TuneRange& r) { return r.name == "batch" || r.name == "workers"; });
  if (samples_move && !(how.samples > 0)) {
    const double workers = written.has("workers") ? written.base("workers") : 1;
    how.samples = static_cast<double>(problem.data->time.steps) * workers * written.base("batch");
    if (std::isinf(how.samples))
      throw std::invalid_argument(
          "tune.samples: is needed where batch or workers is searched and optimizer.batch is inf");
  }
  Tuned out;
  out.value = std::numeric_limits<double>::infinity();
  std::vector<double> best(dimensions, 0.5), at(dimensions);
  const auto evaluate = [&] {
    for (std::size_t d = 0; d < dimensions; ++d) trial.hyperparameters.set(scales[d].name(), scales[d].value(at[d]));
    std::uint64_t steps = 0;
    const double value = value_at_budget(trial, how, &steps);
    ++out.evaluations;
    out.diverged += !std::isfinite(value);
    if (value < out.value) {
      out.value = value;
      out.steps = steps;
      best = at;
    }
  };
  random::Stream stream(options.seed, 0, 0, random::Purpose::other);
  const std::uint64_t spread = options.evaluations / 2;
  for (std::uint64_t i = 0; i < options.evaluations; ++i) {
    if (i < spread || !std::isfinite(out.value)) {
      for (double& x : at) x = stream.uniform();
    } else {
      // From a fifth of the range down to a thousandth, a random half of the directions at a time.
      const double progress = static_cast<double>(i - spread) / static_cast<double>(options.evaluations - spread);
      const double width = 0.2 * std::pow(0.005, progress);
      for (std::size_t d = 0; d < dimensions; ++d)
        at[d] = dimensions > 1 && stream.uniform() < 0.5 ? best[d] : reflected(best[d] + width * stream.normal());
    }
    evaluate();
  }
  if (!std::isfinite(out.value)) {
    std::vector<std::string> names;
    for (const Scale& scale : scales) names.push_back(scale.name());
    throw std::invalid_argument(fmt::format(
        "tune.{}: every one of the {} runs tried diverged, so there is no best value; give {} with smaller "
        "values",
        names.front(), out.evaluations, names.size() > 1 ? "ranges (of " + settings::join(names) + ")" : "a range"));
  }
  if (out.steps == 0)
    throw std::invalid_argument(
        "tune.samples: not one period of the method fits into the budget, so nothing was compared");
  for (std::size_t d = 0; d < dimensions; ++d) {
    out.best.emplace_back(scales[d].name(), scales[d].value(best[d]));
    if (scales[d].on_bound(best[d])) out.on_bound.push_back(scales[d].name());
  }
  return out;
}

std::vector<settings::Parameter> tune_parameters(const Hyperparameters* has) {
  std::vector<settings::Parameter> out{
      settings::integer("evaluations", "solves spent, the same for every method that is compared")
          .at_least(2)
          .at_most(1e7)
          .otherwise(std::int64_t{600}),
      settings::number("samples", "steps * workers * batch of one run").above(0).computed("from time.steps"),
      settings::text("observable", "what is made small").otherwise(std::string("excess_mse"))};
  for (const LinearMethod& method : linear_methods())
    for (const settings::Parameter& p : numbers_of(method.description))
      if ((!has || has->has(p.name)) && std::ranges::find(out, p.name, &settings::Parameter::name) == out.end())
        out.push_back(
            settings::numbers(p.name, "[from, to]: the range of the optimizer's " + p.name + " that is searched")
                .computed("not searched"));
  return out;
}

std::vector<Finding> tune_experiment(const Experiment& experiment) {
  const settings::Table section = experiment.table.table_or_empty("tune");
  const LinearProblem problem = read_linear_problem(experiment);
  refuse_unread(section, problem.method->description, problem.hyperparameters);
  const std::vector<settings::Parameter> parameters = tune_parameters(&problem.hyperparameters);
  const settings::Values values = settings::read(section, parameters);
  TuneOptions options;
  options.evaluations = static_cast<std::uint64_t>(values.integer("evaluations"));
  options.samples = values.has("samples") ? values.number("samples") : 0;
  options.observable = values.text("observable");
  options.seed = experiment.monte_carlo.seed;
  std::vector<TuneRange> ranges;
  for (std::size_t i = 3; i < parameters.size(); ++i) {
    const std::string& name = parameters[i].name;
    if (!values.has(name)) continue;
    const auto& range = values.numbers(name);
    if (range.size() != 2) throw values.error(name, "must be [from, to]");
    ranges.push_back({name, range[0], range[1]});
  }
  if (ranges.empty())
    throw values.error("", "needs a range for at least one hyperparameter, e.g. learning_rate = [0.01, 1]");
  const Tuned found =
      settings::naming(settings::Table(section.origin(), ""), "", [&] { return tune(problem, ranges, options); });
  std::vector<Finding> out;
  for (const auto& [name, value] : found.best) {
    const bool bound = std::ranges::find(found.on_bound, name) != found.on_bound.end();
    out.push_back({name, value, bound ? "best value, ON A BOUND of its range: widen it" : "best value"});
  }
  out.push_back({options.observable, found.value, "at the end of the budget, there"});
  out.push_back({"steps", static_cast<double>(found.steps), "of one run"});
  out.push_back({"evaluations", static_cast<double>(found.evaluations), "solves spent"});
  out.push_back({"diverged", static_cast<double>(found.diverged), "of them diverged"});
  out.push_back({"on_bound", settings::join(found.on_bound), "hyperparameters whose best value lies on a bound"});
  return out;
}

}  // namespace edgewise::models::least_squares
