#pragma once
/// \file
/// The joint test of means that fluctuate: single steps and stretches of them against the law of the largest score.
#include <optional>
#include <span>
#include <vector>

#include "validation/verdicts/compared_cells.hpp"
#include "validation/verdicts/max_statistic.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

/// Below so many replicas their own standard deviation widens the law of the largest score. (Measured: docs/guide.md, Calibration.)
inline constexpr double few_replicas = 200;
/// By what the critical value of a score is multiplied where n replicas are to tell their own standard deviation.
double widening_of_few(double n);

/// z after `slack` (in units of z) is forgiven.
double forgiven(double z, double slack);

/// The skewnesses of one replica that a sample leaves open where its own standard deviation has to serve.
///
/// A sample without the rare large runs has too small a mean, too small a spread and little skewness, all at once; but
/// those runs move many steps, and show at some. So the skewness may lie half way from the step's own to that of the most
/// skewed step of the same observable, and on the other side where the left tail is the heavier one. That it is positive
/// is a usual thing, which the sample's own may contradict; of what may have either sign neither side is usual, and a
/// quantity turned over has the same scores turned over. (Measured: docs/guide.md, Calibration.)
struct OpenSkewness {
  double low = 0, high = 0;
  OpenSkewness(double shrunk, double of_sample, const SkewnessRange& tails) {
    low = std::min(shrunk, of_sample);
    high = std::max(shrunk, 0.5 * (shrunk + tails.most));
    if (!tails.positive || -tails.least > tails.most) low = std::min(low, 0.5 * (shrunk + tails.least));
    if (!tails.positive) high = std::max(high, of_sample);
  }
};

/// The joint test of the cells that fluctuate with light tails.
class JointTest {
 public:
  /// \param cells  at least one; they and their sample outlive the test
  JointTest(std::vector<const ComparedCell*> cells, const ComparedCells& shared, const VerdictOptions& options,
            std::uint64_t seed);

  const std::vector<double>& scores() const { return scores_; }  ///< cells, then stretches
  double largest() const { return largest_; }
  const MaxStatistic& law() const { return law_; }
  double critical() const { return widening() * law_.critical(options_.false_alarm); }
  double p_value() const { return law_.tail(largest_ / widening()); }
  /// Whether all standard deviations are the theory's.
  bool exact() const;
  /// The cell whose score is the largest.
  const ComparedCell& worst_cell() const;
  /// Smallest relative discrepancy of one observable that, common to the first or to the second half of the recorded
  /// steps, would be detected with the asked power: the worst over observables and halves, so that an observable which
  /// hardly fluctuates cannot stand in for one that does.
  double detectable() const;

 private:
  double widening() const;
  void add_cell(const ComparedCell& cell);
  void add_group(std::size_t g);
  void exact_score(double z, double skewness);
  void sample_score(double t, const OpenSkewness& skewness);
  double excess(const OpenSkewness& open, double critical_z) const;
  double detectable_along(std::vector<double> unit) const;

  std::vector<const ComparedCell*> cells_;
  std::vector<std::vector<std::size_t>> groups_;
  std::vector<SkewnessRange> tails_;  // by observable
  std::size_t times_;
  VerdictOptions options_;
  double n_;
  MaxStatistic law_;
  std::vector<double> raw_, slack_, scores_;
  std::vector<std::optional<OpenSkewness>> open_;  // of each comparison whose spread is the sample's
  double largest_ = 0;
};

}  // namespace edgewise::validation
