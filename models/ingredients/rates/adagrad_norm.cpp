#include <cmath>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

const std::vector<Observable>& accumulator_column() {
  static const std::vector<Observable> memory{
      {"accumulator", "gradient^2", "S = b0^2 + sum |g|^2 over the steps taken"}};
  return memory;
}

class AdagradNorm final : public RateRule {
 public:
  AdagradNorm(double eta0, double b0) : eta0_(eta0), b0_(b0) {}
  RateNeeds needs() const override { return {.gradient = true}; }
  const std::vector<Observable>& memory() const override { return accumulator_column(); }
  void start(std::span<double> memory) const override { memory[0] = b0_ * b0_; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    const double sum = memory[0] + now.squared_gradient;
    return sum > 0 ? eta0_ / std::sqrt(sum) : 0;
  }
  void update(std::span<double> memory, const StepObservation& now, double) const override {
    memory[0] += now.squared_gradient;
  }

 private:
  double eta0_, b0_;
};

}  // namespace

RateRuleKind adagrad_norm() {
  return {{"adagrad-norm",
           "falls with the sum of the squared gradient norms",
           "S_k = b0^2 + sum_{i<=k} |g_i|^2,   eta_k = eta0 / sqrt(S_k)",
           "Streeter, McMahan 2010; Ward, Wu, Bottou 2019; docs/theory/schedules-and-collapse.md, section 6",
           {settings::number("eta0", "in units of the parameters: how far one step may go").above(0).otherwise(1.0),
            settings::number("b0", "square root of the sum before the first step").at_least(0).otherwise(1e-4)}},
          accumulator_column(),
          [](const settings::Values& values, std::optional<double>) {
            return std::make_unique<AdagradNorm>(values.number("eta0"), values.number("b0"));
          }};
}

}  // namespace edgewise::models::ingredients
