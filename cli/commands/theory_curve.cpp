#include "cli/commands/theory_curve.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <span>
#include <string>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

namespace {

/// Points of each kind; a line through them is smooth to the eye.
constexpr std::uint64_t grid_points = 240;
/// Relative to the largest recorded value of the observable: what solvers of adaptive steps may differ by.
constexpr double same = 1e-4;

/// Recorded steps, evenly spaced ones and logarithmically spaced ones.
std::vector<std::uint64_t> dense_steps(const models::Time& time) {
  std::vector<std::uint64_t> out = models::recorded_steps(time.steps, grid_points);
  for (std::uint64_t i = 0; i <= grid_points; ++i)
    out.push_back(static_cast<std::uint64_t>(static_cast<double>(time.steps) * static_cast<double>(i) / grid_points));
  out.insert(out.end(), time.at.begin(), time.at.end());
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// Whether `curve` passes through what was recorded.
bool passes_through(const TheoryCurve& curve, const Result& result) {
  const Field* recorded = result.find(result.kind == ResultKind::validation ? "theory" : "");
  if (!recorded) return false;
  for (std::size_t o = 0; o < recorded->values.size(); ++o) {
    double largest = 0;
    for (const double v : recorded->values[o])
      if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
    for (std::size_t t = 0; !curve.value[o].empty() && t < recorded->values[o].size(); ++t) {
      const auto at = std::ranges::lower_bound(curve.steps, result.steps[t]);
      if (at == curve.steps.end() || *at != result.steps[t]) continue;
      const double now = curve.value[o][static_cast<std::size_t>(at - curve.steps.begin())];
      const double then = recorded->values[o][t];
      if (std::isfinite(now) != std::isfinite(then)) return false;
      if (std::isfinite(now) && std::abs(now - then) > same * largest) return false;
    }
  }
  return true;
}

/// Whether a line through the grid's points is the curve: an orbit that jumps from step to step is noise to points that
/// lie further apart.
bool follows(std::span<const double> steps, std::span<const double> value) {
  constexpr double visible = 1e-3, max_share = 0.25;
  std::size_t places = 0, turns = 0;
  for (std::size_t i = 1; i + 1 < value.size(); ++i) {
    if (steps[i] - steps[i - 1] <= 1 || steps[i + 1] - steps[i] <= 1) continue;
    ++places;
    const double before = value[i] - value[i - 1], after = value[i + 1] - value[i];
    const double size = std::max({std::abs(value[i - 1]), std::abs(value[i]), std::abs(value[i + 1])});
    if (before * after < 0 && std::min(std::abs(before), std::abs(after)) > visible * size) ++turns;
  }
  return static_cast<double>(turns) <= max_share * static_cast<double>(places);
}

}  // namespace

std::optional<TheoryCurve> theory_curve(const Result& result) {
  const std::string text(result.get("experiment"));
  if (result.kind == ResultKind::simulation || text.empty() || !result.get("dimensions").empty()) return std::nullopt;
  if (result.get("method").starts_with("sde")) return std::nullopt;
  try {
    models::Experiment experiment = models::read_experiment(settings::read_text(text, std::string(result.get("file"))));
    experiment.time.at = dense_steps(experiment.time);
    const auto problem = models::find(experiment).prepare(experiment);
    const models::Trajectory theory = result.kind == ResultKind::validation ? problem->reference() : problem->solve();
    TheoryCurve out{theory.steps, {}, {}};
    for (const models::Observable& observable : result.observables) {
      const models::Column* column = theory.find(observable.name);
      const bool smooth = column && follows(theory.steps, column->value);
      out.value.push_back(smooth ? column->value : std::vector<double>());
      out.std.push_back(smooth ? column->std : std::vector<double>());
    }
    if (passes_through(out, result)) return out;
  } catch (const std::exception&) {
    // The line through the recorded steps remains.
  }
  return std::nullopt;
}

}  // namespace edgewise::cli
