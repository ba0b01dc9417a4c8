// Built at -O1: nothing here takes time.
#include "validation/verdicts/joint_test.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "validation/monte_carlo/statistics.hpp"

namespace edgewise::validation {

namespace {

/// The law of the largest score of few replicas is wider than that of normal ones, by what the skewness and the correlations of
/// so few are not known: by 1 + this (1/n - 1/number). Where the standard deviation is the sample's (number: few_replicas), and
/// where it is exact. (Measured: docs/guide.md, Calibration.)
constexpr double widening_of_sample = 1.2, widening_of_exact = 1.6, fewer_replicas = 16;

/// Comparisons of one observable over a stretch of its recorded steps, judged by their average as well as singly.
///
/// A small error that is the same at many steps shows in the average before it shows anywhere alone. The stretches are
/// all of the steps, their halves and their quarters.
std::vector<std::vector<std::size_t>> stretches(std::span<const ComparedCell* const> cells, std::size_t observables) {
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

MaxStatistic make_law(const std::vector<const ComparedCell*>& cells,
                      const std::vector<std::vector<std::size_t>>& groups, std::uint64_t seed) {
  std::vector<std::span<const double>> values;
  for (const ComparedCell* cell : cells) values.push_back(cell->values);
  return MaxStatistic(values, groups, seed);
}

}  // namespace

double widening_of_few(double n) {
  return 1 + widening_of_sample * std::max(0.0, 1 / n - 1 / few_replicas);
}

double forgiven(double z, double slack) {
  return std::copysign(std::max(0.0, std::abs(z) - slack), z);
}

JointTest::JointTest(std::vector<const ComparedCell*> cells, const ComparedCells& shared, const VerdictOptions& options,
                     std::uint64_t seed)
    : cells_(std::move(cells)),
      groups_(stretches(cells_, shared.observables.size())),
      tails_(shared.tails),
      times_(shared.steps.size()),
      options_(options),
      n_(static_cast<double>(cells_.front()->values.size())),
      law_(make_law(cells_, groups_, seed)) {
  for (const ComparedCell* cell : cells_) add_cell(*cell);
  for (std::size_t g = 0; g < groups_.size(); ++g) add_group(g);
  for (const double z : scores_) largest_ = std::max(largest_, std::abs(z));
}

bool JointTest::exact() const {
  return std::ranges::all_of(cells_, [](const ComparedCell* c) { return c->exact_std > 0; });
}

const ComparedCell& JointTest::worst_cell() const {
  const auto end = scores_.begin() + static_cast<std::ptrdiff_t>(cells_.size());
  const auto worst =
      std::max_element(scores_.begin(), end, [](double a, double b) { return std::abs(a) < std::abs(b); });
  return *cells_[static_cast<std::size_t>(worst - scores_.begin())];
}

double JointTest::detectable() const {
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

double JointTest::widening() const {
  return exact() ? 1 + widening_of_exact * std::max(0.0, 1 / n_ - 1 / fewer_replicas) : widening_of_few(n_);
}

void JointTest::add_cell(const ComparedCell& cell) {
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

void JointTest::add_group(std::size_t g) {
  const auto& group = groups_[g];
  double z = 0, slack = 0, usual = 0, exact = 0;
  std::vector<double> sum(static_cast<std::size_t>(n_), 0.0);
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
void JointTest::exact_score(double z, double skewness) {
  scores_.push_back(normal_score(z, skewness, n_));
  open_.emplace_back();
}

void JointTest::sample_score(double t, const OpenSkewness& skewness) {
  scores_.push_back(normal_score_studentized(t, skewness.low, skewness.high, n_));
  open_.emplace_back(skewness);
}

/// How far beyond the critical score a t has to be for its own score to be there, on the side where that is farther.
double JointTest::excess(const OpenSkewness& open, double critical_z) const {
  return std::max(studentized(critical_z, open.low, open.high, n_),
                  -studentized(-critical_z, open.low, open.high, n_)) -
         critical_z;
}

double JointTest::detectable_along(std::vector<double> unit) const {
  const double largest = *std::ranges::max_element(unit);
  if (!(largest > 0)) return infinity;
  const double critical_z = critical();
  std::vector<double> lost(unit.size(), 0.0), shift(unit.size());
  for (std::size_t c = 0; c < unit.size(); ++c)
    if (open_[c]) lost[c] = excess(*open_[c], critical_z);
  const auto detected = [&](double discrepancy) {
    for (std::size_t c = 0; c < unit.size(); ++c) shift[c] = std::max(0.0, discrepancy * unit[c] - lost[c]);
    return law_.exceedance(shift, critical_z) >= options_.power;
  };
  double high = 1 / largest;
  for (; !detected(high); high *= 2)
    if (std::isinf(high)) return infinity;
  return numerics::threshold(detected, 0, high, 1e-6);
}

}  // namespace edgewise::validation
