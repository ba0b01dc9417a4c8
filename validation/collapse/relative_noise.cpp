#include "validation/collapse/relative_noise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "numerics/constants.hpp"
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
    if (there < runs.size()) continue;
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
  bool has_noise = true;
  std::vector<std::string> labels;
  std::map<std::pair<std::string, double>, std::vector<const LossCurve*>> groups;
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
    out.notes.push_back(
        "there is no column noise, the trace of the gradients' covariance: the loss stands for it, and a has its unit");
  for (const auto& [key, runs] : groups) {
    if (key.first != reference) continue;
    const MeanRun run = mean_run(runs, has_noise);
    const auto [least, most] = std::ranges::minmax(run.rate);
    if (most - least > 1e-6 * most)
      out.notes.push_back(
          fmt::format("the rate of schedule '{}' at size {} is not constant ({:g} to {:g}): differences are to its "
                      "rate at equal tau",
                      settings::shown(reference), settings::text_of(key.second), least, most));
  }
  LeastSquaresSums all;
  for (const auto& [key, runs] : groups) {
    const auto& [schedule, size] = key;
    if (schedule == reference) continue;
    const auto constant = groups.find({reference, size});
    if (constant == groups.end())
      throw Error(fmt::format("--noise: schedule '{}' has no run of size {}", settings::shown(reference),
                              settings::text_of(size)));
    const MeanRun run = mean_run(runs, has_noise), of_reference = mean_run(constant->second, has_noise);
    RelativeRun row;
    row.schedule = schedule;
    row.size = size;
    for (std::size_t i = 0; i < run.step.size(); ++i) {
      const double known = interpolated(of_reference.tau, of_reference.loss, run.tau[i]);
      if (!std::isfinite(known)) continue;
      row.step.push_back(run.step[i]);
      row.tau.push_back(run.tau[i]);
      row.loss.push_back(run.loss[i]);
      row.reference.push_back(known);
      row.rate_difference.push_back(run.rate[i] - interpolated(of_reference.tau, of_reference.rate, run.tau[i]));
      row.noise.push_back(run.noise[i]);
    }
    row.factor = relative_noise_factor(row.loss, row.reference, row.rate_difference, row.noise);
    for (std::size_t i = 0; i < row.loss.size(); ++i)
      all.add(row.loss[i], row.reference[i], row.rate_difference[i], row.noise[i]);
    out.runs.push_back(std::move(row));
  }
  out.factor = all.factor();
  if (!std::isfinite(out.factor))
    throw Error(
        fmt::format("--noise: no run of another schedule has another rate than '{}' at a tau, the sum of the "
                    "rates, that it reaches",
                    settings::shown(reference)));
  for (RelativeRun& run : out.runs) {
    run.rms = rms_at(run, out.factor);
    run.rms_none = rms_at(run, 0);
  }
  return out;
}

}  // namespace edgewise::validation
