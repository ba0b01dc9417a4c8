#include "models/least_squares/rate_spread.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "numerics/constants.hpp"

namespace edgewise::models::least_squares {

namespace {

enum State : std::size_t {
  noisy_excess,
  noisy_product,
  intrinsic_time,
  random_distance,
  direction_square,
  first_of_memory
};
enum Noise : std::size_t {
  residual_scale,
  input_norm,
  along_gradient,
  along_way,
  along_pull,
  along_direction,
  shape_slope,
  shape_curvature,
  own_batch
};

/// Of the variance that the norm of the inputs gives to a rate that is averaged over it: what that average leaves, P has as a
/// square (measured, docs/rates.md).
constexpr double norm_share = 1.0 / 3;

/// Of central differences, in standard deviations.
constexpr double increment = 1e-4;

double squared(double x) {
  return x * x;
}

}  // namespace

/// The state after a step, but for what does not depend on that before it nor on the noise; and the step's rate, without its
/// limits.
struct RateSpread::Point {
  std::vector<double> state;
  double rate = 0;
};

/// A step of the closure.
struct RateSpread::Step {
  const StepSums& sums;
  std::span<const double> memory;
  double factor, eta;
  std::optional<Response> by_state;  // of a rate that is a mean over batches
  double unlimited = 0, share = 1;   // the rate without its limits, and for which part of the runs it is within them
};

namespace {

/// Of U ~ N(at, sigma^2) held below `most`: mean, variance, and Pr(U < most).
struct Held {
  double mean, variance, share = 1;
  Held(double at, double sigma, double most) : mean(at), variance(sigma * sigma) {
    if (!std::isfinite(most)) return;
    // E (U - most)_+ and its square's.
    const double a = (at - most) / sigma, density = std::exp(-a * a / 2) / std::sqrt(2 * pi);
    const double beyond = std::erfc(-a / std::numbers::sqrt2) / 2, first = sigma * (density + a * beyond);
    mean = at - first;
    variance = std::max(
        at * at + sigma * sigma - sigma * sigma * ((1 + a * a) * beyond + a * density) - 2 * most * first - mean * mean,
        0.0);
    share = 1 - beyond;
  }
};

}  // namespace

RateSpread::RateSpread(const ingredients::RateRule& rule, const BatchLaw& law)
    : rule_(rule), law_(law), size_(scalars + rule.memory().size()) {}

double RateSpread::step(const StepSums& sums, std::span<const double> memory, double factor, double eta,
                        const RateAverage* average) {
  bias_ = 0;
  if (lost_) return infinity;
  if (!(sums.excess + law_.noise_variance > 0)) return 0;
  Step at{sums, memory, factor, eta, {}, eta};
  const bool limited = rule_.largest && !average;
  if (limited) at.unlimited = factor * rule_.multiplier * rule_.rate(memory, law_.observation(sums));
  if (!(eta > 0)) return 0;
  if (average) at.by_state = response(at, *average);
  std::vector<Direction> next;
  double variance = derivatives(at, next);
  if (limited && variance > 0) {
    const Held held(at.unlimited, std::sqrt(variance), factor * rule_.multiplier * *rule_.largest);
    variance = held.variance / (eta * eta);
    bias_ = std::abs(held.mean / eta - 1);
    at.share = held.share;
    next.clear();
    derivatives(at, next);
  } else {
    variance = variance / (eta * eta) + (average ? norm_share * average->norm_variance : 0);
  }
  lost_ = !std::isfinite(variance);
  for (const Direction& d : next) lost_ |= !std::ranges::all_of(d, [](double x) { return std::isfinite(x); });
  if (lost_) return infinity;
  state_ = independent(next);
  return std::sqrt(variance);
}

double RateSpread::derivatives(const Step& at, std::vector<Direction>& next) const {
  double variance = 0;
  for (Direction& direction : directions(at.sums)) {
    for (double& x : direction) x *= increment;
    const auto by = std::span<const double>(direction);
    const Point above = moved(at, by.first(size_), by.subspan(size_));
    for (double& x : direction) x = -x;
    const Point below = moved(at, by.first(size_), by.subspan(size_));
    variance += squared((above.rate - below.rate) / (2 * increment));
    Direction& out = next.emplace_back(size_);
    for (std::size_t i = 0; i < size_; ++i) out[i] = (above.state[i] - below.state[i]) / (2 * increment);
  }
  return variance;
}

std::vector<RateSpread::Direction> RateSpread::independent(const std::vector<Direction>& directions) const {
  // Cholesky of their covariance, which may be singular, in units of its largest parts.
  std::vector<double> unit(size_, 0.0), rest(size_ * size_, 0.0);
  for (const Direction& d : directions)
    for (std::size_t i = 0; i < size_; ++i) unit[i] = std::max(unit[i], std::abs(d[i]));
  for (std::size_t i = 0; i < size_; ++i)
    for (std::size_t j = 0; j < size_; ++j)
      for (const Direction& d : directions)
        if (unit[i] > 0 && unit[j] > 0) rest[i * size_ + j] += (d[i] / unit[i]) * (d[j] / unit[j]);
  std::vector<Direction> out;
  for (std::size_t c = 0; c < size_; ++c) {
    const double pivot = rest[c * size_ + c];
    if (!(pivot > 1e-12)) continue;
    Direction direction(size_, 0.0);
    for (std::size_t i = c; i < size_; ++i) direction[i] = rest[i * size_ + c] / std::sqrt(pivot);
    for (std::size_t i = c; i < size_; ++i)
      for (std::size_t j = c; j < size_; ++j) rest[i * size_ + j] -= direction[i] * direction[j];
    for (std::size_t i = c; i < size_; ++i) direction[i] *= unit[i];
    out.push_back(std::move(direction));
  }
  return out;
}

std::vector<RateSpread::Direction> RateSpread::directions(const StepSums& sums) const {
  std::vector<Direction> out = state_;
  for (Direction& d : out) d.resize(size_ + noises);
  const double Q = sums.excess + law_.noise_variance, p = sums.excess / Q, B = law_.batch;
  const double kurtosis = 3 * p * p + 6 * p * (1 - p) + law_.label_kurtosis * squared(1 - p);  // E r^4/(E r^2)^2
  const auto noise = [&](Noise which, double value) -> Direction& {
    Direction& direction = out.emplace_back(size_ + noises);
    direction[size_ + which] = value;
    return direction;
  };
  noise(residual_scale, std::sqrt(std::max(kurtosis - 1, 0.0) / B));
  noise(input_norm, std::sqrt((1 + law_.own_noise) * law_.trace2) / law_.trace);
  noise(own_batch, 1);
  noise(shape_curvature, sums.curvature_spread);
  noise(shape_slope, sums.slope_spread)[size_ + shape_curvature] = sums.curvature_with_slope;
  if (sums.direction)
    noise(along_direction, std::hypot(std::sqrt(Q / B) * std::sqrt(sums.direction->excess_before),
                                      sums.direction->descent_before / std::sqrt(B)));
  // The gradient's covariance is (Q/B)(K + K v v'K/Q); here between its parts along K v, delta and K delta.
  const std::array<double, 3> along{sums.slope, sums.product, sums.slope_product};
  std::array<std::array<double, 3>, 3> c{{{sums.curvature, sums.slope_product, sums.curvature_product},
                                          {sums.slope_product, sums.distance_excess, sums.distance_slope},
                                          {sums.curvature_product, sums.distance_slope, sums.distance_curvature}}};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) c[i][j] += along[i] * (along[j] / Q);
  for (std::size_t k = 0; k < 3; ++k) {
    if (!(c[k][k] > 0)) continue;
    const double root = std::sqrt(c[k][k]), scale = std::sqrt(Q / B);
    std::array<double, 3> part{};
    for (std::size_t i = k; i < 3; ++i) part[i] = c[i][k] / root;
    Direction& direction = out.emplace_back(size_ + noises);
    for (std::size_t i = k; i < 3; ++i) direction[size_ + along_gradient + i] = scale * part[i];
    for (std::size_t i = k + 1; i < 3; ++i) {
      const double whole = c[i][i];
      for (std::size_t j = k + 1; j < 3; ++j) c[i][j] -= part[i] * part[j];
      if (!(c[i][i] > 1e-12 * whole)) c[i][i] = 0;
    }
  }
  return out;
}

