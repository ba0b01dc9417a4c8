#pragma once
/// \file
/// What the steppers of this folder share: tolerances, the choice of step sizes, and the bookkeeping of times.
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "solvers/coupled_modes.hpp"

namespace edgewise::solvers {

/// How small the error of a step must be: for each shared scalar l, sum_i |W_li error_i| <= atol + rtol sum_i |W_li
/// M_i|. This bounds the error of p_l itself, relative to p_l where no terms cancel, and watches every mode that p
/// sees.
struct Tolerances {
  double rtol = 1e-8;
  double atol = 0;
};

/// Chooses step sizes: predictive control (Gustafsson), the step kept while it could not grow by more than a fifth,
/// since a new step size costs as much as a step.
class StepSize {
 public:
  explicit StepSize(double order = 4, double hysteresis = 1.2) : order_(order), hysteresis_(hysteresis) {}
  /// Next step after one of size h with the given error ratio.
  double accepted(double h, double ratio);
  double rejected(double h, double ratio);
  void reset() {
    previous_h_ = 0;
    after_rejection_ = false;
  }

 private:
  double order_;
  double hysteresis_;
  double previous_h_ = 0, previous_ratio_ = 0;
  bool after_rejection_ = false;
};

/// The first trial step where the user gives none: 0.05 / largest rate.
double first_trial_step(double largest_rate);

/// The times of a dense output stepper: where the last step began and ended, how large the next one shall be, and where
/// one must end.
class StepControl {
 public:
  /// Tries a step of size h from the present state. Its error over the tolerance (good if <= 1), or nothing if there is
  /// no stable solution, so that a smaller step must be tried.
  using Attempt = std::function<std::optional<double>(double h)>;

  /// `method` names the stepper in messages.
  explicit StepControl(std::string method, StepSize size = StepSize()) : method_(std::move(method)), size_(size) {}

  void start(double t, double trial);
  /// Forgets the sizes of past steps.
  void reset() { size_.reset(); }
  /// No step ends beyond `t`; a step that comes near it ends there exactly.
  void stop_at(double t) { stop_ = t; }
  /// Tries smaller and smaller steps until one is good; returns its size, which the stepper then makes its own. Counts
  /// the rejected steps. \throws std::runtime_error if the step size falls below the spacing of doubles at t.
  double advance(const Attempt& attempt, Statistics& statistics);

  double time() const { return time_; }
  double previous_time() const { return previous_time_; }
  double stop() const { return stop_; }
  double next_step() const { return next_step_; }
  void set_next_step(double h) { next_step_ = h; }

 private:
  std::string method_;
  StepSize size_;
  double time_ = 0, previous_time_ = 0, next_step_ = 0, stop_ = std::numeric_limits<double>::infinity();
};

}  // namespace edgewise::solvers
