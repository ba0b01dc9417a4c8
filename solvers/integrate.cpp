#include "solvers/integrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/dop853.hpp"
#include "solvers/etd.hpp"
#include "solvers/mode_sums.hpp"
#include "solvers/recursion.hpp"
#include "solvers/sdirk4.hpp"

namespace edgewise::solvers {
namespace {

/// How far a solution has come.
struct Progress {
  Solution solution;
  std::size_t next = 0;  ///< output time that has not been reached
  double t = 0, trial = 0;
  std::vector<double> state;
  double scale = 0;  ///< largest |p_l(0)|
};

void add(Statistics& sum, const Statistics& more) {
  if (sum.steps == 0) sum.first_step = more.first_step;
  if (more.steps > 0) sum.last_step = more.last_step;
  sum.steps += more.steps;
  sum.rejected += more.rejected;
  sum.evaluations += more.evaluations;
  sum.solves += more.solves;
  sum.newton_iterations += more.newton_iterations;
}

/// Goes on from `progress` to the last time; false where `give_up(stepper, failed)`, asked now and then and where no step
/// meets the tolerance, leaves the rest to another stepper.
template <class Stepper, class GiveUp>
bool run(Stepper stepper, const CoupledModes& system, std::span<const double> times, const Options& options,
         Progress& progress, GiveUp give_up) {
  Solution& solution = progress.solution;
  const std::size_t m = system.shared();
  std::vector<double> p(m);
  std::vector<double>& state = progress.state;
  shared_scalars(system, state, p);

  const auto emit = [&](std::size_t index) {
    solution.times.push_back(times[index]);
    solution.shared.push_back(p);
    if (options.keep_states) solution.states.push_back(state);
    if (options.observer) options.observer(index, times[index], p, state);
  };
  std::size_t& next = progress.next;
  if (next == 0)
    for (const double x : p) progress.scale = std::max(progress.scale, std::abs(x));
  const double scale = progress.scale, limit = options.divergence_limit * (scale > 0 ? scale : 1.0);
  const auto beyond = [&](std::span<const double> x) {
    return std::any_of(x.begin(), x.end(), [&](double v) { return !std::isfinite(v) || !(std::abs(v) <= limit); });
  };
  if (next == 0 && beyond(p)) {
    solution.diverged_at = times[0];
    return true;
  }
  if (next == 0) emit(next++);

  // Coefficients may be defined up to the last time only, and jump at the breaks.
  std::vector<double> stops;
  for (const double t : options.breaks)
    if (t > progress.t && t < times.back()) stops.push_back(t);
  std::sort(stops.begin(), stops.end());
  stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
  stops.push_back(times.back());

  double &t = progress.t, &trial = progress.trial;
  const auto finish = [&] { add(solution.statistics, stepper.statistics()); };
  constexpr std::size_t often = 16;  // steps between two looks at them
  const bool overshoot = system.autonomous() && options.breaks.empty();
  for (const double stop : stops) {
    if (next == times.size()) break;
    stepper.reset();
    stepper.initialize(state, t, trial);
    stepper.stop_at(overshoot ? std::numeric_limits<double>::infinity() : stop);
    while (t < stop) {
      if (stepper.statistics().steps >= options.max_steps)
        throw std::runtime_error(
            fmt::format("{} steps of the integrator reached only t = {} of {}; a larger "
                        "theory.rtol takes fewer",
                        options.max_steps, t, times.back()));
      double reached = t;
      bool bad = false;
      try {
        reached = stepper.do_step(system).second;
        bad = beyond(stepper.current_shared());
      } catch (const std::runtime_error&) {
        // A vanishing step is a result where the solution has grown towards a singularity, else a failure.
        const auto last = stepper.current_shared();
        const bool grown = std::any_of(last.begin(), last.end(),
                                       [&](double v) { return std::abs(v) > 1e3 * (scale > 0 ? scale : 1.0); });
        if (!grown && !give_up(stepper, true)) throw;
        state = stepper.current_state();
        trial = 0;
        finish();
        if (!grown) return false;
        solution.diverged_at = t;
        return true;
      }
      // A step that ends beyond the limit may still have passed good output times.
      while (next < times.size() && times[next] <= reached) {
        stepper.calc_shared(times[next], p);
        if (bad && beyond(p)) break;
        if (options.keep_states || options.observer) stepper.calc_state(times[next], state);
        emit(next++);
      }
      if (bad) {
        solution.diverged_at = reached;
        finish();
        return true;
      }
      t = reached;
      if (t < stop && stepper.statistics().steps % often == 0 && give_up(stepper, false)) {
        state = stepper.current_state();
        trial = stepper.current_time_step();
        finish();
        return false;
      }
    }
    // The coefficients have jumped: the next segment starts with a shorter step.
    state = stepper.current_state();
    trial = 0.1 * stepper.current_time_step();
  }
  finish();
  return true;
}

void check(const CoupledModes& system, std::span<const double> M0, std::span<const double> times,
           const Options& options) {
  if (M0.size() != system.size())
    throw std::invalid_argument(
        fmt::format("integrate: the initial state has {} modes, the system {}", M0.size(), system.size()));
  if (times.empty()) throw std::invalid_argument("integrate: no output times");
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (!std::isfinite(times[i])) throw std::invalid_argument("integrate: an output time is not finite");
    if (i > 0 && !(times[i] > times[i - 1]))
      throw std::invalid_argument(
          fmt::format("integrate: output times must increase, but {} follows {}", times[i], times[i - 1]));
  }
  if (!(options.rtol > 0) || !(options.rtol < 1))
    throw std::invalid_argument(fmt::format("integrate: rtol = {} must lie between 0 and 1", options.rtol));
  if (!(options.atol >= 0))
    throw std::invalid_argument(fmt::format("integrate: atol = {} must not be negative", options.atol));
  for (const double t : options.breaks)
    if (!std::isfinite(t)) throw std::invalid_argument("integrate: a break is not finite");
  if (!(options.divergence_limit > 0))
    throw std::invalid_argument(
        fmt::format("integrate: divergence_limit = {} must be positive", options.divergence_limit));
  if (!(options.first_step >= 0) || !std::isfinite(options.first_step))
    throw std::invalid_argument(
        fmt::format("integrate: first_step = {} must be finite and not negative", options.first_step));
}

}  // namespace

Solution integrate(const CoupledModes& system, std::span<const double> M0, std::span<const double> times,
                   const Options& options) {
  check(system, M0, times, options);
  const Tolerances tolerances{options.rtol, options.atol};
  Progress progress;
  progress.t = times[0];
  progress.trial = options.first_step;
  progress.state.assign(M0.begin(), M0.end());
  const auto never = [](const auto&, bool) { return false; };
  switch (options.integrator) {
    case Integrator::automatic:
      if (run(Dop853DenseOutput(tolerances), system, times, options, progress,
              [&](const Dop853DenseOutput& stepper, bool failed) { return failed || stepper.stiff(times.back()); }))
        break;
      [[fallthrough]];
    case Integrator::sdirk4:
      run(Sdirk4DenseOutput(tolerances), system, times, options, progress, never);
      break;
    case Integrator::etd:
      run(EtdDenseOutput(tolerances, options.etd_stages), system, times, options, progress, never);
      break;
    case Integrator::explicit_:
      run(Dop853DenseOutput(tolerances), system, times, options, progress, never);
      break;
  }
  return std::move(progress.solution);
}

}  // namespace edgewise::solvers
