#pragma once
/// \file
/// The shape that most limiting equations share: modes that feel each other only through a few shared scalars.
///
///     dM_i/dt = -rate_i(t, p) M_i + source_i(t, p),      p_l = sum_i W_li M_i,   l = 1..m
///
/// The Jacobian is diagonal plus rank m, so an implicit step costs O(n m^2). A scalar state (an adaptive step size, an
/// accumulator) is a mode like any other, with a row of W that reads it off.
#include <cstddef>
#include <span>

namespace edgewise::solvers {

/// Interface of a coupled-mode system; implemented by models, integrated by the steppers of this folder.
/// All spans indexed by mode have length size(); spans indexed by shared scalar have length shared();
/// `sensitivity` is row-major shared() x size().
class CoupledModes {
 public:
  virtual ~CoupledModes() = default;
  virtual std::size_t size() const = 0;
  /// Number m of shared scalars.
  virtual std::size_t shared() const { return 1; }
  /// Row l of W.
  virtual std::span<const double> weights(std::size_t l) const = 0;
  /// rate_i and source_i at time t and shared scalars p.
  virtual void coefficients(double t, std::span<const double> p, std::span<double> rate,
                            std::span<double> source) const = 0;
  /// u_li = d(rhs_i)/dp_l at fixed M_i: column l of the low-rank part of the Jacobian
  ///
  ///     J = -diag(rate) + sum_l u_l w_l',   w_l = weights(l).
  virtual void sensitivity(double t, std::span<const double> p, std::span<const double> M,
                           std::span<double> u) const = 0;
  /// True when rhs is affine in M (rates do not depend on p): one linear solve per stage, no Newton iteration.
  virtual bool affine() const = 0;
  /// True when nothing depends on t.
  virtual bool autonomous() const = 0;
  /// d(rhs_i)/dt at fixed M and p; only asked for when not autonomous. Default: central difference.
  virtual void time_derivative(double t, std::span<const double> p, std::span<const double> M,
                               std::span<double> dfdt) const;
};

/// What a solver did.
struct Statistics {
  std::size_t steps = 0;              ///< accepted steps
  std::size_t rejected = 0;           ///< rejected steps
  std::size_t evaluations = 0;        ///< right-hand sides (or transforms) evaluated
  std::size_t solves = 0;             ///< diagonal-plus-low-rank linear solves
  std::size_t newton_iterations = 0;  ///< beyond the first, for nonlinear systems
  double last_step = 0;               ///< size of the last step
  double first_step = 0;

  /// Counts an accepted step.
  void add_step(double size) {
    if (steps == 0) first_step = size;
    ++steps;
    last_step = size;
  }
};

}  // namespace edgewise::solvers