RateSpread::Response RateSpread::response(const Step& at, const RateAverage& average) const {
  // Means over wide laws hardly see the nodes.
  constexpr double spacing = 0.6, change = 1e-3;
  const auto derivative = [&](double StepSums::*part) {
    double rate[2];
    for (const int side : {0, 1}) {
      StepSums there = at.sums;
      there.*part *= 1 + (side == 0 ? -change : change);
      rate[side] = rate_average(rule_, law_, there, at.memory, at.factor, spacing)
                       .move.rate_at(at.sums.curvature / at.sums.slope);
    }
    const double sum = rate[0] + rate[1];
    return sum > 0 ? (rate[1] - rate[0]) / (change * sum) : 0;
  };
  return {std::sqrt(average.variance), derivative(&StepSums::excess), derivative(&StepSums::slope)};
}

RateSpread::Point RateSpread::moved(const Step& at, std::span<const double> state,
                                    std::span<const double> noise) const {
  const StepSums& sums = at.sums;
  const double eta = at.eta;
  // The part of P that is left of the start follows the intrinsic time; the rest forgets.
  const double B = law_.batch, slope = -2 * sums.slope_of_mean;
  const double excess = std::max(sums.excess + state[noisy_excess] + slope * state[intrinsic_time], 0.0);
  const double relative = sums.excess > 0 ? excess / sums.excess : 1;
  const double Q = excess + law_.noise_variance, scale = 1 + noise[residual_scale];

  // The same of delta'K v; the mean falls with the intrinsic time.
  const double product_of_mean = sums.product - sums.excess + sums.excess_of_mean;
  const double slope_product_of_mean = sums.slope_product - sums.slope + sums.slope_of_mean;
  const double product_slope = -sums.slope_of_mean - slope_product_of_mean;

  StepSums here = sums;
  here.excess = excess;
  here.slope = std::max(here.slope * relative + noise[shape_slope], 0.0);
  here.curvature = std::max(here.curvature * relative + noise[shape_curvature], 0.0);
  here.product += state[noisy_product] + product_slope * state[intrinsic_time];
  here.distance = std::max(sums.distance + state[random_distance] - 2 * product_of_mean * state[intrinsic_time], 0.0);
  ingredients::StepObservation now = law_.observation(here);
  now.loss = 0.5 * Q * scale;
  now.squared_gradient = std::max((1 + law_.own_noise * scale / B) * here.slope +
                                      law_.trace / B * Q * scale * (1 + noise[input_norm]) + 2 * noise[along_gradient],
                                  0.0);
  now.toward_start -= noise[along_way];

  if (const auto& d = sums.direction) {
    const ingredients::StepObservation mean = law_.observation(sums);
    const double kept = 1 - d->weight, along = d->descent_before * (relative - 1) + noise[along_direction];
    now.squared_direction =
        std::max(mean.squared_direction + kept * kept * state[direction_square] + 2 * kept * d->weight * along +
                     d->weight * d->weight * (now.squared_gradient - mean.squared_gradient),
                 0.0);
  } else {
    now.squared_direction = now.squared_gradient;
  }

  Point out;
  std::vector<double> remembered(at.memory.begin(), at.memory.end());
  for (std::size_t i = 0; i < remembered.size(); ++i) remembered[i] += state[first_of_memory + i];
  double own = 0;  // what is the batch's own of it
  if (at.by_state) {
    const double slope_change = sums.slope > 0 ? here.slope / sums.slope - 1 : 0;
    out.rate = eta * (1 + at.by_state->by_excess * (relative - 1) + at.by_state->by_slope * slope_change);
    own = eta * at.by_state->scatter * noise[own_batch];
  } else {
    out.rate = at.factor * rule_.multiplier * rule_.rate(remembered, now);
  }
  const double rate = eta + at.share * (out.rate - at.unlimited) + own;
  rule_.update(remembered, now, rate);
  out.state.resize(size_);
  // What the noise of a step makes is forgotten at the rate of the modes that made it.
  const double feedback = eta * eta * law_.trace2 / B * (sums.excess + law_.noise_variance) * noise[residual_scale];
  const double kept = squared(1 - eta * law_.trace3 / law_.trace2) + eta * eta * law_.trace2 / B, more = rate - eta;
  const double response = law_.excess_response(sums, eta);
  out.state[noisy_excess] =
      kept * state[noisy_excess] - 2 * eta * noise[along_gradient] + feedback + (response - slope) * more;
  out.state[noisy_product] = kept * state[noisy_product] - eta * (noise[along_gradient] + noise[along_pull]) +
                             feedback + (response + sums.slope - sums.slope_product - product_slope) * more;
  out.state[intrinsic_time] = state[intrinsic_time] + more;
  // |delta|^2 moves by -2 eta <g, delta> + eta^2 |g|^2, of which the mean's part is told by the intrinsic time.
  out.state[random_distance] = state[random_distance] - 2 * eta * (state[noisy_product] + noise[along_way]) -
                               2 * (sums.product - product_of_mean) * more + rate * rate * now.squared_gradient;
  if (sums.direction) out.state[direction_square] = now.squared_direction;
  std::ranges::copy(remembered, out.state.begin() + first_of_memory);
  return out;
}

}  // namespace edgewise::models::least_squares
