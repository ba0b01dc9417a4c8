// Built at -O1: nothing here takes time.
#include "validation/verdicts/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "models/framework/absent.hpp"
#include "numerics/constants.hpp"
#include "settings/counted.hpp"
#include "validation/monte_carlo/statistics.hpp"
#include "validation/verdicts/max_statistic.hpp"
#include "validation/verdicts/rounding.hpp"

namespace edgewise::validation {

namespace {

/// Below this share of its largest recorded value such a quantity, the square of a difference, is rounding.
constexpr double rounding_floor = 1e-26;
/// What is nearer to 0 has lost digits, or is 0 in one computation and not in another.
constexpr double least_value = 1e-290;
/// An exact standard deviation below this, relative, is lost in the cancellation of its own computation
/// (docs/theory/least-squares-sgd.md, section 4).
constexpr double least_exact_std = 1e-6;
/// Below these numbers of replicas the law of the largest score is wider than that of normal ones, by what the skewness and
/// the correlations of so few are not known: by 1 + this (1/n - 1/number). Where the standard deviation is the sample's, and
/// where it is exact. (Measured: docs/guide.md, Calibration.)
constexpr double few_replicas = 200, fewer_replicas = 16;
constexpr double widening_of_sample = 1.2, widening_of_exact = 1.6;

/// Label noise that the replicas may not have met counts where it would move a mean by so many standard errors.
/// (Measured over noise laws and methods: docs/guide.md, Calibration.)
constexpr double unmet_errors = 0.5;

/// frozen: the simulation does not fluctuate where theory says that it must. heavy, unmet: the mean is carried by
/// replicas, or by label noise, too rare to be in the sample. few: the replicas are.
enum class Kind { fluctuating, few, heavy, unmet, deterministic, frozen };

/// One comparison: an observable at a step.
struct Cell {
  std::size_t observable = 0;  // among the shared ones
  std::size_t time = 0;        // index into the compared steps
  std::span<const double> values;
  Moments moments;
  double theory = 0;
  double exact_std = 0;  // 0: not known
  double skewness = 0;   // of one replica, shrunk
  double unmet = 0;      // part of the theory that noise too rare for the sample carries
  double largest = 0;    // size of the largest recorded value up to here
  double rounding = 0;   // absolute, by the theory
  Kind kind = Kind::fluctuating;

