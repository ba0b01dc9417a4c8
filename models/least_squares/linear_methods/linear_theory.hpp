#pragma once
/// \file
/// The theory of a linear method on least squares: its exact recursion, the split of the risk, the inner-flow limit.
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/jumps.hpp"
#include "models/least_squares/least_squares.hpp"
#include "models/least_squares/linear_methods/linear_method.hpp"
#include "models/least_squares/theory.hpp"
#include "solvers/linear_stability.hpp"
#include "solvers/phase_powers.hpp"

namespace edgewise::models::least_squares {

/// A linear method on a least-squares problem. Learning rate, batch and their schedules are those of
/// `hyperparameters`; the like-named members of `data` are not read.
struct LinearProblem {
  std::shared_ptr<const LeastSquares> data;
  const LinearMethod* method = nullptr;
  Hyperparameters hyperparameters;
  std::shared_ptr<const LinearMethod> own_method = nullptr;  ///< keeps `method` where it is of this problem alone
};

/// The problem with eigenvalues over `unit`, a power of four that brings the largest near 1, learning rates times it,
/// errors times its root and weight decays over it: every risk is the same, and squares and fourth powers of eigenvalues
/// stay numbers. Hyperparameters are given as before. Of custom methods, whose numbers may have any unit, unit = 1.
struct BalancedProblem {
  LinearProblem problem;
  double unit = 1;
};
BalancedProblem balanced(const LinearProblem& problem);

/// The problem with label noise (and what no linear function explains) of so many times the variance.
LinearProblem with_scaled_noise(const LinearProblem& problem, double factor);

/// The linear problem of an experiment whose model is least-squares. \throws settings::Error.
LinearProblem read_linear_problem(const Experiment& experiment);

/// True for SGD without weight decay whose batch has no schedule: what solve_sgd and its fast ways cover.
bool is_plain_sgd(const LinearProblem& problem);
/// What the user should know of the method's parameters (docs/theory/two-phase.md, section 12).
std::vector<std::string> linear_warnings(const LinearProblem& problem);

/// Plain SGD with the learning rate, batch and schedule of `problem`, which must outlive it.
LinearProblem sgd_problem(const LeastSquares& problem);
/// The modes of a problem as linear phases see them: x = weight = lambda, feedback n lambda, own (E z^4 - 2) lambda^2.
/// \param feedback factor on the response to the shared scalar
/// \param null keeps modes with lambda = 0
solvers::LinearModes linear_modes(const LeastSquares& problem, double noise_variance, double feedback = 1,
                                  bool null = true);

/// risk, excess_mse, parameter_error, and NAME_excess_mse for every further readout of the method.
std::vector<Observable> linear_observables(const LinearProblem& problem);

/// Where a block of coordinates starts: factor[i] sqrt(power[a]) in eigenspace a.
struct BlockStart {
  std::vector<double> factor, power;
};
/// One for every block of `layout`. \throws std::invalid_argument when the method needs theta* and the start is not a
/// multiple of it.
std::vector<BlockStart> starts(const LinearProblem& problem, const Layout& layout);
/// The coordinates there, [block][coordinate * modes + mode], and as second moments of `state`.
std::vector<std::vector<double>> coordinates_of(std::span<const BlockStart> blocks);
void set_moments(std::span<const BlockStart> blocks, solvers::LinearPhases& state);

/// sum over modes of weight times what a readout sees of the moments: of eigenvalues its P, of ones its |v|^2.
double read_moments(const Readout& readout, const solvers::LinearPhases& moments, std::span<const double> weight);
/// Of P, at which a trajectory of the problem counts as diverged.
double risk_limit(const LinearProblem& problem);

/// What drives the risk; all together are the theory, and each alone is a part of it, for the risk is linear in (second
/// moments of the start, sigma^2).
struct Parts {
  bool start = true, gradient_noise = true, label_noise = true;
  double feedback = 1;     ///< factor on what a mode's noise answers to the shared P + sigma^2
  double contraction = 1;  ///< of plain SGD: factor on the decay of a mode per step (SgdModes::contraction)
};

/// The exact second moments (at finite dimension), step after step; O(n) a step. Of constant hyperparameters, whole
/// periods are taken by powers of their map where that is cheaper: long horizons of few modes, any of coordinates; and
/// plain SGD may jump. Without gradient noise (batch = inf, or the signal alone) they are squares of the coordinates,
/// which are moved instead: nothing then cancels to below 0.
class LinearRecursion {
 public:
  /// \throws std::invalid_argument when the method needs theta* and the start is not a multiple of it.
  explicit LinearRecursion(const LinearProblem& problem) : LinearRecursion(problem, Parts()) {}
  LinearRecursion(const LinearProblem& problem, const Parts& parts);

