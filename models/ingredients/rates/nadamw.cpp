#include <algorithm>
#include <cmath>
#include <vector>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

/// Adam with Nesterov's step and decoupled weight decay: what learning-rate-free methods are to replace.
class NadamW final : public VectorRun {
 public:
  explicit NadamW(const settings::Values& values)
      : rate_(values.number("learning_rate")),
        decay_(values.number("weight_decay")),
        beta1_(values.number("beta1")),
        beta2_(values.number("beta2")),
        epsilon_(values.number("epsilon")) {}
  void step(std::span<const double> gradient, double, double factor, std::span<double> from_start) override {
    if (m_.empty()) m_ = v_ = std::vector<double>(gradient.size());
    forgotten1_ *= beta1_;
    forgotten2_ *= beta2_;
    const double ahead = beta1_ / (1 - beta1_ * forgotten1_), now = (1 - beta1_) / (1 - forgotten1_);
    largest_ = 0;
    for (std::size_t i = 0; i < m_.size(); ++i) {
      m_[i] = beta1_ * m_[i] + (1 - beta1_) * gradient[i];
      v_[i] = beta2_ * v_[i] + (1 - beta2_) * gradient[i] * gradient[i];
      const double direction = (ahead * m_[i] + now * gradient[i]) / (std::sqrt(v_[i] / (1 - forgotten2_)) + epsilon_);
      const double move = factor * rate_ * (direction + decay_ * from_start[i]);
      largest_ = std::max(largest_, std::abs(move));
      from_start[i] -= move;
    }
  }
  void observe(std::span<double> out) const override { out[0] = largest_; }

 private:
  double rate_, decay_, beta1_, beta2_, epsilon_;
  double forgotten1_ = 1, forgotten2_ = 1, largest_ = 0;
  std::vector<double> m_, v_;
};

}  // namespace

RateRuleKind nadamw() {
  return vector_kind<NadamW>(
      {"nadamw", "Adam with Nesterov's step and decoupled weight decay, the usual baseline; simulation alone",
       "m = b1 m + (1-b1) g,   v = b2 v + (1-b2) g^2,   k from 1\n"
       "u = (b1 m/(1 - b1^(k+1)) + (1-b1) g/(1 - b1^k)) / (sqrt(v/(1 - b2^k)) + epsilon)\n"
       "theta <- theta - c s_k learning_rate (u + weight_decay theta)",
       "Dozat 2016; Loshchilov, Hutter 2019; docs/theory/schedules-and-collapse.md, section 6",
       with_adam(
           {settings::number("learning_rate", "its largest, which a schedule multiplies").above(0).otherwise(1e-3),
            settings::number("weight_decay", "pull toward theta = 0; needs theta_0 = 0").at_least(0).otherwise(1e-4)})},
      {{"largest_move", "parameter", "of a coordinate in the last step"}},
      "Adam's denominators follow every coordinate's own gradients", "weight_decay");
}

}  // namespace edgewise::models::ingredients
