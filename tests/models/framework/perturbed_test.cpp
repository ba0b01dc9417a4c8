#include "models/framework/perturbed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "models/framework/simulation_of.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using edgewise::tests::Approx;

namespace {

/// At step k it observes 7 and start r^k; from a start above 10 infinity.
class Powers final : public Replica {
 public:
  Powers(double start, double ratio) : start_(start), ratio_(ratio) {}
  void advance(std::uint64_t step) override { step_ = static_cast<double>(step); }
  void observe(std::span<double> out) const override {
    out[0] = 7;
    out[1] = start_ * std::pow(ratio_, step_);
    if (out[1] > 10) out[0] = out[1] = INFINITY;
  }

 private:
  double start_, ratio_, step_ = 0;
};

std::unique_ptr<Simulation> powers(double start, double ratio) {
  return simulation_of({{{"seven", "1", "7"}, {"power", "m", "it"}}, "none", [=](std::uint64_t, std::uint64_t index) {
                          return std::make_unique<Powers>(start * (1 + static_cast<double>(index)), ratio);
                        }});
}

}  // namespace

TEST_CASE("the change of an observable between two simulations, replica by replica") {
  const auto simulation = with_change(powers(2, 1), powers(3, 1.5), "power");
  REQUIRE(simulation->observables().size() == 3);
  CHECK(simulation->observables()[2].name == "power_change");
  const auto first = simulation->replica(1, 0), second = simulation->replica(1, 1);
  double out[3];
  first->observe(out);
  CHECK(out[1] == 2);
  CHECK(out[2] == Approx(1. / 3).epsilon(1e-15));
  first->advance(2);
  first->observe(out);
  CHECK(out[2] == Approx(1 - 2 / 6.75).epsilon(1e-15));
  first->advance(3);  // the other one has diverged
  first->observe(out);
  CHECK(out[1] == 2);
  CHECK(out[2] == 1);
  second->observe(out);
  CHECK(out[1] == 4);
  CHECK(out[2] == Approx(1. / 3).epsilon(1e-15));
  // Its own divergence is that of the run.
  const auto ended = with_change(powers(11, 1), powers(1, 1), "power")->replica(1, 0);
  ended->observe(out);
  CHECK(out[2] == INFINITY);
  CHECK_THROWS_AS(with_change(powers(1, 1), powers(1, 1), "loss"), std::invalid_argument);
  const auto none = with_change(powers(0, 1), powers(0, 1), "power")->replica(1, 0);
  none->observe(out);
  CHECK(out[2] == 0);
}

TEST_CASE("a perturbation has its length, and a direction of the seed") {
  const auto a = perturbation(5, 1e-12, 3), b = perturbation(5, 1e-12, 4);
  double square = 0, product = 0;
  for (std::size_t k = 0; k < 5; ++k) {
    square += a[k] * a[k];
    product += a[k] * b[k];
  }
  CHECK(std::sqrt(square) == Approx(1e-12).epsilon(1e-14));
  CHECK(std::abs(product) < .99e-24);
  CHECK(perturbation(5, 1e-12, 3) == a);
}
