#include "models/framework/recorder.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"

using namespace edgewise::models;

TEST_CASE("rows by handle, and divergence at the one limit") {
  CHECK(divergence_limit(4) == 4e100);
  CHECK(divergence_limit(0) == 1e100);
  Recorder recorder(2);
  const auto a = recorder.add({"a", "label^2", "first"}), b = recorder.add({"b", "", "second"});
  for (const double step : {0.0, 5.0}) {
    REQUIRE(recorder.alive(step, 1e100));
    recorder.row(step);
    recorder.set(b, 10 + step);
    recorder.set(a, step);
    recorder.set_std(a, step / 2);
  }
  CHECK(recorder.alive(6, 2e100));
  CHECK(!recorder.alive(7, 2.1e100));
  CHECK(!recorder.alive(8, std::numeric_limits<double>::quiet_NaN()));
  const Trajectory out = recorder.take();
  CHECK(out.steps == std::vector<double>{0, 5});
  CHECK(out.find("a")->value == std::vector<double>{0, 5});
  CHECK(out.find("a")->std == std::vector<double>{0, 2.5});
  CHECK(out.find("b")->value == std::vector<double>{10, 15});
  CHECK(out.find("b")->std.empty());
  CHECK(out.diverged_at == 7);  // the first time
}

TEST_CASE("a simulation is its parts") {
  struct Counted final : Replica {
    explicit Counted(double x) : x_(x) {}
    void advance(std::uint64_t step) override { x_ += static_cast<double>(step); }
    void observe(std::span<double> out) const override { out[0] = x_; }
    double x_;
  };
  const auto simulation = simulation_of({{{"x", "", "a number"}}, "by hand", [](auto seed, auto index) {
                                           return std::make_unique<Counted>(static_cast<double>(10 * seed + index));
                                         }});
  CHECK(simulation->observables()[0].name == "x");
  CHECK(simulation->sampler() == "by hand");
  const auto replica = simulation->replica(4, 2);
  replica->advance(100);
  double out[1];
  replica->observe(out);
  CHECK(out[0] == 142);
}
