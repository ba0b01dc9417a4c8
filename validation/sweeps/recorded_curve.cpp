// Built at -O1: nothing here takes time.
#include "validation/sweeps/recorded_curve.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "numerics/constants.hpp"

namespace edgewise::validation {
namespace {

/// Formulas for steps are right up to rounding.
constexpr double rounding = 1e-9;

/// Position of `x` between `a` and `b`, a < b, 0..1: on a logarithmic scale where all are positive.
double fraction(double a, double b, double x) {
  return a > 0 ? std::log(x / a) / std::log(b / a) : (x - a) / (b - a);
}

/// What lies at `f` between `a` and `b`, on a logarithmic scale where both are positive.
double between(double a, double b, double f) {
  if (a > 0 && b > 0) return a * std::exp(f * std::log(b / a));
  return a + f * (b - a);
}

/// The duration that each value of a window stands for.
std::vector<double> durations(const CurveWindow& window) {
  const std::size_t n = window.steps.size();
  std::vector<double> out(n, n == 1 ? 1 : 0);
  for (std::size_t i = 1; i < n; ++i) {
    const double half = (window.steps[i] - window.steps[i - 1]) / 2;
    out[i - 1] += half;
    out[i] += half;
  }
  return out;
}

}  // namespace

double value_at(const RecordedCurve& curve, double step) {
  const auto& [steps, values] = curve;
  if (steps.empty()) return nan;
  const double slack = rounding * std::abs(step);
  if (!(step >= steps.front() - slack && step <= steps.back() + slack)) return nan;
  step = std::clamp(step, steps.front(), steps.back());
  const auto after = static_cast<std::size_t>(std::lower_bound(steps.begin(), steps.end(), step) - steps.begin());
  if (steps[after] == step) return values[after];
  const double before = values[after - 1], next = values[after];
  // Behind infinity nothing finite is known; before it the interpolation is infinite by itself.
  if (std::isinf(before)) return std::isinf(next) ? next : before;
  return between(before, next, fraction(steps[after - 1], steps[after], step));
}

double first_passage(const RecordedCurve& curve, double level, bool falling) {
  const auto& [steps, values] = curve;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!(falling ? values[i] <= level : values[i] >= level)) continue;
    if (i == 0 || !std::isfinite(values[i - 1]) || !std::isfinite(values[i])) return steps[i];
    const double f = std::min(values[i - 1], values[i]) > 0
                         ? std::log(level / values[i - 1]) / std::log(values[i] / values[i - 1])
                         : (level - values[i - 1]) / (values[i] - values[i - 1]);
    return between(steps[i - 1], steps[i], f);
  }
  return nan;
}

CurveWindow window_of(const RecordedCurve& curve, double from, double to) {
  CurveWindow out;
  if (!(from <= to)) return out;
  const double start = value_at(curve, from), end = value_at(curve, to);
  if (std::isnan(start) || std::isnan(end)) return out;
  from = std::clamp(from, curve.steps.front(), curve.steps.back());
  to = std::clamp(to, curve.steps.front(), curve.steps.back());
  out.steps.push_back(from);
  out.values.push_back(start);
  for (std::size_t i = 0; i < curve.steps.size(); ++i) {
    if (curve.steps[i] <= from || curve.steps[i] >= to) continue;
    if (std::isnan(curve.values[i])) return {};
    out.steps.push_back(curve.steps[i]);
    out.values.push_back(curve.values[i]);
  }
  if (to > from) {
    out.steps.push_back(to);
    out.values.push_back(end);
  }
  return out;
}

double mean_over(const CurveWindow& window) {
  if (window.empty()) return nan;
  const std::vector<double> weight = durations(window);
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    sum += weight[i] * window.values[i];
    total += weight[i];
  }
  return sum / total;
}

double median_over(const CurveWindow& window) {
  if (window.empty()) return nan;
  const std::vector<double> weight = durations(window);
  std::vector<std::size_t> order(weight.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return window.values[i]; });
  const double half = std::accumulate(weight.begin(), weight.end(), 0.0) / 2;
  double sum = 0;
  for (std::size_t k = 0;; ++k) {
    sum += weight[order[k]];
    // Exactly half on either side: the middle of the two neighbours.
    if (std::abs(sum - half) <= rounding * half) return (window.values[order[k]] + window.values[order[k + 1]]) / 2;
    if (sum > half) return window.values[order[k]];
  }
}

}  // namespace edgewise::validation
