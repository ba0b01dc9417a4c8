#pragma once
/// \file
/// The loss of a linear method as a function of the learning rate of every step: one class for every method whose second
/// moments linear phases move (docs/theory/schedules-and-collapse.md, sections 3.1 and 3.2; docs/theory/two-phase.md,
/// section 2).
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "solvers/linear_phases.hpp"
#include "solvers/phase_gradient.hpp"

namespace edgewise::models::ingredients {

/// One optimizer step: a noisy phase that is affine in the learning rate, and a noiseless one after it (null: none), the same
/// wherever the noisy one is the same.
struct RatedStep {
  const solvers::ControlledPhase* noisy = nullptr;
  const solvers::Phase* after = nullptr;
};

/// Everything of a linear method but its learning rates.
struct PhaseLaw {
  solvers::LinearPhases start;                ///< the modes, and their moments before the first step
  std::vector<std::vector<double>> selector;  ///< per block: J = sum_i weight_i sum_blocks E (selector . z_i)^2
  std::vector<double> weight;
  double scale = 1;  ///< what J may be compared with when it is asked whether the run diverges
  RateFacts facts = {};
  /// The step k, 0 .. steps - 1; called from several threads.
  std::function<RatedStep(std::uint64_t k)> step = {};
};

/// J is a quadratic of every single rate, for T and n are affine in it: gradient, coordinate sweep and greedy rates.
class PhaseRates final : public RateObjective {
 public:
  explicit PhaseRates(PhaseLaw law) : RateObjective(law.facts), law_(std::move(law)) {}
  double value(std::span<const double> rates) const override;
  std::optional<double> estimate(std::span<const RateStretch> run) const override;
  double gradient(std::span<const double> rates, std::span<double> slope) const override;
  std::optional<double> sweep(std::span<double> rates, double cap) const override;
  std::optional<double> greedy(std::span<double> rates, double cap) const override;
  RatePath path(std::span<const double> rates) const override;

 private:
  using Visit = std::function<double(std::uint64_t k, const solvers::ControlDependence& by_rate)>;
  /// The loss that is read in `state`.
  double read(const solvers::LinearPhases& state) const;
  /// The adjoint state at the end: J is its product with the moments.
  solvers::LinearPhases adjoint_at_end() const;
  /// One step of `state`. Returns the shared scalar before it, inf where the run diverges.
  double advance(solvers::LinearPhases& state, std::uint64_t k, double rate, solvers::Phase& scratch) const;
  /// The first step after k, up to `end`, whose noisy phase is another or that follows a phase after a step.
  std::uint64_t alike(std::uint64_t k, std::uint64_t end) const;
  /// The steps first .. end - 1 of moments at a place. Whether the run goes on.
  bool run(solvers::LinearPhases& state, std::uint64_t first, std::uint64_t end, std::span<const double> rates,
           solvers::RunPlace place) const;
  /// Steps of the way back, with the moments and p before each.
  struct Stretch {
    std::uint64_t first, end;
    const double *states, *shared;
  };
  using Back =
      std::function<void(const Stretch& of, const solvers::LinearPhases& state, solvers::LinearPhases& adjoint)>;
  /// Forward, and back by what is given. Returns J of `rates`; inf where they diverge, and then there is no way back.
  double there_and_back(std::span<const double> rates, const Back& back) const;
  /// `visit` is told how J depends on the rate of step k, from the last on, and answers the rate that the way back is to
  /// take.
  double visited(std::span<const double> rates, const Visit& visit, std::vector<double>* injected) const;

  PhaseLaw law_;
};

}  // namespace edgewise::models::ingredients
