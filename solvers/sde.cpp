#include "solvers/sde.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::solvers {
namespace {

void check(const Sde& sde, const char* who) {
  if (sde.dimension == 0) throw std::invalid_argument(fmt::format("{}: the equation has no variables", who));
  if (!sde.drift || !sde.noise)
    throw std::invalid_argument(fmt::format("{}: the equation lacks its drift or noise", who));
}

// Dormand & Prince's method of order 5 (six stages).
constexpr std::size_t flow_stages = 6;
constexpr double flow_c[flow_stages] = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1};
constexpr double flow_a[flow_stages][flow_stages - 1] = {
    {},
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656}};
constexpr double flow_b[flow_stages] = {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84};

}  // namespace

EulerMaruyama::EulerMaruyama(const Sde& sde) : sde_(sde), f_(sde.dimension), g_(sde.dimension), dw_(sde.noises) {
  check(sde, "EulerMaruyama");
}

void EulerMaruyama::step(double t, double h, std::span<double> x, std::span<const double> z) {
  const double root = std::sqrt(h);
  for (std::size_t j = 0; j < dw_.size(); ++j) dw_[j] = root * z[j];
  sde_.drift(t, x, f_);
  sde_.noise(t, x, dw_, g_);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += h * f_[i] + g_[i];
}

Milstein::Milstein(const Sde& sde)
    : sde_(sde), f_(sde.dimension), g_(sde.noises), b_(sde.dimension), db_(sde.dimension), ones_(sde.noises, 1.0) {
  check(sde, "Milstein");
  if (sde.noises != sde.dimension || !sde.diagonal_derivative)
    throw std::invalid_argument(
        "Milstein: the noise must be diagonal, with one noise per variable and diagonal_derivative given");
}

void Milstein::step(double t, double h, std::span<double> x, std::span<const double> z) {
  const double root = std::sqrt(h);
  sde_.drift(t, x, f_);
  sde_.noise(t, x, ones_, b_);
  sde_.diagonal_derivative(t, x, db_);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dw = root * z[i];
    x[i] += h * f_[i] + b_[i] * dw + 0.5 * b_[i] * db_[i] * (dw * dw - h);
  }
}

WeakTwo::WeakTwo(const Sde& sde)
    : sde_(sde),
      first_(sde.noises),
      second_(sde.noises),
      stage_(sde.dimension),
      part_(sde.dimension),
      k_(flow_stages, std::vector<double>(sde.dimension)) {
  check(sde, "WeakTwo");
}

void WeakTwo::step(double t, double h, std::span<double> x, std::span<const double> z) {
  const std::size_t m = sde_.noises;
  const double root = std::sqrt(h);
  // Sum and difference of the two fields' noises are independent: variance 1 and 2.
  for (std::size_t j = 0; j < m; ++j) {
    const double sum = root * z[j], difference = root * std::sqrt(2.0) * z[m + j];
    first_[j] = 0.5 * (sum + difference);
    second_[j] = 0.5 * (sum - difference);
  }
  flow(t, 0.5 * h, x, first_);
  flow(t + 0.5 * h, 0.5 * h, x, second_);
}

void WeakTwo::flow(double t, double h, std::span<double> x, std::span<const double> z) {
  for (std::size_t s = 0; s < flow_stages; ++s) {
    std::copy(x.begin(), x.end(), stage_.begin());
    for (std::size_t r = 0; r < s; ++r)
      for (std::size_t i = 0; i < stage_.size(); ++i) stage_[i] += flow_a[s][r] * k_[r][i];
    const double now = t + flow_c[s] * h;
    sde_.noise(now, stage_, z, k_[s]);
    sde_.drift(now, stage_, part_);
    for (std::size_t i = 0; i < part_.size(); ++i) k_[s][i] += h * part_[i];
    if (sde_.correction) {
      sde_.correction(now, stage_, part_);
      for (std::size_t i = 0; i < part_.size(); ++i) k_[s][i] -= h * part_[i];
    }
  }
  for (std::size_t s = 0; s < flow_stages; ++s)
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += flow_b[s] * k_[s][i];
}

namespace {

template <class Stepper>
std::vector<double> path(Stepper stepper, std::span<const double> x0, std::span<const double> times, double h,
                         random::Stream& stream, const PathObserver& observer) {
  std::vector<double> x(x0.begin(), x0.end()), z(stepper.normals_per_step());
  if (observer && !observer(0, times[0], x)) return x;
  std::uint64_t number = 0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double length = times[i] - times[i - 1];
    const auto steps = static_cast<std::size_t>(std::max(1.0, std::ceil(length / h * (1 - 1e-12))));
    const double size = length / static_cast<double>(steps);
    for (std::size_t k = 0; k < steps; ++k) {
      stream.seek(number++);
      stream.normals(z);
      stepper.step(times[i - 1] + static_cast<double>(k) * size, size, x, z);
    }
    const bool finite = std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
    if ((observer && !observer(i, times[i], x)) || !finite) return x;
  }
  return x;
}

}  // namespace

std::vector<double> simulate_path(const Sde& sde, SdeScheme scheme, std::span<const double> x0,
                                  std::span<const double> times, double h, random::Stream& stream,
                                  const PathObserver& observer) {
  if (x0.size() != sde.dimension)
    throw std::invalid_argument(
        fmt::format("simulate_path: the initial state has {} variables, the equation {}", x0.size(), sde.dimension));
  if (times.empty()) throw std::invalid_argument("simulate_path: no output times");
  for (std::size_t i = 1; i < times.size(); ++i)
    if (!(times[i] > times[i - 1])) throw std::invalid_argument("simulate_path: output times must increase");
  if (!(h > 0)) throw std::invalid_argument(fmt::format("simulate_path: the step {} is not positive", h));
  switch (scheme) {
    case SdeScheme::euler_maruyama:
      return path(EulerMaruyama(sde), x0, times, h, stream, observer);
    case SdeScheme::milstein:
      return path(Milstein(sde), x0, times, h, stream, observer);
    case SdeScheme::weak_two:
      return path(WeakTwo(sde), x0, times, h, stream, observer);
  }
  throw std::invalid_argument("simulate_path: unknown scheme");
}

}  // namespace edgewise::solvers
