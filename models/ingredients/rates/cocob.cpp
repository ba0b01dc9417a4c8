#include <algorithm>
#include <cmath>
#include <vector>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

/// A gambler per coordinate, who bets a fraction of what he won on the sign of the next gradient.
class CoinBetting final : public VectorRun {
 public:
  explicit CoinBetting(const settings::Values& values)
      : alpha_(values.number("alpha")), epsilon_(values.number("epsilon")) {}
  void step(std::span<const double> gradient, double, double factor, std::span<double> from_start) override {
    if (scale_.empty()) {
      scale_.assign(gradient.size(), epsilon_);
      moved_ = reward_ = negative_sum_ = std::vector<double>(gradient.size());
    }
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const double g = gradient[i];
      scale_[i] = std::max(scale_[i], std::abs(g));
      moved_[i] += std::abs(g);
      reward_[i] = std::max(reward_[i] - g * from_start[i], 0.0);
      negative_sum_[i] -= g;
      if (!(scale_[i] > 0)) continue;
      const double spent = scale_[i] * std::max(moved_[i] + scale_[i], alpha_ * scale_[i]);
      from_start[i] += factor * (negative_sum_[i] / spent * (scale_[i] + reward_[i]) - from_start[i]);
    }
  }
  void observe(std::span<double> out) const override {
    out[0] = 0;
    for (std::size_t i = 0; i < scale_.size(); ++i)
      if (moved_[i] > 0) out[0] += scale_[i] + reward_[i];
  }

 private:
  double alpha_, epsilon_;
  std::vector<double> scale_, moved_, reward_, negative_sum_;
};

}  // namespace

RateRuleKind cocob() {
  return vector_kind<CoinBetting>(
      {"cocob",
       "coin betting in every coordinate (of the eigenbasis; of real rows, of the inputs); simulation alone",
       "L = max(L, |g|),   G += |g|,   R = max(R - g (theta - theta_0), 0),   s -= g,   L starts at epsilon\n"
       "theta <- theta + c s_k (theta_0 + s (L + R) / (L max(G + L, alpha L)) - theta), in every coordinate",
       "Orabona, Tommasi 2017; docs/theory/schedules-and-collapse.md, section 6",
       {settings::number("alpha", "bets grow over the first alpha gradients").at_least(1).otherwise(100.0),
        settings::number("epsilon", "the largest gradient before the first").at_least(0).otherwise(1e-8)}},
      {{"wealth", "label^2", "sum over the coordinates of scale + reward"}},
      "every coordinate bets by its own largest gradient so far");
}

}  // namespace edgewise::models::ingredients
