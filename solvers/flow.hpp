#pragma once
/// \file
/// Flows of a handful of variables, dx/dt = f(x), that are not stiff.
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace edgewise::solvers {

struct FlowOptions {
  double rtol = 1e-10, atol = 1e-13;  ///< of every variable, per step
  double divergence_limit = 1e100;    ///< diverged when a variable is not finite or exceeds this in size
  std::size_t max_steps = 10'000'000;
  /// In place of the limit: true where the state counts as diverged.
  std::function<bool(std::span<const double> x)> diverged = nullptr;
  /// What rtol is relative to, of every variable; without it their own sizes and what a step adds: a variable whose changes
  /// cancel, or that vanishes beside others of its kind, then takes very many steps.
  std::function<void(std::span<const double> x, std::span<double> size)> sizes = nullptr;
};

struct FlowSolution {
  std::vector<double> times;                ///< those of the requested times that were reached
  std::vector<std::vector<double>> states;  ///< at those
  std::size_t steps = 0;
  std::optional<double> diverged_at;  ///< end of the first step whose state has diverged
};

/// Integrates from x0 at times[0] by Odeint's Dormand-Prince 5(4) with dense output. `times` must increase strictly.
/// \throws std::invalid_argument for bad input, std::runtime_error if max_steps do not reach the end.
FlowSolution integrate_flow(const std::function<void(std::span<const double> x, std::span<double> rate)>& rate,
                            std::span<const double> x0, std::span<const double> times, const FlowOptions& options = {});

}  // namespace edgewise::solvers
