#include "models/framework/window_means.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <utility>
#include <vector>

#include "models/framework/simulation_of.hpp"

using namespace edgewise::models;

namespace {

/// At step k it observes 10 + k^2 and seed + index.
class Squares final : public Replica {
 public:
  explicit Squares(double constant) : constant_(constant) {}
  void advance(std::uint64_t step) override { step_ = static_cast<double>(step); }
  void observe(std::span<double> out) const override {
    out[0] = 10 + step_ * step_;
    out[1] = constant_;
  }

 private:
  double constant_, step_ = 0;
};

std::unique_ptr<Simulation> squares() {
  SimulationParts parts;
  parts.observables = {{"square", "m", "the square"}, {"constant", "1", "no change"}};
  parts.replica = [](std::uint64_t seed, std::uint64_t index) {
    return std::make_unique<Squares>(static_cast<double>(seed + index));
  };
  parts.sampler = "none";
  return simulation_of(std::move(parts));
}

Time recorded(std::vector<std::uint64_t> at) {
  Time time;
  time.steps = at.back();
  time.at = std::move(at);
  return time;
}

}  // namespace

TEST_CASE("means over the steps since the last recorded one, that one left out") {
  const auto simulation = with_window_means(squares(), {"square"}, recorded({0, 1, 4, 6}));
  const auto& observables = simulation->observables();
  REQUIRE(observables.size() == 3);
  CHECK(observables[2].name == "mean_square");
  CHECK(observables[2].unit == "m");
  CHECK(observables[2].doc.starts_with("the square; "));
  CHECK(simulation->sampler() == "none");

  const auto replica = simulation->replica(40, 2);
  std::vector<double> out(3);
  const auto at = [&](std::uint64_t step) {
    replica->advance(step);
    replica->observe(out);
    return out;
  };
  CHECK(at(0) == std::vector<double>{10, 42, 10});
  CHECK(at(1) == std::vector<double>{11, 42, 11});
  CHECK(at(4) == std::vector<double>{26, 42, (14 + 19 + 26) / 3.0});
  CHECK(at(6) == std::vector<double>{46, 42, 10 + (25 + 36) / 2.0});
}

TEST_CASE("windows end at recorded steps, wherever calls end") {
  const auto simulation = with_window_means(squares(), {"constant", "square"}, recorded({0, 3, 7}));
  const auto in_one = simulation->replica(1, 1), in_parts = simulation->replica(1, 1);
  std::vector<double> a(4), b(4);
  in_one->advance(7);
  in_one->observe(a);
  for (const std::uint64_t step : {2, 3, 5, 6, 7}) in_parts->advance(step);
  in_parts->observe(b);
  CHECK(a == b);
  CHECK(a[2] == 2);
  CHECK(a[3] == 10 + (16 + 25 + 36 + 49) / 4.0);
  // Between recorded steps: the mean so far.
  const auto early = simulation->replica(1, 1);
  early->advance(5);
  early->observe(a);
  CHECK(a[3] == 10 + (16 + 25) / 2.0);
}

TEST_CASE("a mean of what is not observed is refused") {
  CHECK_THROWS_AS(with_window_means(squares(), {"cube"}, recorded({0, 1})), std::invalid_argument);
}
