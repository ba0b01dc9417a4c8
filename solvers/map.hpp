#pragma once
/// \file
/// Maps of a handful of variables, iterated: orbits with recorded steps, fixed points, cycles, divergence, exponents.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace edgewise::solvers {

/// x' = f(x) in `size` variables.
struct Map {
  std::size_t size = 0;
  /// Writes f(x) into `next`, which never aliases `x`.
  std::function<void(std::span<const double> x, std::span<double> next)> step;
  /// Writes Df(x) v into `next`, which never aliases `x` or `v`; empty when it is not known.
  std::function<void(std::span<const double> x, std::span<const double> v, std::span<double> next)> tangent;
};

/// f applied `count` >= 1 times as one map, tangent included.
Map composed(const Map& map, std::size_t count);

struct OrbitOptions {
  std::vector<std::uint64_t> at;    ///< recorded steps, increasing; may be empty
  std::uint64_t steps = 0;          ///< how far to go; at least at.back() is gone
  double divergence_limit = 1e100;  ///< diverged when a variable is not finite or exceeds this in size
  /// Converged when no variable changes by more than this in a step; 0: never judged.
  double convergence_tolerance = 0;
  /// Converged where it says so of a state, too; asked of every state in order; may be empty.
  std::function<bool(std::span<const double> x)> at_rest;
  /// Called at step 0 and after every step; may be empty.
  std::function<void(std::uint64_t step, std::span<const double> x)> observer;
};

struct Orbit {
  std::vector<std::uint64_t> steps;         ///< recorded steps that were reached
  std::vector<std::vector<double>> states;  ///< at those
  std::vector<double> last;                 ///< where it ended
  std::uint64_t last_step = 0;
  std::optional<std::uint64_t> diverged_at;   ///< the step whose state is beyond the limit; the output ends before it
  std::optional<std::uint64_t> converged_at;  ///< the iteration ends there, once every recorded step has been reached
};

/// Iterates from x0. \throws std::invalid_argument for bad input (sizes, an order of steps, limits).
Orbit iterate(const Map& map, std::span<const double> x0, const OrbitOptions& options);

/// A cycle of the map: `points[k+1] = f(points[k])`, closed to the tolerance.
struct Cycle {
  std::size_t period = 0;
  std::vector<std::vector<double>> points;
};

/// The cycle that the orbit from `x` is on, of the smallest period up to `max_period`: x returns to within `tolerance`
/// (relative to its largest variable, absolute below 1) after each of `turns` turns. None when there is no such period.
/// A slow spiral towards a fixed point is not taken for a cycle unless it moves by less than the tolerance in all
/// turns.
std::optional<Cycle> find_cycle(const Map& map, std::span<const double> x, std::size_t max_period, double tolerance,
                                std::size_t turns = 1000);

/// Where an orbit ends. bounded: none of the others within the steps allowed (a slow or a chaotic orbit).
enum class Fate { fixed_point, cycle, diverged, bounded };

struct SettleOptions {
  std::uint64_t max_steps = 1'000'000;
  double divergence_limit = 1e100;
  double convergence_tolerance = 1e-15;                    ///< of a step's change, as in OrbitOptions
  std::function<bool(std::span<const double> x)> at_rest;  ///< as in OrbitOptions
  std::size_t max_period = 64;
  double cycle_tolerance = 1e-11;  ///< as in find_cycle
  std::function<void(std::uint64_t step, std::span<const double> x)> observer;
};

struct Settled {
  Fate fate = Fate::bounded;
  std::uint64_t steps = 0;  ///< gone until it was judged
  std::size_t period = 0;   ///< 1 of a fixed point, that of a cycle; 0 otherwise
  std::vector<double> state;
};

/// Iterates from x0 until the orbit's fate is known. Cycles are looked for after 1000, 2000, 4000, ... steps.
Settled settle(const Map& map, std::span<const double> x0, const SettleOptions& options);

/// Lyapunov exponent along the orbit from x0 for a perturbation in the direction v0: the mean over the steps k from
/// `uncounted` to `steps` of log(|v_{k+1}| / |v_k|), v_{k+1} = Df(x_k) v_k. -infinity when v vanishes, NaN when the orbit is
/// not finite.
/// \throws std::invalid_argument when the map has no tangent, or no step counts.
double lyapunov_exponent(const Map& map, std::span<const double> x0, std::span<const double> v0, std::uint64_t steps,
                         std::uint64_t uncounted = 0);

}  // namespace edgewise::solvers
