// The tuner that knows the sharpness itself, late or averaged (docs/theory/curvature-dynamics.md, section 2).
#include <cmath>
#include <stdexcept>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

class InverseSharpness final : public RateRule {
 public:
  explicit InverseSharpness(const settings::Values& v)
      : sigma_(v.number("sigma")), ema_(v.number("ema")), delay_(v.integer("delay")) {
    for (std::int64_t k = 1; k <= delay_; ++k)
      columns.push_back({"sharpness_" + std::to_string(k) + "_ago", "1/rate", "of as many steps before the next"});
  }
  RateNeeds needs() const override { return {.own_loss = true, .sharpness = true}; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    const double average = averaged(memory, now);
    if (average > 0 || now.descent == 0) return average > 0 ? sigma_ / average : 0;
    if (std::isinf(*largest))
      throw std::runtime_error("rate: inverse-sharpness has met a sharpness that is not above 0; give eta_max");
    return *largest;
  }
  void update(std::span<double> memory, const StepObservation& now, double) const override {
    const auto late = memory.subspan(1);
    if (memory[0] == 0) std::ranges::fill(late, now.sharpness);
    memory[0] = averaged(memory, now);
    std::shift_right(late.begin(), late.end(), 1);
    if (delay_ > 0) late[0] = now.sharpness;
  }

 private:
  /// The first sharpness stands for all before it.
  double averaged(std::span<const double> memory, const StepObservation& now) const {
    if (memory[0] == 0) return now.sharpness;
    return ema_ * memory[0] + (1 - ema_) * (delay_ > 0 ? memory[delay_] : now.sharpness);
  }
  double sigma_, ema_;
  std::int64_t delay_;
};

}  // namespace

RateRuleKind inverse_sharpness() {
  auto delay = settings::integer("delay", "steps by which the sharpness is late").in("optimizer steps");
  delay.at_least(0).at_most(64).otherwise(std::int64_t{0});
  return rule_kind<InverseSharpness>(
      {"inverse-sharpness",
       "sigma over the largest eigenvalue of the batch's Hessian, of some steps before or averaged: sigma = 2 on edge",
       "eta_k = min(eta_max, sigma/hat_k),   hat_k = ema hat_{k-1} + (1 - ema) lambda_{k-delay},   lambda_0 before",
       "Roulet, Agarwala, Grill et al. 2024; docs/theory/curvature-dynamics.md, section 2",
       {settings::number("sigma", "eta hat").above(0).otherwise(2.0), delay,
        settings::number("ema", "of the sharpness").at_least(0).below(1).otherwise(0.0), largest_rate()}},
      {{"average_sharpness", "1/rate", "what the last rate was sigma over"}});
}

}  // namespace edgewise::models::ingredients
