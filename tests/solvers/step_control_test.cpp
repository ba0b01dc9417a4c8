#include "solvers/step_control.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

TEST_CASE("step size: Gustafsson's predictive rule by hand") {
  StepSize size(3, 1.1);
  // First step: 0.9 ratio^(-1/3), no history.
  CHECK(size.accepted(0.5, 0.125) == Approx(0.5 * 0.9 * 2).epsilon(1e-14));
  // Second: the smaller of that and 0.9 ratio^(-1/3) (h/h') (ratio'/ratio)^(1/3).
  CHECK(size.accepted(0.9, 0.216) == Approx(0.9 * 0.9 / 0.6 * std::min(1.0, 0.9 / 0.5 * 0.5 / 0.6)).epsilon(1e-14));
  CHECK(size.accepted(0.6, 0.064) == Approx(0.6 * 0.9 / 0.4 * std::min(1.0, 0.6 / 0.9 * 0.6 / 0.4)).epsilon(1e-14));
  // After a rejection the step may not grow, and what was before is forgotten.
  CHECK(size.rejected(1, 8) == Approx(0.9 / 2).epsilon(1e-14));
  CHECK(size.accepted(0.45, 0.064) == 0.45);
  CHECK(size.accepted(0.45, 0.064) == Approx(0.45 * 0.9 / 0.4).epsilon(1e-14));
  // Without history again after a reset.
  size.reset();
  CHECK(size.accepted(0.9, 0.216) == Approx(0.9 * 0.9 / 0.6).epsilon(1e-14));
}

TEST_CASE("step size: bounds, and no change for little") {
  const auto after = [](double ratio) { return StepSize(2, 1.2).accepted(1, ratio); };
  CHECK(after(1e-9) == 5);
  CHECK(after(0) == 5);
  // 0.9 / sqrt(ratio) = 1.19, 1.21, 0.94, 0.92: kept within [0.93, 1.2).
  CHECK(after(std::pow(0.9 / 1.19, 2)) == 1);
  CHECK(after(std::pow(0.9 / 1.21, 2)) == Approx(1.21).epsilon(1e-13));
  CHECK(after(std::pow(0.9 / 0.94, 2)) == 1);
  CHECK(after(std::pow(0.9 / 0.92, 2)) == Approx(0.92).epsilon(1e-13));
  // Predicted from a fall by a factor: never below a fifth.
  StepSize size(1);
  size.accepted(1, 0.01);
  CHECK(size.accepted(1, 1) == Approx(0.2).epsilon(1e-14));
  // An error of less than a hundredth before counts as one.
  for (const double before : {0.001, 0.01, 0.02}) {
    StepSize cubic(3);
    cubic.accepted(1, before);
    CHECK(cubic.accepted(2, 0.729) == Approx(2 * 2 * std::cbrt(std::max(before, 0.01) / 0.729)).epsilon(1e-13));
  }
  CHECK(StepSize(1).rejected(1, 1e9) == Approx(0.1).epsilon(1e-14));
  CHECK(StepSize(1).rejected(2, 1.0000001) == Approx(1.8).epsilon(1e-6));
  CHECK(first_trial_step(10) == Approx(0.005).epsilon(1e-14));
  CHECK(first_trial_step(0) == 1e-3);
}

TEST_CASE("step control: times, rejections, and steps that end where one must") {
  StepControl control("method", StepSize(1));
  control.start(2, 0.5);
  CHECK(control.time() == 2);
  CHECK(control.previous_time() == 2);
  Statistics statistics;
  std::vector<double> tried;
  // Rejected by half the error allowed, then without a solution, then good.
  const auto attempt = [&](double h) -> std::optional<double> {
    tried.push_back(h);
    if (tried.size() == 1) return 2.0;
    if (tried.size() == 2) return std::nullopt;
    return 0.9;
  };
  const double h = control.advance(attempt, statistics);
  REQUIRE(tried.size() == 3);
  CHECK(tried[0] == 0.5);
  CHECK(tried[1] == Approx(0.5 * 0.45).epsilon(1e-14));
  CHECK(tried[2] == Approx(0.5 * 0.45 / 4).epsilon(1e-14));
  CHECK(h == tried[2]);
  CHECK(statistics.rejected == 2);
  CHECK(control.previous_time() == 2);
  CHECK(control.time() == 2 + h);
  CHECK(control.next_step() == h);  // 0.9 / 0.9

  // A step that would end just before the stop ends there; its size says little about the next one.
  const auto good = [&](double) -> std::optional<double> { return 1; };
  control.set_next_step(0.25);
  control.stop_at(control.time() + 0.25001);
  CHECK(control.advance(good, statistics) == Approx(0.25001).epsilon(1e-12));
  CHECK(control.time() == control.stop());
  CHECK(control.next_step() == 0.25);
  control.stop_at(control.time() + 0.3);
  CHECK(control.advance(good, statistics) == 0.25);
  CHECK(control.advance(good, statistics) == Approx(0.05).epsilon(1e-12));
  CHECK(control.time() == control.stop());
  CHECK(statistics.rejected == 2);
}

TEST_CASE("step control: a step that vanishes is an error with method and time") {
  StepControl control("method");
  control.start(3, 1);
  Statistics statistics;
  CHECK_THROWS_WITH_AS(control.advance([](double) -> std::optional<double> { return std::nullopt; }, statistics),
                       doctest::Contains("method: the step size fell to"), std::runtime_error);
  // Quartered from 1 to 4 epsilon |t| = 2.7e-15: 1/4^24 = 3.6e-15 is the last that is tried.
  CHECK(statistics.rejected == 25);
  CHECK_THROWS_WITH(control.advance([](double) -> std::optional<double> { return 1e9; }, statistics),
                    doctest::Contains("at t = 3"));
}
