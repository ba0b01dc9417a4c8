#include <algorithm>
#include <cmath>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

enum Memory : std::size_t { accumulator, numerator, estimate };

const std::vector<Observable>& sum_and_estimate() {
  static const std::vector<Observable> memory{
      {"accumulator", "gradient^2", "S = sum |g|^2 over the steps taken; of prodigy sum d^2 |g|^2"},
      {"distance_numerator", "parameter^2", "sum eta <g, theta_0 - theta> over the steps taken"},
      {"distance_estimate", "parameter", "d, a lower bound of |theta_0 - theta*|, as of the last step taken"}};
  return memory;
}

/// D-Adaptation, and Prodigy, which weights every gradient with d.
class DistanceAdaptation final : public RateRule {
 public:
  DistanceAdaptation(double d0, double prior, bool prodigy) : d0_(d0), prior_(prior), prodigy_(prodigy) {}
  RateNeeds needs() const override { return {.gradient = true, .distance = true}; }
  const std::vector<Observable>& memory() const override { return sum_and_estimate(); }
  void start(std::span<double> memory) const override {
    memory[accumulator] = memory[numerator] = 0;
    memory[estimate] = d0_;
  }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    const double d = distance(memory, now), G2 = prior_ * prior_ + now.squared_gradient;
    const double sum = memory[accumulator] + weight(d) * G2;
    return sum > 0 ? (prodigy_ ? d * d : d) / std::sqrt(sum) : 0;
  }
  void update(std::span<double> memory, const StepObservation& now, double step) const override {
    memory[estimate] = distance(memory, now);
    memory[accumulator] += weight(memory[estimate]) * now.squared_gradient;
    memory[numerator] += step * now.toward_start;
  }

 private:
  double weight(double d) const { return prodigy_ ? d * d : 1; }
  static double distance(std::span<const double> memory, const StepObservation& now) {
    if (!(now.squared_distance > 0)) return memory[estimate];
    return std::max(memory[estimate], memory[numerator] / std::sqrt(now.squared_distance));
  }

  double d0_, prior_;
  bool prodigy_;
};

RateRuleKind adaptation_kind(std::string name, std::string summary, std::string equations, std::string source,
                             bool prodigy) {
  return {
      {std::move(name),
       std::move(summary),
       std::move(equations),
       std::move(source) + "; docs/theory/schedules-and-collapse.md, section 6",
       {settings::number("d0", "first estimate of the distance").in("parameter").above(0).otherwise(1e-6),
        settings::number("prior", "G, a bound of |g| that is known beforehand; 0 without").at_least(0).otherwise(0.0)}},
      sum_and_estimate(),
      [prodigy](const settings::Values& values, std::optional<double>) {
        return std::make_unique<DistanceAdaptation>(values.number("d0"), values.number("prior"), prodigy);
      }};
}

}  // namespace

RateRuleKind d_adaptation() {
  return adaptation_kind("d-adaptation", "a growing lower bound of the distance to the target over gradients",
                         "S_k = sum_{i<=k} |g_i|^2,   eta_k = d_k / sqrt(G^2 + S_k)\n"
                         "d_k = max(d_{k-1}, sum_{i<k} eta_i <g_i, theta_0 - theta_i> / |theta_k - theta_0|)",
                         "Defazio, Mishchenko 2023", false);
}

RateRuleKind prodigy() {
  return adaptation_kind(
      "prodigy", "D-Adaptation whose gradients are weighted with the estimate of the distance",
      "S_k = sum_{i<=k} d_i^2 |g_i|^2,   eta_k = d_k^2 / sqrt(d_k^2 G^2 + S_k),   d_k as d-adaptation's",
      "Mishchenko, Defazio 2024", true);
}

}  // namespace edgewise::models::ingredients
