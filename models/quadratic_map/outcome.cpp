#include "models/quadratic_map/outcome.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "models/quadratic_map/predictions.hpp"
#include "solvers/map.hpp"

namespace edgewise::models::quadratic_map {

namespace {

constexpr std::uint64_t tail_steps = 512;
/// Of the perturbation behind `lyapunov_exponent`, the first half of which turn it to where it grows fastest.
constexpr std::uint64_t least_lyapunov_steps = 2000, most_lyapunov_steps = 20000;
/// A residual that turns to and fro by this share of where it started, so often in the tail, oscillates
/// (docs/theory/quadratic-regression.md, section 4: a loss above 1e-3 L_0).
constexpr double oscillating = 0.03;
constexpr std::uint64_t many_turns = 16;

/// (z, omega) -> (c z, omega/c) is a symmetry: in this unit the largest curvature (of a linear problem, the inverse of the
/// first residual) is 1, and sizes can be judged.
double exact_unit_of(const QuadraticRegression& problem) {
  double curvature = 0;
  for (const double omega : problem.curvature) curvature = std::max(curvature, std::abs(omega));
  if (curvature > 0) return curvature;
  return problem.residual == 0 ? 1 : 1 / std::abs(problem.residual);
}
/// The power of 2 next below, which leaves every digit as it is.
double unit_of(const QuadraticRegression& problem) {
  return std::exp2(std::ilogb(exact_unit_of(problem)));
}

QuadraticRegression in_units(QuadraticRegression problem, double c) {
  for (double& omega : problem.curvature) omega /= c;
  problem.residual *= c;
  if (problem.rule == MapRule::normalized_sam) problem.radius *= c;
  return problem;
}

/// Recognises states where the orbit stays, from one after the other.
class Rest {
 public:
  enum class Kind { none, zero, stationary };
  explicit Rest(const QuadraticRegression& problem) : problem_(problem), edge_(edge_of(problem)) {}

  bool operator()(std::span<const double> x) {
    const double z = x[0], t0 = curvature_moment(problem_, x, 0);
    largest_residual_ = std::max(largest_residual_, std::abs(z));
    largest_sharpness_ = std::max(largest_sharpness_, t0);
    // Beyond the edge a small residual grows again.
    if (z == 0 || (std::abs(z) <= 1e-15 * std::min(1.0, largest_residual_) && t0 <= edge_))
      kind_ = Kind::zero;
    else if (t0 <= 1e-30 * largest_sharpness_ && falls(x))
      kind_ = Kind::stationary;
    else if (problem_.rule != MapRule::gd) {
      ahead_ = sees_nothing(x, t0) ? ahead_ + 1 : 0;
      if (ahead_ == 100) kind_ = Kind::stationary;
    }
    return kind_ != Kind::none;
  }
  Kind kind() const { return kind_; }

 private:
  /// Whether what is left of J falls on: by the factor 1 - omega z (1 + r omega z) a step.
  bool falls(std::span<const double> x) const {
    for (std::size_t i = 0; i < problem_.parameters(); ++i) {
      if (x[i + 1] == 0) continue;
      // A look-ahead of fixed length does not end at J = 0.
      if (problem_.rule == MapRule::normalized_sam) return false;
      const double bend = problem_.curvature[i] * x[0],
                   pull = problem_.rule == MapRule::sam ? bend * (1 + problem_.radius * bend) : bend;
      if (!(pull > 0 && pull < 2)) return false;
    }
    return true;
  }
  /// Whether the residual at SAM's look-ahead, s = z + c T(0) + (c^2/2) T(1), is rounding.
  bool sees_nothing(std::span<const double> x, double t0) const {
    if (t0 == 0) return false;
    const double c =
        problem_.rule == MapRule::sam ? problem_.radius * x[0] : std::copysign(problem_.radius, x[0]) / std::sqrt(t0);
    const double once = c * t0, twice = 0.5 * c * c * curvature_moment(problem_, x, 1);
    return std::abs(x[0] + once + twice) <= 1e-15 * (std::abs(x[0]) + std::abs(once) + std::abs(twice));
  }

