#include "validation/collapse/spread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/power_of_two.hpp"
#include "random/random.hpp"
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

/// Variance over sizes (divisor n - 1) of one seed of each over the squared mean, averaged over tuples of seeds: all of them
/// where they are few, else as many drawn ones. \param l  [size][seed][x]
std::vector<double> over_tuples(const std::vector<std::vector<std::vector<double>>>& l, std::size_t points) {
  constexpr double most = 4096;
  double all = 1;
  for (const auto& of_size : l) all *= static_cast<double>(of_size.size());
  const auto count = static_cast<std::size_t>(std::min(all, most));
  std::vector<double> out(points);
  std::vector<std::size_t> seed(l.size());
  for (std::size_t t = 0; t < count; ++t) {
    random::Stream stream(1, t);
    std::size_t left = t;
    for (std::size_t p = 0; p < l.size(); ++p) {
      const std::size_t n = l[p].size();
      seed[p] =
          all <= most ? left % n : std::min(n - 1, static_cast<std::size_t>(stream.uniform() * static_cast<double>(n)));
      left /= n;
    }
    for (std::size_t k = 0; k < points; ++k) {
      std::vector<double> one;
      for (std::size_t p = 0; p < l.size(); ++p) one.push_back(l[p][seed[p]][k]);
      const auto [m, v] = mean_and_variance(one, 1);
      out[k] += v / (m * m) / static_cast<double>(count);
    }
  }
  for (double& square : out) square = std::sqrt(square);
  return out;
}

/// What the seeds contribute to the population variance of the sizes' means at x, and how it is distributed: it and its
/// estimate are sums of squares with about so many degrees of freedom (Satterthwaite).
struct SeedsShare {
  double variance = 0, freedom = 0, estimate_freedom = 0;
};
SeedsShare seeds_share(const CollapseSpread& s, std::size_t x, const std::vector<double>& freedom = {}) {
  const auto sizes = static_cast<double>(s.error_of.size());
  double sum = 0, squares = 0, uncertain = 0;
  for (std::size_t p = 0; p < s.error_of.size(); ++p) {
    const double v = s.error_of[p][x] * s.error_of[p][x];
    sum += v;
    squares += v * v;
    if (!freedom.empty()) uncertain += v * v / freedom[p];
  }
  // Means less their mean: the trace of their covariance and of its square.
  const double trace = sum * (1 - 1 / sizes), trace_of_square = squares * (1 - 2 / sizes) + sum * sum / (sizes * sizes);
  return {trace / sizes, trace * trace / trace_of_square, sum * sum / uncertain};
}

}  // namespace

CollapseSpread spread_of(const SampledCurves& curves, double floor) {
  const std::size_t sizes = curves.loss.size(), points = curves.x.size();
  std::vector<std::vector<std::vector<double>>> l = curves.loss;
  for (auto& of_size : l)
    for (auto& run : of_size) {
      const double end = run.back() - floor;
      if (!(end > 0)) throw std::invalid_argument("a run ends at or below the floor, it cannot be normalised");
      for (double& loss : run) loss = (loss - floor) / end;
    }
  CollapseSpread out;
  out.x = curves.x;
  out.floor_of.assign(sizes, std::vector<double>(points));
  out.mean_of.assign(sizes, std::vector<double>(points));
  out.error_of.assign(sizes, std::vector<double>(points));
  out.tuples = over_tuples(l, points);
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
      floors.push_back(raw_variance / (raw_mean * raw_mean));
      out.mean_of[p][k] = mean;
      out.floor_of[p][k] = std::sqrt(floors.back());
      // Of one seed it is not known, and nothing is taken off for it.
      const auto seeds = static_cast<double>(normalised.size());
      if (seeds > 1) out.error_of[p][k] = std::sqrt(variance / (seeds - 1));
    }
    const auto [mean, between] = mean_and_variance(means, 0);
    const double within = mean_and_variance(variances, 0).first;
    out.mean.push_back(mean);
    out.between.push_back(std::sqrt(between) / mean);
    out.within.push_back(std::sqrt(within) / mean);
    out.delta.push_back(std::sqrt(between + within) / mean);
    // Pooled as delta is: a standard deviation of few seeds is low on average, .80 of it at two.
    out.floor.push_back(std::sqrt(mean_and_variance(floors, 0).first));
    out.deterministic.push_back(std::sqrt(std::max(0.0, between - seeds_share(out, k).variance)) / mean);
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

namespace {

/// Mean and variance (divisor n - less) of some numbers, and of all but one of them.
class AllButOne {
 public:
  explicit AllButOne(std::vector<double> values) : values_(std::move(values)) {
    std::tie(mean_, squares_) = mean_and_variance(values_, 0);
    squares_ *= static_cast<double>(values_.size());
  }
  std::size_t size() const { return values_.size(); }
  std::pair<double, double> all(double less) const {
    return {mean_, squares_ / (static_cast<double>(values_.size()) - less)};
  }
  std::pair<double, double> without(std::size_t i, double less) const {
    const auto n = static_cast<double>(values_.size());
    const double off = values_[i] - mean_;
    return {mean_ - off / (n - 1), std::max(0.0, squares_ - off * off * n / (n - 1)) / (n - 1 - less)};
  }