  double gap() const { return moments.mean - theory; }
  double std() const { return exact_std > 0 ? exact_std : moments.std; }
  /// Discrepancies are relative to this: what vanishes, as by a symmetry, has no size but that of its fluctuations.
  double scale() const { return std::abs(theory) <= rounding ? std() : std::abs(theory); }
};

/// The most and the least skewness, shrunk, that an observable has at any step.
struct Tails {
  double least = 0, most = 0;
};

/// Everything that theory and sample share.
struct Shared {
  const models::Axis* axis = nullptr;
  std::vector<std::uint64_t> steps;
  std::vector<std::string> observables;
  std::vector<Cell> cells;
  std::vector<Tails> tails;         // by observable
  bool asked_beyond_sample = true;  // false: a sample cut at a divergence still has all the steps that are judged
};

/// The skewness of one replica: the sample's, shrunk towards the value usual at its coefficient of variation.
///
/// The sample's alone is noisy and small when an outlier has not yet been drawn. A positive quantity with coefficient
/// of variation c has skewness 2c when gamma distributed and 3c + c^3 when log-normal; risks lie between.
double shrunk_skewness(const Cell& cell) {
  const auto n = static_cast<double>(cell.values.size());
  const bool positive = cell.theory > 0 && *std::min_element(cell.values.begin(), cell.values.end()) >= 0;
  const double variation = positive ? cell.std() / cell.theory : 0.0;
  const double usual = 2.5 * variation;
  const double usual_spread = 0.5 + 0.5 * variation;
  // Standard error of a normal sample's skewness.
  const double error = std::sqrt(6 / n);
  const double weight = usual_spread * usual_spread / (usual_spread * usual_spread + error * error);
  return weight * cell.moments.skewness + (1 - weight) * usual;
}

/// Whether the values lie so far apart above their median that a log-normal mean would need more replicas than there are,
/// exp(sigma^2) of them, with a factor of two in sigma^2 to spare: chi^2 of one degree of freedom has 1.7.
bool spread_over_decades(const Cell& cell) {
  std::vector<double> sorted(cell.values.begin(), cell.values.end());
  std::ranges::sort(sorted);
  const auto at = [&](double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  };
  const double middle = at(0.5), high = at(0.95);
  if (sorted.front() < 0 || !(high > 0)) return false;
  const double sigma = std::log(high / middle) / 1.645;  // infinite where most are 0
  return sigma * sigma > std::max(3.0, 0.5 * std::log(static_cast<double>(sorted.size())));
}

/// Near divergence the mean is carried by replicas too rare to be in the sample (docs/theory/least-squares-sgd.md,
/// section 11): the exact standard deviation then exceeds the sample's, and what is there of the tail shows in the
/// sample's skewness.
bool heavy(const Cell& cell) {
  const auto n = static_cast<double>(cell.values.size());
  const double skewness = cell.moments.skewness;
  if (cell.exact_std > 2 * cell.moments.std && skewness > 1) return true;
  // The exact standard deviation knows of tails that the sample has not met: as those of a log-normal of that spread.
  const double variation = cell.theory > 0 ? cell.exact_std / cell.theory : 0.0;
  if (!std::isfinite(variation) || 3 * variation + variation * variation * variation > 0.75 * std::sqrt(n)) return true;
  if (std::abs(skewness) > 0.75 * std::sqrt(n)) return true;  // at most sqrt n, when one replica is the whole variance
  return cell.exact_std == 0 && spread_over_decades(cell);
}

/// Whether the sample is one value, or within its rounding of 0, because what the mean needs is rare: runs as large as one
/// that was met earlier, and so few that all replicas may well have missed them.
bool unmet_runs(const Cell& cell, bool random) {
  const auto n = static_cast<double>(cell.values.size());
  const double mean = std::abs(cell.theory);
  if (std::abs(cell.moments.mean) > std::max(cell.rounding, least_value) || !(mean > 0)) return false;
  constexpr double missed = 0.01;  // least probability of having missed all
  const double met = -std::log(missed) / n;
  // E x^2 >= (E x)^2/P(x != 0): with the exact deviation the probability of such a run is at least this.
  if (cell.exact_std > 0) return mean * mean / (mean * mean + cell.exact_std * cell.exact_std) < met;
  return random && mean < met * cell.largest;
}

bool cell_fluctuates(const Cell& cell) {
  return cell.moments.std > std::max(cell.rounding, rounding_spread * std::abs(cell.moments.mean));
}

/// \param random  whether anything in the sample fluctuates
Kind kind_of(const Cell& cell, bool random) {
  if (!cell_fluctuates(cell)) {
    // An infinite deviation is one that diverged or overflowed: it does not say that this mean must fluctuate.
    if (std::isinf(cell.exact_std)) return Kind::heavy;
    if (unmet_runs(cell, random)) return std::abs(cell.theory) <= cell.rounding ? Kind::deterministic : Kind::heavy;
    return cell.exact_std <= cell.rounding ? Kind::deterministic : Kind::frozen;
  }
  if (cell.values.size() < least_replicas) return Kind::few;
  if (heavy(cell)) return Kind::heavy;
  const double error = cell.moments.std / std::sqrt(static_cast<double>(cell.values.size()));
  return cell.unmet > unmet_errors * error ? Kind::unmet : Kind::fluctuating;
}

Shared shared_cells(const models::Trajectory& theory, const Sample& sample) {
  Shared shared;
  shared.axis = sample.axis;
  std::map<double, std::size_t> theory_index;
  const double until = theory.valid_until.value_or(infinity);
  for (std::size_t i = 0; i < theory.steps.size(); ++i)
    if (theory.steps[i] <= until) theory_index[theory.steps[i]] = i;
  if (theory.valid_until && !sample.steps.empty() && !theory_index.empty())
    shared.asked_beyond_sample = theory_index.rbegin()->first > static_cast<double>(sample.steps.back());
  std::vector<std::pair<std::size_t, std::size_t>> times;  // (theory, sample)
  for (std::size_t t = 0; t < sample.steps.size(); ++t) {
    const auto found = theory_index.find(static_cast<double>(sample.steps[t]));
    if (sample.steps[t] == 0 || found == theory_index.end()) continue;
    times.emplace_back(found->second, t);
    shared.steps.push_back(sample.steps[t]);
  }
  for (std::size_t o = 0; o < sample.observables.size(); ++o) {
    const auto& name = sample.observables[o].name;
    const auto column = std::find_if(theory.columns.begin(), theory.columns.end(),
                                     [&](const models::Column& c) { return c.observable.name == name; });
    if (column == theory.columns.end()) continue;
    std::size_t seen = 0;
    double largest = 0;  // of the values of one replica so far
    for (std::size_t i = 0; i < times.size(); ++i) {
      const auto [at_theory, at_sample] = times[i];
      if (theory.steps[at_theory] < column->valid_from) continue;
      if (std::ranges::any_of(sample.values[o * sample.steps.size() + at_sample], models::is_absent)) continue;
      Cell cell;
      cell.observable = shared.observables.size();
      cell.time = i;
      cell.values = sample.values[o * sample.steps.size() + at_sample];
      cell.moments = moments(cell.values);
      cell.theory = at_theory < column->value.size() ? column->value[at_theory] : nan;
      const double exact = at_theory < column->std.size() ? column->std[at_theory] : 0.0;
      if (exact > least_exact_std * std::abs(cell.theory)) cell.exact_std = exact;  // may be infinite
      if (at_theory < column->unmet.size()) cell.unmet = column->unmet[at_theory];
      for (; seen <= at_sample; ++seen)
        largest = std::max(largest, std::abs(sample.values[o * sample.steps.size() + seen].front()));
      cell.largest = largest;
      cell.rounding = column->rounding;
      cell.skewness = shrunk_skewness(cell);
      shared.cells.push_back(cell);
    }
    shared.observables.push_back(name);
  }
  const bool random = std::ranges::any_of(shared.cells, cell_fluctuates);
  shared.tails.resize(shared.observables.size());
  for (Cell& cell : shared.cells) {
    cell.kind = kind_of(cell, random);
    if (!cell_fluctuates(cell)) continue;
    Tails& tails = shared.tails[cell.observable];
    tails.least = std::min(tails.least, cell.skewness);
    tails.most = std::max(tails.most, cell.skewness);
  }
  // What rare runs do to one observable they do to those of whose tail less is known.
  std::set<std::size_t> rare;
  for (const Cell& cell : shared.cells)
    if (cell.kind == Kind::heavy && cell.exact_std > 0) rare.insert(cell.time);
  for (Cell& cell : shared.cells)
    if (cell.kind == Kind::fluctuating && cell.exact_std == 0 && rare.contains(cell.time)) cell.kind = Kind::heavy;
  return shared;
}

/// The skewnesses of one replica that a sample leaves open where its own standard deviation has to serve.
///
/// A sample without the rare large runs has too small a mean, too small a spread and little skewness, all at once; but
/// those runs move many steps, and show at some. So the skewness may lie half way from the step's own to that of the most
/// skewed step of the same observable, and on the other side where the left tail is the heavier one. That it is positive
/// is a usual thing, which the sample's own may contradict. (Measured: docs/guide.md, Calibration.)
struct OpenSkewness {
  double low = 0, high = 0;
  OpenSkewness(double shrunk, double of_sample, const Tails& tails) {
    low = std::min(shrunk, of_sample);
    high = std::max(shrunk, 0.5 * (shrunk + tails.most));
    if (-tails.least > tails.most) low = std::min(low, 0.5 * (shrunk + tails.least));
  }
};

/// z after `slack` (in units of z) is forgiven.
double forgiven(double z, double slack) {
  return std::copysign(std::max(0.0, std::abs(z) - slack), z);
}

/// Comparisons of one observable over a stretch of its recorded steps, judged by their average as well as singly.
///
/// A small error that is the same at many steps shows in the average before it shows anywhere alone. The stretches are
/// all of the steps, their halves and their quarters.
std::vector<std::vector<std::size_t>> stretches(std::span<const Cell* const> cells, std::size_t observables) {
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t o = 0; o < observables; ++o) {
    std::vector<std::size_t> own;
    for (std::size_t c = 0; c < cells.size(); ++c)
      if (cells[c]->observable == o) own.push_back(c);
    for (const std::size_t parts : {1u, 2u, 4u})
      for (std::size_t p = 0; p < parts; ++p) {
        const auto begin = own.begin() + static_cast<std::ptrdiff_t>(own.size() * p / parts);
        const auto end = own.begin() + static_cast<std::ptrdiff_t>(own.size() * (p + 1) / parts);
        if (end - begin > 1) groups.emplace_back(begin, end);
      }
  }
  return groups;
}

/// The joint test of the cells that fluctuate with light tails.
class JointTest {
 public:
  JointTest(std::vector<const Cell*> cells, const Shared& shared, const VerdictOptions& options, std::uint64_t seed)
      : cells_(std::move(cells)),
        groups_(stretches(cells_, shared.observables.size())),
        tails_(shared.tails),
        times_(shared.steps.size()),
        options_(options),
        n_(static_cast<double>(cells_.front()->values.size())),
        law_(make_law(cells_, groups_, seed)) {
    for (const Cell* cell : cells_) add_cell(*cell);
    for (std::size_t g = 0; g < groups_.size(); ++g) add_group(g);
    for (const double z : scores_) largest_ = std::max(largest_, std::abs(z));
  }