  /// Lets plain SGD at a constant rate jump to late steps, P to a relative `rtol` there. To be called at step 0.
  void allow_jumps(double rtol);
  /// Runs to `step` (which never falls); stops early when the risk is not finite or above the limit of divergence.
  void advance(std::uint64_t step);
  /// In place of that of the problem's own start and noise.
  void set_limit(double limit) { limit_ = limit; }
  bool diverged() const { return diverged_; }
  std::uint64_t step() const { return step_; }
  /// In the order of linear_observables().
  void observe(std::span<double> out) const;
  double excess_mse() const { return read(0, false); }
  /// Adds how it went.
  void report(Trajectory& out) const;

 private:
  LinearRecursion(BalancedProblem problem, const Parts& parts);
  double read(std::size_t readout, bool parameters) const;
  void start(const Parts& parts);
  void jump(std::uint64_t target);
  std::vector<solvers::Phase> phases_of_period() const;
  /// m_a of every mode at the present hyperparameters.
  std::vector<double> contractions() const;
  /// Moves the moments, or the coordinates where there is no noise; P as it was before.
  double apply(const solvers::Phase& phase);
  /// The same for that many whole periods at once; false, with nothing moved, where that is not cheaper or diverges.
  bool leap(std::uint64_t periods);
  LinearProblem problem_;  // balanced, by unit_
  double unit_ = 1;
  Layout layout_;
  std::unique_ptr<solvers::LinearPhases> state_;
  std::vector<std::vector<double>> mean_;  // coordinates [block][coordinate * modes + mode], where there is no noise
  std::vector<double> weight_, ones_;
  std::vector<double> before_sync_;               // last values of the readouts that are taken before a sync
  std::vector<StepPhases> steps_;                 // of a period where they are cached, else the last one
  std::unique_ptr<solvers::PhasePowers> powers_;  // of a period, when first needed
  std::optional<ingredients::Jumps> jumps_;
  std::optional<std::array<double, 2>> jumped_;  // P and |v|^2 after a jump, which leaves the moments where they were
  bool cached_ = false, leaps_ = true, diverged_ = false;
  std::uint64_t step_ = 0, position_ = 0, period_ = 0, iterated_ = 0;
  double limit_ = std::numeric_limits<double>::infinity();
  Parts parts_;
};

/// Every observable of the problem along its recorded steps; jumps where it can.
Trajectory follow_recursion(const LinearProblem& problem, const Parts& parts, double rtol);
/// Adds three parts of P: that of `first`, what `noiseless` has more, and that of `labels`, as those trajectories have them.
void add_parts(Trajectory& out, const std::array<Observable, 3>& names, const Trajectory& first,
               const Trajectory& noiseless, const Trajectory& labels);

/// The part of every observable, in the order of linear_observables(), that label noise carries: [observable][step].
std::vector<std::vector<double>> label_noise_parts(const LinearProblem& problem, std::span<const std::uint64_t> steps);

/// Solves at the recorded steps of the problem. Methods "recursion" and "ode": of lookahead and la-diloco the inner-flow
/// limit (docs/theory/two-phase.md, section 3.2), of methods without rounds linear_flow.hpp. \throws std::invalid_argument when a method does
/// not cover the problem.
Trajectory solve_linear(const LinearProblem& problem, const LeastSquaresTheory& theory);

/// Excess risk at sync points 0..rounds in the limit eta -> 0 at fixed eta H and eta tr K / B
/// (docs/theory/two-phase.md, section 3.2).
std::vector<double> inner_flow(const LinearProblem& problem, std::uint64_t rounds);

/// The period of the method at its hyperparameters of step 0, modes with lambda = 0 left out. It begins after a sync, and
/// observes a readout (a place in Layout::readouts) there or, where that is said of it, before the sync at its end.
solvers::PeriodicPhases periodic(const LinearProblem& problem, std::size_t readout = 0);

}  // namespace edgewise::models::least_squares
