
#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

enum MomoMemory : std::size_t { average_tangent, tangent_fall };

/// Polyak's rate from a model of the loss that is the average of the tangents of all batches so far. The average's slope is
/// the direction, so that a step along it moves the average's value by -eta |d|^2: no point that it is taken from is needed.
class Momo final : public RateRule {
 public:
  explicit Momo(const settings::Values& values) : beta_(values.number("beta")), least_loss_(values.number("f_min")) {}
  RateNeeds needs() const override { return {.gradient = true}; }
  double averaging() const override { return beta_; }
  bool by_batch_alone() const override { return beta_ == 0; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    return now.squared_direction > 0 ? (here(memory, now) - least_loss_) / now.squared_direction : 0;
  }
  void update(std::span<double> memory, const StepObservation& now, double step) const override {
    memory[average_tangent] = here(memory, now);
    memory[tangent_fall] = step * now.squared_direction;
  }

 private:
  /// m_k(theta_k).
  static double here(std::span<const double> memory, const StepObservation& now) {
    return (1 - now.weight) * (memory[average_tangent] - memory[tangent_fall]) + now.weight * now.loss;
  }
  double beta_, least_loss_;
};

}  // namespace

RateRuleKind momo() {
  return rule_kind<Momo>(
      {"momo",
       "Polyak's rate along averaged gradients, from the average of the batches' tangents",
       "d_k = beta d_{k-1} + (1 - beta) g_k,   d_0 = g_0,   m_k the same average of f_k + <g_k, theta - theta_k>\n"
       "eta_k = min(eta_max, (m_k(theta_k) - f_min)_+ / |d_k|^2),   theta_{k+1} = theta_k - c s_k eta_k d_k",
       "Schaipp, Ohana, Eickenberg, Defazio, Gower 2024; docs/theory/schedules-and-collapse.md, section 6",
       {settings::number("beta", "of the averages").at_least(0).below(1).otherwise(0.9), largest_rate(1.0),
        least_loss()}},
      {{"average_tangent", "label^2",
        "m_k(theta_k): the batches' losses continued to theta, weighted as the direction"},
       {"tangent_fall", "label^2", "by how much the step has lowered it"}});
}

}  // namespace edgewise::models::ingredients
