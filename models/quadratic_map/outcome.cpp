#include "models/quadratic_map/outcome.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/quadratic_map/predictions.hpp"
#include "solvers/map.hpp"

namespace edgewise::models::quadratic_map {

namespace {

constexpr std::uint64_t tail_steps = 512;
constexpr std::uint64_t lyapunov_steps = 20000;
/// A residual that is still this large, relative to where it started, oscillates (docs/theory/quadratic-regression.md,
/// section 4: a loss above 1e-3 L_0).
constexpr double oscillating = 0.03;

}  // namespace

namespace {

/// The map whose tangents are kept to perturbations that parameters can make. E is conserved: what rounding puts across
/// its level set would not shrink with the rest, and would hide negative exponents.
solvers::Map within_invariant(const QuadraticRegression& problem) {
  solvers::Map map = regression_map(problem);
  if (!has_invariant(problem)) return map;
  map.tangent = [problem, tangent = map.tangent](std::span<const double> x, std::span<const double> v,
                                                 std::span<double> next) {
    std::vector<double> along(v.begin(), v.end());
    along[0] = 0;
    for (std::size_t i = 0; i < problem.parameters(); ++i)
      if (problem.curvature[i] != 0) along[0] += x[i + 1] * along[i + 1] / problem.curvature[i];
    tangent(x, along, next);
  };
  return map;
}

}  // namespace

double edge_of(const QuadraticRegression& problem) {
  return problem.rule == MapRule::sam ? sam_edge(problem.radius) : 2;
}

double divergence_limit(const QuadraticRegression& problem) {
  double curvature = 0, size = std::abs(problem.residual);
  for (const double omega : problem.curvature) curvature = std::max(curvature, std::abs(omega));
  for (const double J : problem.jacobian) size = std::max(size, std::abs(J));
  return 1e6 * (size + (curvature > 0 ? 1 / curvature : 0) + 1);
}

Outcome outcome_of(const QuadraticRegression& problem, const OutcomeOptions& options) {
  const solvers::Map map = regression_map(problem);
  const std::vector<double> start = problem.start();
  const double edge = edge_of(problem), E = invariant(problem, start);
  Outcome out;
  if (!std::isfinite(E)) out.invariant_drift = std::numeric_limits<double>::quiet_NaN();

  QuadraticRegression here = problem;
  const auto watch = [&](std::uint64_t k, std::span<const double> x) {
    // The sharpness of an iterate far from its minimum says little; that of the minimum itself moves slowly.
    if ((k & (k - 1)) == 0 && !out.edge) {
      here.residual = x[0];
      here.jacobian.assign(x.begin() + 1, x.end());
      out.edge = flow_end(here).sharpness > edge;
    }
    if (std::isfinite(E)) out.invariant_drift = std::max(out.invariant_drift, std::abs(invariant(problem, x) - E));
  };
  solvers::SettleOptions settling;
  settling.max_steps = options.max_steps;
  settling.max_period = options.max_period;
  settling.convergence_tolerance = options.convergence_tolerance;
  settling.divergence_limit = divergence_limit(problem);
  settling.observer = watch;
  const solvers::Settled settled = solvers::settle(map, start, settling);
  out.steps = settled.steps;
  out.period = settled.period;
  out.residual = settled.state[0];
  out.sharpness = curvature_moment(problem, settled.state, 0);
  const std::uint64_t followed = std::min(lyapunov_steps, std::max<std::uint64_t>(1, settled.steps));
  if (settled.fate == solvers::Fate::diverged) {
    out.word = "diverged";
    out.residual_low = out.residual_high = out.lyapunov_exponent = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  out.residual_low = out.residual_high = out.residual;
  out.lyapunov_exponent =
      solvers::lyapunov_exponent(within_invariant(problem), start, parameter_direction(problem, start), followed);
  if (settled.fate == solvers::Fate::fixed_point) {
    out.word = out.edge ? "EOS" : "converged";
    return out;
  }
  double sum = 0;
  solvers::OrbitOptions tail;
  tail.steps = tail_steps;
  tail.divergence_limit = settling.divergence_limit;
  tail.observer = [&](std::uint64_t k, std::span<const double> x) {
    if (k == 0) return;
    out.residual_low = std::min(out.residual_low, x[0]);
    out.residual_high = std::max(out.residual_high, x[0]);
    sum += curvature_moment(problem, x, 0);
  };
  const solvers::Orbit orbit = solvers::iterate(map, settled.state, tail);
  if (orbit.last_step > 0) out.sharpness = sum / static_cast<double>(orbit.last_step);
  const double amplitude = std::max(std::abs(out.residual_low), std::abs(out.residual_high));
  const bool oscillates = settled.fate == solvers::Fate::cycle || amplitude > oscillating * std::abs(problem.residual);
  out.word = oscillates ? "persistent_oscillation" : "slow";
  return out;
}

}  // namespace edgewise::models::quadratic_map
