
#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

class Polyak final : public RateRule {
 public:
  RateNeeds needs() const override { return {.nearness = true}; }
  double rate(std::span<const double>, const StepObservation& now) const override {
    return now.mean_squared_gradient > 0 ? now.excess_mse / now.mean_squared_gradient : 0;
  }
};

class StochasticPolyak final : public RateRule {
 public:
  explicit StochasticPolyak(const settings::Values& values)
      : c_(values.number("c")), least_loss_(values.number("f_min")) {}
  RateNeeds needs() const override { return {.gradient = true}; }
  bool by_batch_alone() const override { return true; }
  double rate(std::span<const double>, const StepObservation& now) const override {
    return now.squared_gradient > 0 ? (now.loss - least_loss_) / (c_ * now.squared_gradient) : 0;
  }

 private:
  double c_, least_loss_;
};

}  // namespace

RateRuleKind polyak() {
  return {{"polyak",
           "the rate that comes nearest to the target in one step, known to an oracle",
           "eta_k = P_k / E |g_k|^2,   E over the batch at theta_k: least E |theta_{k+1} - theta*|^2",
           "Polyak 1987; Collins-Woodfin et al. 2024; docs/theory/schedules-and-collapse.md, section 6",
           {}},
          {},
          [](const settings::Values&, std::optional<double>) { return std::make_unique<Polyak>(); }};
}

RateRuleKind stochastic_polyak() {
  return rule_kind<StochasticPolyak>(
      {"stochastic-polyak",
       "Polyak's rate from the mini-batch's own loss and gradient (SPS)",
       "eta_k = min(eta_max, (f_k - f_min)_+ / (c |g_k|^2)),   f_k = (1/2B) sum_b r_b^2",
       "Loizou, Vaswani, Laradji, Lacoste-Julien 2021; docs/theory/schedules-and-collapse.md, section 6",
       {settings::number("c", "of the denominator").above(0).otherwise(0.5), largest_rate(), least_loss()}},
      {});
}

}  // namespace edgewise::models::ingredients
