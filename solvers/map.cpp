#include "solvers/map.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace edgewise::solvers {

namespace {

using State = std::vector<double>;

double largest(std::span<const double> x) {
  double out = 0;
  for (const double v : x) {
    if (!std::isfinite(v)) return std::numeric_limits<double>::infinity();
    out = std::max(out, std::abs(v));
  }
  return out;
}

double distance(std::span<const double> x, std::span<const double> y) {
  double out = 0;
  for (std::size_t i = 0; i < x.size(); ++i) out = std::max(out, std::abs(x[i] - y[i]));
  return out;
}

double length(std::span<const double> v) {
  const double scale = largest(v);
  if (scale == 0 || !std::isfinite(scale)) return scale;
  double sum = 0;
  for (const double x : v) sum += (x / scale) * (x / scale);
  return scale * std::sqrt(sum);
}

void check(const Map& map, std::span<const double> x) {
  if (map.size == 0 || !map.step) throw std::invalid_argument("a map needs variables and a step");
  if (x.size() != map.size) throw std::invalid_argument("the state does not fit the map");
}

}  // namespace

Map composed(const Map& map, std::size_t count) {
  if (count == 0) throw std::invalid_argument("a composed map needs at least one step");
  Map out;
  out.size = map.size;
  out.step = [map, count](std::span<const double> x, std::span<double> next) {
    State now(x.begin(), x.end()), then(x.size());
    for (std::size_t k = 0; k < count; ++k) {
      map.step(now, then);
      now.swap(then);
    }
    std::copy(now.begin(), now.end(), next.begin());
  };
  if (map.tangent)
    out.tangent = [map, count](std::span<const double> x, std::span<const double> v, std::span<double> next) {
      State now(x.begin(), x.end()), then(x.size()), along(v.begin(), v.end()), moved(x.size());
      for (std::size_t k = 0; k < count; ++k) {
        map.tangent(now, along, moved);
        map.step(now, then);
        now.swap(then);
        along.swap(moved);
      }
      std::copy(along.begin(), along.end(), next.begin());
    };
  return out;
}

Orbit iterate(const Map& map, std::span<const double> x0, const OrbitOptions& options) {
  check(map, x0);
  if (std::adjacent_find(options.at.begin(), options.at.end(), std::greater_equal<>()) != options.at.end())
    throw std::invalid_argument("recorded steps must increase");
  if (!(options.divergence_limit > 0) || !(options.convergence_tolerance >= 0))
    throw std::invalid_argument("the divergence limit must be positive, the convergence tolerance not negative");
  const std::uint64_t last = std::max(options.steps, options.at.empty() ? 0 : options.at.back());
  Orbit orbit;
  State now(x0.begin(), x0.end()), next(map.size);
  std::size_t recorded = 0;
  for (std::uint64_t k = 0;; ++k) {
    if (const double size = largest(now); !std::isfinite(size) || size > options.divergence_limit) {
      orbit.diverged_at = k;
      break;
    }
    orbit.last_step = k;
    orbit.last = now;
    if (options.observer) options.observer(k, now);
    if (recorded < options.at.size() && options.at[recorded] == k) {
      orbit.steps.push_back(k);
      orbit.states.push_back(now);
      ++recorded;
    }
    if (options.at_rest && !orbit.converged_at && options.at_rest(now)) orbit.converged_at = k;
    if (k == last || (orbit.converged_at && recorded == options.at.size())) break;
    map.step(now, next);
    if (options.convergence_tolerance > 0 && !orbit.converged_at &&
        distance(now, next) <= options.convergence_tolerance)
      orbit.converged_at = k;
    now.swap(next);
  }
  return orbit;
}

