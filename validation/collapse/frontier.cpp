#include "validation/collapse/frontier.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "numerics/constants.hpp"

namespace edgewise::validation {

namespace {

/// Log residuals of floor + e^scale c^-exponent in units where the least loss is 1.
struct FloorProblem {
  std::vector<double> log_c, log_loss;
  double delta;
  bool floor_fixed;

  /// Mean Huber loss; infinite where the law is not positive.
  double objective(const std::array<double, 3>& at) const {
    double sum = 0;
    for (std::size_t i = 0; i < log_c.size(); ++i) {
      const double r = residual(at, i);
      if (!std::isfinite(r)) return infinity;
      sum += std::abs(r) <= delta ? 0.5 * r * r : delta * (std::abs(r) - 0.5 * delta);
    }
    return sum / static_cast<double>(log_c.size());
  }

  double residual(const std::array<double, 3>& at, std::size_t i) const {
    const double law = at[0] + std::exp(at[1] - at[2] * log_c[i]);
    return law > 0 ? std::log(law) - log_loss[i] : infinity;
  }

  /// From `at`, (floor, log prefactor, exponent), to the nearest minimum.
  double improve(std::array<double, 3>& at) const {
    double value = objective(at), damping = 1e-3;
    const std::size_t first = floor_fixed ? 1 : 0, n = 3 - first;
    for (int iteration = 0; iteration < 500 && damping < 1e12; ++iteration) {
      linear_algebra::Matrix normal(n, n), gradient(n, 1);
      for (std::size_t i = 0; i < log_c.size(); ++i) {
        const double power = std::exp(at[1] - at[2] * log_c[i]), law = at[0] + power, r = residual(at, i);
        const double weight = std::abs(r) <= delta ? 1 : delta / std::abs(r);
        const std::array<double, 3> slope = {1 / law, power / law, -power * log_c[i] / law};
        for (std::size_t j = 0; j < n; ++j) {
          gradient(j, 0) -= weight * r * slope[first + j];
          for (std::size_t k = 0; k < n; ++k) normal(j, k) += weight * slope[first + j] * slope[first + k];
        }
      }
      for (std::size_t j = 0; j < n; ++j) normal(j, j) *= 1 + damping;
      const linear_algebra::Matrix move = linear_algebra::solve(normal, gradient);
      std::array<double, 3> next = at;
      for (std::size_t j = 0; j < n; ++j) next[first + j] += move(j, 0);
      const double there = objective(next);
      if (there < value) {
        const bool settled = value - there < 1e-15 * value;
        at = next;
        value = there;
        damping = std::max(damping / 5, 1e-14);
        if (settled) break;
      } else {
        damping *= 4;
      }
    }
    return value;
  }
};

}  // namespace

FloorFit fit_floor(std::span<const double> c, std::span<const double> loss, const double* floor_given, double delta) {
  const std::size_t n = c.size();
  if (n != loss.size() || n < (floor_given ? 2U : 3U))
    throw std::invalid_argument("the frontier has too few points for a floor, a prefactor and an exponent");
  for (std::size_t i = 0; i < n; ++i)
    if (!(c[i] > 0) || !(loss[i] > 0)) throw std::invalid_argument("compute and loss must be positive");
  const auto [least, greatest] = std::minmax_element(loss.begin(), loss.end());
  FloorProblem problem{{}, {}, delta, floor_given != nullptr};
  double centre = 0;
  for (const double x : c) centre += std::log(x) / static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) {
    problem.log_c.push_back(std::log(c[i]) - centre);
    problem.log_loss.push_back(std::log(loss[i] / *least));
  }
  if (floor_given && !(*floor_given < *least)) throw std::invalid_argument("the floor is not below every loss");
  const double range = std::max(*greatest / *least - 1, 1e-12);
  std::vector<double> guess;  // floors to start from
  if (floor_given)
    guess = {*floor_given / *least};
  else
    for (const double below : {1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0}) guess.push_back(1 - below * range);
  std::array<double, 3> best{};
  double value = infinity;
  for (const double floor : guess) {
    std::vector<double> x, y;
    for (std::size_t i = 0; i < n; ++i) {
      x.push_back(std::exp(problem.log_c[i]));
      y.push_back(std::exp(problem.log_loss[i]) - floor);
    }
    const PowerFit line = fit_power(x, y);
    std::array<double, 3> at = {floor, std::log(line.prefactor), -line.exponent};
    if (const double there = problem.improve(at); there < value) {
      value = there;
      best = at;
    }
  }
  if (!std::isfinite(value)) throw std::invalid_argument("no power law with a floor goes through the frontier");
  FloorFit out{best[0] * *least, std::exp(best[1] + best[2] * centre) * *least, best[2], value, 0};
  if (floor_given) out.floor = *floor_given;
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += std::pow(problem.residual(best, i), 2);
  out.rms = std::sqrt(squares / static_cast<double>(n));
  return out;
}

