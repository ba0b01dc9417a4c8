#pragma once
/// \file
/// The law of the largest of many correlated z-scores.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace edgewise::validation {

/// The law of max_c |Z_c| for a Gaussian vector Z with the correlations of a sample, and of averages of its components.
///
/// Comparisons along a trajectory are strongly correlated; Bonferroni would waste power. Z is drawn many times with the
/// sample's correlation matrix (a Gaussian multiplier bootstrap, Chernozhukov, Chetverikov and Kato 2013), so that
/// copies of a comparison cost nothing. Beyond what the draws resolve, the tail is that of as many independent
/// comparisons as have the same tail where they do.
class MaxStatistic {
 public:
  static constexpr std::size_t default_draws = 20000;

  /// `cells`: one entry per comparison, the observations of all replicas (all of the same length >= 2, not constant).
  /// `groups`: sets of comparisons whose normalised sum is a further comparison, numbered after the cells.
  MaxStatistic(std::span<const std::span<const double>> cells, std::span<const std::vector<std::size_t>> groups,
               std::uint64_t seed, std::size_t draws = default_draws);
  ~MaxStatistic();
  MaxStatistic(MaxStatistic&&) noexcept;

  /// sqrt(1' C 1) of group g: the standard deviation of the sum of its z-scores.
  double group_std(std::size_t group) const;
  /// P(max |Z| > z).
  double tail(double z) const;
  /// z with P(max |Z| > z) = probability.
  double critical(double probability) const;
  /// Number of independent comparisons with the same critical value.
  double effective_comparisons() const;
  /// P(max |Z + shift| > z); `shift` has an entry per cell, then one per group.
  double exceedance(std::span<const double> shift, double z) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgewise::validation
