#pragma once
/// \file
/// L-stable singly diagonally implicit Runge-Kutta method of order 4 for coupled modes (Hairer & Wanner, Solving
/// Ordinary Differential Equations II, IV.6, table 6.5), at O(n) a step.
///
/// A stage solves Y = y0 + h gamma f(Y). Given the shared scalars p of the stage, every mode is explicit:
/// Y_i = (y0_i + h gamma source_i(p)) / (1 + h gamma rate_i(p)), so that Newton's method runs on the m scalars alone
/// (one iteration is exact for affine systems). An affine autonomous system with one shared scalar takes a faster way:
/// its step is a polynomial in E = h gamma A / (1 + h gamma A), and all stages follow from a few weighted moments.
///
/// Three Odeint steppers: Sdirk4 (error stepper), Sdirk4Controlled, Sdirk4DenseOutput. Pass the system to Odeint's
/// integrate functions as std::cref(system).
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "solvers/coupled_modes.hpp"
#include "solvers/odeint_concepts.hpp"
#include "solvers/step_control.hpp"

namespace edgewise::solvers {

/// One step at a time, without step size control. Odeint's error stepper concept.
class Sdirk4 {
 public:
  using state_type = std::vector<double>;
  using deriv_type = std::vector<double>;
  using value_type = double;
  using time_type = double;
  using order_type = unsigned short;
  using stepper_category = boost::numeric::odeint::error_stepper_tag;

  Sdirk4();
  ~Sdirk4();
  Sdirk4(const Sdirk4&);
  Sdirk4& operator=(const Sdirk4&);
  Sdirk4(Sdirk4&&) noexcept;
  Sdirk4& operator=(Sdirk4&&) noexcept;

  order_type order() const { return 4; }
  order_type stepper_order() const { return 4; }
  order_type error_order() const { return 3; }

  /// M(t) -> M(t + dt) in place. Throws std::runtime_error where the step has no stable solution (see `attempt`).
  void do_step(const CoupledModes& system, state_type& M, double t, double dt);
  void do_step(const CoupledModes& system, const state_type& M, double t, state_type& out, double dt);
  /// Also the estimate of the step's error in every mode.
  void do_step(const CoupledModes& system, state_type& M, double t, double dt, state_type& error);
  void do_step(const CoupledModes& system, const state_type& M, double t, state_type& out, double dt,
               state_type& error);

  /// Coefficients of an autonomous affine system are read once, when it is first seen; call this after changing it.
  void reset();

  /// \name The step that the controllers build on
  /// @{
  /// Starts at (t, M). Reads the coefficients of `system` unless it is the one already known.
  void begin(const CoupledModes& system, std::span<const double> M, double t);
  /// Tries a step of size h from the current state. False if there is no stable solution: a denominator
  /// 1 + h gamma rate_i or det(I - h gamma W D U) is not positive, or Newton's method fails; then take a smaller h.
  bool attempt(double h, const Tolerances& tolerances);
  /// Coefficients are read at times below `t` only: a step that ends at a jump takes the limit from the left.
  void read_before(double t);
  /// Error of the last attempt over its tolerance; the step is good if this is <= 1.
  double error_ratio() const;
  /// Makes the attempted step the current state.
  void accept();
  double time() const;
  std::span<const double> state() const;
  std::span<const double> shared() const;  ///< p at the current state
  /// sum_i |W_li M_i| at the current state, per shared scalar.
  std::span<const double> magnitude() const;
  /// M and p at `t` in the last accepted step, by the method's continuous extension of order 4; until the next attempt.
  void interpolate(double t, std::span<double> M) const;
  void interpolate_shared(double t, std::span<double> p) const;
  /// The error estimate of the last attempt, per mode.
  void error(std::span<double> out) const;
  /// A first step: 0.05 / max_i |rate_i|.
  double suggest_step() const;
  Statistics& statistics();
  const Statistics& statistics() const;
  /// @}

  class Engine;

 private:
  std::unique_ptr<Engine> engine_;
};

/// Odeint's controlled stepper.
class Sdirk4Controlled {
 public:
  using state_type = std::vector<double>;
  using deriv_type = std::vector<double>;
  using value_type = double;
  using time_type = double;
  using stepper_type = Sdirk4;
  using stepper_category = boost::numeric::odeint::controlled_stepper_tag;

  explicit Sdirk4Controlled(Tolerances tolerances = {}) : tolerances_(tolerances) {}
  /// On success moves M and t by dt and proposes the next dt; else leaves them and proposes a smaller dt.
  StepResult try_step(const CoupledModes& system, state_type& M, double& t, double& dt);
  void reset();
  const Statistics& statistics() const { return stepper_.statistics(); }

 private:
  Tolerances tolerances_;
  Sdirk4 stepper_;
  StepSize control_;
};

/// Odeint's dense output stepper.
class Sdirk4DenseOutput {
 public:
  using state_type = std::vector<double>;
  using deriv_type = std::vector<double>;
  using value_type = double;
  using time_type = double;
  using stepper_type = Sdirk4;
  using stepper_category = boost::numeric::odeint::dense_output_stepper_tag;

  explicit Sdirk4DenseOutput(Tolerances tolerances = {}) : tolerances_(tolerances) {}

  /// Starts at (t, M) with the trial step dt (not positive: chosen from the rates).
  void initialize(const state_type& M, double t, double dt);
  /// Takes one step, as large as the tolerance allows; returns its start and end. Throws std::runtime_error if the
  /// step size falls below the spacing of doubles at t.
  std::pair<double, double> do_step(const CoupledModes& system);
  /// No step ends beyond `t`; a step that comes near it ends there exactly. Coefficients are read below `t` only, so
  /// that they may jump there.
  void stop_at(double t) {
    control_.stop_at(t);
    stepper_.read_before(t);
  }

  void calc_state(double t, state_type& M) const;
  void calc_shared(double t, std::span<double> p) const { stepper_.interpolate_shared(t, p); }
  const state_type& current_state() const;
  std::span<const double> current_shared() const { return stepper_.shared(); }
  double current_time() const { return control_.time(); }
  /// M at the start of the last step.
  const state_type& previous_state() const;
  double previous_time() const { return control_.previous_time(); }
  double current_time_step() const { return control_.next_step(); }
  void reset();
  const Statistics& statistics() const { return stepper_.statistics(); }

 private:
  Tolerances tolerances_;
  Sdirk4 stepper_;
  StepControl control_{"sdirk4"};
  state_type initial_;
  mutable state_type current_, previous_;
  bool started_ = false;
};

}  // namespace edgewise::solvers