  const std::vector<double>& scores() const { return scores_; }  ///< cells, then groups
  double largest() const { return largest_; }
  const MaxStatistic& law() const { return law_; }
  double critical() const { return widening() * law_.critical(options_.false_alarm); }
  double p_value() const { return law_.tail(largest_ / widening()); }

  /// The group or cell whose score is the largest, in words.
  const Cell& worst_cell() const {
    const auto end = scores_.begin() + static_cast<std::ptrdiff_t>(cells_.size());
    const auto worst =
        std::max_element(scores_.begin(), end, [](double a, double b) { return std::abs(a) < std::abs(b); });
    return *cells_[static_cast<std::size_t>(worst - scores_.begin())];
  }

  /// Smallest relative discrepancy of one observable that, common to the first or to the second half of the recorded
  /// steps, would be detected with the asked power: the worst over observables and halves, so that an observable which
  /// hardly fluctuates cannot stand in for one that does.
  double detectable() const {
    const double middle = 0.5 * static_cast<double>(times_);
    double worst = 0;
    for (std::size_t o = 0; o < tails_.size(); ++o)
      for (const bool late : {false, true}) {
        std::vector<double> unit(scores_.size(), 0.0);
        bool any = false;
        for (std::size_t c = 0; c < cells_.size(); ++c) {
          if (cells_[c]->observable != o || (static_cast<double>(cells_[c]->time) >= middle) != late) continue;
          unit[c] = std::sqrt(n_) * cells_[c]->scale() / cells_[c]->std();
          any = true;
        }
        if (!any) continue;
        for (std::size_t g = 0; g < groups_.size(); ++g) {
          for (const std::size_t c : groups_[g]) unit[cells_.size() + g] += unit[c];
          unit[cells_.size() + g] /= law_.group_std(g);
        }
        worst = std::max(worst, detectable_along(unit));
      }
    return worst + options_.allowed;
  }