std::optional<Cycle> find_cycle(const Map& map, std::span<const double> x, std::size_t max_period, double tolerance,
                                std::size_t turns) {
  check(map, x);
  if (max_period == 0 || turns == 0 || !(tolerance > 0))
    throw std::invalid_argument("a cycle needs a period, turns and a tolerance above 0");
  const double size = largest(x);
  if (!std::isfinite(size)) return std::nullopt;
  const double allowed = tolerance * std::max(1.0, size);
  State now(x.begin(), x.end()), next(map.size);
  Cycle cycle;
  while (cycle.points.size() < max_period) {
    cycle.points.push_back(now);
    map.step(now, next);
    now.swap(next);
    if (distance(now, x) <= allowed) {
      cycle.period = cycle.points.size();
      break;
    }
  }
  if (cycle.period == 0) return std::nullopt;
  // A decaying oscillation of the tolerance's own size would pass for a cycle.
  double spread = 0;
  for (const State& point : cycle.points) spread = std::max(spread, distance(point, x));
  if (cycle.period > 1 && spread < 100 * allowed) return std::nullopt;
  for (std::size_t turn = 1; turn < turns; ++turn) {
    for (std::size_t k = 0; k < cycle.period; ++k) {
      map.step(now, next);
      now.swap(next);
    }
    if (!(distance(now, x) <= allowed)) return std::nullopt;
  }
  return cycle;
}

Settled settle(const Map& map, std::span<const double> x0, const SettleOptions& options) {
  check(map, x0);
  Settled out;
  State x(x0.begin(), x0.end());
  OrbitOptions piece;
  piece.divergence_limit = options.divergence_limit;
  piece.convergence_tolerance = options.convergence_tolerance;
  piece.at_rest = options.at_rest;
  std::uint64_t length_of_piece = 1000;
  for (;;) {
    // The first state of a piece is the last of the piece before.
    if (options.observer)
      piece.observer = [&](std::uint64_t k, std::span<const double> state) {
        if (k > 0 || out.steps == 0) options.observer(out.steps + k, state);
      };
    piece.steps = std::min(length_of_piece, options.max_steps - out.steps);
    const Orbit orbit = iterate(map, x, piece);
    if (!orbit.last.empty()) x = orbit.last;
    out.state = x;
    if (orbit.diverged_at) {
      out.steps += *orbit.diverged_at;
      out.fate = Fate::diverged;
      return out;
    }
    if (orbit.converged_at) {
      out.steps += *orbit.converged_at;
      out.fate = Fate::fixed_point;
      out.period = 1;
      return out;
    }
    out.steps += orbit.last_step;
    if (const auto cycle = find_cycle(map, x, options.max_period, options.cycle_tolerance);
        cycle && cycle->period > 1) {
      out.fate = Fate::cycle;
      out.period = cycle->period;
      return out;
    }
    if (out.steps >= options.max_steps) return out;
    length_of_piece = std::max<std::uint64_t>(1000, out.steps);
  }
}

double lyapunov_exponent(const Map& map, std::span<const double> x0, std::span<const double> v0, std::uint64_t steps,
                         std::uint64_t uncounted) {
  check(map, x0);
  if (!map.tangent) throw std::invalid_argument("a Lyapunov exponent needs the map's tangent");
  if (v0.size() != map.size || steps <= uncounted || !(length(v0) > 0))
    throw std::invalid_argument("a Lyapunov exponent needs steps and a direction that fits the map");
  State x(x0.begin(), x0.end()), next(map.size), v(v0.begin(), v0.end()), moved(map.size);
  double sum = 0;
  for (std::uint64_t k = 0; k < steps; ++k) {
    const double before = length(v);
    for (double& part : v) part /= before;
    map.tangent(x, v, moved);
    map.step(x, next);
    const double growth = length(moved);
    if (growth == 0) return -std::numeric_limits<double>::infinity();
    if (!std::isfinite(growth) || !std::isfinite(largest(next))) return std::numeric_limits<double>::quiet_NaN();
    if (k >= uncounted) sum += std::log(growth);
    x.swap(next);
    v.swap(moved);
  }
  return sum / static_cast<double>(steps - uncounted);
}

}  // namespace edgewise::solvers
