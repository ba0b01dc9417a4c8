#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

const std::vector<Observable>& sum_of_scales() {
  static const std::vector<Observable> memory{{"scale", "1/eigenvalue", "sum S_b, on the sum of the base steps"}};
  return memory;
}

/// Six learners of different memory, whose sum scales how far plain SGD of rate 1 has gone.
class Mechanic final : public VectorRun {
 public:
  Mechanic(double s0, double pull, bool kept) : s0_(s0), pull_(pull), kept_(kept) {}
  void step(std::span<const double> gradient, double, double factor, std::span<double> from_start) override {
    delta_.resize(gradient.size());
    if (!kept_)
      for (std::size_t i = 0; i < delta_.size(); ++i) delta_[i] = from_start[i] / (sum_ + epsilon);
    double g2 = 0, x2 = 0, along = 0, outward = 0;
    for (std::size_t i = 0; i < delta_.size(); ++i) {
      g2 += gradient[i] * gradient[i];
      x2 += from_start[i] * from_start[i];
      along += gradient[i] * delta_[i];
      outward += from_start[i] * delta_[i];
    }
    const double h = -along - pull_ * sum_ * std::sqrt(g2) * outward / (std::sqrt(x2) + epsilon);
    sum_ = 0;
    for (std::size_t b = 0; b < learners; ++b) {
      const double beta = 1 - std::pow(10.0, -static_cast<double>(b + 1)), clipped = std::clamp(h, -m_[b], m_[b]);
      m_[b] = std::max(beta * m_[b], std::abs(h) + epsilon);
      v_[b] = beta * beta * v_[b] + h * h;
      r_[b] = beta * r_[b] + clipped * s_[b];
      s_[b] = (s0_ * m_[b] / learners + std::max(0.0, r_[b])) / (std::sqrt(v_[b]) + epsilon);
      sum_ += s_[b];
    }
    for (std::size_t i = 0; i < delta_.size(); ++i) {
      delta_[i] -= factor * gradient[i];
      from_start[i] = sum_ * delta_[i];
    }
  }
  void observe(std::span<double> out) const override { out[0] = sum_; }

 private:
  static constexpr std::size_t learners = 6;
  static constexpr double epsilon = 1e-8;
  double s0_, pull_;
  bool kept_;
  double sum_ = 0;
  std::array<double, learners> m_{}, v_{}, r_{}, s_{};
  std::vector<double> delta_;
};

}  // namespace

RateRuleKind mechanic() {
  return {{"mechanic",
           "learns the factor on the whole way that plain SGD has gone; simulation alone",
           "Delta_{k+1} = Delta_k - c s_k g_k,   theta_{k+1} = theta_0 + (sum_b S_b) Delta_{k+1}\n"
           "h = -<g + lambda (sum S) |g| theta/|theta|, Delta_k>, and for beta_b = 1 - 10^-b, b = 1 .. 6:\n"
           "r = beta r + clip(h, -m, m) S,   m = max(beta m, |h|),   v = beta^2 v + h^2,   S = (s0 m/6 + r_+)/sqrt v",
           "Cutkosky, Defazio, Mehta 2023; docs/theory/schedules-and-collapse.md, section 6",
           {settings::number("s0", "first scale").above(0).otherwise(1e-6),
            settings::number("lambda", "pull toward theta = 0; needs theta_0 = 0").at_least(0).otherwise(1e-2),
            settings::text("displacement", "Delta_k as it was kept, or (theta_k - theta_0)/(sum S + 1e-8)")
                .one_of({"kept", "recomputed"})
                .otherwise(std::string("kept"))}},
          sum_of_scales(),
          [](const settings::Values& values, std::optional<double> start_norm) {
            check_pull(values, "lambda", start_norm);
            const Mechanic first(values.number("s0"), values.number("lambda"), values.text("displacement") == "kept");
            return vector_rule(sum_of_scales(), "its scales follow a running largest value",
                               [first] { return std::make_unique<Mechanic>(first); });
          }};
}

}  // namespace edgewise::models::ingredients
