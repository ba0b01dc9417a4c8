// Built at -O1: nothing here takes time.
#include "validation/verdicts/compared_cells.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "models/framework/absent.hpp"
#include "numerics/constants.hpp"
#include "validation/verdicts/rounding.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

namespace {

/// Below this share of its largest recorded value such a quantity, the square of a difference, is rounding.
constexpr double rounding_floor = 1e-26;
/// What is nearer to 0 has lost digits, or is 0 in one computation and not in another.
constexpr double least_value = 1e-290;
/// An exact standard deviation below this, relative, is lost in the cancellation of its own computation
/// (docs/theory/least-squares-sgd.md, section 4).
constexpr double least_exact_std = 1e-6;
/// Label noise that the replicas may not have met counts where it would move a mean by so many standard errors.
/// (Measured over noise laws and methods: docs/guide.md, Calibration.)
constexpr double unmet_errors = 0.5;
/// To which that part of a mean is known, relative.
constexpr double unmet_rounding = 1e-6;

/// The skewness of one replica: the sample's, shrunk towards the value usual at its coefficient of variation.
///
/// The sample's alone is noisy and small when an outlier has not yet been drawn. A positive quantity with coefficient
/// of variation c has skewness 2c when gamma distributed and 3c + c^3 when log-normal; risks lie between.
double shrunk_skewness(const ComparedCell& cell) {
  const auto n = static_cast<double>(cell.values.size());
  const double variation = cell.positive() ? cell.std() / cell.theory : 0.0;
  const double usual = 2.5 * variation;
  const double usual_spread = 0.5 + 0.5 * variation;
  // Standard error of a normal sample's skewness.
  const double error = std::sqrt(6 / n);
  const double weight = usual_spread * usual_spread / (usual_spread * usual_spread + error * error);
  return weight * cell.moments.skewness + (1 - weight) * usual;
}

/// Whether the values lie so far apart above their median that a log-normal mean would need more replicas than there are,
/// exp(sigma^2) of them, with a factor of two in sigma^2 to spare: chi^2 of one degree of freedom has 1.7.
bool spread_over_decades(const ComparedCell& cell) {
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
bool heavy(const ComparedCell& cell) {
  const auto n = static_cast<double>(cell.values.size());
  const double skewness = cell.moments.skewness;
  if (cell.exact_std > 2 * cell.moments.std && std::abs(skewness) > 1) return true;
  // The exact standard deviation knows of tails that the sample has not met: as those of a log-normal of that spread.
  const double variation = cell.theory > 0 ? cell.exact_std / cell.theory : 0.0;
  if (!std::isfinite(variation) || 3 * variation + variation * variation * variation > 0.75 * std::sqrt(n)) return true;
  if (std::abs(skewness) > 0.75 * std::sqrt(n)) return true;  // at most sqrt n, when one replica is the whole variance
  return cell.exact_std == 0 && spread_over_decades(cell);
}

/// Whether the sample is one value, or within its rounding of 0, because what the mean needs is rare: runs as large as one
/// that was met earlier, or as far from that value, and so few that all replicas may well have missed them.
bool unmet_runs(const ComparedCell& cell, bool random) {
  const auto n = static_cast<double>(cell.values.size());
  const bool at_zero = std::abs(cell.moments.mean) <= std::max(cell.rounding, least_value);
  const double away = at_zero ? std::abs(cell.theory) : std::abs(cell.gap()),
               variance = cell.exact_std * cell.exact_std;
  if (!(away > 0)) return false;
  constexpr double missed = 0.01;  // least probability of having missed all
  const double met = -std::log(missed) / n;
  if (cell.exact_std == 0) return at_zero && random && away < met * cell.largest;
  // E (x - v)^2 >= (E (x - v))^2/P(x != v), v the sample's one value: with the exact deviation the probability of such a
  // run is at least this. Other values than 0, as a share of which all are right, have such runs at variance/away.
  return (at_zero || variance < away * cell.largest) && away * away / (away * away + variance) < met;
}

/// Of a mean, beyond its rounding.
double least_spread(const ComparedCell& cell) {
  return std::max(cell.rounding, rounding_spread * std::abs(cell.moments.mean));
}

bool fluctuates(const ComparedCell& cell) {
  return cell.moments.std > least_spread(cell);
}

/// \param random  whether anything in the sample fluctuates
CellKind kind_of(const ComparedCell& cell, bool random) {
  if (!fluctuates(cell)) {
    // An infinite deviation is one that diverged or overflowed: it does not say that this mean must fluctuate.
    if (std::isinf(cell.exact_std)) return CellKind::heavy;
    // Rare label noise that no replica has met is all that is missing, and all that would fluctuate.
    const double gap = std::abs(cell.gap());
    if (cell.unmet > 0 && gap <= cell.unmet * (1 + unmet_rounding) + cell.rounding &&
        std::max(gap, cell.exact_std) > least_spread(cell))
      return CellKind::unmet;
    if (unmet_runs(cell, random))
      return std::min(std::abs(cell.theory), std::abs(cell.gap())) <= cell.rounding ? CellKind::deterministic
                                                                                    : CellKind::heavy;
    return cell.exact_std <= cell.rounding ? CellKind::deterministic : CellKind::frozen;
  }
  if (cell.values.size() < least_replicas) return CellKind::few;
  if (heavy(cell)) return CellKind::heavy;
  const double error = cell.moments.std / std::sqrt(static_cast<double>(cell.values.size()));
  return cell.unmet > unmet_errors * error ? CellKind::unmet : CellKind::fluctuating;
}

}  // namespace

ComparedCells compared_cells(const models::Trajectory& theory, const Sample& sample) {
  ComparedCells shared;
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
    if ((sample.steps[t] == 0 && zero_is_given(sample)) || found == theory_index.end()) continue;
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
      ComparedCell cell;
      cell.observable = shared.observables.size();
      cell.time = i;
      cell.rounding = column->rounding;
      cell.values = sample.values[o * sample.steps.size() + at_sample];
      cell.moments = moments(cell.values);
      cell.theory = at_theory < column->value.size() ? column->value[at_theory] : nan;
      const double exact = at_theory < column->std.size() ? column->std[at_theory] : 0.0;
      if (exact > least_exact_std * std::abs(cell.theory)) cell.exact_std = exact;  // may be infinite
      cell.skewness = shrunk_skewness(cell);
      if (at_theory < column->unmet.size()) cell.unmet = column->unmet[at_theory];
      for (; seen <= at_sample; ++seen)
        largest = std::max(largest, std::abs(sample.values[o * sample.steps.size() + seen].front()));
      cell.largest = largest;
      shared.cells.push_back(cell);
    }
    shared.observables.push_back(name);
  }
  const bool random = std::ranges::any_of(shared.cells, fluctuates);
  shared.tails.resize(shared.observables.size());
  for (ComparedCell& cell : shared.cells) {
    cell.kind = kind_of(cell, random);
    if (!fluctuates(cell)) continue;
    auto& [least, most, positive] = shared.tails[cell.observable];
    least = std::min(least, cell.skewness);
    most = std::max(most, cell.skewness);
    positive = positive && cell.positive();
  }
  // What rare runs do to one observable they do to those of whose tail less is known.
  std::set<std::size_t> rare;
  for (const ComparedCell& cell : shared.cells)
    if (cell.kind == CellKind::heavy && cell.exact_std > 0) rare.insert(cell.time);
  for (ComparedCell& cell : shared.cells)
    if (cell.kind == CellKind::fluctuating && cell.exact_std == 0 && rare.contains(cell.time))
      cell.kind = CellKind::heavy;
  return shared;
}

bool deterministic_match(const ComparedCell& cell, double allowed) {
  const double scale = std::max(cell.scale(), std::abs(cell.moments.mean));
  const double floor = rounding_floor * cell.largest;
  if (scale <= std::max(least_value, floor)) return true;
  // What remains of a difference has the rounding of what it is a difference of.
  const double of_difference = 2 * std::sqrt(scale) * std::sqrt(floor);
  return std::abs(cell.gap()) <=
         allowed * cell.scale() + deterministic_tolerance * scale + of_difference + cell.rounding;
}

std::string ComparedCells::place(const ComparedCell& cell) const {
  return fmt::format("{} at {} {}", observables[cell.observable], axis->name, steps[cell.time]);
}

}  // namespace edgewise::validation