 private:
  std::vector<double> values_;
  double mean_ = 0, squares_ = 0;
};

/// log(delta/floor) at one x, with its standard error by the jackknife over the seeds of every size.
std::pair<double, double> delta_over_floor(const std::vector<AllButOne>& normalised,
                                           const std::vector<AllButOne>& raw) {
  const std::size_t sizes = raw.size();
  std::vector<double> means(sizes), variances(sizes), floors(sizes);
  const auto set = [&](std::size_t p, std::pair<double, double> of_l, std::pair<double, double> of_loss) {
    std::tie(means[p], variances[p]) = of_l;
    floors[p] = of_loss.second / (of_loss.first * of_loss.first);
  };
  const auto ratio = [&] {
    const auto [mean, between] = mean_and_variance(means, 0);
    return 0.5 * std::log((between + mean_and_variance(variances, 0).first) / (mean * mean) /
                          mean_and_variance(floors, 0).first);
  };
  for (std::size_t p = 0; p < sizes; ++p) set(p, normalised[p].all(0), raw[p].all(1));
  const double all = ratio();
  double variance = 0;
  for (std::size_t p = 0; p < sizes; ++p) {
    std::vector<double> without;
    for (std::size_t w = 0; w < raw[p].size(); ++w) {
      set(p, normalised[p].without(w, 0), raw[p].without(w, 1));
      without.push_back(ratio());
    }
    set(p, normalised[p].all(0), raw[p].all(1));
    variance += mean_and_variance(without, 0).second * (static_cast<double>(without.size()) - 1);
  }
  return {all, std::sqrt(variance)};
}

}  // namespace

std::pair<double, double> supercollapse_bounds(const SampledCurves& curves, double floor, double from, double to) {
  double freedom = 0;
  for (const auto& of_size : curves.loss) {
    if (of_size.size() < 3) return {nan, nan};
    freedom += static_cast<double>(of_size.size()) - 1;
  }
  const double quantile = boost::math::quantile(boost::math::students_t(freedom), 0.975);
  double all = 0, surely = 0, perhaps = 0;
  for (std::size_t k = 0; k < curves.x.size(); ++k) {
    if (curves.x[k] < from - 1e-9 || curves.x[k] > to + 1e-9) continue;
    std::vector<AllButOne> normalised, raw;
    for (const auto& of_size : curves.loss) {
      const double unit = numerics::power_of_two(of_size.front()[k] - floor);
      std::vector<double> of_l, of_loss;
      for (const std::vector<double>& run : of_size) {
        of_l.push_back((run[k] - floor) / (run.back() - floor));
        of_loss.push_back((run[k] - floor) / unit);
      }
      normalised.emplace_back(std::move(of_l));
      raw.emplace_back(std::move(of_loss));
    }
    const auto [ratio, error] = delta_over_floor(normalised, raw);
    if (std::isnan(ratio)) continue;
    ++all;
    surely += ratio + quantile * error < 0 ? 1 : 0;
    perhaps += !(ratio - quantile * error >= 0) ? 1 : 0;
  }
  return all > 0 ? std::pair(surely / all, perhaps / all) : std::pair(nan, nan);
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
  constexpr double rounding = 1e-12;  // of fewer than two points nothing else is left
  return determinant > rounding * uu * uuuu ? (uy * uuuu - uuy * uuu) / determinant : nan;
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

/// How much the seeds may move the relative spread of the sizes' means, more with probability `error`: their share of its square
/// over its estimate is of an F distribution, and a length moves by no more than what is added.
double moved_by_seeds(const SeedsShare& seeds, double mean, double error) {
  if (!(seeds.variance > 0)) return 0;
  const boost::math::fisher_f ratio(seeds.freedom, seeds.estimate_freedom);
  return std::sqrt(seeds.variance * quantile(complement(ratio, error))) / mean;
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
  // Of one seed a size the curve's roughness stands for what the seeds would have shown.
  std::vector<double> freedom;
  bool single = false;
  for (const auto& of_size : curves.loss) {
    freedom.push_back(static_cast<double>(of_size.size()) - 1);
    single = single || of_size.size() < 2;
  }
  const double rough = single ? roughness(all, rule.from) : 0;
  const auto judged = [&](double x) { return x >= rule.from - 1e-9; };
  // But for the last, at which l is 1.
  const auto points = static_cast<double>(std::ranges::count_if(all.x, judged) - 1);
  double low = 0, high = 0, apart = 0, progress = 0, moved = 0;
  for (std::size_t k = 0; k < all.x.size(); ++k) {
    if (!judged(all.x[k])) continue;
    for (const std::vector<double>& of_size : all.mean_of) moved = std::max(moved, std::abs(of_size[k] - 1));
    double least = 0;
    if (single) {
      const double square = all.deterministic[k] * all.deterministic[k];
      const double error = std::sqrt(rough) * (2 * all.deterministic[k] + std::sqrt(rough));
      least = std::sqrt(std::max(0.0, square - 2 * error));
      high = std::max(high, std::sqrt(square + 2 * error));
    } else {
      // The largest is above `low` if any point is, and below `high` if all are: the first is asked of many points.
      const SeedsShare seeds = seeds_share(all, k, freedom);
      least = std::max(0.0, all.between[k] - moved_by_seeds(seeds, all.mean[k], 0.025 / points));
      high = std::max(high, all.between[k] + moved_by_seeds(seeds, all.mean[k], 0.025));
    }
    low = std::max(low, least);
    apart = std::max(apart, least * all.mean[k]);
    progress = std::max(progress, std::abs(all.mean[k] - 1));
  }
  out.low = low;
  out.high = high;
  const std::string what = fmt::format("largest spread of the sizes over x >= {} is {:.4f} [{:.4f}, {:.4f}]",
                                       settings::text_of(rule.from), out.spread, low, high);
  if (high < rule.well)
    out.outcome = Collapse::well_scaled;
  else if (low > rule.broken)
    out.outcome = Collapse::broken;
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
