// Built at -O1: nothing here takes time.
#include "models/ingredients/learning_curves/regression_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/framework/axis.hpp"
#include "models/ingredients/learning_curves/kernel_ridge.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::ingredients::learning_curves {

using settings::Parameter;

namespace {

constexpr double least_judged_share = 1e-2;
/// Beyond, 71 of 112 rows of 40 random settings (d = 4 to 20) were more than 15% off, up to 5 times; up to it 2 of 142, by 18%.
constexpr double most_change_by_constant = 0.1;

/// 0 is recorded in any case: it is shown where it was asked for.
std::vector<double> shown_samples(const Experiment& experiment) {
  const settings::Values asked = settings::read(experiment.table.table_or_empty("samples"), parameters(samples_axis()));
  std::vector<double> out(experiment.time.at.begin(), experiment.time.at.end());
  if (!asked.given("at") || std::ranges::count(asked.numbers("at"), 0.0) == 0) std::erase(out, 0.0);
  return out;
}

}  // namespace

const std::vector<Parameter>& noise_parameters() {
  static const std::vector<Parameter> keys = {
      settings::number("variance", "sigma^2 of the labels").at_least(0).otherwise(0.0)};
  return keys;
}

const std::vector<Parameter>& error_parameters() {
  static const std::vector<Parameter> keys = {
      settings::numbers("errors",
                        "excess errors, as shares of the target's power, for which `stability` tells the samples")
          .above(0)
          .otherwise(std::vector<double>{0.5, 0.1, 0.01})};
  return keys;
}

const std::vector<Parameter>& test_parameters() {
  static const std::vector<Parameter> keys = {
      settings::integer("test_samples", "fresh points on which every replica's error is measured")
          .at_least(1)
          .at_most(100000)
          .otherwise(std::int64_t{1000})};
  return keys;
}

Parameter ridge_parameter() {
  return settings::number("ridge", "delta of (K + delta I)^-1").in("kernel").at_least(0);
}

RegressionSetting read_regression(const Experiment& experiment, const settings::Values& kernel) {
  const settings::Table& table = experiment.table;
  RegressionSetting out = {kernel.number("ridge"),
                           settings::read(table.table_or_empty("noise"), noise_parameters()).number("variance"),
                           experiment.time,
                           table.table_or_empty("samples").has("max") ? "samples.max" : "samples.at",
                           shown_samples(experiment),
                           static_cast<std::size_t>(read_monte_carlo(table, test_parameters()).integer("test_samples")),
                           settings::read(table.table_or_empty("theory"), error_parameters()).numbers("errors")};
  check_samples(out, false);
  return out;
}

void begin_later(Trajectory& trajectory, std::span<const std::string_view> columns) {
  if (trajectory.steps.empty() || trajectory.steps.front() > 0) return;
  for (Column& column : trajectory.columns)
    if (std::ranges::count(columns, std::string_view(column.observable.name)) > 0) {
      column.value.front() = nan;
      column.valid_from = std::max(column.valid_from, 1.0);
    }
}

void check_samples(const RegressionSetting& setting, bool simulated) {
  if (setting.time.steps == 0)
    throw std::invalid_argument(setting.last_key +
                                ": must reach 1 or more: without samples there is nothing to learn from");
  if (simulated && setting.time.steps > most_regression_samples)
    throw std::invalid_argument(
        fmt::format("{}: a simulation solves n equations for n samples: at most {}, got {}; the theory has no limit",
                    setting.last_key, most_regression_samples, setting.time.steps));
}

void check_excess(double n, double excess) {
  if (!std::isfinite(excess))
    throw std::invalid_argument(fmt::format(
        "kernel.ridge: at {:g} samples the error without a ridge is infinite, or not known: they are as many as the "
        "kernel has features, or more than it has eigenvalues that a double holds; give a ridge > 0 or other [samples]",
        n));
}

void limit_validity(Trajectory& trajectory, double least_excess, double power) {
  if (trajectory.valid_until || !(least_excess < least_judged_share * power)) return;
  trajectory.valid_until = trajectory.steps.empty() ? 0 : trajectory.steps.back();
  trajectory.warnings.push_back(fmt::format(
      "beyond {:g} samples an excess is below 1% of the target's power, where theory and simulation part by "
      "factors: shown, not judged",
      *trajectory.valid_until));
}