PowerFit fit_power(std::span<const double> x, std::span<const double> y) {
  const std::size_t count = x.size();
  if (count != y.size()) throw std::invalid_argument("a power law needs a y for every x");
  const auto n = static_cast<double>(count);
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0, squares = 0;
  for (std::size_t i = 0; i < count; ++i) {
    mean_x += std::log(x[i]) / n;
    mean_y += std::log(y[i]) / n;
  }
  for (std::size_t i = 0; i < count; ++i) {
    xx += std::pow(std::log(x[i]) - mean_x, 2);
    xy += (std::log(x[i]) - mean_x) * std::log(y[i]);
  }
  if (!(xx > 0) || !std::isfinite(xy)) throw std::invalid_argument("a power law needs two different positive points");
  PowerFit out{xy / xx, std::exp(mean_y - xy / xx * mean_x), nan};
  for (std::size_t i = 0; i < count; ++i)
    squares += std::pow(std::log(y[i]) - mean_y - out.exponent * (std::log(x[i]) - mean_x), 2);
  if (count > 2) out.error = std::sqrt(squares / (n - 2) / xx);
  return out;
}

double interpolated(std::span<const double> x, std::span<const double> y, double at) {
  if (x.empty() || !(at >= x.front()) || !(at <= x.back())) return nan;
  const auto above = std::lower_bound(x.begin(), x.end(), at);
  const auto i = static_cast<std::size_t>(above - x.begin());
  if (*above == at) return y[i];
  return y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1]);
}

double loss_at(const LossCurve& curve, double step) {
  return interpolated(curve.step, curve.loss, step);
}

double compute_at(const LossCurve& curve, double step) {
  return interpolated(curve.step, curve.compute, step);
}

namespace {

/// The same between the logarithms of x and y, which power laws bend less; steps of 0 are left out.
double log_interpolated(const LossCurve& curve, const std::vector<double>& y, double compute) {
  const auto above = std::lower_bound(curve.compute.begin(), curve.compute.end(), compute);
  if (above == curve.compute.begin() || above == curve.compute.end() || !(*(above - 1) > 0)) return nan;
  const auto i = static_cast<std::size_t>(above - curve.compute.begin());
  const double share = std::log(compute / curve.compute[i - 1]) / std::log(curve.compute[i] / curve.compute[i - 1]);
  return y[i - 1] * std::pow(y[i] / y[i - 1], share);
}

}  // namespace

std::vector<FrontierPoint> envelope(std::span<const LossCurve> curves, std::size_t points) {
  std::vector<FrontierPoint> out;
  double low = infinity, high = 0;
  for (const LossCurve& curve : curves) {
    for (const double c : curve.compute)
      if (c > 0) low = std::min(low, c);
    high = std::max(high, curve.compute.back());
  }
  for (std::size_t k = 0; k < points; ++k) {
    const double share = (static_cast<double>(k) + 0.5) / static_cast<double>(points);
    const double c = low * std::pow(high / low, share);
    std::vector<std::size_t> there;
    std::vector<double> loss;
    for (std::size_t p = 0; p < curves.size(); ++p)
      if (const double at = log_interpolated(curves[p], curves[p].loss, c); std::isfinite(at)) {
        there.push_back(p);
        loss.push_back(at);
      }
    if (loss.size() < 3) continue;
    const auto best = static_cast<std::size_t>(std::min_element(loss.begin(), loss.end()) - loss.begin());
    // Neighbours among all sizes: one that does not reach this compute might have been better.
    if (best == 0 || best + 1 == loss.size() || there[best - 1] + 1 != there[best] ||
        there[best] + 1 != there[best + 1])
      continue;
    std::array<double, 3> x{}, y{};
    for (std::size_t j = 0; j < 3; ++j) {
      x[j] = std::log(curves[there[best + j - 1]].size / curves[there[best]].size);
      y[j] = loss[best + j - 1] - loss[best];
    }
    // y = b x + a x^2 through the three points, of which the middle one is the origin and the first lies above it: a > 0.
    const double a = (y[2] / x[2] - y[0] / x[0]) / (x[2] - x[0]), b = y[0] / x[0] - a * x[0];
    const double size = curves[there[best]].size * std::exp(-b / (2 * a));
    const double exact = log_interpolated(curves[there[best]], curves[there[best]].step, c);
    // Steps of a size between two: compute is shared in proportion, as 6 size step does.
    out.push_back({c, loss[best] - b * b / (4 * a), size, exact * curves[there[best]].size / size});
  }
  return out;
}

}  // namespace edgewise::validation
