#include "models/ingredients/coupled_rates.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

/// M' = M - r_k M + r_k^2 (k + 1), p = M: the source tells the steps apart.
class Steps final : public solvers::ControlledModes {
 public:
  explicit Steps(std::span<const double> rates) : rates_(rates.begin(), rates.end()) {}
  std::size_t size() const override { return 1; }
  std::span<const double> weights(std::size_t) const override { return one_; }
  void step(std::uint64_t k, std::span<const double>, std::span<const double> M, std::span<double> to,
            std::span<double> next) const override {
    const double r = rates_[k];
    next[0] = to[0] = M[0] - r * M[0] + r * r * static_cast<double>(k + 1);
  }
  void step_back(std::uint64_t k, std::span<const double>, std::span<const double> M, std::span<const double> lift,
                 std::span<double> a, std::span<double>, std::span<double> by_control,
                 std::span<double>) const override {
    a[0] += lift[0];
    by_control[0] += a[0] * (-M[0] + 2 * rates_[k] * static_cast<double>(k + 1));
    a[0] *= 1 - rates_[k];
  }

 private:
  std::vector<double> rates_, one_{1.0};
};

CoupledRates objective() {
  CoupledRatesLaw law;
  law.modes = [](std::span<const double> rates, std::optional<double>) { return std::make_unique<Steps>(rates); };
  law.start = {2.0};
  law.facts.steps = 3;
  law.facts.natural_rate = 7;
  law.scale = 2;
  law.facts.caution = "beware";
  return CoupledRates(std::move(law));
}

}  // namespace

TEST_CASE("the loss before every step and at the end, each step at its own rate") {
  const CoupledRates of = objective();
  const std::vector<double> rates{0.5, 0.25, 0.1};
  const double a = 2 - 0.5 * 2 + 0.25 * 1, b = a - 0.25 * a + 0.0625 * 2, c = b - 0.1 * b + 0.01 * 3;
  const models::RatePath path = of.path(rates);
  REQUIRE(path.loss.size() == 4);
  CHECK(path.loss[0] == 2);
  CHECK(path.loss[1] == Approx(a).epsilon(1e-15));
  CHECK(path.loss[2] == Approx(b).epsilon(1e-15));
  CHECK(path.loss[3] == Approx(c).epsilon(1e-15));
  CHECK(of.value(rates) == Approx(c).epsilon(1e-15));
  CHECK(of.steps() == 3);
  CHECK(of.natural_rate() == 7);
  CHECK(of.facts().caution == "beware");
}

TEST_CASE("the gradient by every rate is the loss's slope") {
  const CoupledRates of = objective();
  const std::vector<double> rates{0.5, 0.25, 0.1};
  std::vector<double> slope(3);
  CHECK(of.gradient(rates, slope) == Approx(of.value(rates)).epsilon(1e-15));
  for (std::size_t k = 0; k < 3; ++k) {
    std::vector<double> up = rates, down = rates;
    up[k] += 1e-3;
    down[k] -= 1e-3;  // a parabola in each rate: central differences are exact
    CHECK(slope[k] == Approx((of.value(up) - of.value(down)) / 2e-3).epsilon(1e-10));
  }
}

TEST_CASE("a run that grows a trillionfold has diverged, a loss below 0 by rounding is 0") {
  const CoupledRates of = objective();
  std::vector<double> slope{5, 5, 5};
  CHECK(std::isinf(of.value(std::vector<double>{1e7, 0.1, 0.1})));
  CHECK(std::isinf(of.gradient(std::vector<double>{1e7, 0.1, 0.1}, slope)));
  CHECK(slope == std::vector<double>{5, 5, 5});
  CHECK_THROWS_AS(of.path(std::vector<double>{1e7, 0.1, 0.1}), std::runtime_error);
  CHECK(of.value(std::vector<double>{0, 0, 1.5}) == Approx(2 - 3 + 2.25 * 3).epsilon(1e-15));
}
