#pragma once
/// \file
/// One entry point to integrate coupled modes over any horizon and read them at given times.
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "solvers/coupled_modes.hpp"

namespace edgewise::solvers {

/// sdirk4: general and stiff (sdirk4.hpp). etd: constant rates, best for smooth p(t) and high accuracy (etd.hpp).
/// explicit_: of order 8 with dense output (dop853.hpp); only for rates that vary little, its step is at most 4 / max
/// rate. automatic: explicit_ for as long as its steps are as large as accuracy allows, sdirk4 from where they
/// turn out to be held down by the largest rate.
enum class Integrator { sdirk4, etd, explicit_, automatic };

/// Called with the index of an output time, the time, the shared scalars and the modes, in order of time.
using Observer = std::function<void(std::size_t index, double t, std::span<const double> p, std::span<const double> M)>;

struct Options {
  Integrator integrator = Integrator::sdirk4;
  double rtol = 1e-8;  ///< relative error of the shared scalars and of the modes as they weigh in them
  double atol = 0;     ///< absolute error of the shared scalars
  std::size_t etd_stages = 4;
  std::size_t max_steps = 10'000'000;
  double first_step = 0;            ///< 0: chosen from the rates
  std::vector<double> breaks;       ///< times at which coefficients jump: no step crosses one. Any order.
  double divergence_limit = 1e100;  ///< stop when |p_l| exceeds this times max_l |p_l(0)| (or times 1, if that is 0)
  bool keep_states = false;         ///< store the modes at every output time
  Observer observer;                ///< may be empty
};

struct Solution {
  std::vector<double> times;                ///< those of the requested times that were reached
  std::vector<std::vector<double>> shared;  ///< [time][l]
  std::vector<std::vector<double>> states;  ///< [time][mode], if keep_states
  Statistics statistics;
  /// Set where the solution diverged: the time of the first step whose end is beyond the limit or not finite, or where
  /// the step size vanished after growth by more than 1e3 (a singularity). Output ends before it.
  std::optional<double> diverged_at;
};

/// Integrates from M(times[0]) = M0. `times` must be finite and increase strictly; a single time gives the initial
/// state. Throws std::invalid_argument for bad input (sizes, times, tolerances, an integrator that does not fit) and
/// std::runtime_error if max_steps do not reach the end or no step meets the tolerance.
Solution integrate(const CoupledModes& system, std::span<const double> M0, std::span<const double> times,
                   const Options& options = {});

}  // namespace edgewise::solvers
