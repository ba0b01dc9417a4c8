#include "models/ingredients/rescaled_rates.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace edgewise::models;
using edgewise::models::ingredients::in_units;

namespace {

/// J = (r_0 - 3)^2 + 2 (r_1 - 5)^2 + 1 of its own rates r.
class Parabola final : public RateObjective {
 public:
  Parabola()
      : RateObjective({.steps = 2,
                       .observable = {"excess_mse", "1", "J"},
                       .natural_rate = 6,
                       .uniqueness = {Uniqueness::proved, "a parabola"},
                       .caution = "beware",
                       .least = 1,
                       .optimum = {3, 5}}) {}
  double value(std::span<const double> r) const override {
    return (r[0] - 3) * (r[0] - 3) + 2 * (r[1] - 5) * (r[1] - 5) + 1;
  }
  double gradient(std::span<const double> r, std::span<double> slope) const override {
    if (r[0] > 100) return std::numeric_limits<double>::infinity();
    slope[0] = 2 * (r[0] - 3);
    slope[1] = 4 * (r[1] - 5);
    return value(r);
  }
  std::optional<double> sweep(std::span<double> r, double cap) const override {
    r[0] = std::min(3.0, cap);
    r[1] = std::min(5.0, cap);
    return value(r);
  }
  std::optional<double> greedy(std::span<double> r, double cap) const override {
    r[0] = std::min(2.0, cap);
    return value(r);
  }
  RatePath path(std::span<const double> r) const override { return {{r[0], r[1], value(r)}, {}}; }
  std::optional<double> estimate(std::span<const RateStretch> run) const override {
    double sum = 0;
    for (const RateStretch& stretch : run) sum += static_cast<double>(stretch.steps) * stretch.rate;
    return sum;
  }
};

}  // namespace

TEST_CASE("rates in units of 1/4: all that holds a rate is four times what it was") {
  const double unit = 0.25;
  const auto objective = in_units(std::make_unique<Parabola>(), unit);
  CHECK(objective->steps() == 2);
  CHECK(objective->facts().observable.name == "excess_mse");
  CHECK(objective->natural_rate() == 24);
  CHECK(objective->facts().optimum == std::vector<double>{12, 20});
  CHECK(objective->facts().uniqueness.first == Uniqueness::proved);
  CHECK(objective->facts().caution == "beware");
  CHECK(objective->facts().least == 1);
  CHECK(objective->value(std::vector<double>{12, 20}) == 1);
  CHECK(objective->value(std::vector<double>{16, 20}) == 2);
  CHECK(objective->estimate(std::vector<RateStretch>{{2, 16}, {1, 20}}) == 2 * 4 + 5);
  CHECK(objective->path(std::vector<double>{16, 20}).loss == std::vector<double>{4, 5, 2});
}

TEST_CASE("slopes are those of the rates as given, caps too") {
  const auto objective = in_units(std::make_unique<Parabola>(), 0.25);
  const std::vector<double> rates{10, 26};
  std::vector<double> slope(2);
  CHECK(objective->gradient(rates, slope) == objective->value(rates));
  for (std::size_t k = 0; k < 2; ++k) {
    std::vector<double> up = rates, down = rates;
    up[k] += 0.5;
    down[k] -= 0.5;  // central differences of a parabola are exact
    CHECK(slope[k] == objective->value(up) - objective->value(down));
  }
  std::vector<double> moved = rates;
  CHECK(objective->sweep(moved, 16) == 1 + 2 * 1);
  CHECK(moved == std::vector<double>{12, 16});
  moved = rates;
  CHECK(objective->greedy(moved, 100) == 1 + 1 + 2 * 2.25);
  CHECK(moved == std::vector<double>{8, 26});
}

TEST_CASE("where the run diverges the slopes stay as they are") {
  std::vector<double> slope{3, 7};
  CHECK(std::isinf(in_units(std::make_unique<Parabola>(), 0.25)->gradient(std::vector<double>{404, 1}, slope)));
  CHECK(slope == std::vector<double>{3, 7});
}

TEST_CASE("a unit of 1 changes nothing") {
  auto inner = std::make_unique<Parabola>();
  const RateObjective* const same = inner.get();
  CHECK(in_units(std::move(inner), 1).get() == same);
}
