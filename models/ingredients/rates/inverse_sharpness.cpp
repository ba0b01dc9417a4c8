// The tuner that knows the sharpness itself, late or averaged (docs/theory/curvature-dynamics.md, section 2).
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

const Observable& average_sharpness() {
  static const Observable average{"average_sharpness", "1/rate", "what the last rate was sigma over"};
  return average;
}

class InverseSharpness final : public RateRule {
 public:
  InverseSharpness(double sigma, std::size_t delay, double ema, double largest)
      : sigma_(sigma), delay_(delay), ema_(ema), largest_(largest), memory_{average_sharpness()} {
    for (std::size_t k = 1; k <= delay; ++k)
      memory_.push_back({"sharpness_" + std::to_string(k) + "_ago", "1/rate", "of as many steps before the next"});
  }
  RateNeeds needs() const override { return {.own_loss = true, .sharpness = true}; }
  const std::vector<Observable>& memory() const override { return memory_; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    const double average = averaged(memory, now);
    if (average > 0) return std::min(sigma_ / average, largest_);
    if (now.descent == 0) return 0;
    if (std::isinf(largest_))
      throw std::runtime_error("rate: inverse-sharpness has met a sharpness that is not above 0; give eta_max");
    return largest_;
  }
  void update(std::span<double> memory, const StepObservation& now, double) const override {
    const bool first = memory[0] == 0;
    memory[0] = averaged(memory, now);
    for (std::size_t k = delay_; k > 0; --k) memory[k] = first || k == 1 ? now.sharpness : memory[k - 1];
  }

 private:
  /// The first sharpness stands for all before it.
  double averaged(std::span<const double> memory, const StepObservation& now) const {
    if (memory[0] == 0) return now.sharpness;
    return ema_ * memory[0] + (1 - ema_) * (delay_ > 0 ? memory[delay_] : now.sharpness);
  }
  double sigma_;
  std::size_t delay_;
  double ema_, largest_;
  std::vector<Observable> memory_;
};

}  // namespace

RateRuleKind inverse_sharpness() {
  return {
      {"inverse-sharpness",
       "sigma over the largest eigenvalue of the batch's Hessian, of some steps before or averaged: sigma = 2 on edge",
       "eta_k = min(eta_max, sigma/hat_k),   hat_k = ema hat_{k-1} + (1 - ema) lambda_{k-delay},   lambda_0 before "
       "it",
       "Roulet, Agarwala, Grill et al. 2024; docs/theory/curvature-dynamics.md, section 2",
       {settings::number("sigma", "eta hat").above(0).otherwise(2.0),
        settings::integer("delay", "steps by which the sharpness is late")
            .in("optimizer steps")
            .at_least(0)
            .at_most(64)
            .otherwise(std::int64_t{0}),
        settings::number("ema", "of the sharpness").at_least(0).below(1).otherwise(0.0),
        settings::number("eta_max", "largest rate")
            .above(0)
            .or_infinite()
            .otherwise(std::numeric_limits<double>::infinity())}},
      {average_sharpness()},
      [](const settings::Values& values, std::optional<double>) {
        return std::make_unique<InverseSharpness>(values.number("sigma"),
                                                  static_cast<std::size_t>(values.integer("delay")),
                                                  values.number("ema"), values.number("eta_max"));
      }};
}

}  // namespace edgewise::models::ingredients