 private:
  static MaxStatistic make_law(const std::vector<const Cell*>& cells,
                               const std::vector<std::vector<std::size_t>>& groups, std::uint64_t seed) {
    std::vector<std::span<const double>> values;
    for (const Cell* cell : cells) values.push_back(cell->values);
    return MaxStatistic(values, groups, seed);
  }

  double widening() const {
    const bool exact = std::ranges::all_of(cells_, [](const Cell* c) { return c->exact_std > 0; });
    return exact ? 1 + widening_of_exact * std::max(0.0, 1 / n_ - 1 / fewer_replicas) : widening_of_few(n_);
  }

  void add_cell(const Cell& cell) {
    const double z = std::sqrt(n_) * cell.gap() / cell.std();
    const double slack = std::sqrt(n_) * options_.allowed * cell.scale() / cell.std();
    raw_.push_back(z);
    slack_.push_back(slack);
    const double left = forgiven(z, slack);
    if (cell.exact_std > 0)
      exact_score(left, cell.skewness);
    else
      sample_score(left, {cell.skewness, cell.moments.skewness, tails_[cell.observable]});
  }

  void add_group(std::size_t g) {
    const auto& group = groups_[g];
    double z = 0, slack = 0, usual = 0, exact = 0;
    std::vector<double> sum(cells_.front()->values.size(), 0.0);
    for (const std::size_t c : group) {
      z += raw_[c];
      slack += slack_[c];
      usual += cells_[c]->skewness;
      exact += cells_[c]->exact_std > 0 ? 1 : 0;
      for (std::size_t r = 0; r < sum.size(); ++r)
        sum[r] += (cells_[c]->values[r] - cells_[c]->moments.mean) / cells_[c]->moments.std;
    }
    const auto size = static_cast<double>(group.size());
    const double spread = law_.group_std(g);
    // A sum of independent terms is less skewed than each by the root of their number, which spread/size is.
    usual *= spread / (size * size);
    const double error = std::sqrt(6 / n_);
    const double usual_spread = 0.5;
    const double weight = usual_spread * usual_spread / (usual_spread * usual_spread + error * error);
    const double of_sum = moments(sum).skewness, skewness = weight * of_sum + (1 - weight) * usual;
    const double left = forgiven(z / spread, slack / spread);
    if (exact < size) {
      sample_score(left, {skewness, of_sum, tails_[cells_[group.front()]->observable]});
      return;
    }
    // The correlations, and with them the spread of the sum, are the sample's even where the single spreads are exact.
    exact_score(left, skewness);
    scores_.back() = normal_from_student(scores_.back(), n_ - 1);
  }
  void exact_score(double z, double skewness) {
    scores_.push_back(normal_score(z, skewness, n_));
    open_.emplace_back();
  }
  void sample_score(double t, const OpenSkewness& skewness) {
    scores_.push_back(normal_score_studentized(t, skewness.low, skewness.high, n_));
    open_.emplace_back(skewness);
  }
  /// How far beyond the critical score a t has to be for its own score to be there, on the side where that is farther.
  double excess(const OpenSkewness& open, double critical_z) const {
    return std::max(studentized(critical_z, open.low, open.high, n_),
                    -studentized(-critical_z, open.low, open.high, n_)) -
           critical_z;
  }

