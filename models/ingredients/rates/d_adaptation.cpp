#include <algorithm>
#include <cmath>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

enum Memory : std::size_t { accumulator, numerator, estimate };

/// D-Adaptation, and Prodigy, which weights every gradient with d.
template <bool prodigy>
class DistanceAdaptation final : public RateRule {
 public:
  explicit DistanceAdaptation(const settings::Values& values)
      : d0_(values.number("d0")), prior_(values.number("prior")) {}
  RateNeeds needs() const override { return {.gradient = true, .distance = true}; }
  void start(std::span<double> memory) const override { memory[estimate] = d0_; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    const double d = distance(memory, now), G2 = prior_ * prior_ + now.squared_gradient;
    const double sum = memory[accumulator] + weight(d) * G2;
    return sum > 0 ? (prodigy ? d * d : d) / std::sqrt(sum) : 0;
  }
  void update(std::span<double> memory, const StepObservation& now, double step) const override {
    memory[estimate] = distance(memory, now);
    memory[accumulator] += weight(memory[estimate]) * now.squared_gradient;
    memory[numerator] += step * now.toward_start;
  }

 private:
  double weight(double d) const { return prodigy ? d * d : 1; }
  static double distance(std::span<const double> memory, const StepObservation& now) {
    if (!(now.squared_distance > 0)) return memory[estimate];
    return std::max(memory[estimate], memory[numerator] / std::sqrt(now.squared_distance));
  }

  double d0_, prior_;
};

template <bool prodigy>
RateRuleKind adaptation(std::string name, std::string summary, std::string equations, const std::string& source) {
  return rule_kind<DistanceAdaptation<prodigy>>(
      {std::move(name),
       std::move(summary),
       std::move(equations),
       source + "; docs/theory/schedules-and-collapse.md, section 6",
       {settings::number("d0", "first estimate of the distance").in("parameter").above(0).otherwise(1e-6),
        settings::number("prior", "G, a bound of |g| that is known beforehand; 0 without").at_least(0).otherwise(0.0)}},
      {{"accumulator", "gradient^2", "S = sum |g|^2 over the steps taken; of prodigy sum d^2 |g|^2"},
       {"distance_numerator", "parameter^2", "sum eta <g, theta_0 - theta> over the steps taken"},
       {"distance_estimate", "parameter", "d, a lower bound of |theta_0 - theta*|, as of the last step taken"}});
}

}  // namespace

RateRuleKind d_adaptation() {
  return adaptation<false>("d-adaptation", "a growing lower bound of the distance to the target over gradients",
                           "S_k = sum_{i<=k} |g_i|^2,   eta_k = d_k / sqrt(G^2 + S_k)\n"
                           "d_k = max(d_{k-1}, sum_{i<k} eta_i <g_i, theta_0 - theta_i> / |theta_k - theta_0|)",
                           "Defazio, Mishchenko 2023");
}

RateRuleKind prodigy() {
  return adaptation<true>(
      "prodigy", "D-Adaptation whose gradients are weighted with the estimate of the distance",
      "S_k = sum_{i<=k} d_i^2 |g_i|^2,   eta_k = d_k^2 / sqrt(d_k^2 G^2 + S_k),   d_k as d-adaptation's",
      "Mishchenko, Defazio 2024");
}

}  // namespace edgewise::models::ingredients
