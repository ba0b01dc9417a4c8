#pragma once
/// \file
/// The steps of a run that are more than a given rate along the gradient: of a base update, and of a learning rate that is
/// set by a rule of section [rate] (docs/theory/curvature-dynamics.md, section 3.1). What a rule asks of the loss along a step costs no further reading of the tensor: with u the step and
/// one contraction, J u and Q(u, u), the batch's loss is known for every rate,
///
///     L(theta - eta u) = sum over the batch of (z - eta J u + (eta^2/2) Q(u, u))^2/2,   u'H u = |P J u|^2 + (P z).Q(u, u)
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/base_update.hpp"
#include "models/quadratic_regression/hessian_edge.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace edgewise::models::quadratic_regression {

class TunedSteps final : public StepRule {
 public:
  /// \param rule  null: the rate is given with every step;  \param base  the rule must suit it (check_base_of_rate)
  TunedSteps(const ingredients::RateRule* rule, const ingredients::BaseUpdate& base, bool full_batch,
             std::size_t parameters);

  /// Before every step. \param factor  of the schedule, or the rate itself;  \param edge  not null: what is told of the
  /// step's sharpness, must outlive it
  void prepare(double factor, EdgeRecord* edge = nullptr) {
    factor_ = factor;
    edge_ = edge;
  }
  void direct(const QuadraticState& state, std::span<double> along) override;
  double rate(const QuadraticState& state) override;

  /// Whether a run under a rule has ended at a minimum (loss below 1e-24 of its first, or with all outputs a step |g|^2 below 1e-28
  /// of its first): the ratios that rules live by mean nothing there, and it stands still.
  bool ended() const { return ended_; }
  /// |theta' - theta|/|u| of the last step.
  double last() const { return rates_.empty() ? 0 : rates_.back(); }
  /// Writes what tuned_observables() names; of a rule.
  void write(const QuadraticState& state, std::span<double> out) const;

 private:
  double batch_loss(const QuadraticState& state, double eta) const;

  const ingredients::RateRule* rule_;
  std::optional<ingredients::RateRun> run_;
  ingredients::BaseRun base_;
  EdgeRecord* edge_ = nullptr;
  bool full_batch_, ended_ = false;
  double factor_ = 1, first_loss_ = -1, first_square_ = 0;
  std::vector<double> gradient_, average_, rates_;
  LargestHessianEigenvalue largest_;
};

/// \throws std::runtime_error where |g|^2 or u.Hu of a step is no number that a rate could be made of.
void check_scale(const ingredients::StepObservation& now);

/// ntk_min and mean_rate, which docs/theory/curvature-dynamics.md, section 3.4, is about, then rate_observables.
std::vector<Observable> tuned_observables(const ingredients::RateRule& rule);

}  // namespace edgewise::models::quadratic_regression
