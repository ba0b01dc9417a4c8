#pragma once
/// \file
/// Self-consistency: fixed points x = F(x) in a handful of variables, and how they move with a parameter.
///
/// What was found is told by a status, never by a NaN: `x` is always the last point at which F was finite.
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace edgewise::solvers {

/// Writes F(x) into `next`, which never aliases `x`. It may write what is not finite, which counts as outside.
using SelfMap = std::function<void(std::span<const double> x, std::span<double> next)>;

enum class FixedPointStatus {
  converged,
  out_of_iterations,  ///< the residual was still above the tolerance
  stalled,            ///< Newton: no step along its direction lowers the residual (a singular Jacobian, or rounding)
  left_domain,        ///< outside, or not finite, at the start or however short the step
  edge,               ///< continuation: what has to hold ends to hold at `parameter`
  lost,               ///< continuation: the branch cannot be followed beyond `parameter` (a fold, an end of the domain)
  no_bracket          ///< scalar: one sign at both ends, or not finite there
};
/// "converged", "out of iterations", ...
std::string_view name(FixedPointStatus status);

enum class FixedPointMethod {
  damped,    ///< x <- x + damping (F(x) - x)
  anderson,  ///< mixes the last `memory` steps so that the residual is least; no worse than a few damped steps
  newton     ///< Jacobian by differences, the step halved until the residual falls
};

struct FixedPointOptions {
  FixedPointMethod method = FixedPointMethod::newton;
  /// Converged when |F_i(x) - x_i| <= atol + rtol |x_i| for all i. This bounds the residual: the error of x is 1/(1 - F')
  /// times as large.
  double rtol = 1e-13, atol = 0;
  std::size_t max_iterations = 1000;
  double damping = 1;      ///< of damped and anderson, in (0, 1]
  std::size_t memory = 5;  ///< of anderson
  /// Where F may be asked; empty: everywhere. Steps that leave it are halved.
  std::function<bool(std::span<const double> x)> inside;
};

struct FixedPoint {
  FixedPointStatus status = FixedPointStatus::left_domain;
  std::vector<double> x;
  double residual = 0;         ///< max_i |F_i(x) - x_i| / (atol + |x_i|), 0 where both vanish
  std::size_t iterations = 0;  ///< steps taken
  bool converged() const { return status == FixedPointStatus::converged; }
};

/// x = F(x) from x0. \throws std::invalid_argument for options out of range.
FixedPoint fixed_point(const SelfMap& map, std::span<const double> x0, const FixedPointOptions& options = {});

/// F(x) at a value of the parameter.
using ParametricMap = std::function<void(double parameter, std::span<const double> x, std::span<double> next)>;

struct ContinuationOptions {
  FixedPointOptions solver;
  /// What has to stay positive along the branch, e.g. how far it is from instability; where it is NaN it does not hold.
  /// Empty: nothing.
  std::function<double(double parameter, std::span<const double> x)> margin;
  /// What rises along the branch, e.g. the number of interest where the parameter is another: followed until it is `goal`,
  /// or to a fold, where it rises no more. Empty: nothing.
  std::function<double(double parameter, std::span<const double> x)> level;
  double goal = std::numeric_limits<double>::infinity();
  std::size_t steps = 8;  ///< the longest step is this part of the way
  double rtol = 1e-13;  ///< of the parameter at an edge, and the shortest step, relative to the way and to where it is
};

struct Branch {
  FixedPointStatus status = FixedPointStatus::lost;  ///< converged: the goal was reached, or `to` where there is none
  double parameter = 0;                              ///< the last one at which the point was found and holds
  FixedPoint point;                                  ///< there
};

/// Follows the branch from x0 at parameter `from` towards `to` (either way), each point predicted from the last two and
/// then solved for. Where the margin vanishes on the way (`edge`), the level reaches the goal (`converged`) or rises no
/// more (`lost`), that is found to rounding. Without a point that holds at `from` the status is `edge` or the solver's own,
/// and `parameter` is `from`. \throws std::invalid_argument as `fixed_point`.
Branch follow_branch(const ParametricMap& map, double from, double to, std::span<const double> x0,
                     const ContinuationOptions& options = {});

/// The root of a continuous scalar equation f(x) = 0 in [low, high], as self-consistent scalars are best found: for
/// x = F(x) take f = F(x) - x. `x` holds one number: the root, or the end with the smaller |f| where there is none;
/// `residual` is |f| there. Never throws for what f does.
FixedPoint bracketed(const std::function<double(double)>& f, double low, double high);

}  // namespace edgewise::solvers
