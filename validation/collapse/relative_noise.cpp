#include "validation/collapse/relative_noise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/pchip.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/collapse/frontier.hpp"

namespace edgewise::validation {

namespace {

using settings::Error;

/// The mean over seeds of one schedule at one size, at the steps that all of them record.
struct MeanRun {
  std::vector<double> step, tau, loss, rate, noise;
};

MeanRun mean_run(const std::vector<const LossCurve*>& runs, bool has_noise) {
  MeanRun out;
  for (const double step : runs.front()->step) {
    double loss = 0, rate = 0, noise = 0;
    std::size_t there = 0;
    for (const LossCurve* run : runs) {
      const auto at = std::ranges::lower_bound(run->step, step);
      if (at == run->step.end() || *at != step) continue;
      const auto i = static_cast<std::size_t>(at - run->step.begin());
      loss += run->loss[i];
      rate += run->rate[i];
      noise += has_noise ? run->noise[i] : run->loss[i];
      ++there;
    }
    if (there < runs.size()) continue;  // see note_shared_steps
    const auto count = static_cast<double>(there);
    rate /= count;
    // The sum over the steps before this one, each by the rate it began with: rates are straight between recorded steps,
    // and what they are at the first before it. Of neighbours that is the earlier rate, not the trapezoid: half a
    // difference of rates moves L_const by as much as what is fitted.
    double tau = rate * step;
    if (!out.step.empty()) {
      const double steps = step - out.step.back(), before = out.rate.back();
      tau = out.tau.back() + steps * 0.5 * (before + rate) - std::min(steps, 1.0) * 0.5 * (rate - before);
    }
    out.step.push_back(step);
    out.tau.push_back(tau);
    out.loss.push_back(loss / count);
    out.rate.push_back(rate);
    out.noise.push_back(noise / count);
  }
  return out;
}

/// Runs are averaged at the steps that all of them have. \throws settings::Error where there is none.
void note_shared_steps(const MeanRun& mean, const std::vector<const LossCurve*>& runs, const std::string& schedule,
                       std::vector<std::string>& notes) {
  std::size_t fewest = SIZE_MAX;
  for (const LossCurve* run : runs) fewest = std::min(fewest, run->step.size());
  const std::string which =
      fmt::format("the runs of schedule '{}' at size {}", settings::shown(schedule), settings::text_of(runs[0]->size));
  if (mean.step.empty()) throw Error(fmt::format("--noise: {} have no recorded step in common", which));
  if (mean.step.size() < fewest)
    notes.push_back(fmt::format("{} have {} of {} recorded steps in common; the others are left out", which,
                                mean.step.size(), fewest));
}

/// Losses of the reference at any tau that it reaches, by a monotone cubic in log(1 + tau/(its first tau)): records are
/// often logarithmic, and a straight line above a convex curve would pass for noise. NaN elsewhere.
class ReferenceLoss {
 public:
  /// \param every  uses each such record, and the last
  ReferenceLoss(const MeanRun& run, std::size_t every) : first_(run.tau.front()), last_(run.tau.back()) {
    const auto first_positive = std::ranges::find_if(run.tau, [](double tau) { return tau > 0; });
    if (first_positive != run.tau.end()) unit_ = *first_positive;
    std::vector<double> x, y;
    for (std::size_t i = 0; i < run.tau.size(); ++i) {
      if (i % every != 0 && i + 1 < run.tau.size()) continue;
      const double at = std::log1p(run.tau[i] / unit_);
      if (!x.empty() && !(at > x.back())) continue;  // steps at rate 0
      x.push_back(at);
      y.push_back(run.loss[i]);
    }
    curve_.emplace(std::move(x), std::move(y));
  }
  double operator()(double tau) const {
    if (!(tau >= first_ && tau <= last_)) return nan;
    return (*curve_)(std::log1p(tau / unit_));
  }

