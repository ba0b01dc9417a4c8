#include <algorithm>
#include <cmath>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

std::vector<Observable> sum_and_distance() {
  return {{"accumulator", "gradient^2", "S = sum |g|^2 over the steps taken; of dowg sum r^2 |g|^2"},
          {"max_distance", "parameter", "largest of r_eps and |theta - theta_0| where the steps were taken"}};
}

/// Distance over gradients, and over weighted gradients.
class Dog final : public RateRule {
 public:
  /// \param epsilon added to the sum;  \param beside_root added to its root
  Dog(double r_eps, double epsilon, double beside_root, bool weighted)
      : r_eps_(r_eps), epsilon_(epsilon), beside_root_(beside_root), weighted_(weighted) {}
  RateNeeds needs() const override { return {.gradient = true, .distance = true}; }
  void start(std::span<double> memory) const override {
    memory[0] = 0;
    memory[1] = r_eps_;
  }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    const double r = distance(memory, now);
    const double root = std::sqrt(memory[0] + weight(r) * now.squared_gradient + epsilon_) + beside_root_;
    return root > 0 ? (weighted_ ? r * r : r) / root : 0;
  }
  void update(std::span<double> memory, const StepObservation& now, double) const override {
    memory[1] = distance(memory, now);
    memory[0] += weight(memory[1]) * now.squared_gradient;
  }

 private:
  static double distance(std::span<const double> memory, const StepObservation& now) {
    return std::max(memory[1], std::sqrt(now.squared_distance));
  }

  double weight(double r) const { return weighted_ ? r * r : 1; }

  double r_eps_, epsilon_, beside_root_;
  bool weighted_;
};

settings::Parameter first_step() {
  return settings::number("r_eps", "r before the first step").in("parameter").above(0);
}

settings::Parameter added() {
  return settings::number("epsilon", "added to the sum").at_least(0);
}

}  // namespace

RateRuleKind dog() {
  return {{"dog",
           "distance over gradients",
           "r_k = max(r_eps, max_{i<=k} |theta_i - theta_0|),   S_k = sum_{i<=k} |g_i|^2\n"
           "eta_k = r_k / sqrt(S_k + epsilon)",
           "Ivgi, Hinder, Carmon 2023; docs/theory/schedules-and-collapse.md, section 6",
           {first_step().computed("1e-6 (1 + |theta_0|)"), added().otherwise(1e-8)}},
          sum_and_distance(),
          [](const settings::Values& values, std::optional<double> start_norm) {
            if (!values.given("r_eps") && !start_norm)
              throw values.error("r_eps",
                                 "its default needs |theta_0|, which [initial] error_power does not tell; give r_eps");
            const double r_eps = values.given("r_eps") ? values.number("r_eps") : 1e-6 * (1 + *start_norm);
            return std::make_unique<Dog>(r_eps, values.number("epsilon"), 0, false);
          }};
}

RateRuleKind dowg() {
  return {{"dowg",
           "distance over weighted gradients",
           "r_k as dog's,   S_k = sum_{i<=k} r_i^2 |g_i|^2,   eta_k = r_k^2 / sqrt(S_k + epsilon)\n"
           "form = \"root\":   eta_k = r_k^2 / (sqrt(S_k) + epsilon)",
           "Khaled, Mishchenko, Jin 2023; docs/theory/schedules-and-collapse.md, section 6",
           {first_step().otherwise(1e-2), added().computed("1e-8, of form root 1e-4"),
            settings::text("form", "what epsilon is added to: the sum, or its root, as libraries ship it")
                .one_of({"sum", "root"})
                .otherwise(std::string("sum"))}},
          sum_and_distance(),
          [](const settings::Values& values, std::optional<double>) {
            const bool root = values.text("form") == "root";
            const double epsilon = values.given("epsilon") ? values.number("epsilon") : root ? 1e-4 : 1e-8;
            return std::make_unique<Dog>(values.number("r_eps"), root ? 0 : epsilon, root ? epsilon : 0, true);
          }};
}

}  // namespace edgewise::models::ingredients
