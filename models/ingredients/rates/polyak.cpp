#include <algorithm>
#include <limits>

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
  StochasticPolyak(double c, double largest, double least_loss) : c_(c), largest_(largest), least_loss_(least_loss) {}
  RateNeeds needs() const override { return {.gradient = true}; }
  double rate(std::span<const double>, const StepObservation& now) const override {
    if (!(now.squared_gradient > 0)) return 0;
    return std::clamp((now.loss - least_loss_) / (c_ * now.squared_gradient), 0.0, largest_);
  }

 private:
  double c_, largest_, least_loss_;
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
  return {{"stochastic-polyak",
           "Polyak's rate from the mini-batch's own loss and gradient (SPS)",
           "eta_k = min(eta_max, (f_k - f_min) / (c |g_k|^2)),   f_k = (1/2B) sum_b r_b^2",
           "Loizou, Vaswani, Laradji, Lacoste-Julien 2021; docs/theory/schedules-and-collapse.md, section 6",
           {settings::number("c", "of the denominator").above(0).otherwise(0.5),
            settings::number("eta_max", "largest rate")
                .above(0)
                .or_infinite()
                .otherwise(std::numeric_limits<double>::infinity()),
            settings::number("f_min", "the least loss that a batch is taken to reach").at_least(0).otherwise(0.0)}},
          {},
          [](const settings::Values& values, std::optional<double>) {
            return std::make_unique<StochasticPolyak>(values.number("c"), values.number("eta_max"),
                                                      values.number("f_min"));
          }};
}

}  // namespace edgewise::models::ingredients
