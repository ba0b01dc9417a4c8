#pragma once
/// \file
/// The adjoint of linear phases: how a quadratic form of the last moments depends on the control of every phase, for the
/// price of two to four solves (docs/theory/schedules-and-collapse.md, section 3.1, for any method of the family).
///
/// With J = sum_i <A_i, Sigma_i> at the end of a phase, at its start
///
///     A_i <- T' A_i T + C*_i e e',    N_i = sum_blocks omega n'A_i n,
///     C*_i = noise_scale (own_i N_i + weight_i sum_j feedback_j N_j),
///
/// which is a phase again, with T transposed, n and e exchanged, and weights and feedbacks of the modes.
#include <cstddef>
#include <cstdint>
#include <span>

#include "solvers/linear_phases.hpp"

namespace edgewise::solvers {

/// A phase whose T and n are affine in one number c, all else being fixed: `rest` at c = 0, and T0, T1, n of `slope` by c.
struct ControlledPhase {
  Phase rest, slope;
  bool operator==(const ControlledPhase&) const = default;
};

/// The phase at c, in `out`, whose memory is used again.
void phase_at(const ControlledPhase& phase, double c, Phase& out);
/// Where a run finds the moments, laid out as contents(), and what it leaves.
struct RunPlace {
  double* states;            ///< the moments before the first step
  bool kept = false;         ///< those after every step follow, one after another; else they are moved where they are
  double* shared = nullptr;  ///< p before every step; may be null
  bool given = false;        ///< it is read from there, as an earlier run left it
};
/// Applies the phase at one control after another, until what `apply` returns exceeds `limit` in size or is no number.
/// Returns how many were applied without. The bits are those of one step after another; of a single coordinate in one pass
/// over the modes a step.
std::size_t apply_run(LinearPhases& state, const ControlledPhase& phase, std::span<const double> controls,
                      double limit);
std::size_t apply_run(LinearPhases& state, const ControlledPhase& phase, std::span<const double> controls, double limit,
                      const RunPlace& place);
/// Whether apply_stretch knows this phase: noisy, on one coordinate that is its own source.
bool has_stretches(const LinearPhases& state, const ControlledPhase& phase);
/// About `steps` applications, a power of two, at one control, for the price of log2 of them: p runs linearly from its value
/// before to its value after, and is exact at those ends where it does. Returns p after.
double apply_stretch(LinearPhases& state, const ControlledPhase& phase, double control, std::uint64_t steps);
/// The controlled phase that passes through phases at c = 0 and c = step. \throws std::invalid_argument where that at
/// 2 step does not lie on it.
ControlledPhase controlled_phase(const Phase& at_zero, const Phase& at_step, const Phase& at_twice, double step);

/// The modes on the way back: weights and feedbacks exchanged, no source.
LinearModes adjoint_modes(LinearModes modes);
/// The phase on the way back, in `out`. What LinearPhases::apply returns for it, times the omega of its first block, is
/// sum_j feedback_j N_j.
void adjoint_phase(const Phase& phase, Phase& out);

/// Carries `adjoint` back through steps of one phase, and says how the form depends on every step's control, at its value and
/// all others being fixed; one pass over the modes of a block alone.
/// \param adjoint  A after the last step \param states  the moments before every step, one after another, as contents()
/// \param shared  p before every step
void carry_back(LinearPhases& adjoint, const LinearPhases& state, const ControlledPhase& phase,
                std::span<const double> controls, const double* states, const double* shared,
                std::span<double> by_control);

/// <A, Phi_c(Sigma)> = constant + linear c + quadratic c^2.
struct ControlDependence {
  double linear = 0, quadratic = 0;
};
/// \param adjoint  A after the phase, \param state  a state of the forward modes, \param moments  the contents() of one
/// before the phase, \param p  what apply returns for it
ControlDependence control_dependence(const LinearPhases& adjoint, const LinearPhases& state,
                                     std::span<const double> moments, const ControlledPhase& phase, double p);

}  // namespace edgewise::solvers
