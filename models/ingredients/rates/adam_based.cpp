#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

// Measured in tests/models/ingredients/rates/vector_rules_test.cpp.
const char* const distance_varies =
    "it is not self-averaging: its estimate of the distance grows by a few random factors, whose spread over runs "
    "stays, "
    "at a given batch, however large the dimension is";
const char* const slack_unknown =
    "no law of its tangents in Adam's norm is known; while eta_max binds it is Adam at that rate, of which model "
    "sign-sgd "
    "has a theory";

struct AdamMemory {
  double beta1, beta2, epsilon;
};

AdamMemory adam_memory(const settings::Values& values) {
  return {values.number("beta1"), values.number("beta2"), values.number("epsilon")};
}

/// Prodigy and D-Adaptation in the place of Adam's learning rate.
template <bool prodigy>
class DistanceAdam final : public VectorRun {
 public:
  explicit DistanceAdam(const settings::Values& values) : adam_(adam_memory(values)), d_(values.number("d0")) {}
  void step(std::span<const double> gradient, double, double factor, std::span<double> from_start) override {
    if (m_.empty()) m_ = v_ = s_ = std::vector<double>(gradient.size());
    const double root = std::sqrt(adam_.beta2), weight = factor * (prodigy ? d_ * d_ : d_);
    double pull = 0, size = 0;
    for (std::size_t i = 0; i < m_.size(); ++i) {
      const double g = gradient[i], seen = prodigy ? d_ * g : g;
      m_[i] = adam_.beta1 * m_[i] + (1 - adam_.beta1) * (prodigy ? seen : d_ * factor * g);
      v_[i] = adam_.beta2 * v_[i] + (1 - adam_.beta2) * seen * seen;
      const double denominator = std::sqrt(v_[i]) + (prodigy ? d_ : 1) * adam_.epsilon;
      pull += prodigy ? -g * from_start[i] : g * s_[i] / denominator;
      s_[i] = root * s_[i] + (1 - root) * weight * g;
      size += std::abs(s_[i]);
      from_start[i] -= (prodigy ? factor * d_ : 1) * m_[i] / denominator;
    }
    r_ = root * r_ + (1 - root) * weight * pull;
    if (size > 0) d_ = std::max(d_, r_ / size / (prodigy ? 1 : 1 - root));
  }
  void observe(std::span<double> out) const override { out[0] = d_; }

 private:
  AdamMemory adam_;
  double d_, r_ = 0;
  std::vector<double> m_, v_, s_;
};

/// MoMo in Adam's norm.
class MomoAdam final : public VectorRun {
 public:
  explicit MomoAdam(const settings::Values& values)
      : adam_(adam_memory(values)), largest_(values.number("eta_max")), least_loss_(values.number("f_min")) {}
  void step(std::span<const double> gradient, double loss, double factor, std::span<double> from_start) override {
    if (m_.empty()) m_ = v_ = std::vector<double>(gradient.size());
    forgotten1_ *= adam_.beta1;
    forgotten2_ *= adam_.beta2;
    const double w = 1 - adam_.beta1, bias = 1 - forgotten1_;
    const auto denominator = [&](std::size_t i) { return adam_.epsilon + std::sqrt(v_[i] / (1 - forgotten2_)); };
    double square = 0;
    for (std::size_t i = 0; i < m_.size(); ++i) {
      m_[i] = adam_.beta1 * m_[i] + w * gradient[i];
      v_[i] = adam_.beta2 * v_[i] + (1 - adam_.beta2) * gradient[i] * gradient[i];
      square += m_[i] * m_[i] / denominator(i);
    }
    // f + <d, theta> - gamma, which a step along D^-1 d moves by -(the step) d'D^-1 d.
    model_ = adam_.beta1 * model_ + w * loss;
    step_ = square > 0 ? std::min(largest_ / bias, std::max(model_ - bias * least_loss_, 0.0) / square) : 0;
    model_ -= factor * step_ * square;
    for (std::size_t i = 0; i < m_.size(); ++i) from_start[i] -= factor * step_ * m_[i] / denominator(i);
  }
  void observe(std::span<double> out) const override { out[0] = step_; }

 private:
  AdamMemory adam_;
  double largest_, least_loss_, forgotten1_ = 1, forgotten2_ = 1, model_ = 0, step_ = 0;
  std::vector<double> m_, v_;
};

template <bool prodigy>
RateRuleKind distance_adam(std::string name, std::string equations, const std::string& source) {
  return vector_kind<DistanceAdam<prodigy>>(
      {std::move(name), "the estimate of the distance in the place of Adam's learning rate; simulation alone",
       std::move(equations), source + "; docs/theory/schedules-and-collapse.md, section 6",
       with_adam({settings::number("d0", "first estimate of the distance").in("parameter").above(0).otherwise(1e-6)})},
      {{"distance_estimate", "parameter", "d, of the next step"}}, distance_varies);
}

}  // namespace

RateRuleKind prodigy_adam() {
  return distance_adam<true>("prodigy-adam",
                             "m = b1 m + (1-b1) d g,   v = b2 v + (1-b2) d^2 g^2,   e = c s_k,   b = sqrt(b2)\n"
                             "r = b r + (1-b) e d^2 <g, theta_0 - theta>,   s = b s + (1-b) e d^2 g\n"
                             "theta <- theta - e d m/(sqrt(v) + d epsilon),   then d = max(d, r/|s|_1)",
                             "Mishchenko, Defazio 2024, algorithm 4");
}

RateRuleKind d_adaptation_adam() {
  return distance_adam<false>(
      "d-adaptation-adam",
      "m = b1 m + (1-b1) d e g,   v = b2 v + (1-b2) g^2,   A = sqrt(v) + epsilon,   e = c s_k,   b = sqrt(b2)\n"
      "r = b r + (1-b) d e <g, s/A>, s of before,   s = b s + (1-b) d e g\n"
      "theta <- theta - m/A,   then d = max(d, r/((1-b) |s|_1))",
      "Defazio, Mishchenko 2023, algorithm 5");
}

RateRuleKind momo_adam() {
  return vector_kind<MomoAdam>(
      {"momo-adam", "MoMo in Adam's norm; simulation alone",
       "d, f, gamma: averages of g_k, f_k, <g_k, theta_k> from 0 by beta1,   D = epsilon + sqrt(v/(1 - beta2^k))\n"
       "tau = min(eta_max/(1 - beta1^k), (f + <d, theta> - gamma - (1 - beta1^k) f_min)_+ / d'D^-1 d)\n"
       "theta <- theta - c s_k tau D^-1 d",
       "Schaipp, Ohana, Eickenberg, Defazio, Gower 2024, algorithm 3; docs/theory/schedules-and-collapse.md, section 6",
       with_adam({largest_rate(1e-2), least_loss()})},
      {{"step_size", "1", "of the last step, before c s_k"}}, slack_unknown);
}

}  // namespace edgewise::models::ingredients
