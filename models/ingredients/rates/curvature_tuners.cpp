// Tuners that see the loss along the step itself (docs/theory/curvature-dynamics.md, section 3.1).
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

/// A rejected trial is shrunk at most so often.
constexpr int most_shrinks = 60;

class Cdat final : public RateRule {
 public:
  explicit Cdat(const settings::Values& values)
      : sigma_(values.number("sigma")), ema_(values.number("ema")), epsilon_(values.number("epsilon")) {}
  RateNeeds needs() const override { return {.own_loss = true}; }
  GreedyMultiple greedy_multiple() const override {
    return {epsilon_ == 0 && std::isinf(*largest) ? sigma_ : 0, sigma_, ema_ > 0};
  }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    const Averages a = averaged(memory, now);
    if (a.descent == 0) return 0;
    if (a.curvature == 0 && std::isinf(*largest))
      throw std::runtime_error("rate: cdat has met a step with u.Hu = 0; give epsilon or eta_max");
    return sigma_ * a.descent / a.curvature;
  }
  void update(std::span<double> memory, const StepObservation& now, double) const override {
    const Averages a = averaged(memory, now);
    memory[0] = a.descent;
    memory[1] = a.curvature;
  }

 private:
  struct Averages {
    double descent, curvature;
  };
  /// The first values stand for all before them.
  Averages averaged(std::span<const double> memory, const StepObservation& now) const {
    const double descent = std::max(now.descent, 0.0), curvature = std::abs(now.curvature_along) + epsilon_;
    if (memory[0] == 0 && memory[1] == 0) return {descent, curvature};
    return {ema_ * memory[0] + (1 - ema_) * descent, ema_ * memory[1] + (1 - ema_) * curvature};
  }
  double sigma_, ema_, epsilon_;
};

class Armijo final : public RateRule {
 public:
  explicit Armijo(const settings::Values& values)
      : c_(values.number("c")),
        shrink_(values.number("shrink")),
        grow_(values.number("grow")),
        first_(values.number("eta_init")) {}
  RateNeeds needs() const override { return {.own_loss = true}; }
  GreedyMultiple greedy_multiple() const override { return {.high = 2 * (1 - c_), .searched = true}; }
  bool jumps() const override { return true; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    double eta = std::min(memory[0] > 0 ? grow_ * memory[0] : first_, *largest);
    if (!(now.descent > 0)) return 0;
    // Written so that a trial whose loss is no number is rejected.
    for (int k = 0; k < most_shrinks && !(now.loss_after(eta) <= now.loss - c_ * eta * now.descent); ++k)
      eta *= shrink_;
    return eta;
  }
  void update(std::span<double> memory, const StepObservation&, double step) const override {
    if (step > 0) memory[0] = step;
  }

 private:
  double c_, shrink_, grow_, first_;
};

}  // namespace

RateRuleKind cdat() {
  return rule_kind<Cdat>(
      {"cdat",
       "sigma times the rate that lowers the batch's loss most along its own step: sigma = 1 greedy, 2 on edge",
       "eta_k = min(eta_max, sigma n_k / d_k),   n, d averages of max(-g.u, 0) and |u.Hu| + epsilon, u the step at\n"
       "rate 1, with weight 1 - ema of the newest; the first values start them",
       "Roulet, Agarwala, Grill et al. 2024; docs/theory/curvature-dynamics.md, section 3.1",
       {settings::number("sigma", "1 greedy, 2 on edge").above(0).otherwise(2.0),
        settings::number("ema", "of both averages").at_least(0).below(1).otherwise(0.0),
        settings::number("epsilon", "added to the curvature").at_least(0).otherwise(0.0), largest_rate()}},
      {{"average_descent", "loss", "of max(-g.u, 0)"}, {"average_curvature", "loss/rate^2", "of |u.Hu| + epsilon"}});
}

RateRuleKind armijo() {
  return rule_kind<Armijo>(
      {"armijo",
       "the largest tried rate that lowers the batch's loss by a share of what its slope promises",
       "from eta_init, then grow eta_{k-1} (at most eta_max): shrink while L(theta + eta u) > L - c eta (-g.u), at\n"
       "most 60 times",
       "docs/theory/curvature-dynamics.md, section 3.1",
       {settings::number("c", "share of the slope").above(0).below(1).otherwise(1e-4),
        settings::number("shrink", "factor on a rejected trial").above(0).below(1).otherwise(0.8),
        settings::number("grow", "factor from step to step").at_least(1).otherwise(1.5),
        settings::number("eta_init", "first trial").above(0).otherwise(1.0), largest_rate(1.0)}},
      {{"accepted_rate", "1/eigenvalue", "of the last step"}});
}

}  // namespace edgewise::models::ingredients