  double detectable_along(std::vector<double> unit) const {
    const double largest = *std::max_element(unit.begin(), unit.end());
    if (!(largest > 0)) return infinity;
    const double critical_z = critical();
    std::vector<double> lost(unit.size(), 0.0), shift(unit.size());
    for (std::size_t c = 0; c < unit.size(); ++c)
      if (open_[c]) lost[c] = excess(*open_[c], critical_z);
    double low = 0, high = (critical_z + 10 + *std::ranges::max_element(lost)) / largest;
    for (int i = 0; i < 30; ++i) {
      const double middle = 0.5 * (low + high);
      for (std::size_t c = 0; c < unit.size(); ++c) shift[c] = std::max(0.0, middle * unit[c] - lost[c]);
      (law_.exceedance(shift, critical_z) < options_.power ? low : high) = middle;
    }
    return high;
  }

  std::vector<const Cell*> cells_;
  std::vector<std::vector<std::size_t>> groups_;
  std::vector<Tails> tails_;  // by observable
  std::size_t times_;
  VerdictOptions options_;
  double n_;
  MaxStatistic law_;
  std::vector<double> raw_, slack_, scores_;
  std::vector<std::optional<OpenSkewness>> open_;  // of each comparison whose spread is the sample's
  double largest_ = 0;
};

bool deterministic_match(const Cell& cell, double allowed) {
  const double scale = std::max(cell.scale(), std::abs(cell.moments.mean));
  const double floor = rounding_floor * cell.largest;
  if (scale <= std::max(least_value, floor)) return true;
  // What remains of a difference has the rounding of what it is a difference of.
  const double of_difference = 2 * std::sqrt(scale) * std::sqrt(floor);
  return std::abs(cell.gap()) <=
         allowed * cell.scale() + deterministic_tolerance * scale + of_difference + cell.rounding;
}

/// Theory outside its validity, beside the sample.
std::vector<Comparison> outside_validity(const models::Trajectory& theory, const Sample& sample) {
  std::vector<Comparison> out;
  const double until = theory.valid_until.value_or(infinity);
  std::map<std::uint64_t, std::size_t> at;
  for (std::size_t t = 0; t < sample.steps.size(); ++t) at[sample.steps[t]] = t;
  for (std::size_t o = 0; o < sample.observables.size(); ++o) {
    const models::Column* column = theory.find(sample.observables[o].name);
    if (!column) continue;
    for (std::size_t i = 0; i < theory.steps.size() && i < column->value.size(); ++i) {
      const auto found = at.find(static_cast<std::uint64_t>(theory.steps[i]));
      if ((theory.steps[i] <= until && theory.steps[i] >= column->valid_from) || found == at.end() || found->first == 0)
        continue;
      const Moments m = moments(sample.values[o * sample.steps.size() + found->second]);
      out.push_back({found->first, column->observable.name, column->value[i], m.mean, m.sem, m.std, nan});
    }
  }
  return out;
}

std::string place(const Shared& shared, const Cell& cell) {
  return fmt::format("{} at {} {}", shared.observables[cell.observable], shared.axis->name, shared.steps[cell.time]);
}

/// Chebyshev's bound needs no more than the variance: it rejects a gross mismatch under heavy tails or of few replicas, and
/// its own false alarms are a tenth of what is allowed.
double chebyshev_limit(std::size_t cells, double false_alarm) {
  return std::sqrt(10 * static_cast<double>(cells) / false_alarm);
}

}  // namespace

