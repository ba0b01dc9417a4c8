// Built at -O1: nothing here takes time.
#include "validation/verdicts/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "models/framework/absent.hpp"
#include "numerics/constants.hpp"
#include "settings/counted.hpp"
#include "validation/verdicts/compared_cells.hpp"
#include "validation/verdicts/joint_test.hpp"
#include "validation/verdicts/rounding.hpp"

namespace edgewise::validation {

namespace {

using Cells = std::vector<const ComparedCell*>;

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
      if ((theory.steps[i] <= until && theory.steps[i] >= column->valid_from) || found == at.end() ||
          (found->first == 0 && zero_is_given(sample)))
        continue;
      const std::vector<double>& values = sample.values[o * sample.steps.size() + found->second];
      if (std::ranges::all_of(values, models::is_absent)) continue;
      const Moments m = moments(values);
      out.push_back({found->first, column->observable.name, column->value[i], m.mean, m.sem, m.std, nan});
    }
  }
  return out;
}

/// Chebyshev's bound needs no more than the variance: it rejects a gross mismatch under heavy tails or of few replicas, and
/// its own false alarms are a tenth of what is allowed.
double chebyshev_limit(std::size_t cells, double false_alarm) {
  return std::sqrt(10 * static_cast<double>(cells) / false_alarm);
}

/// The cells by what can be said of them.
struct SortedCells {
  Cells light, few, heavy, unmet;
  /// The first of each that is wrong whatever else is: a theory that is not finite, numbers without fluctuation that differ, a
  /// simulation that does not fluctuate and should.
  const ComparedCell *not_finite = nullptr, *mismatch = nullptr, *frozen = nullptr;
};

SortedCells sorted_cells(const ComparedCells& shared, double allowed) {
  SortedCells out;
  const auto first = [](const ComparedCell*& place, const ComparedCell& cell) {
    if (!place) place = &cell;
  };
  for (const ComparedCell& cell : shared.cells) {
    if (!std::isfinite(cell.theory)) {
      first(out.not_finite, cell);
      continue;
    }
    switch (cell.kind) {
      case CellKind::deterministic:
        if (!deterministic_match(cell, allowed)) first(out.mismatch, cell);
        break;
      case CellKind::frozen:
        first(out.frozen, cell);
        break;
      case CellKind::fluctuating:
        out.light.push_back(&cell);
        break;
      case CellKind::few:
        out.few.push_back(&cell);
        break;
      case CellKind::unmet:
        out.unmet.push_back(&cell);
        break;
      case CellKind::heavy:
        out.heavy.push_back(&cell);
    }
  }
  return out;
}

/// Judges one sample cell by cell.
class Judgement {
 public:
  Judgement(const models::Trajectory& theory, const Sample& sample, const ComparedCells& shared,
            const VerdictOptions& options)
      : theory_(theory),
        sample_(sample),
        shared_(shared),
        options_(options),
        n_(static_cast<double>(sample.replicas)),
        cells_(sorted_cells(shared, options.allowed)) {}

  Verdict judge(Verdict verdict, std::uint64_t seed) {
    verdict_ = std::move(verdict);
    for (const ComparedCell& cell : shared_.cells)
      if (cell.scale() > 0 && !(cell.kind == CellKind::deterministic && deterministic_match(cell, 0)))  // but rounding
        verdict_.largest_gap = std::max(verdict_.largest_gap, std::abs(cell.gap()) / cell.scale());
    if (!cells_.light.empty())
      test(seed);
    else if (!cells_.few.empty() || !cells_.heavy.empty() || !cells_.unmet.empty())
      verdict_.detectable = infinity;
    bound();
    warn();
    for (const ComparedCell& cell : shared_.cells) add_row(cell);
    conclude();
    return std::move(verdict_);
  }