 private:
  double unit_ = 1, first_, last_;
  std::optional<numerics::Pchip> curve_;
};

/// The sums that a is the ratio of.
struct LeastSquaresSums {
  double xy = 0, xx = 0;
  void add(double loss, double reference, double rate_difference, double noise) {
    const double x = rate_difference * noise / loss;
    xy += x * (1 - reference / loss);
    xx += x * x;
  }
  double factor() const { return xx > 0 ? xy / xx : nan; }
};

double rms_at(const RelativeRun& run, double factor) {
  double sum = 0;
  for (std::size_t i = 0; i < run.loss.size(); ++i) {
    const double r = (run.loss[i] - run.reference[i] - factor * run.rate_difference[i] * run.noise[i]) / run.loss[i];
    sum += r * r / static_cast<double>(run.loss.size());
  }
  return std::sqrt(sum);
}

/// Schedule and size.
using RunKey = std::pair<std::string, double>;

/// The seeds' mean of every schedule and size; notes what is worth knowing of the records.
std::map<RunKey, MeanRun> mean_runs(const LossCurves& curves, const std::string& reference,
                                    std::vector<std::string>& notes) {
  bool has_noise = true;
  std::vector<std::string> labels;
  std::map<RunKey, std::vector<const LossCurve*>> groups;
  for (const CurveGroup& group : curves.groups) {
    labels.push_back(group.schedule);
    for (const LossCurve& curve : group.curves) {
      if (curve.rate.empty())
        throw Error(fmt::format("{}: has no column rate, the learning rate, which --noise needs", curve.origin));
      has_noise = has_noise && !curve.noise.empty();
      groups[{group.schedule, curve.size}].push_back(&curve);
    }
  }
  if (std::ranges::find(labels, reference) == labels.end())
    throw Error(fmt::format("--noise: there is no schedule '{}'{}; there is {}", settings::shown(reference),
                            settings::suggestion(reference, labels), settings::shown(settings::join(labels), 200)));
  if (!has_noise)
    notes.push_back(
        "there is no column noise, the trace of the gradients' covariance: the loss stands for it, and a has its unit");
  std::map<RunKey, MeanRun> means;
  for (const auto& [key, runs] : groups) {
    const MeanRun& run = means[key] = mean_run(runs, has_noise);
    note_shared_steps(run, runs, key.first, notes);
    if (key.first != reference) continue;
    const auto [least, most] = std::ranges::minmax(run.rate);
    if (most - least > 1e-6 * most)
      notes.push_back(
          fmt::format("the rate of schedule '{}' at size {} is not constant ({:g} to {:g}): differences are to its "
                      "rate at equal tau",
                      settings::shown(reference), settings::text_of(key.second), least, most));
  }
  return means;
}

/// A run beside the reference of its size at equal tau, with the terms of the fit added to both sums: of the reference's records, and
/// of every other one of them.
RelativeRun beside_reference(const RunKey& key, const MeanRun& run, const MeanRun& of_reference, LeastSquaresSums& all,
                             LeastSquaresSums& halved) {
  const ReferenceLoss at(of_reference, 1), at_half(of_reference, 2);
  RelativeRun row;
  row.schedule = key.first;
  row.size = key.second;
  for (std::size_t i = 0; i < run.step.size(); ++i) {
    const double known = at(run.tau[i]);
    if (!std::isfinite(known)) continue;
    row.step.push_back(run.step[i]);
    row.tau.push_back(run.tau[i]);
    row.loss.push_back(run.loss[i]);
    row.reference.push_back(known);
    row.rate_difference.push_back(run.rate[i] - interpolated(of_reference.tau, of_reference.rate, run.tau[i]));
    row.noise.push_back(run.noise[i]);
    all.add(run.loss[i], known, row.rate_difference.back(), run.noise[i]);
    halved.add(run.loss[i], at_half(run.tau[i]), row.rate_difference.back(), run.noise[i]);
  }
  row.factor = relative_noise_factor(row.loss, row.reference, row.rate_difference, row.noise);
  return row;
}

}  // namespace

double relative_noise_factor(std::span<const double> loss, std::span<const double> reference,
                             std::span<const double> rate_difference, std::span<const double> noise) {
  LeastSquaresSums sums;
  for (std::size_t i = 0; i < loss.size(); ++i) sums.add(loss[i], reference[i], rate_difference[i], noise[i]);
  return sums.factor();
}

RelativeNoise fit_relative_noise(const LossCurves& curves, const std::string& reference) {
  RelativeNoise out;
  out.notes = curves.notes;
  const auto means = mean_runs(curves, reference, out.notes);
  LeastSquaresSums all, halved;
  for (const auto& [key, run] : means) {
    if (key.first == reference) continue;
    const auto of_reference = means.find({reference, key.second});
    if (of_reference == means.end())
      throw Error(fmt::format("--noise: schedule '{}' has no run of size {}", settings::shown(reference),
                              settings::text_of(key.second)));
    RelativeRun row = beside_reference(key, run, of_reference->second, all, halved);
    if (row.loss.empty()) {
      out.notes.push_back(
          fmt::format("schedule '{}' at size {} is left out: it has no record at a tau that '{}' reaches",
                      settings::shown(key.first), settings::text_of(key.second), settings::shown(reference)));
      continue;
    }
    out.runs.push_back(std::move(row));
  }
  out.factor = all.factor();
  if (!std::isfinite(out.factor))
    throw Error(
        fmt::format("--noise: no run of another schedule has another rate than '{}' at a tau, the sum of the "
                    "rates, that it reaches",
                    settings::shown(reference)));
  out.factor_halved = halved.factor();
  // Of second order at least: the error is below a third of what halving moves.
  if (!(std::abs(out.factor_halved - out.factor) <= 3 * 0.05 * std::abs(out.factor)))
    out.notes.push_back(
        fmt::format("with every other record of '{}' a is {:.4g}, not {:.4g}: its records are too far apart, or too "
                    "noisy, for this a",
                    settings::shown(reference), out.factor_halved, out.factor));
  for (RelativeRun& run : out.runs) {
    run.rms = rms_at(run, out.factor);
    run.rms_none = rms_at(run, 0);
  }
  return out;
}

}  // namespace edgewise::validation
