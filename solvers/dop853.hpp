#pragma once
/// \file
/// Explicit Runge-Kutta method of order 8 for coupled modes that are not stiff, with an error estimate of orders 5 and 3
/// and dense output of order 7 (Dormand & Prince; Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I,
/// II.5 and II.6). A step costs 12 evaluations of the coefficients, three more where a time inside it is asked for.
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "solvers/coupled_modes.hpp"
#include "solvers/odeint_concepts.hpp"
#include "solvers/step_control.hpp"

namespace edgewise::solvers {

/// Odeint's dense output stepper. The error is that of the mode for which it is largest over
/// atol + rtol (|M_i| + h |dM_i/dt|): a mode's own size is its scale, so that a P which falls by many decades stays
/// accurate.
class Dop853DenseOutput {
 public:
  using state_type = std::vector<double>;
  using deriv_type = std::vector<double>;
  using value_type = double;
  using time_type = double;
  using stepper_category = boost::numeric::odeint::dense_output_stepper_tag;

  explicit Dop853DenseOutput(Tolerances tolerances = {}) : tolerances_(tolerances) {}

  /// Starts at (t, M) with the trial step dt (not positive: 0.05 / max_i |rate_i|).
  void initialize(const state_type& M, double t, double dt);
  /// Takes one step, as large as the tolerance allows; returns its start and end. Throws std::runtime_error if the
  /// step size falls below the spacing of doubles at t.
  std::pair<double, double> do_step(const CoupledModes& system);
  /// No step ends beyond `t`; a step that comes near it ends there exactly. Coefficients are read below `t` only, so
  /// that they may jump there.
  void stop_at(double t);

  /// M and p at `t` in the last step.
  void calc_state(double t, state_type& M) const;
  void calc_shared(double t, std::span<double> p) const;
  const state_type& current_state() const { return state_; }
  std::span<const double> current_shared() const { return p_; }
  double current_time() const { return control_.time(); }
  /// M at the start of the last step.
  const state_type& previous_state() const { return previous_; }
  double previous_time() const { return control_.previous_time(); }
  double current_time_step() const { return control_.next_step(); }
  void reset() { control_.reset(); }
  const Statistics& statistics() const { return stats_; }
  /// Whether stability, not accuracy, holds the steps down, and too many are left to `end`.
  bool stiff(double end) const;

 private:
  void begin(const CoupledModes& system);
  double largest_rate() const;
  std::span<double> slope(std::size_t k) const { return {slopes_.data() + k * n_, n_}; }
  void evaluate(std::size_t k, double t, std::span<const double> M) const;
  double error_ratio(double h) const;

  Tolerances tolerances_;
  StepControl control_{"explicit", StepSize(8, 1)};
  const CoupledModes* system_ = nullptr;
  std::size_t n_ = 0;
  double h_ = 0, latest_ = std::numeric_limits<double>::infinity();
  bool started_ = false;
  state_type state_, previous_, next_;
  std::vector<double> p_;
  // Of the dense output, which is const, and what `evaluate` needs for it.
  mutable bool extended_ = false;
  mutable Statistics stats_;
  mutable std::vector<double> slopes_, rate_, stage_p_;
  mutable state_type scratch_;
};

}  // namespace edgewise::solvers