 private:
  /// What fluctuates with light tails, all together.
  void test(std::uint64_t seed) {
    const JointTest test(cells_.light, shared_, options_, seed);
    verdict_.max_z = test.largest();
    verdict_.critical_z = test.critical();
    verdict_.p_value = test.p_value();
    verdict_.effective_comparisons = test.law().effective_comparisons();
    verdict_.detectable = test.detectable();
    verdict_.exact_std = test.exact();
    for (std::size_t c = 0; c < cells_.light.size(); ++c) scores_[cells_.light[c]] = test.scores()[c];
    if (!(verdict_.max_z > verdict_.critical_z)) return;
    const ComparedCell& worst = test.worst_cell();
    const auto [z, critical] = distinct(verdict_.max_z, verdict_.critical_z);
    rejection_ = fmt::format(
        "the largest z-score, {}, exceeds {} (p = {:.2g}); {} is {} off, with a standard "
        "error of {}",
        z, critical, verdict_.p_value, shared_.place(worst), percent(std::abs(worst.gap()) / worst.scale()),
        percent(worst.std() / std::sqrt(n_) / worst.scale()));
  }

  /// What cannot be tested, by Chebyshev's bound.
  void bound() {
    const double limit = chebyshev_limit(cells_.few.size() + cells_.heavy.size(), options_.false_alarm);
    for (const Cells* cells : {&cells_.few, &cells_.heavy, &cells_.unmet})
      for (const ComparedCell* cell : *cells) {
        const double z = forgiven(cell->gap(), options_.allowed * cell->scale()) / cell->std() * std::sqrt(n_);
        scores_[cell] = z;
        if (!rejection_.empty() || cells == &cells_.unmet || cell->exact_std == 0 || !(std::abs(z) > limit)) continue;
        rejection_ = fmt::format("{} is {:.1f} exact standard errors off, more than any law of that variance allows",
                                 shared_.place(*cell), std::abs(z));
      }
  }

  void warn() {
    if (!cells_.heavy.empty()) {
      verdict_.heavy_tailed = true;
      const ComparedCell* first = *std::ranges::min_element(cells_.heavy, {}, &ComparedCell::time);
      const std::string exactly = first->exact_std > 0 ? fmt::format("{:.3g} exactly, ", first->exact_std) : "";
      verdict_.warnings.push_back(fmt::format(
          "heavy-tailed: the mean is carried by replicas too rare to be sampled, first for {} (standard "
          "deviation {}{:.3g} in the sample, skewness {:.2g}); {} of {} comparisons are not judged for that; "
          "compare medians or shorter times",
          shared_.place(*first), exactly, first->moments.std, first->moments.skewness, cells_.heavy.size(),
          shared_.cells.size()));
    }
    if (!cells_.unmet.empty()) {
      verdict_.heavy_tailed = true;
      const ComparedCell* worst = *std::ranges::max_element(
          cells_.unmet, {}, [](const ComparedCell* cell) { return cell->unmet / cell->scale(); });
      verdict_.warnings.push_back(fmt::format(
          "rare label noise: values so large that the replicas are not expected to have met them carry {} of "
          "{}; {} of {} comparisons are not judged for that; more replicas, or quantiles, would tell",
          percent(worst->unmet / worst->scale()), shared_.place(*worst), cells_.unmet.size(), shared_.cells.size()));
    }
    if (cells_.light.empty() && !verdict_.heavy_tailed && cells_.few.empty()) verdict_.exact_std = true;
    if (!cells_.light.empty() && !verdict_.exact_std && n_ < few_replicas)
      verdict_.warnings.push_back(
          fmt::format("z-scores use the sample's standard deviation; with fewer than {:.0f} replicas it can be too "
                      "small, where runs "
                      "that none of them has met carry much of it",
                      few_replicas));
  }

  void add_row(const ComparedCell& cell) {
    Comparison row;
    row.step = shared_.steps[cell.time];
    row.observable = shared_.observables[cell.observable];
    row.theory = cell.theory;
    row.mc_mean = cell.moments.mean;
    row.mc_sem = cell.moments.sem;
    row.std_used = cell.kind == CellKind::deterministic ? 0.0 : cell.std();
    if (const auto found = scores_.find(&cell); found != scores_.end())
      row.z = found->second;
    else if (!std::isfinite(cell.theory) || !deterministic_match(cell, options_.allowed))
      row.z = std::copysign(infinity, cell.gap());
    verdict_.rows.push_back(std::move(row));
  }

