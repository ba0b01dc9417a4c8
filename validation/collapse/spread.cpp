#include "validation/collapse/spread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "numerics/power_of_two.hpp"
#include "settings/settings.hpp"

namespace edgewise::validation {

namespace {

/// Mean and variance over `values`; divisor n - less.
std::pair<double, double> mean_and_variance(const std::vector<double>& values, double less) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double x : values) mean += x;
  mean /= n;  // exactly 1 of ones
  for (const double x : values) squares += (x - mean) * (x - mean);
  return {mean, n > less ? squares / (n - less) : nan};
}

/// Seeds' variance of a size's mean, over the squared mean of all, at x; NaN where there is one seed.
double seeds_share(const CollapseSpread& s, const SampledCurves& curves, std::size_t x) {
  // within^2 is the mean of the population variances: n/(n - 1) makes each unbiased, 1/n is that of a mean.
  double share = 0;
  for (const auto& of_size : curves.loss) share += 1 / (static_cast<double>(of_size.size()) - 1);
  const auto sizes = static_cast<double>(curves.loss.size());
  return s.within[x] * s.within[x] * (share / sizes) * (sizes - 1) / sizes;
}

}  // namespace

CollapseSpread spread_of(const SampledCurves& curves, double floor) {
  const std::size_t sizes = curves.loss.size(), points = curves.x.size();
  std::size_t tuples = SIZE_MAX;
  std::vector<std::vector<std::vector<double>>> l = curves.loss;
  for (auto& of_size : l) {
    tuples = std::min(tuples, of_size.size());
    for (auto& run : of_size) {
      const double end = run.back() - floor;
      if (!(end > 0)) throw std::invalid_argument("a run ends at or below the floor, it cannot be normalised");
      for (double& loss : run) loss = (loss - floor) / end;
      run.back() = 1;
    }
  }
  CollapseSpread out;
  out.x = curves.x;
  out.floor_of.assign(sizes, std::vector<double>(points));
  out.mean_of.assign(sizes, std::vector<double>(points));
  for (std::size_t k = 0; k < points; ++k) {
    std::vector<double> means, variances, floors;
    for (std::size_t p = 0; p < sizes; ++p) {
      std::vector<double> normalised, raw;
      for (std::size_t w = 0; w < l[p].size(); ++w) {
        normalised.push_back(l[p][w][k]);
        raw.push_back(curves.loss[p][w][k] - floor);
      }
      // Squares in the loss's own unit could leave the range of numbers.
      const double unit = numerics::power_of_two(raw.front());
      for (double& loss : raw) loss /= unit;
      const auto [mean, variance] = mean_and_variance(normalised, 0);
      const auto [raw_mean, raw_variance] = mean_and_variance(raw, 1);
      means.push_back(mean);
      variances.push_back(variance);
      floors.push_back(std::sqrt(raw_variance) / raw_mean);
      out.mean_of[p][k] = mean;
      out.floor_of[p][k] = floors.back();
    }
    const auto [mean, between] = mean_and_variance(means, 0);
    const double within = mean_and_variance(variances, 0).first;
    out.mean.push_back(mean);
    out.between.push_back(std::sqrt(between) / mean);
    out.within.push_back(std::sqrt(within) / mean);
    out.delta.push_back(std::sqrt(between + within) / mean);
    out.floor.push_back(mean_and_variance(floors, 0).first);
    double square = 0;
    for (std::size_t w = 0; w < tuples; ++w) {
      std::vector<double> one;
      for (std::size_t p = 0; p < sizes; ++p) one.push_back(l[p][w][k]);
      const auto [m, v] = mean_and_variance(one, 1);
      square += v / (m * m) / static_cast<double>(tuples);
    }
    out.tuples.push_back(std::sqrt(square));
    const double seeds = seeds_share(out, curves, k);
    out.deterministic.push_back(std::sqrt(std::max(0.0, between / (mean * mean) - (std::isfinite(seeds) ? seeds : 0))));
  }
  return out;
}

