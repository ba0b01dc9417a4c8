#include <array>
#include <cmath>

#include "models/ingredients/rates/kinds.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::ingredients {

namespace {

/// Six learners of different memory, whose sum scales how far plain SGD of rate 1 has gone.
class Mechanic final : public VectorRun {
 public:
  explicit Mechanic(const settings::Values& values)
      : s0_(values.number("s0")), pull_(values.number("lambda")), kept_(values.text("displacement") == "kept") {}
  void step(std::span<const double> gradient, double, double factor, std::span<double> from_start) override {
    delta_.resize(gradient.size());
    for (std::size_t i = 0; !kept_ && i < delta_.size(); ++i) delta_[i] = from_start[i] / (sum_ + epsilon);
    const double g = std::sqrt(numerics::squared_norm_in_order(gradient));
    const double way = std::sqrt(numerics::squared_norm_in_order(from_start)) + epsilon;
    const double h =
        -numerics::dot_in_order(gradient, delta_) - pull_ * sum_ * g * numerics::dot_in_order(from_start, delta_) / way;
    sum_ = 0;
    for (int order = 0; auto& [m, v, r, s] : learners_) {
      const double beta = 1 - std::pow(10.0, --order), clipped = std::clamp(h, -m, m);
      m = std::max(beta * m, std::abs(h) + epsilon);
      v = beta * beta * v + h * h;
      r = beta * r + clipped * s;
      s = (s0_ * m / static_cast<double>(learners_.size()) + std::max(0.0, r)) / (std::sqrt(v) + epsilon);
      sum_ += s;
    }
    for (std::size_t i = 0; i < delta_.size(); ++i) from_start[i] = sum_ * (delta_[i] -= factor * gradient[i]);
  }
  void observe(std::span<double> out) const override { out[0] = sum_; }

 private:
  static constexpr double epsilon = 1e-8;
  double s0_, pull_, sum_ = 0;
  bool kept_;
  std::array<std::array<double, 4>, 6> learners_{};
  std::vector<double> delta_;
};

}  // namespace

RateRuleKind mechanic() {
  auto displacement = settings::text("displacement", "Delta_k as it was kept, or (theta_k - theta_0)/(sum S + 1e-8)");
  displacement.one_of({"kept", "recomputed"}).otherwise(std::string("kept"));
  return vector_kind<Mechanic>(
      {"mechanic",
       "learns the factor on the whole way that plain SGD has gone; simulation alone",
       "Delta_{k+1} = Delta_k - c s_k g_k,   theta_{k+1} = theta_0 + (sum_b S_b) Delta_{k+1}\n"
       "h = -<g + lambda (sum S) |g| theta/|theta|, Delta_k>, and for beta_b = 1 - 10^-b, b = 1 .. 6:\n"
       "r = beta r + clip(h, -m, m) S,   m = max(beta m, |h|),   v = beta^2 v + h^2,   S = (s0 m/6 + r_+)/sqrt v",
       "Cutkosky, Defazio, Mehta 2023; docs/theory/schedules-and-collapse.md, section 6",
       {settings::number("s0", "first scale").above(0).otherwise(1e-6),
        settings::number("lambda", "pull toward theta = 0; needs theta_0 = 0").at_least(0).otherwise(1e-2),
        displacement}},
      {{"scale", "1/eigenvalue", "sum S_b, on the sum of the base steps"}}, "its scales follow a running largest value",
      "lambda");
}

}  // namespace edgewise::models::ingredients