  void conclude() {
    const std::string approximate = theory_.exact || options_.allowed > 0
                                        ? ""
                                        : "; the theory is approximate (" + theory_.method + "), not exact here";
    const std::string wrong = wrong_whatever_else();
    if (!wrong.empty()) {
      verdict_.outcome = Outcome::disagree;
      verdict_.p_value = 0;
      verdict_.max_z = infinity;
      verdict_.reason = wrong + approximate;
    } else if (!rejection_.empty()) {
      verdict_.outcome = Outcome::disagree;
      verdict_.reason = rejection_ + approximate;
    } else if (verdict_.reason = undecided(); verdict_.reason.empty()) {
      verdict_.outcome = Outcome::agree;
      verdict_.reason = agreement();
    }
  }

  /// What no statistics can excuse; empty: nothing.
  std::string wrong_whatever_else() const {
    if (cells_.not_finite) return "the theory is not finite: " + shared_.place(*cells_.not_finite);
    if (cells_.mismatch)
      return fmt::format("{} does not fluctuate, yet theory says {} and simulation {}", shared_.place(*cells_.mismatch),
                         cells_.mismatch->theory, cells_.mismatch->moments.mean);
    if (cells_.frozen)
      return fmt::format("{} does not fluctuate in the simulation; theory says a standard deviation of {:.3g}",
                         shared_.place(*cells_.frozen), cells_.frozen->exact_std);
    return "";
  }

  /// Why the run could not have told; empty: it could.
  std::string undecided() const {
    if (!cells_.few.empty())
      return fmt::format("{} are too few to judge what fluctuates; at least {} are needed, better hundreds",
                         settings::counted(sample_.replicas, "replica"), least_replicas);
    if (verdict_.heavy_tailed)
      return cells_.heavy.empty()
                 ? "rare label noise: the sample's mean cannot be trusted at some steps, and no other step disagrees"
                 : "heavy tails: the sample's mean cannot be trusted at some steps, and no other step disagrees";
    if (sample_.diverged > 0 && shared_.asked_beyond_sample)
      return fmt::format("{} of {} replicas diverged, and no step before it disagrees", sample_.diverged,
                         sample_.replicas);
    if (verdict_.detectable > options_.resolution) {
      const auto [detectable, resolution] = distinct_percent(verdict_.detectable, options_.resolution);
      return fmt::format(
          "the run could have missed a discrepancy of {}, more than the resolution of {} asked; "
          "about {:.0f} replicas would do",
          detectable, resolution, std::ceil(n_ * std::pow(verdict_.detectable / options_.resolution, 2)));
    }
    return "";
  }

  std::string agreement() const {
    const auto [z, critical] = distinct(verdict_.max_z, verdict_.critical_z);
    return (cells_.light.empty() ? "nothing fluctuates, and theory and simulation are equal to rounding"
                                 : fmt::format("the largest z-score, {}, is below {} (p = {:.2g}); a discrepancy of {} "
                                               "would have been detected",
                                               z, critical, verdict_.p_value, percent(verdict_.detectable))) +
           (theory_.exact ? "" : "; the theory is approximate (" + theory_.method + ")");
  }

  const models::Trajectory& theory_;
  const Sample& sample_;
  const ComparedCells& shared_;
  const VerdictOptions& options_;
  double n_;
  SortedCells cells_;
  Verdict verdict_;
  std::map<const ComparedCell*, double> scores_;
  std::string rejection_;  // empty: not rejected
};

}  // namespace

Verdict judge(const models::Trajectory& theory, const Sample& sample, const VerdictOptions& options,
              std::uint64_t seed) {
  Verdict verdict;
  verdict.replicas = sample.replicas;
  const ComparedCells shared = compared_cells(theory, sample);
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
  return Judgement(theory, sample, shared, options).judge(std::move(verdict), seed);
}

}  // namespace edgewise::validation