  const QuadraticRegression& problem_;
  double edge_, largest_residual_ = 0, largest_sharpness_ = 0;
  int ahead_ = 0;
  Kind kind_ = Kind::none;
};

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

Outcome outcome_of(const QuadraticRegression& given, const OutcomeOptions& options) {
  const double unit = unit_of(given);
  const QuadraticRegression problem = in_units(given, unit);
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
    if (std::isfinite(E))
      out.invariant_drift = std::max(out.invariant_drift, std::abs(invariant(problem, x) - E) / unit);
  };
  Rest rest(problem);
  solvers::SettleOptions settling;
  settling.max_steps = options.max_steps;
  settling.max_period = options.max_period;
  settling.convergence_tolerance = 0;
  settling.at_rest = std::ref(rest);
  settling.divergence_limit = divergence_limit(problem);
  settling.observer = watch;
  const solvers::Settled settled = solvers::settle(map, start, settling);
  out.steps = settled.steps;
  out.period = settled.period;
  out.residual = settled.state[0] / unit;
  out.sharpness = curvature_moment(problem, settled.state, 0);
  if (settled.fate == solvers::Fate::diverged) {
    out.fate = Fate::diverged;
    out.residual_low = out.residual_high = out.lyapunov_exponent = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  out.residual_low = out.residual_high = out.residual;
  // Lengths of perturbations mix z and J, in a unit that has to be that of the problem to its last digit.
  const double exact_unit = exact_unit_of(given);
  const QuadraticRegression exact = in_units(given, exact_unit);
  std::vector<double> state = settled.state;
  state[0] *= exact_unit / unit;
  const std::uint64_t followed = std::clamp(settled.steps, least_lyapunov_steps, most_lyapunov_steps);
  // Where J and Q are 0 no parameter matters.
  const std::vector<double> direction = parameter_direction(exact, state);
  if (std::ranges::any_of(direction, [](double v) { return v != 0; }))
    out.lyapunov_exponent =
        solvers::lyapunov_exponent(within_invariant(exact), state, direction, followed, followed / 2);
  // A perturbation that keeps its length, to rounding.
  if (std::abs(out.lyapunov_exponent) < 1e-13) out.lyapunov_exponent = 0;
  if (settled.fate == solvers::Fate::fixed_point) {
    const bool zero = rest.kind() == Rest::Kind::zero;
    out.fate = !zero ? Fate::stationary : out.edge && problem.residual != 0 ? Fate::after_edge : Fate::converged;
    return out;
  }
  double sum = 0, before = settled.state[0], rise = 0;
  std::uint64_t turns = 0;
  solvers::OrbitOptions tail;
  tail.steps = tail_steps;
  tail.divergence_limit = settling.divergence_limit;
  tail.observer = [&](std::uint64_t k, std::span<const double> x) {
    if (k == 0) return;
    out.residual_low = std::min(out.residual_low, x[0] / unit);
    out.residual_high = std::max(out.residual_high, x[0] / unit);
    sum += curvature_moment(problem, x, 0);
    turns += (x[0] - before) * rise < 0 ? 1 : 0;
    rise = x[0] - before;
    before = x[0];
  };
  const solvers::Orbit orbit = solvers::iterate(map, settled.state, tail);
  if (orbit.last_step > 0) out.sharpness = sum / static_cast<double>(orbit.last_step);
  const double amplitude = 0.5 * (out.residual_high - out.residual_low);
  const bool oscillates = settled.fate == solvers::Fate::cycle ||
                          (turns >= many_turns && amplitude > oscillating * std::abs(given.residual));
  out.fate = oscillates ? Fate::persistent_oscillation : Fate::slow;
  return out;
}

}  // namespace edgewise::models::quadratic_map