double largest_in(const std::vector<double>& x, const std::vector<double>& values, double from, double to) {
  double largest = nan;
  for (std::size_t k = 0; k < x.size(); ++k)
    if (x[k] >= from - 1e-9 && x[k] <= to + 1e-9 && !(values[k] <= largest)) largest = values[k];
  return largest;
}

double supercollapse_fraction(const CollapseSpread& spread, double from, double to) {
  double all = 0, below = 0;
  for (std::size_t k = 0; k < spread.x.size(); ++k) {
    if (spread.x[k] < from - 1e-9 || spread.x[k] > to + 1e-9 || !std::isfinite(spread.floor[k])) continue;
    ++all;
    below += spread.delta[k] < spread.floor[k] ? 1 : 0;
  }
  return all > 0 ? below / all : nan;
}

double end_slope(const CollapseSpread& spread, double from) {
  // log l = b log x + a (log x)^2 passes through 0 at x = 1; its slope there is b.
  double uu = 0, uuu = 0, uuuu = 0, uy = 0, uuy = 0;
  for (std::size_t k = 0; k < spread.x.size(); ++k) {
    if (spread.x[k] < from || !(spread.mean[k] > 0)) continue;
    const double u = std::log(spread.x[k]), y = std::log(spread.mean[k]);
    uu += u * u;
    uuu += u * u * u;
    uuuu += u * u * u * u;
    uy += u * y;
    uuy += u * u * y;
  }
  const double determinant = uu * uuuu - uuu * uuu;
  return determinant > 1e-12 * uu * uuuu ? (uy * uuuu - uuy * uuu) / determinant : nan;
}

const char* name(Collapse verdict) {
  switch (verdict) {
    case Collapse::well_scaled:
      return "well scaled";
    case Collapse::broken:
      return "broken";
    case Collapse::inconclusive:
      return "inconclusive";
  }
  return "";
}

namespace {

/// Square of the relative noise of every point that the curves' roughness shows: second differences of l over its mean
/// (which takes off the bend that all curves share) against its neighbours on the grid.
double roughness(const CollapseSpread& spread, double from) {
  double sum = 0, count = 0;
  for (const std::vector<double>& of_size : spread.mean_of) {
    std::vector<double> l = of_size;
    for (std::size_t k = 0; k < l.size(); ++k) l[k] /= spread.mean[k];
    for (std::size_t k = 1; k + 2 < l.size(); ++k) {
      if (spread.x[k - 1] < from) continue;
      // A straight line between unequal neighbours.
      const double share = (spread.x[k] - spread.x[k - 1]) / (spread.x[k + 1] - spread.x[k - 1]);
      const double gap = l[k] - l[k - 1] - share * (l[k + 1] - l[k - 1]);
      sum += gap * gap / (1 + share * share + (1 - share) * (1 - share));
      ++count;
    }
  }
  return count > 0 ? sum / count : 0;
}

}  // namespace

