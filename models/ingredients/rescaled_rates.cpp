#include "models/ingredients/rescaled_rates.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

namespace edgewise::models::ingredients {

namespace {

class RescaledRates final : public RateObjective {
 public:
  RescaledRates(std::unique_ptr<RateObjective> inner, double unit)
      : RateObjective(inner->facts()), inner_(std::move(inner)), unit_(unit) {
    facts_.natural_rate /= unit;
    facts_.optimum = given(std::move(facts_.optimum));
    if (facts_.capped) facts_.capped = [of = facts_.capped, unit](double max_rate) { return of(max_rate * unit); };
  }
  double value(std::span<const double> rates) const override { return inner_->value(own(rates)); }
  std::optional<double> estimate(std::span<const RateStretch> run) const override {
    std::vector<RateStretch> mine(run.begin(), run.end());
    for (RateStretch& stretch : mine) stretch.rate *= unit_;
    return inner_->estimate(mine);
  }
  double gradient(std::span<const double> rates, std::span<double> slope) const override {
    const double loss = inner_->gradient(own(rates), slope);
    if (std::isfinite(loss))
      for (double& s : slope) s *= unit_;
    return loss;
  }
  std::optional<double> sweep(std::span<double> rates, double cap) const override {
    return moved(rates, [&](std::span<double> mine) { return inner_->sweep(mine, cap * unit_); });
  }
  std::optional<double> greedy(std::span<double> rates, double cap) const override {
    return moved(rates, [&](std::span<double> mine) { return inner_->greedy(mine, cap * unit_); });
  }
  RatePath path(std::span<const double> rates) const override { return inner_->path(own(rates)); }

 private:
  std::vector<double> own(std::span<const double> rates) const {
    std::vector<double> out(rates.begin(), rates.end());
    for (double& rate : out) rate *= unit_;
    return out;
  }
  std::vector<double> given(std::vector<double> rates) const {
    for (double& rate : rates) rate /= unit_;
    return rates;
  }
  template <class Move>
  std::optional<double> moved(std::span<double> rates, Move move) const {
    std::vector<double> mine = own(rates);
    const std::optional<double> loss = move(mine);
    std::ranges::copy(given(std::move(mine)), rates.begin());
    return loss;
  }

  std::unique_ptr<RateObjective> inner_;
  double unit_;
};

}  // namespace

std::unique_ptr<RateObjective> in_units(std::unique_ptr<RateObjective> inner, double unit) {
  if (unit == 1) return inner;
  return std::make_unique<RescaledRates>(std::move(inner), unit);
}

}  // namespace edgewise::models::ingredients
