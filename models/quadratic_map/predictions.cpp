// Built at -O1: nothing here takes time.
#include "models/quadratic_map/predictions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::quadratic_map {

std::optional<CanonicalPair> canonical_pair(const QuadraticRegression& problem) {
  const std::vector<double>& omega = problem.curvature;
  if (omega.empty() || omega.size() > 2) return std::nullopt;
  std::size_t first = 0;
  if (omega.size() == 2 && std::abs(omega[1]) > std::abs(omega[0])) first = 1;
  // Where J is 0 it stays 0.
  const bool other_alone = omega.size() == 2 && problem.jacobian[first] == 0 && problem.jacobian[1 - first] != 0;
  if (other_alone) first = 1 - first;
  if (omega[first] == 0) return std::nullopt;
  CanonicalPair pair;
  pair.scale = omega[first];
  pair.residual = pair.scale * problem.residual;
  pair.J1 = problem.jacobian[first];
  pair.u = pair.J1 * pair.J1;
  if (omega.size() == 2 && !other_alone) {
    pair.epsilon = -omega[1 - first] / omega[first];
    if (pair.epsilon < 0) return std::nullopt;
    if (pair.epsilon == 0) pair.epsilon = 0;  // not -0
    pair.J2 = problem.jacobian[1 - first];
    pair.w = pair.J2 * pair.J2;
  }
  const double W = pair.epsilon > 0 ? pair.w / pair.epsilon : 0;
  pair.invariant = pair.residual - 0.5 * (pair.u - W);
  return pair;
}

FlowEnd flow_end(const QuadraticRegression& problem) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double start = problem.residual;
  const auto power = [&](std::size_t i) { return problem.jacobian[i] * problem.jacobian[i]; };
  // J_i(s): in two steps, since J_i may be so small that it grows by more than an exponential holds.
  const auto jacobian = [&](std::size_t i, double s) {
    if (problem.jacobian[i] == 0) return 0.0;
    const double half = std::exp(-0.5 * problem.curvature[i] * s);
    return problem.jacobian[i] * half * half;
  };
  // asinh(z(s)/|z_0|), the root of z(s) on a scale on which its exponentials are straight.
  const auto z = [&](double s) {
    double out = start;
    for (std::size_t i = 0; i < problem.parameters(); ++i) {
      const double omega = problem.curvature[i];
      if (problem.jacobian[i] == 0) continue;
      if (omega == 0)
        out -= problem.jacobian[i] * (problem.jacobian[i] * s);
      else if (const double exponent = -2 * omega * s; exponent < 1)
        out += power(i) * std::expm1(exponent) / (2 * omega);
      else
        out += (std::pow(jacobian(i, s), 2) - power(i)) / (2 * omega);
    }
    // An exponential may overflow beyond the root.
    return std::asinh(std::clamp(out / std::abs(start), -1e300, 1e300));
  };
  // z(s) as s goes to the infinity of z_0's sign: finite when J falls there along every curvature.
  double sharpness = 0, steepest = 0, limit = start;
  bool moves = false;
  for (std::size_t i = 0; i < problem.parameters(); ++i) {
    const double omega = problem.curvature[i];
    sharpness += power(i);
    if (problem.jacobian[i] == 0) continue;
    moves = true;
    steepest = std::max(steepest, std::abs(omega));
    if (start != 0)
      limit -= omega != 0 && std::signbit(omega) == std::signbit(start) ? power(i) / (2 * omega) : start * infinity;
  }
  if (start == 0) return {true, 0, 0, sharpness};
  if (limit != 0 && std::signbit(limit) == std::signbit(start)) return {false, limit, moves ? start * infinity : 0, 0};
  double a = 0, za = z(a), b = std::copysign(std::min(std::abs(start) / sharpness, 1 / steepest), start), zb = za;
  // Without curvature and with a J whose square is none, z takes longer than any number.
  if (!std::isfinite(b)) return {true, 0, b, sharpness};
  zb = z(b);
  while (std::signbit(zb) == std::signbit(start) && zb != 0) {
    a = b;
    za = zb;
    b *= 2;
    if (!std::isfinite(b)) return {true, 0, b, 0};  // z and J fall together
    zb = z(b);
  }
  FlowEnd end{true, 0, a < b ? numerics::root(z, a, b, za, zb) : numerics::root(z, b, a, zb, za), 0};
  for (std::size_t i = 0; i < problem.parameters(); ++i) end.sharpness += std::pow(jacobian(i, end.exponent), 2);
  return end;
}

double flow_end_sharpness(const CanonicalPair& pair) {
  const double E = pair.invariant, eps = pair.epsilon;
  if (!(eps > 0) || !(pair.u > 0) || !(pair.w > 0)) return nan;
  const double W0 = pair.w / eps;
  // In x = log(W - max(0, 2E)), so that both logarithms are reached to full precision.
  const double base = std::max(0.0, 2 * E);
  const auto f = [&](double x) {
    const double excess = std::exp(x), W = base + excess, u = E > 0 ? excess : W - 2 * E;
    return std::log(u / pair.u) + std::log(W / W0) / eps;
  };
  double low = -1, high = 1;
  while (f(low) > 0) low *= 2;
  while (f(high) < 0) high *= 2;
  const double excess = std::exp(numerics::root(f, low, high));
  const double W = base + excess;
  return (E > 0 ? excess : W - 2 * E) + eps * W;
}

