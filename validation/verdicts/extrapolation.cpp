// Built at -O1: nothing here takes time.
#include "validation/verdicts/extrapolation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "models/framework/model.hpp"
#include "models/framework/sections.hpp"
#include "numerics/constants.hpp"
#include "settings/counted.hpp"
#include "spectra/kinds.hpp"
#include "validation/monte_carlo/statistics.hpp"
#include "validation/verdicts/rounding.hpp"

namespace edgewise::validation {

namespace {

/// Two levels leave no freedom to see whether the decay is a power.
constexpr std::size_t fewest_levels = 3;

/// One observable at one recorded step, at every level.
struct LevelCell {
  std::size_t observable = 0, time = 0;
  std::vector<std::vector<double>> deviation;  // [level][replica], (value - theory) / theory
  std::vector<double> exact_std;               // [level] of the deviation, 0: not known
  std::vector<double> unmet;                   // [level] part of the theory that unmet noise carries, relative
};

/// What all levels share.
struct SharedLevels {
  std::vector<std::string> observables;
  std::size_t times = 0, replicas = 0;
  std::vector<LevelCell> cells;
  std::vector<double> dimension;
  const Level* largest = nullptr;
};

const models::Column& column_of(const Level& level, const std::string& observable) {
  const models::Column* column = level.theory.find(observable);
  if (!column) throw std::invalid_argument("the levels do not share the observable " + observable);
  return *column;
}

std::size_t sample_index(const Level& level, const std::string& observable) {
  const auto& all = level.sample.observables;
  const auto found = std::ranges::find_if(all, [&](const auto& o) { return o.name == observable; });
  if (found == all.end()) throw std::invalid_argument("the levels do not share the observable " + observable);
  return static_cast<std::size_t>(found - all.begin());
}

/// Rows of the sample before the theory's first: a training set of 0 samples, of which curves tell where it is asked for.
std::size_t before_theory(const Level& level) {
  const auto& rows = level.sample.steps;
  return !rows.empty() && rows[0] == 0 && !level.theory.steps.empty() && level.theory.steps[0] > 0 ? 1 : 0;
}

std::uint64_t sampled_step(const Level& level, std::size_t t) {
  return level.sample.steps[before_theory(level) + t];
}

const std::vector<double>& sampled_values(const Level& level, const std::string& observable, std::size_t t) {
  return level.sample.values[sample_index(level, observable) * level.sample.steps.size() + before_theory(level) + t];
}

SharedLevels shared_by_levels(std::span<const Level> levels) {
  SharedLevels shared;
  shared.times = shared.replicas = std::numeric_limits<std::size_t>::max();
  shared.largest = &levels.back();
  for (const Level& level : levels) {
    const double until = level.theory.valid_until.value_or(infinity);
    const auto valid =
        static_cast<std::size_t>(std::ranges::upper_bound(level.theory.steps, until) - level.theory.steps.begin());
    shared.times = std::min({shared.times, valid, level.sample.steps.size() - before_theory(level)});
    shared.replicas = std::min(shared.replicas, static_cast<std::size_t>(level.sample.replicas));
    shared.dimension.push_back(level.dimension);
  }
  for (const Level& level : levels)
    for (std::size_t t = 0; t < shared.times; ++t)
      if (level.theory.steps[t] != static_cast<double>(sampled_step(level, t)))
        throw std::invalid_argument("theory and simulation record different steps");
  for (const auto& o : levels.back().sample.observables)
    if (levels.back().theory.find(o.name)) shared.observables.push_back(o.name);
  for (std::size_t o = 0; o < shared.observables.size(); ++o)
    for (std::size_t t = 0; t < shared.times; ++t) {
      if (sampled_step(levels.back(), t) == 0) continue;
      if (std::ranges::any_of(levels, [&](const Level& level) {
            return level.theory.steps[t] < column_of(level, shared.observables[o]).valid_from;
          }))
        continue;
      LevelCell cell;
      cell.observable = o;
      cell.time = t;
      for (const Level& level : levels) {
        const models::Column& column = column_of(level, shared.observables[o]);
        const double theory = column.value.at(t);
        if (!std::isfinite(theory) || theory == 0)
          throw std::invalid_argument(fmt::format("the theory of {} at dimension {} is {} at step {}",
                                                  shared.observables[o], level.dimension, theory,
                                                  sampled_step(level, t)));
        const std::vector<double>& values = sampled_values(level, shared.observables[o], t);
        auto& deviation = cell.deviation.emplace_back(shared.replicas);
        for (std::size_t r = 0; r < shared.replicas; ++r) deviation[r] = values[r] / theory - 1;
        cell.exact_std.push_back(t < column.std.size() ? column.std[t] / std::abs(theory) : 0.0);
        cell.unmet.push_back(t < column.unmet.size() ? column.unmet[t] / std::abs(theory) : 0.0);
      }
      shared.cells.push_back(std::move(cell));
    }
  return shared;
}

/// Weights of the levels in the least-squares intercept of g + c x, the variance at dimension d being as 1/d.
std::vector<double> intercept(std::span<const double> dimension, double exponent) {
  std::vector<double> x;
  double s0 = 0, s1 = 0, s2 = 0;
  for (const double d : dimension) {
    x.push_back(std::pow(d, -exponent));
    s0 += d;
    s1 += d * x.back();
    s2 += d * x.back() * x.back();
  }
  std::vector<double> weight;
  for (std::size_t l = 0; l < x.size(); ++l) weight.push_back(dimension[l] * (s2 - s1 * x[l]) / (s0 * s2 - s1 * s1));
  return weight;
}

/// Weights that vanish on 1 and d^-p: of three neighbouring levels, the first of them `first`, the middle one less what a
/// line through the two others has there.
std::vector<double> curvature(std::span<const double> dimension, double exponent, std::size_t first) {
  const auto x = [&](std::size_t l) { return std::pow(dimension[first + l], -exponent); };
  const double share = (x(1) - x(2)) / (x(0) - x(2));
  std::vector<double> weight(dimension.size(), 0.0);
  weight[first] = -share;
  weight[first + 1] = 1;
  weight[first + 2] = share - 1;
  return weight;
}

/// Combined deviations of a cell, replica by replica.
std::vector<double> combined(const LevelCell& cell, std::span<const double> weight) {
  std::vector<double> out;
  for (std::size_t l = 0; l < weight.size(); ++l) {
    const std::vector<double>& deviation = cell.deviation[l];
    out.resize(deviation.size());
    for (std::size_t r = 0; r < out.size(); ++r) out[r] += weight[l] * deviation[r];
  }
  return out;
}

std::vector<double> first_of(std::span<const double> values, std::size_t count) {
  return {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// A trajectory and a sample whose relative deviations are combinations of those of the levels, ready for `judge`.
class Comparable {
 public:
  explicit Comparable(const SharedLevels& shared) : shared_(shared) {
    sample_.replicas = shared.replicas;
    for (std::size_t t = 0; t < shared.times; ++t) sample_.steps.push_back(sampled_step(*shared.largest, t));
  }

  /// Adds the observables, one of each name; `center(cell)` is the theory's value, in units of which deviations are, or 0 where
  /// the combination itself is judged. That one has no sign of its own, and must not be taken for a positive quantity, whose
  /// skewness is known to be above 0: its p-value would depend on the sign of the weights. What is not claimed at every level
  /// is as at the largest, to be shown and not judged.
  template <class Center>
  void add(std::span<const double> weight, const std::string& suffix, Center center) {
    for (std::size_t o = 0; o < shared_.observables.size(); ++o) {
      const std::string& name = shared_.observables[o];
      const models::Observable observable{name + suffix, "", ""};
      sample_.observables.push_back(observable);
      models::Column column{observable, first_of(column_of(*shared_.largest, name).value, shared_.times),
                            std::vector<double>(shared_.times, 0.0), std::vector<double>(shared_.times, 0.0)};
      column.valid_from = infinity;
      const std::size_t first = sample_.values.size();
      for (std::size_t t = 0; t < shared_.times; ++t)
        sample_.values.push_back(first_of(sampled_values(*shared_.largest, name, t), shared_.replicas));
      for (const LevelCell& cell : shared_.cells) {
        if (cell.observable != o) continue;
        const double theory = center(cell), unit = theory == 0 ? 1 : theory;
        if (theory == 0) column.rounding = deterministic_tolerance;
        column.valid_from = std::min(column.valid_from, static_cast<double>(sample_.steps[cell.time]));
        auto values = combined(cell, weight);
        double variance = 0, unmet = 0;
        bool exact = true;
        for (std::size_t l = 0; l < weight.size(); ++l) {
          unmet += std::abs(weight[l]) * cell.unmet[l];
          variance += weight[l] * weight[l] * cell.exact_std[l] * cell.exact_std[l];
          exact = exact && (weight[l] == 0 || cell.exact_std[l] > 0);
        }
        for (double& value : values) value = theory + unit * value;
        sample_.values[first + cell.time] = std::move(values);
        column.value[cell.time] = theory;
        column.std[cell.time] = exact ? std::abs(unit) * std::sqrt(variance) : 0.0;
        column.unmet[cell.time] = std::abs(unit) * unmet;
      }
      columns_.push_back(std::move(column));
    }
  }

  Verdict judged(const VerdictOptions& options, std::uint64_t seed) {
    models::Trajectory theory;
    for (const auto step : sample_.steps) theory.steps.push_back(static_cast<double>(step));
    theory.columns = columns_;
    theory.exact = true;  // what is judged is the limit
    theory.method = "extrapolated";
    return judge(theory, sample_, options, seed);
  }

 private:
  const SharedLevels& shared_;
  Sample sample_;
  std::vector<models::Column> columns_;
};

Gap gap_of(const SharedLevels& shared, std::span<const double> weight, double dimension) {
  std::vector<double> average(shared.replicas, 0.0);
  for (const LevelCell& cell : shared.cells) {
    const auto values = combined(cell, weight);
    for (std::size_t r = 0; r < average.size(); ++r) average[r] += values[r] / static_cast<double>(shared.cells.size());
  }
  const Moments m = moments(average);
  return {dimension, m.mean, m.sem};
}

/// What one exponent says.
struct Candidate {
  double exponent = 0, fit_p_value = 1;
  Verdict verdict;
};

void cut(const SharedLevels& shared, Level& level) {
  Sample kept = level.sample;
  kept.observables.clear();
  for (auto* list : {&kept.mean, &kept.sem, &kept.std, &kept.skewness, &kept.q05, &kept.q50, &kept.q95}) list->clear();
  kept.values.clear();
  const std::size_t times = level.sample.steps.size(), rows = before_theory(level) + shared.times;
  for (const auto& name : shared.observables) {
    const std::size_t o = sample_index(level, name);
    kept.observables.push_back(level.sample.observables[o]);
    for (std::size_t t = 0; t < rows; ++t) {
      const std::size_t c = o * times + t;
      kept.values.push_back(level.sample.values[c]);
      const auto copy = [&](std::vector<double>& to, const std::vector<double>& from) {
        if (c < from.size()) to.push_back(from[c]);
      };
      copy(kept.mean, level.sample.mean);
      copy(kept.sem, level.sample.sem);
      copy(kept.std, level.sample.std);
      copy(kept.skewness, level.sample.skewness);
      copy(kept.q05, level.sample.q05);
      copy(kept.q50, level.sample.q50);
      copy(kept.q95, level.sample.q95);
    }
  }
  kept.steps.resize(rows);
  level.sample = std::move(kept);
}

double number_at(const settings::Table& experiment, const std::string& section, const std::string& key) {
  const settings::Table table = experiment.table_or_empty(section);
  const settings::Parameter number = settings::number(key, "").must().above(0);
  return settings::read(table, std::span(&number, 1), table.keys()).number(key);
}

/// The key that is the model's dimension, where the experiment gives it, and of the keys that go in proportion those that it
/// gives and does not scale itself.
models::DimensionKey dimension_of(const models::Model& model, const settings::Table& experiment,
                                  std::span<const Scaling> scaling) {
  models::DimensionKey key = model.dimension();
  std::erase_if(key.in_proportion, [&](const std::string& name) {
    const std::size_t dot = name.find('.');
    const bool scaled = std::ranges::any_of(scaling, [&](const Scaling& s) { return s.section + "." + s.key == name; });
    return scaled || !experiment.table_or_empty(name.substr(0, dot)).has(name.substr(dot + 1));
  });
  if (experiment.table_or_empty(key.section).has(key.key)) return key;
  if (!models::reads_section(model, key.section))
    throw experiment.table_or_empty("verdict").error(
        "dimensions", "the model " + model.description().name + " has no dimension to change; leave it out");
  std::string of_spectra;
  if (key.section == "spectrum") {
    for (const spectra::Kind& kind : spectra::kinds())
      if (std::ranges::any_of(kind.description.parameters, [&](const auto& p) { return p.name == key.key; }))
        of_spectra += (of_spectra.empty() ? ", of the spectra " : ", ") + kind.description.name;
  }
  throw experiment.table_or_empty("verdict").error(
      "dimensions", fmt::format("this experiment has no dimension to change; in {} it is [{}] {}{}",
                                model.description().name, key.section, key.key, of_spectra));
}

void set_dimension(settings::Table& experiment, const models::DimensionKey& dimension, double from, double d) {
  experiment.make_table(dimension.section).set(dimension.key, static_cast<std::int64_t>(d));
  for (const std::string& name : dimension.in_proportion) {
    const std::size_t dot = name.find('.');
    const std::string section = name.substr(0, dot), key = name.substr(dot + 1);
    const double scaled = number_at(experiment, section, key) * d / from;
    if (std::isinf(scaled)) continue;
    if (std::abs(scaled - std::round(scaled)) > 1e-9 * scaled)
      throw experiment.table_or_empty("verdict").error(
          "dimensions", fmt::format("{} goes in proportion to {}.{} and must stay whole, but at {} it would be {:.6g}",
                                    name, dimension.section, dimension.key, d, scaled));
    constexpr double exact = 9007199254740992;  // 2^53
    settings::Table& scaled_section = experiment.make_table(section);
    if (std::abs(scaled) <= exact)
      scaled_section.set(key, static_cast<std::int64_t>(std::llround(scaled)));
    else
      scaled_section.set(key, scaled);
  }
}

}  // namespace

std::optional<ExtrapolationOptions> read_extrapolation(const settings::Table& experiment) {
  const settings::Table section = experiment.table_or_empty("verdict");
  const VerdictOptions verdict = read_verdict_options(experiment);
  if (!section.has("dimensions")) {
    for (const char* key : {"gap_exponent", "scaling"})
      if (section.has(key)) throw section.error(key, "belongs to an extrapolation; give `dimensions` too");
    return std::nullopt;
  }
  ExtrapolationOptions options;
  options.dimensions = verdict.dimensions;
  std::ranges::sort(options.dimensions);
  const auto& d = options.dimensions;
  if (std::ranges::adjacent_find(d) != d.end()) throw section.error("dimensions", "a dimension is given twice");
  if (d.size() < fewest_levels)
    throw section.error("dimensions",
                        fmt::format("at least {} are needed to see the decay, got {}", fewest_levels, d.size()));
  constexpr double largest = 1e15;
  for (const double x : d)
    if (x != std::floor(x) || x > largest)
      throw section.error("dimensions",
                          fmt::format("are whole numbers up to {:g}, got {}", largest, settings::text_of(x)));
  if (verdict.gap_exponent) options.exponents = {*verdict.gap_exponent};
  const settings::Table scaling = section.table_or_empty("scaling");
  for (const auto& name : scaling.keys()) {
    const settings::Table* keys = scaling.table(name);
    if (!keys)
      throw scaling.error(name, "is a section, so write SECTION.KEY = exponent, e.g. optimizer.learning_rate = -1");
    for (const auto& key : keys->keys()) {
      const settings::Parameter number = settings::number(key, "");
      options.scaling.push_back({name, key, settings::read(*keys, std::span(&number, 1), keys->keys()).number(key)});
    }
  }
  return options;
}

std::vector<models::Experiment> at_dimensions(const models::Experiment& base, const ExtrapolationOptions& options) {
  const models::DimensionKey dimension = dimension_of(models::find(base), base.table, options.scaling);
  const double base_dimension = number_at(base.table, dimension.section, dimension.key);
  double steps_exponent = 0;
  for (const Scaling& s : options.scaling)
    if (s.section == base.axis->section && s.key == base.axis->last)
      steps_exponent = s.exponent;
    else if (s.section == base.axis->section)
      throw base.table.error(
          fmt::format("verdict.scaling.{}.{}", s.section, s.key),
          fmt::format("of [{}], only `{}` scales; recorded {} go along", s.section, base.axis->last, base.axis->unit));

  // Recorded steps that stay apart at every dimension.
  const auto scaled_step = [&](std::uint64_t step, double d) {
    return static_cast<std::uint64_t>(
        std::llround(static_cast<double>(step) * std::pow(d / base_dimension, steps_exponent)));
  };
  std::vector<std::uint64_t> kept;
  for (const std::uint64_t step : base.time.at) {
    const bool apart = kept.empty() || std::ranges::all_of(options.dimensions, [&](double d) {
                         return scaled_step(step, d) > scaled_step(kept.back(), d);
                       });
    if (apart) kept.push_back(step);
  }
  std::vector<models::Experiment> out;
  for (const double d : options.dimensions) {
    settings::Table table = base.table;
    set_dimension(table, dimension, base_dimension, d);
    for (const Scaling& s : options.scaling) {
      if (s.section == base.axis->section) continue;
      settings::Table& section = table.make_table(s.section);
      const settings::Value* value = section.find(s.key);
      const double factor = std::pow(d / base_dimension, s.exponent);
      if (const auto* number = value ? std::get_if<double>(value) : nullptr)
        section.set(s.key, *number * factor);
      else if (const auto* whole = value ? std::get_if<std::int64_t>(value) : nullptr)
        section.set(s.key, static_cast<double>(*whole) * factor);
      else
        throw base.table.error(fmt::format("verdict.scaling.{}.{}", s.section, s.key),
                               fmt::format("the experiment gives no number [{}] {} to scale", s.section, s.key));
    }
    models::Experiment experiment = models::read_experiment(std::move(table));
    experiment.title = base.title;
    experiment.monte_carlo.seed = base.monte_carlo.seed + out.size();
    experiment.time.at.clear();
    for (const std::uint64_t step : kept) experiment.time.at.push_back(scaled_step(step, d));
    experiment.time.steps = std::max(scaled_step(base.time.steps, d), experiment.time.at.back());
    out.push_back(std::move(experiment));
  }
  return out;
}

Extrapolation extrapolate(std::span<const Level> levels, const VerdictOptions& options,
                          std::span<const double> exponents, std::uint64_t seed) {
  if (levels.size() < fewest_levels)
    throw std::invalid_argument(fmt::format("at least {} dimensions are needed to see the decay", fewest_levels));
  if (!std::ranges::is_sorted(levels, std::less_equal(), &Level::dimension) || exponents.empty())
    throw std::invalid_argument("the dimensions must increase, and an exponent is needed");
  const SharedLevels shared = shared_by_levels(levels);
  Extrapolation out;
  Level largest = levels.back();
  cut(shared, largest);
  out.theory = std::move(largest.theory);
  out.sample = std::move(largest.sample);
  for (std::size_t l = 0; l < levels.size(); ++l) {
    std::vector<double> one(levels.size(), 0.0);
    one[l] = 1;
    out.gaps.push_back(shared.cells.empty() ? Gap{levels[l].dimension, 0, 0}
                                            : gap_of(shared, one, levels[l].dimension));
  }
  out.limit.dimension = infinity;
  if (shared.cells.empty() || shared.replicas < 2) {
    out.verdict.replicas = shared.replicas;
    out.verdict.detectable = infinity;
    out.verdict.reason = shared.replicas < 2
                             ? settings::counted(shared.replicas, "replica") + " finished, at least 2 are needed"
                             : "the levels share no observable at a step after 0";
    return out;
  }

  const bool several = exponents.size() > 1;
  VerdictOptions part = options;
  if (several) part.false_alarm *= 0.5;
  VerdictOptions fit_options = part;
  fit_options.allowed = 0;
  std::vector<Candidate> candidates;
  for (const double exponent : exponents) {
    Candidate candidate;
    candidate.exponent = exponent;
    Comparable bent(shared);
    for (std::size_t first = 0; first + 2 < levels.size(); ++first)
      bent.add(curvature(shared.dimension, exponent, first), fmt::format("/{}", first),
               [](const LevelCell&) { return 0.0; });
    candidate.fit_p_value = bent.judged(fit_options, seed).p_value;
    Comparable limit(shared);
    limit.add(intercept(shared.dimension, exponent), "", [&](const LevelCell& cell) {
      return column_of(levels.back(), shared.observables[cell.observable]).value[cell.time];
    });
    candidate.verdict = limit.judged(part, seed);
    candidates.push_back(std::move(candidate));
  }
  const Candidate* best = &*std::ranges::max_element(candidates, {}, &Candidate::fit_p_value);
  out.exponent = best->exponent;
  out.fit_p_value = best->fit_p_value;
  out.limit = gap_of(shared, intercept(shared.dimension, best->exponent), infinity);

  const bool fits_none = best->fit_p_value < part.false_alarm;
  const Candidate* kept = nullptr;      // not rejected, and of those the least resolved
  const Candidate* rejected = nullptr;  // the least rejected
  for (const Candidate& c : candidates) {
    if (several && c.fit_p_value < part.false_alarm) continue;
    if (c.verdict.outcome == Outcome::disagree) {
      if (!rejected || c.verdict.p_value > rejected->verdict.p_value) rejected = &c;
    } else if (!kept || c.verdict.detectable > kept->verdict.detectable) {
      kept = &c;
    }
  }
  const Candidate& said = kept ? *kept : (rejected ? *rejected : *best);
  out.verdict = said.verdict;
  const std::string decay = fmt::format("gap extrapolated from {} dimensions up to {:.0f} as d^-{:.3g}", levels.size(),
                                        shared.dimension.back(), said.exponent);
  out.verdict.reason = decay + ": " + out.verdict.reason;
  if (fits_none) {
    const std::string misfit =
        fmt::format("the gap does not decay like a power of d over these dimensions (best fit d^-{:.3g}, p = {:.2g})",
                    best->exponent, best->fit_p_value);
    if (several) {
      out.verdict.outcome = Outcome::inconclusive;
      out.verdict.reason = misfit + "; run larger ones";
    } else {
      out.verdict.warnings.push_back(misfit);
    }
  }
  for (const Level& level : levels)
    if (level.sample.interrupted)
      out.verdict.warnings.push_back("a simulation was interrupted; judged on what is there");
  return out;
}

}  // namespace edgewise::validation
