#pragma once
/// \file
/// How well normalised loss curves of several sizes lie on each other
/// (docs/theory/schedules-and-collapse.md, section 4.3 and "What the papers themselves do").
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace edgewise::validation {

/// Losses at shares x of every size's horizon.
struct SampledCurves {
  std::vector<double> x;                               ///< increasing, the last is 1
  std::vector<double> size, horizon;                   ///< of each size; the horizon in steps
  std::vector<std::vector<std::vector<double>>> loss;  ///< [size][seed][x]
  /// Some run has no loss of its own where the collapse is judged: there it is the straight line between two others.
  bool unrecorded = false;
};

/// l(x, p, w) = (L(x t*) - L0)/(L(t*) - L0), every seed w by its own end, and its spread, as functions of x. Every size
/// weighs the same, and every seed within a size.
struct CollapseSpread {
  std::vector<double> x, mean;  ///< of l over sizes and seeds
  /// Relative standard deviation of l over sizes and seeds jointly; delta^2 = between^2 + within^2, with the variance
  /// over sizes of the mean over seeds, V_p E_w, and the mean over sizes of the variance over seeds, E_p V_w.
  std::vector<double> delta, between, within;
  /// What is left of `between` when the seeds' share of it is taken off: the spread of infinitely many seeds.
  std::vector<double> deterministic;
  /// The other definition: variance over sizes (divisor n - 1) of one seed of each, over the squared mean, averaged over all
  /// tuples of seeds (over 4096 drawn ones where there are more).
  std::vector<double> tuples;
  /// Relative standard deviation (divisor n - 1) of L(x t*) - L0 over seeds, the root mean square over sizes; NaN for one
  /// seed.
  std::vector<double> floor;
  std::vector<std::vector<double>> floor_of;  ///< the same of each size, [size][x]
  std::vector<std::vector<double>> mean_of;   ///< E_w l, [size][x]
  std::vector<std::vector<double>> error_of;  ///< standard error of E_w l, [size][x]; 0 of one seed
};

/// \throws std::invalid_argument where a loss at the horizon is not above `floor`.
CollapseSpread spread_of(const SampledCurves& curves, double floor);

/// Largest of `values` at `from` <= x <= `to`; NaN where there are none.
double largest_in(const std::vector<double>& x, const std::vector<double>& values, double from,
                  double to = std::numeric_limits<double>::infinity());
/// Share of the grid's points in [from, to] at which delta is below the floor; NaN where there is no floor.
double supercollapse_fraction(const CollapseSpread& spread, double from = 0.2, double to = 0.95);
/// 95% bounds of that share: of the points where delta is below the floor whatever the seeds have moved, and of those where
/// it may be. The error of log(delta/floor) at a point is the jackknife's over the seeds of every size. NaN where a size has
/// fewer than three.
std::pair<double, double> supercollapse_bounds(const SampledCurves& curves, double floor, double from = 0.2,
                                               double to = 0.95);

/// d log l / d log x at x = 1, by least squares over x in [from, 1] of the mean curve.
double end_slope(const CollapseSpread& spread, double from = 0.8);

enum class Collapse { well_scaled, broken, inconclusive };
const char* name(Collapse verdict);

/// Thresholds of section 4.5 on the largest deterministic spread over x >= from.
struct CollapseRule {
  double from = 0.3, well = 0.03, broken = 0.06;
  double progress =
      0.2;  ///< of the spread of l over |mean l - 1|, the largest of both: above it nothing is well scaled
};
struct CollapseVerdict {
  Collapse outcome = Collapse::inconclusive;
  double spread = 0, low = 0, high = 0;  ///< largest deterministic spread, with its 95% bounds
  std::string reason;
};
/// Well scaled where the upper bound is below one threshold, broken where the lower bound is above the other. Both are the
/// measured spread of the means less or more what the seeds may have moved it by, an F quantile of their share with each size's
/// own variance; the lower bound allows for the number of points it is the largest of. Where a size has one seed the bounds
/// are from the roughness of the curves, which slow noise does not show. What no
/// scaling could have broken, curves that stay near 1 or hold no loss of their own, is inconclusive; so are sizes that
/// differ in what they have yet to fall and look alike since the floor is low.
CollapseVerdict judge_collapse(const SampledCurves& curves, double floor, const CollapseRule& rule = {});

}  // namespace edgewise::validation