double sharpening_rate(const QuadraticRegression& problem, std::span<const double> state) {
  return 0 - 2 * state[0] * curvature_moment(problem, state, 1);
}

double sharpening_acceleration(const QuadraticRegression& problem, std::span<const double> state) {
  const double z = state[0];
  return 2 * z * curvature_moment(problem, state, 0) * curvature_moment(problem, state, 1) +
         4 * z * z * curvature_moment(problem, state, 2);
}

double gd_limit(double epsilon, double E) {
  const double first = epsilon * (1 + E) / 2, second = epsilon * epsilon * (1 + E) * (27 + 11 * E) / 32;
  return std::abs(second) <= std::abs(first) && std::abs(first) < 2 ? 2 - first - second : nan;
}

double sam_edge(double r) {
  // Free of cancellation at small r: (sqrt(1 + 8 r) - 1)/(2 r).
  return 4 / (1 + std::sqrt(1 + 8 * r));
}

double sam_limit(double r, double epsilon, double E) {
  const double mu = sam_edge(r), a = 1 + r * mu, s2 = 2 * r + r * r * mu / 2;
  const double B = -(a * (2 + r * mu) + s2 * mu) + a * a * mu / 2;
  const double C = -(2 * r * a + s2 * (2 + r * mu) + r * r * mu) + a * s2 * mu + a * a * (1 + r * mu);
  const double correction = epsilon * (mu + 2 * E) * (a * B + 2 * s2) / (2 * (C + B * B));
  return std::abs(correction) <= mu / 2 ? mu + correction : nan;
}

namespace {

FlowEnd end_of_flow(const CanonicalPair& pair) {
  return flow_end(QuadraticRegression{{1, -pair.epsilon}, pair.residual, {pair.J1, pair.J2}, MapRule::gd, 0});
}

}  // namespace

std::string_view name(Fate fate) {
  constexpr std::string_view names[] = {"converged", "EOS", "stationary", "persistent_oscillation", "diverged", "slow"};
  return names[static_cast<std::size_t>(fate)];
}

HeldOrbit held_orbit(const CanonicalPair& pair, double r) {
  if (r == 0) return {pair.residual < 2 && pair.mu() < 4, false};
  constexpr int steps = 3000;
  const double mu = pair.mu(), limit = 100 * (1 + pair.u + std::abs(mu));
  HeldOrbit out;
  double J = pair.J1, u = pair.u;
  for (int k = 0; k < steps && u < limit; ++k) {
    const double z = 0.5 * (u - mu);
    if (1 + r * z < 0) out.blind = true;
    const double fall = 1 - z * (1 + r * u + 0.5 * r * r * z * u) * (1 + r * z);
    J *= fall;
    u = J * J;
  }
  out.bounded = u < limit;
  return out;
}

std::optional<Fate> predicted_fate(const CanonicalPair& pair, double r) {
  if (pair.residual == 0) return Fate::converged;
  if (pair.J1 == 0 && pair.J2 == 0) return Fate::stationary;
  const HeldOrbit held = held_orbit(pair, r);
  if (!held.bounded) return Fate::diverged;
  // J falls by the factor 1 - omega z a step.
  const FlowEnd end = end_of_flow(pair);
  if (!end.reaches_minimum) return Fate::stationary;
  if (held.blind && (pair.invariant * r < -1 || pair.mu() * r > 8)) return std::nullopt;
  const double edge = sam_edge(r);
  if (!(end.sharpness > edge)) return Fate::converged;
  return pair.epsilon == 0 || pair.invariant < -edge / 2 ? Fate::persistent_oscillation : Fate::after_edge;
}

double predicted_sharpness(const CanonicalPair& pair, double r) {
  const std::optional<Fate> fate = predicted_fate(pair, r);
  if (fate == Fate::after_edge && r == 0) return gd_limit(pair.epsilon, pair.invariant);
  if (fate == Fate::after_edge && !held_orbit(pair, r).blind) return sam_limit(r, pair.epsilon, pair.invariant);
  if (fate == Fate::stationary) return 0;
  if (fate != Fate::converged || held_orbit(pair, r).blind) return nan;
  return end_of_flow(pair).sharpness;
}

solvers::Map two_step_map(const CanonicalPair& pair) {
  solvers::Map map;
  map.size = 2;
  map.step = [E = pair.invariant, eps = pair.epsilon](std::span<const double> x, std::span<double> next) {
    const double y = x[0], m = x[1], W = (m + 2 + 2 * E) / (1 + eps);
    next[0] = y + y * (4 * m - 8 * y);
    next[1] = m - 2 * eps * W * y;
  };
  return map;
}

std::vector<double> two_step_start(const CanonicalPair& pair) {
  const double z = pair.residual;
  return {z * z, pair.minimum_sharpness() - 2 + pair.w * z};
}

}  // namespace edgewise::models::quadratic_map
