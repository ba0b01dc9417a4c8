#pragma once
/// \file
/// What the samplers of mini-batch SGD on least squares share.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "models/framework/divergence.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/least_squares/least_squares.hpp"

namespace edgewise::models::least_squares {

/// What every sampler shares: the excess risk of the last step and the observables.
class SgdReplica : public ingredients::ScheduledReplica {
 public:
  SgdReplica(const LeastSquares& problem, double excess)
      : ingredients::ScheduledReplica(divergence_limit(excess + problem.noise_variance()), problem.learning_rate,
                                      *problem.schedule, problem.rate_rule.get()),
        problem_(problem),
        excess_(excess) {}

 protected:
  /// Draws the mini-batch of a step, and with it the gradient.
  virtual void draw(std::uint64_t step) = 0;
  /// What a rate rule sees of it.
  virtual ingredients::StepObservation seen() = 0;
  /// Moves along the gradient, or the rule's average of gradients; returns the new excess risk (or an estimate of it, to detect divergence).
  virtual double move(double rate) = 0;
  /// The step of a rule that moves the whole vector; returns the same.
  virtual double move_whole(ingredients::RateRun& run, double factor) = 0;
  /// Excess risk and |v|^2.
  virtual std::array<double, 2> errors() const = 0;

  const LeastSquares& problem_;
  double excess_;

 private:
  ingredients::StepObservation look(std::uint64_t step) final {
    draw(step);
    return seen();
  }

  double descend_once(std::uint64_t step, double rate) final {
    if (ruled() && !ruled()->whole_vector()) return excess_ = move(rate);
    draw(step);
    return excess_ = ruled() ? move_whole(*ruled(), rate) : move(rate);
  }

  void measure(std::span<double> out) const final {
    const auto [excess, squared_error] = errors();
    out[0] = 0.5 * (excess + problem_.noise_variance());
    out[1] = excess;
    out[2] = squared_error;
    if (ruled()) ruled()->observe(out.subspan(3));
  }
};

}  // namespace edgewise::models::least_squares
