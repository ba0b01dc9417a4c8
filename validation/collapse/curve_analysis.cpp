#include "validation/collapse/curve_analysis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "random/random.hpp"
#include "settings/counted.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/monte_carlo/statistics.hpp"

namespace edgewise::validation {

namespace {

/// An excess below this share of the loss is the rounding of a loss that stands still.
constexpr double least_excess = 1e-12;

using settings::Error;
using BySize = std::map<double, std::vector<const LossCurve*>>;

BySize by_size(const std::vector<LossCurve>& curves) {
  BySize out;
  for (const LossCurve& curve : curves) out[curve.size].push_back(&curve);
  return out;
}

std::string label_of(const std::string& schedule) {
  return schedule.empty() ? "these runs" : fmt::format("the runs of schedule '{}'", settings::shown(schedule));
}

/// The mean over runs at the steps of the first that all of them have.
LossCurve mean_curve(const std::vector<const LossCurve*>& runs) {
  LossCurve out;
  const LossCurve& first = *runs.front();
  out.size = first.size;
  for (const double step : first.step) {
    double loss = 0;
    for (const LossCurve* run : runs) loss += loss_at(*run, step) / static_cast<double>(runs.size());
    if (!std::isfinite(loss)) continue;
    out.step.push_back(step);
    out.compute.push_back(compute_at(first, step));
    out.loss.push_back(loss);
  }
  return out;
}

/// The step at which all runs of a size are still there.
double common_end(const std::vector<const LossCurve*>& runs) {
  double end = infinity;
  for (const LossCurve* run : runs) end = std::min(end, run->step.back());
  return end;
}

/// The frontier of these runs: of their ends, of where the formula has their horizon (if they come to it), or the envelope of
/// the mean curves.
std::vector<FrontierPoint> frontier_of(const BySize& sizes, const CollapseOptions& options) {
  std::vector<FrontierPoint> out, reached;
  std::vector<LossCurve> means;
  for (const auto& [size, runs] : sizes) {
    means.push_back(mean_curve(runs));
    if (means.back().step.size() < 2)
      throw Error(fmt::format("the runs of size {} have no steps in common", settings::text_of(size)));
    const LossCurve& mean = means.back();
    const bool formula = options.horizon == CollapseOptions::Horizon::formula;
    const double wanted = formula ? options.formula(size) : mean.step.back();
    const double step = std::clamp(wanted, mean.step.front(), mean.step.back());
    out.push_back({compute_at(mean, step), loss_at(mean, step), size, step});
    if (wanted <= mean.step.back() * (1 + 1e-9)) reached.push_back(out.back());
  }
  // Runs that end too early serve where the others are too few.
  if (reached.size() >= 4) out = reached;
  return options.horizon == CollapseOptions::Horizon::envelope ? envelope(means) : out;
}

std::optional<FloorFit> fitted(const std::vector<FrontierPoint>& frontier, const std::optional<double>& floor) {
  std::vector<double> c, loss;
  for (const FrontierPoint& point : frontier) {
    c.push_back(point.compute);
    loss.push_back(point.loss);
  }
  try {
    return fit_floor(c, loss, floor ? &*floor : nullptr);
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

std::pair<double, double> quantiles_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

/// The floor's interval: by resampling the seeds of every size, or, with one seed, by leaving out one size at a time.
void find_interval(CollapseAnalysis& out, const BySize& sizes, const CollapseOptions& options) {
  std::size_t seeds = SIZE_MAX;
  for (const auto& [size, runs] : sizes) seeds = std::min(seeds, runs.size());
  std::vector<double> floors;
  if (seeds >= 3) {
    constexpr std::uint64_t resamplings = 200;
    for (std::uint64_t b = 0; b < resamplings; ++b) {
      random::Stream stream(options.seed, b, 0, random::Purpose::other);
      BySize drawn;
      for (const auto& [size, runs] : sizes)
        for (std::size_t w = 0; w < runs.size(); ++w) drawn[size].push_back(runs[stream.below(runs.size())]);
      if (const auto fit = fitted(frontier_of(drawn, options), std::nullopt)) floors.push_back(fit->floor);
    }
    if (floors.size() < resamplings / 2) return;
    std::tie(out.floor_low, out.floor_high) = quantiles_of(floors);
    out.floor_from += fmt::format("; 95% interval of {} resamplings of the seeds", resamplings);
    return;
  }
  for (const auto& [left_out, unused] : sizes) {
    BySize rest = sizes;
    rest.erase(left_out);
    const auto frontier = frontier_of(rest, options);
    if (frontier.size() < 4) continue;
    if (const auto fit = fitted(frontier, std::nullopt)) floors.push_back(fit->floor);
  }
  if (floors.size() < sizes.size()) return;
  const Moments m = moments(floors);
  const auto n = static_cast<double>(floors.size());
  const double error = std::sqrt((n - 1) * (n - 1) / n) * m.std;
  out.floor_low = out.floor - 2 * error;
  out.floor_high = out.floor + 2 * error;
  out.floor_from += "; interval of two standard errors by leaving out one size at a time (fewer than 3 seeds a size)";
}

/// Whether the losses of a frontier fall as compute grows, by more than their rounding.
bool falls(const CollapseAnalysis& out) {
  const auto [least, greatest] = std::ranges::minmax(out.frontier, {}, &FrontierPoint::loss);
  constexpr double rounding = 1e-12;
  return out.fit->exponent > 0 && greatest.loss - least.loss > rounding * greatest.loss;
}

void find_floor(CollapseAnalysis& out, const BySize& sizes, const CollapseOptions& options) {
  out.floor_low = out.floor_high = nan;
  out.frontier = frontier_of(sizes, options);
  out.fit = fitted(out.frontier, options.floor);
  const std::string points = options.horizon == CollapseOptions::Horizon::envelope
                                 ? settings::counted(out.frontier.size(), "point") + " at which a middle size is best"
                                 : settings::counted(out.frontier.size(), "size");
  if (options.floor) {
    out.floor = *options.floor;
    out.floor_from = "given";
    if (out.fit && !falls(out)) out.notes.push_back("the losses at the horizons do not fall as compute grows");
    return;
  }
  if (!out.fit || out.frontier.size() < 4)
    throw Error(
        fmt::format("{} have a frontier of {}: too few for a floor, a prefactor and an exponent (four are "
                    "needed); give --floor VALUE, 0 where there is none{}",
                    label_of(out.schedule), points,
                    options.horizon == CollapseOptions::Horizon::envelope ? ", or --horizon ends" : ""));
  if (!falls(out))
    throw Error(fmt::format(
        "the losses of {} at the horizons do not fall as compute grows: no floor can be fitted; give --floor "
        "VALUE, 0 where there is none",
        label_of(out.schedule)));
  out.floor = out.fit->floor;
  out.floor_from = fmt::format("fitted to the frontier ({})", points);
  find_interval(out, sizes, options);
}

/// Horizon of every size that has one within its runs.
std::map<double, double> horizons_of(CollapseAnalysis& out, const BySize& reference, const BySize& sizes,
                                     const CollapseOptions& options) {
  std::map<double, double> horizon;
  if (options.horizon == CollapseOptions::Horizon::envelope) {
    std::vector<double> p, t;
    for (const FrontierPoint& point : out.frontier) {
      p.push_back(point.size);
      t.push_back(point.step);
    }
    try {
      out.horizon = fit_power(p, t);
    } catch (const std::invalid_argument&) {
      throw Error(
          fmt::format("{} have no frontier to read a horizon from: no compute at which a size between others is "
                      "best; give --horizon ends or a formula",
                      label_of(out.schedule)));
    }
  }
  std::vector<double> p, t;
  for (const auto& [size, runs] : sizes) {
    const double end = common_end(runs);
    double step = end;
    if (options.horizon == CollapseOptions::Horizon::envelope)
      step = out.horizon->prefactor * std::pow(size, out.horizon->exponent);
    if (options.horizon == CollapseOptions::Horizon::formula) step = options.formula(size);
    if (options.horizon == CollapseOptions::Horizon::ends && &reference != &sizes)
      if (const auto found = reference.find(size); found != reference.end())
        step = std::min(end, common_end(found->second));
    if (!std::isfinite(step) || !(step > 0))
      throw Error(fmt::format("--horizon: gives {} steps at size {}; it must be a number > 0", settings::text_of(step),
                              settings::text_of(size)));
    if (step > end * (1 + 1e-9)) {
      out.notes.push_back(fmt::format("size {} is left out: its runs end at step {:.6g}, before its horizon {:.6g}",
                                      settings::text_of(size), end, step));
      continue;
    }
    for (const LossCurve* run : runs)
      if (options.horizon == CollapseOptions::Horizon::ends && run->step.back() > step * (1 + 1e-9)) {
        out.notes.push_back(fmt::format("runs of size {} end at different steps; all are cut at the first end, {:.6g}",
                                        settings::text_of(size), step));
        break;
      }
    horizon[size] = std::min(step, end);
    p.push_back(size);
    t.push_back(horizon[size]);
  }
  if (horizon.size() < 2)
    throw Error(fmt::format("{} have {} within the horizon; a collapse needs two or more", label_of(out.schedule),
                            settings::counted(horizon.size(), "size")));
  if (!out.horizon) out.horizon = fit_power(p, t);
  return horizon;
}

/// Losses on the grid of x that all runs have, by linear interpolation.
void sample_curves(CollapseAnalysis& out, const BySize& sizes, const std::map<double, double>& horizon,
                   const CollapseOptions& options) {
  double first = 0, widest = 0;
  for (const auto& [size, end] : horizon)
    for (const LossCurve* run : sizes.at(size)) {
      first = std::max(first, run->step.front() / end);
      out.curves.unrecorded |= std::ranges::none_of(
          run->step, [&, end = end](double step) { return step / end > options.rule.from - 1e-9 && step < end; });
      for (std::size_t i = 1; i < run->step.size() && run->step[i - 1] < end; ++i)
        if (run->step[i] / end > options.rule.from) widest = std::max(widest, (run->step[i] - run->step[i - 1]) / end);
    }
  for (std::size_t k = 1; k <= options.points; ++k)
    if (const double x = static_cast<double>(k) / static_cast<double>(options.points); x >= first - 1e-12)
      out.curves.x.push_back(x);
  if (out.curves.x.size() < 2)
    throw Error(
        fmt::format("{}: the runs have next to nothing in common before their horizon", label_of(out.schedule)));
  if (out.curves.x.size() < options.points)
    out.notes.push_back(fmt::format("runs are compared from x = {} on, where the last of them begins",
                                    settings::text_of(out.curves.x.front())));
  if (widest > 0.1)
    out.notes.push_back(
        fmt::format("losses are recorded as far apart as {:.2g} of the horizon; between them they are "
                    "interpolated linearly",
                    widest));
  else if (widest > 1.5 / static_cast<double>(options.points) &&
           std::ranges::all_of(horizon, [&](const auto& of) { return sizes.at(of.first).size() > 1; }))
    out.notes.push_back(
        fmt::format("losses are recorded as far apart as {:.2g} of the horizon: between records two are averaged, and "
                    "Delta and floor are up to 29% low where noise changes from one to the next",
                    widest));
  for (const auto& [size, end] : horizon) {
    out.curves.size.push_back(size);
    out.curves.horizon.push_back(end);
    auto& of_size = out.curves.loss.emplace_back();
    for (const LossCurve* run : sizes.at(size)) {
      auto& values = of_size.emplace_back();
      for (const double x : out.curves.x)
        values.push_back(loss_at(*run, std::clamp(x * end, run->step.front(), run->step.back())));
      if (!(values.back() - out.floor > least_excess * std::abs(values.back())))
        throw Error(fmt::format("{}: its loss at the horizon, {}, is not above the floor {} ({}); give --floor VALUE",
                                run->origin, settings::text_of(values.back()), settings::text_of(out.floor),
                                out.floor_from));
    }
  }
}

void find_sensitivity(CollapseAnalysis& out, const CollapseOptions& options) {
  double least = infinity;
  for (const auto& of_size : out.curves.loss)
    for (const auto& run : of_size) least = std::min(least, run.back());
  const auto add = [&](double floor, const std::string& what) {
    FloorSensitivity row{floor, what, nan, nan, Collapse::inconclusive};
    if (floor < least) {
      const CollapseVerdict verdict = judge_collapse(out.curves, floor, options.rule);
      row.spread = verdict.spread;
      row.outcome = verdict.outcome;
      row.supercollapse = supercollapse_fraction(spread_of(out.curves, floor));
    }
    out.sensitivity.push_back(std::move(row));
  };
  add(out.floor, "the floor used");
  if (std::isfinite(out.floor_low)) add(out.floor_low, "low end of its interval");
  if (std::isfinite(out.floor_high)) add(out.floor_high, "high end of its interval");
  if (out.floor_high >= least)
    out.notes.push_back("the floor's interval reaches the losses: the verdict hangs on the floor");
  const double above = least - out.floor;
  add(out.floor - 0.1 * above, "10% of the least excess lower");
  add(out.floor + 0.1 * above, "10% of the least excess higher");
  // The floor of the best collapse: of the least spread over what l has yet to fall, since l itself becomes 1 everywhere
  // as the floor falls.
  double best = infinity, at = out.floor;
  for (int k = -60; k <= 30; ++k) {
    const double floor = least - above * std::pow(2.0, -k / 10.0);
    const CollapseSpread s = spread_of(out.curves, floor);
    std::vector<double> relative(s.x.size());
    for (std::size_t i = 0; i < s.x.size(); ++i) relative[i] = s.between[i] * s.mean[i] / std::abs(s.mean[i] - 1);
    const double spread = largest_in(s.x, relative, options.rule.from, 0.8);
    if (spread < best) {
      best = spread;
      at = floor;
    }
  }
  add(at,
      fmt::format("least Delta of sizes over mean l - 1, x in [{:.2g}, 0.8]: the best collapse", options.rule.from));
}

CollapseAnalysis analyse_group(const CurveGroup& group, const CurveGroup& reference, const CollapseOptions& options) {
  CollapseAnalysis out;
  out.schedule = group.schedule;
  const BySize sizes = by_size(group.curves), others = by_size(reference.curves);
  const BySize& of_floor = &reference == &group ? sizes : others;
  if (sizes.size() < 2)
    throw Error(fmt::format("{} have one size alone, {}; a collapse needs two or more", label_of(out.schedule),
                            settings::text_of(sizes.begin()->first)));
  find_floor(out, of_floor, options);
  const std::map<double, double> horizon = horizons_of(out, of_floor, sizes, options);
  sample_curves(out, sizes, horizon, options);
  out.spread = spread_of(out.curves, out.floor);
  out.verdict = judge_collapse(out.curves, out.floor, options.rule);
  out.slope = end_slope(out.spread);
  out.supercollapse = supercollapse_fraction(out.spread);
  out.supercollapse_bounds = supercollapse_bounds(out.curves, out.floor);
  out.supercollapse_late = supercollapse_fraction(out.spread, 0.5);
  std::size_t fewest = SIZE_MAX, most = 0;
  for (const auto& of_size : out.curves.loss) {
    fewest = std::min(fewest, of_size.size());
    most = std::max(most, of_size.size());
  }
  if (fewest < most)
    out.notes.push_back(fmt::format("sizes have {} to {} seeds; every size weighs the same", fewest, most));
  if (fewest == 1)
    out.notes.push_back("a size with one seed has no noise floor; seed noise counts as spread between sizes");
  find_sensitivity(out, options);
  return out;
}

}  // namespace

std::vector<CollapseAnalysis> analyse_collapse(const LossCurves& curves, const CollapseOptions& options) {
  const CurveGroup* reference = nullptr;
  std::vector<std::string> labels;
  for (const CurveGroup& group : curves.groups) {
    labels.push_back(group.schedule);
    if (!options.reference.empty() && group.schedule == options.reference) reference = &group;
  }
  if (!options.reference.empty() && !reference)
    throw Error(fmt::format("--reference: there is no schedule '{}'{}; {}", settings::shown(options.reference),
                            settings::suggestion(options.reference, labels),
                            std::ranges::all_of(labels, &std::string::empty)
                                ? "the curves name none (column schedule)"
                                : "there is " + settings::shown(settings::join(labels), 200)));
  std::vector<CollapseAnalysis> out;
  for (const CurveGroup& group : curves.groups)
    out.push_back(analyse_group(group, reference ? *reference : group, options));
  return out;
}

}  // namespace edgewise::validation