void limit_truncation(Trajectory& trajectory, double truncation) {
  if (!trajectory.valid_until && truncation > most_truncation)
    trajectory.valid_until = trajectory.steps.empty() ? 0 : trajectory.steps.back();
}

/// Harmonics are no Gaussian features, and the smaller d the less: without a ridge the error of labels' noise is a third below
/// the theory at d = 2 for any number of samples. What is being learned is off by up to 12.6 (E0 - 1)^2/N, relative, N = (d -
/// 1)(d + 2)/2 harmonics of degree 2 (ntk with a bias, ridge .01, the power in degree 2, 50 samples: 2.8 times the theory at d = 2,
/// 1.6 times at d = 3, 1.2 times at d = 5; E0 - 1 = .53, .50, .47). Below both, with .19 for the latter, 20 kernels at d = 2 to 20,
/// of 1 to 260 samples, were within some 15%; the largest error of 30 more just below was 13(6)%.
double largest_overfitting(const CurvePoint& point, double dimension) {
  return 1 + std::min(0.25 * (dimension - 1), std::sqrt((dimension - 1) * (dimension + 2) / (132 * point.learned)));
}

void limit_overfitting(Trajectory& trajectory, std::span<const double> overfitting, std::span<const double> largest) {
  const std::vector<double>& n = trajectory.steps;
  std::size_t judged = n.size();
  if (trajectory.valid_until)
    judged = static_cast<std::size_t>(std::ranges::upper_bound(n, *trajectory.valid_until) - n.begin());
  std::size_t first = judged, end = 0;  // the first that is beyond, and one past the last
  double least = infinity, most = 0;
  for (std::size_t i = 0; i < judged; ++i) {
    if (overfitting[i] <= largest[i]) continue;
    least = std::min(least, largest[i]);
    most = std::max(most, largest[i]);
    first = std::min(first, i);
    end = i + 1;
  }
  if (end == 0) return;
  if (end < judged)
    trajectory.claim_from(n[end]);
  else
    trajectory.valid_until = first > 0 ? n[first - 1] : 0;
  trajectory.warnings.push_back(fmt::format(
      "{} {:g} samples E0 exceeds {}: in so few dimensions theory and simulation part where what is not learned acts "
      "as so much noise: shown, not judged (a ridge lowers E0)",
      end < judged ? "up to" : "from", n[end < judged ? end - 1 : first],
      least < most ? fmt::format("its limit, {:.3g} to {:.3g}", least, most) : fmt::format("{:.3g}", most)));
}

void warn_of_truncation(std::vector<std::string>& warnings, double n, double truncation) {
  if (truncation > most_truncation)
    warnings.push_back(
        fmt::format("at {:g} samples levels beyond those that are followed would be learned, by which the excess could "
                    "change by up to {:.2g}%: shown, not judged; raise kernel.max_degree",
                    n, 100 * truncation));
}

double change_by_constant(const LearningCurve& curve, const CurvePoint& point, double n) {
  const Levels& levels = curve.levels();
  if (!(n > 0) || !(point.excess > 0) || !(levels.eigenvalue.front() > 0)) return 0;
  const double scale = levels.eigenvalue.front() + point.kappa, L = levels.eigenvalue.front() / scale,
               left = point.kappa / scale;
  const double taken = L * L * point.overfitting / n;
  return 2 * taken * (point.overfitting * left * left * levels.power.front() / point.excess) +
         taken * taken * (1 + curve.noise() / point.excess);
}

void limit_constant(Trajectory& trajectory, std::span<const double> change, std::span<const std::string_view> columns) {
  const std::vector<double>& n = trajectory.steps;
  std::size_t end = n.size();
  while (end > 0 && change[end - 1] <= most_change_by_constant) --end;
  if (end == 0 || trajectory.valid_until == 0) return;
  trajectory.claim_from(end < n.size() ? n[end] : infinity, columns);
  trajectory.warnings.push_back(
      fmt::format("up to {:g} samples {} is shown, not judged: a constant, the same at every sample, takes up "
                  "none of them, and the theory's random feature in its place changes this by more than a tenth",
                  n[end - 1], columns.front()));
}

std::string samples_text(double samples, const std::string& when_known) {
  if (std::isnan(samples))
    return "not known: above this share as far as the levels that are followed tell (kernel.max_degree follows more)";
  return std::isfinite(samples) ? when_known
                                : "never: the excess stays above this share of the power up to 1e260 samples";
}

}  // namespace edgewise::models::ingredients::learning_curves
