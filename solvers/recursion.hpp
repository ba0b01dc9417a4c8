#pragma once
/// \file
/// Coupled modes step by step: the exact recursion whose limit the flow of coupled_modes.hpp is,
///
///     M_i(k+1) = M_i(k) - rate_i(k, p) M_i(k) + source_i(k, p),      p_l(k) = sum_i W_li M_i(k).
///
/// The coefficients are those of solvers::CoupledModes, read at whole times; a step costs O(n m).
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "solvers/coupled_modes.hpp"

namespace edgewise::solvers {

/// Called with the step, the shared scalars and the modes, in order of the steps.
using StepObserver = std::function<void(std::uint64_t step, std::span<const double> p, std::span<const double> M)>;

struct RecursionOptions {
  double divergence_limit = 1e100;  ///< as Options::divergence_limit of integrate.hpp
  StepObserver observer;            ///< at every recorded step; may be empty
  /// Asked every few thousand modes; when it returns true the recursion ends where it is. May be empty.
  std::function<bool()> stop;
};

struct RecursionSolution {
  std::vector<std::uint64_t> steps;         ///< the recorded ones that were reached
  std::vector<std::vector<double>> shared;  ///< [recorded step][l]
  std::vector<double> last;                 ///< modes at the last step reached
  /// First step whose state is beyond the limit or not finite; what was recorded ends before it.
  std::optional<std::uint64_t> diverged_at;
};

/// p = W M, as solvers::dot sums it.
void shared_scalars(const CoupledModes& system, std::span<const double> M, std::span<double> p);

/// One step of the recursion in place; `p` belongs to `M` before the step. `rate` and `source` are scratch.
void advance(const CoupledModes& system, std::uint64_t step, std::span<const double> p, std::span<double> M,
             std::span<double> rate, std::span<double> source);

/// Follows the recursion from M0 at step 0 and records at the steps `at` (increasing). Of an autonomous one that has
/// come to rest no further steps are computed, so that the last may be 1e18.
/// \throws std::invalid_argument for sizes that do not fit or steps that do not increase.
RecursionSolution follow(const CoupledModes& system, std::span<const double> M0, std::span<const std::uint64_t> at,
                         const RecursionOptions& options = {});

}  // namespace edgewise::solvers
