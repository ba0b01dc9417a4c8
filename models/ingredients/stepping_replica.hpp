#pragma once
/// \file
/// What the replicas of every stochastic optimizer share: counting steps, the learning rate of a step, and the end of a
/// diverged run.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "models/framework/model.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedules.hpp"

namespace edgewise::models::ingredients {

/// Counts steps. Once a step returns more than `limit`, or no number, the run has diverged: no more steps are taken and
/// every observable is infinite.
class SteppingReplica : public Replica {
 public:
  explicit SteppingReplica(double limit) : limit_(limit) {}

  void advance(std::uint64_t target) final {
    for (; step_ < target && !diverged_; ++step_) diverged_ = !(take_step(step_, step_ + 1 == target) <= limit_);
    step_ = std::max(step_, target);
  }

  void observe(std::span<double> out) const final {
    if (diverged_)
      std::ranges::fill(out, std::numeric_limits<double>::infinity());
    else
      measure(out);
  }

 protected:
  /// Takes step `step`; `recorded` when the observables are read after it. Returns the excess risk, or something of its
  /// size.
  virtual double take_step(std::uint64_t step, bool recorded) = 0;
  /// Writes the observables.
  virtual void measure(std::span<double> out) const = 0;

 private:
  double limit_;
  std::uint64_t step_ = 0;
  bool diverged_ = false;
};

/// Steps of a learning rate that follows a schedule, and where there is one a rule.
class ScheduledReplica : public SteppingReplica {
 public:
  /// eta of step k is learning_rate * schedule.at(k), times the rule's rate; schedule and rule must outlive it.
  ScheduledReplica(double limit, double learning_rate, const Schedule& schedule, const RateRule* rule = nullptr)
      : SteppingReplica(limit), learning_rate_(learning_rate), schedule_(schedule) {
    if (schedule.constant()) constant_rate_ = learning_rate * schedule.at(0);
    if (rule) ruled_.emplace(*rule);
  }

 protected:
  /// As SteppingReplica::take_step, at learning rate `rate`; where the rule moves the whole vector, `rate` is the factor
  /// of its step.
  virtual double descend_once(std::uint64_t step, double rate) = 0;
  /// What the rule sees of step `step`, which is taken next; asked only where there is a rule.
  virtual StepObservation look(std::uint64_t /*step*/) { return {}; }
  /// The rule along this run; empty without one.
  const std::optional<RateRun>& ruled() const { return ruled_; }
  std::optional<RateRun>& ruled() { return ruled_; }

 private:
  double take_step(std::uint64_t step, bool) final {
    double rate = constant_rate_ ? *constant_rate_ : learning_rate_ * schedule_.at(static_cast<double>(step));
    if (ruled_ && !ruled_->whole_vector()) rate = ruled_->step(look(step), rate);
    return descend_once(step, rate);
  }

  double learning_rate_;
  const Schedule& schedule_;
  std::optional<double> constant_rate_;  ///< asked once where it is
  std::optional<RateRun> ruled_;
};

}  // namespace edgewise::models::ingredients
