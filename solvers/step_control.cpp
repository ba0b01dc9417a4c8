#include "solvers/step_control.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::solvers {

double StepSize::accepted(double h, double ratio) {
  ratio = std::max(ratio, 1e-10);
  double factor = 0.9 * std::pow(ratio, -1 / order_);
  if (previous_h_ > 0) {
    const double predicted = factor * (h / previous_h_) * std::pow(previous_ratio_ / ratio, 1 / order_);
    factor = std::min(factor, predicted);
  }
  if (after_rejection_) factor = std::min(factor, 1.0);
  after_rejection_ = false;
  previous_h_ = h;
  previous_ratio_ = std::max(ratio, 1e-2);
  factor = std::clamp(factor, 0.2, 5.0);
  // Shrinking a little is not worth new tables either, as long as the next error stays below the tolerance.
  if (factor < hysteresis_ && factor >= 0.93) factor = 1;
  return h * factor;
}

double StepSize::rejected(double h, double ratio) {
  after_rejection_ = true;
  previous_h_ = 0;
  return h * std::clamp(0.9 * std::pow(ratio, -1 / order_), 0.1, 0.9);
}

double first_trial_step(double largest_rate) {
  return largest_rate > 0 ? 0.05 / largest_rate : 1e-3;
}

void StepControl::start(double t, double trial) {
  time_ = previous_time_ = t;
  next_step_ = trial;
  size_.reset();
}

double StepControl::advance(const Attempt& attempt, Statistics& statistics) {
  double h = next_step_;
  for (;;) {
    const bool last = time_ + h * 1.0001 >= stop_;
    if (last) h = stop_ - time_;
    if (!(h > 4 * std::numeric_limits<double>::epsilon() * std::abs(time_)))
      throw std::runtime_error(
          fmt::format("{}: the step size fell to {} at t = {}: the solution has a singularity there or the tolerance "
                      "is too small",
                      method_, h, time_));
    const std::optional<double> ratio = attempt(h);
    if (!ratio || *ratio > 1) {
      ++statistics.rejected;
      h = ratio ? size_.rejected(h, *ratio) : 0.25 * h;
      continue;
    }
    previous_time_ = time_;
    time_ = last ? stop_ : time_ + h;
    const double proposed = size_.accepted(h, *ratio);
    // A step cut short by stop_ says little about the next one.
    next_step_ = last ? std::max(proposed, next_step_) : proposed;
    return h;
  }
}

}  // namespace edgewise::solvers