double widening_of_few(double n) {
  return 1 + widening_of_sample * std::max(0.0, 1 / n - 1 / few_replicas);
}

Verdict judge(const models::Trajectory& theory, const Sample& sample, const VerdictOptions& options,
              std::uint64_t seed) {
  Verdict verdict;
  verdict.replicas = sample.replicas;
  const Shared shared = shared_cells(theory, sample);
  verdict.shown = outside_validity(theory, sample);
  if (sample.replicas < 2 || shared.cells.empty()) {
    verdict.reason = sample.replicas < 2
                         ? settings::counted(sample.replicas, "replica") + " finished, at least 2 are needed"
                         : fmt::format("theory and simulation share no observable at a {} after 0", sample.axis->one);
    verdict.detectable = infinity;
    return verdict;
  }
  if (sample.interrupted) verdict.warnings.push_back("the simulation was interrupted; judged on the finished replicas");
  if (theory.diverged_at)
    verdict.warnings.push_back(
        fmt::format("the theory diverges at {} {}; compared before it", sample.axis->name, *theory.diverged_at));

  const auto n = static_cast<double>(sample.replicas);
  std::vector<const Cell*> light, few_cells, heavy_cells, unmet_cells;
  const Cell* mismatch = nullptr;  // without fluctuation
  const Cell* not_finite = nullptr;
  const Cell* frozen = nullptr;
  for (const Cell& cell : shared.cells) {
    if (cell.scale() > 0) verdict.largest_gap = std::max(verdict.largest_gap, std::abs(cell.gap()) / cell.scale());
    if (!std::isfinite(cell.theory)) {
      if (!not_finite) not_finite = &cell;
    } else if (cell.kind == Kind::deterministic) {
      if (!mismatch && !deterministic_match(cell, options.allowed)) mismatch = &cell;
    } else if (cell.kind == Kind::frozen) {
      if (!frozen) frozen = &cell;
    } else {
      (cell.kind == Kind::fluctuating ? light
       : cell.kind == Kind::few       ? few_cells
       : cell.kind == Kind::unmet     ? unmet_cells
                                      : heavy_cells)
          .push_back(&cell);
    }
  }

  std::map<const Cell*, double> scores;
  bool rejected = false;
  std::string rejection;
  if (!light.empty()) {
    const JointTest test(light, shared, options, seed);
    verdict.max_z = test.largest();
    verdict.critical_z = test.critical();
    verdict.p_value = test.p_value();
    verdict.effective_comparisons = test.law().effective_comparisons();
    verdict.detectable = test.detectable();
    verdict.exact_std = std::all_of(light.begin(), light.end(), [](const Cell* c) { return c->exact_std > 0; });
    for (std::size_t c = 0; c < light.size(); ++c) scores[light[c]] = test.scores()[c];
    rejected = verdict.max_z > verdict.critical_z;
    if (rejected) {
      const Cell& worst = test.worst_cell();
      const auto [z, critical] = distinct(verdict.max_z, verdict.critical_z);
      rejection = fmt::format(
          "the largest z-score, {}, exceeds {} (p = {:.2g}); {} is {} off, with a standard "
          "error of {}",
          z, critical, verdict.p_value, place(shared, worst), percent(std::abs(worst.gap()) / worst.scale()),
          percent(worst.std() / std::sqrt(n) / worst.scale()));
    }
  }
  if (light.empty() && few_cells.size() + heavy_cells.size() + unmet_cells.size() > 0) verdict.detectable = infinity;
  const double limit = chebyshev_limit(few_cells.size() + heavy_cells.size(), options.false_alarm);
  for (const auto* cells : {&few_cells, &heavy_cells, &unmet_cells})
    for (const Cell* cell : *cells) {
      const double z = forgiven(cell->gap(), options.allowed * cell->scale()) / cell->std() * std::sqrt(n);
      scores[cell] = z;
      if (rejected || cells == &unmet_cells || cell->exact_std == 0 || !(std::abs(z) > limit)) continue;
      rejected = true;
      rejection = fmt::format("{} is {:.1f} exact standard errors off, more than any law of that variance allows",
                              place(shared, *cell), std::abs(z));
    }
  if (!heavy_cells.empty()) {
    verdict.heavy_tailed = true;
    const Cell* first = heavy_cells.front();
    for (const Cell* cell : heavy_cells)
      if (cell->time < first->time) first = cell;
    const std::string exactly = first->exact_std > 0 ? fmt::format("{:.3g} exactly, ", first->exact_std) : "";
    verdict.warnings.push_back(
        fmt::format("heavy-tailed: the mean is carried by replicas too rare to be sampled, first for {} (standard "
                    "deviation {}{:.3g} in the sample, skewness {:.2g}); {} of {} comparisons are not judged for that; "
                    "compare medians or shorter times",
                    place(shared, *first), exactly, first->moments.std, first->moments.skewness, heavy_cells.size(),
                    shared.cells.size()));
  }
  if (!unmet_cells.empty()) {
    verdict.heavy_tailed = true;
    const Cell* worst = unmet_cells.front();
    for (const Cell* cell : unmet_cells)
      if (cell->unmet / cell->scale() > worst->unmet / worst->scale()) worst = cell;
    verdict.warnings.push_back(fmt::format(
        "rare label noise: values so large that the replicas are not expected to have met them carry {} of "
        "{}; {} of {} comparisons are not judged for that; more replicas, or quantiles, would tell",
        percent(worst->unmet / worst->scale()), place(shared, *worst), unmet_cells.size(), shared.cells.size()));
  }
  if (light.empty() && !verdict.heavy_tailed && few_cells.empty()) verdict.exact_std = true;
  if (!light.empty() && !verdict.exact_std && n < few_replicas)
    verdict.warnings.push_back(fmt::format(
        "z-scores use the sample's standard deviation; with fewer than {:.0f} replicas it can be too small, where runs "
        "that none of them has met carry much of it",
        few_replicas));

  for (const Cell& cell : shared.cells) {
    Comparison row;
    row.step = shared.steps[cell.time];
    row.observable = shared.observables[cell.observable];
    row.theory = cell.theory;
    row.mc_mean = cell.moments.mean;
    row.mc_sem = cell.moments.sem;
    row.std_used = cell.kind == Kind::deterministic ? 0.0 : cell.std();
    if (const auto found = scores.find(&cell); found != scores.end())
      row.z = found->second;
    else if (!std::isfinite(cell.theory) || !deterministic_match(cell, options.allowed))
      row.z = std::copysign(infinity, cell.gap());
    verdict.rows.push_back(std::move(row));
  }

  const std::string approximate =
      theory.exact || options.allowed > 0 ? "" : "; the theory is approximate (" + theory.method + "), not exact here";
  if (not_finite || mismatch || frozen) {
    verdict.outcome = Outcome::disagree;
    verdict.p_value = 0;
    verdict.max_z = infinity;
    if (not_finite)
      verdict.reason = "the theory is not finite: " + place(shared, *not_finite);
    else if (mismatch)
      verdict.reason = fmt::format("{} does not fluctuate, yet theory says {} and simulation {}",
                                   place(shared, *mismatch), mismatch->theory, mismatch->moments.mean);
    else
      verdict.reason =
          fmt::format("{} does not fluctuate in the simulation; theory says a standard deviation of {:.3g}",
                      place(shared, *frozen), frozen->exact_std);
    verdict.reason += approximate;
  } else if (rejected) {
    verdict.outcome = Outcome::disagree;
    verdict.reason = rejection + approximate;
  } else if (!few_cells.empty()) {
    verdict.reason = fmt::format("{} are too few to judge what fluctuates; at least {} are needed, better hundreds",
                                 settings::counted(sample.replicas, "replica"), least_replicas);
  } else if (verdict.heavy_tailed) {
    verdict.reason =
        heavy_cells.empty()
            ? "rare label noise: the sample's mean cannot be trusted at some steps, and no other step disagrees"
            : "heavy tails: the sample's mean cannot be trusted at some steps, and no other step disagrees";
  } else if (sample.diverged > 0 && shared.asked_beyond_sample) {
    verdict.reason =
        fmt::format("{} of {} replicas diverged, and no step before it disagrees", sample.diverged, sample.replicas);
  } else if (verdict.detectable > options.resolution) {
    const auto [detectable, resolution] = distinct_percent(verdict.detectable, options.resolution);
    verdict.reason = fmt::format(
        "the run could have missed a discrepancy of {}, more than the resolution of {} asked; "
        "about {:.0f} replicas would do",
        detectable, resolution, std::ceil(n * std::pow(verdict.detectable / options.resolution, 2)));
  } else {
    verdict.outcome = Outcome::agree;
    const auto [z, critical] = distinct(verdict.max_z, verdict.critical_z);
    verdict.reason = light.empty() ? "nothing fluctuates, and theory and simulation are equal to rounding"
                                   : fmt::format(
                                         "the largest z-score, {}, is below {} (p = {:.2g}); a discrepancy of {} "
                                         "would have been detected",
                                         z, critical, verdict.p_value, percent(verdict.detectable));
    if (!theory.exact) verdict.reason += "; the theory is approximate (" + theory.method + ")";
  }
  return verdict;
}

}  // namespace edgewise::validation