CollapseVerdict judge_collapse(const SampledCurves& curves, double floor, const CollapseRule& rule) {
  CollapseVerdict out;
  const CollapseSpread all = spread_of(curves, floor);
  out.spread = largest_in(all.x, all.deterministic, rule.from);
  if (!std::isfinite(out.spread)) {
    out.low = 0;
    out.high = infinity;
    out.reason = fmt::format("no point at x >= {} that all runs have", settings::text_of(rule.from));
    return out;
  }
  std::size_t seeds = SIZE_MAX;
  for (const auto& of_size : curves.loss) seeds = std::min(seeds, of_size.size());
  std::vector<double> error(all.x.size(), 0.0);  // of deterministic^2
  if (seeds >= 2) {
    // Jackknife: seed w left out of every size at once.
    const auto square = [&](const SampledCurves& some) {
      const CollapseSpread s = spread_of(some, floor);
      std::vector<double> out_of(s.x.size());
      for (std::size_t k = 0; k < s.x.size(); ++k) {
        const double share = seeds_share(s, some, k);
        out_of[k] = s.between[k] * s.between[k] - (std::isfinite(share) ? share : 0);
      }
      return out_of;
    };
    std::vector<std::vector<double>> left;
    for (std::size_t w = 0; w < seeds; ++w) {
      SampledCurves some = curves;
      for (auto& of_size : some.loss) of_size.erase(of_size.begin() + static_cast<std::ptrdiff_t>(w));
      left.push_back(square(some));
    }
    const auto n = static_cast<double>(seeds);
    for (std::size_t k = 0; k < error.size(); ++k) {
      std::vector<double> values;
      for (const auto& one : left) values.push_back(one[k]);
      error[k] = std::sqrt((n - 1) * mean_and_variance(values, 0).second);
    }
  } else {
    const double rough = roughness(all, rule.from);
    for (std::size_t k = 0; k < error.size(); ++k)
      error[k] = std::sqrt(rough) * (2 * all.deterministic[k] + std::sqrt(rough));
  }
  double low = 0, high = 0, apart = 0, progress = 0;
  for (std::size_t k = 0; k < all.x.size(); ++k) {
    if (all.x[k] < rule.from - 1e-9) continue;
    const double square = all.deterministic[k] * all.deterministic[k];
    const double least = std::sqrt(std::max(0.0, square - 2 * error[k]));
    low = std::max(low, least);
    apart = std::max(apart, least * all.mean[k]);
    progress = std::max(progress, std::abs(all.mean[k] - 1));
    high = std::max(high, std::sqrt(square + 2 * error[k]));
  }
  out.low = low;
  out.high = high;
  const std::string what = fmt::format("largest spread of the sizes over x >= {} is {:.4f} [{:.4f}, {:.4f}]",
                                       settings::text_of(rule.from), out.spread, low, high);
  if (high < rule.well)
    out.outcome = Collapse::well_scaled;
  else if (low > rule.broken)
    out.outcome = Collapse::broken;
  double moved = 0;
  for (const std::vector<double>& of_size : all.mean_of)
    for (std::size_t k = 0; k < all.x.size(); ++k)
      if (all.x[k] >= rule.from - 1e-9) moved = std::max(moved, std::abs(of_size[k] - 1));
  std::string untested;
  if (all.x.front() > rule.from + 0.011)
    untested = fmt::format("the runs have nothing in common before x = {}", settings::text_of(all.x.front()));
  else if (curves.unrecorded)
    untested = fmt::format("a run has no loss recorded at {} <= x < 1", settings::text_of(rule.from));
  else if (!(moved > rule.broken))
    untested = fmt::format("no curve is further than {:.2g} from 1 there, so that no scaling would show", moved);
  else if (apart > rule.progress * progress)
    // l itself becomes 1 everywhere as the floor falls.
    untested = fmt::format("what the sizes have yet to fall, l - 1, is {:.0f}% apart: the verdict hangs on the floor",
                           100 * apart / progress);
  if (out.outcome != Collapse::broken && !untested.empty()) {
    out.outcome = Collapse::inconclusive;
    out.reason = what + ", but " + untested;
    return out;
  }
  const bool between = low >= rule.well && high <= rule.broken;
  out.reason = out.outcome == Collapse::well_scaled ? fmt::format("{}, below {}", what, settings::text_of(rule.well))
               : out.outcome == Collapse::broken    ? fmt::format("{}, above {}", what, settings::text_of(rule.broken))
               : between ? fmt::format("{}, between {} and {}", what, settings::text_of(rule.well),
                                       settings::text_of(rule.broken))
                         : fmt::format("{}: too uncertain for the thresholds {} and {}", what,
                                       settings::text_of(rule.well), settings::text_of(rule.broken));
  return out;
}

}  // namespace edgewise::validation
