#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "tests/models/ingredients/schedules/schedule_text.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::testing;

TEST_CASE("each shape has the values of its formula") {
  const double pi = std::acos(-1.0);
  check_values("kind = 'constant'", 10, {{0, 1}, {9, 1}});
  check_values("kind = 'linear'", 4, {{0, 1}, {1, 0.75}, {3, 0.25}, {4, 0}});
  check_values("kind = 'linear'\nfloor = 0.2", 4, {{0, 1}, {2, 0.6}, {4, 0.2}});
  check_values("kind = 'polynomial'\npower = 2", 4, {{1, 0.5625}, {3, 0.0625}});
  check_values("kind = 'polynomial'\npower = 1", 4, {{1, 0.75}});
  check_values("kind = 'polynomial'\npower = 2\nfloor = 0.5", 4, {{2, 0.625}});
  check_values("kind = 'cosine'", 4, {{0, 1}, {1, 0.5 + 0.25 * std::sqrt(2.0)}, {2, 0.5}});
  check_values("kind = 'cosine'\nhalf_waves = 3", 12, {{0, 1}, {4, 0}, {8, 1}, {2, 0.5}, {10, 0.5}});
  check_values("kind = 'square-root'\na = 2", 10, {{0, 1}, {5, 0.75}, {9, 0.19}});
  check_values("kind = 'cosine'\nfloor = 0.1\npower = 2", 4, {{2, 0.1 + 0.9 * 0.25}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5", 8, {{0, 1}, {4, 1}, {6, 0.5}, {7, 0.25}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5\nshape = '1-sqrt'", 8, {{3, 1}, {5, 0.5}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5\nshape = 'cosine'", 8,
               {{5, 0.5 * (1 + std::cos(pi / 4))}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5\nshape = 'power'\npower = 3", 8, {{6, 0.125}});
  check_values("kind = 'inverse-square-root'\nt0 = 5", 100, {{0, 1}, {15, 0.5}});
  check_values("kind = 'inverse-power'\nt0 = 5\nexponent = 1", 100, {{15, 0.25}});
  check_values("kind = 'exponential'\nrate = 2", 10, {{5, std::exp(-1.0)}});
  check_values("kind = 'rex'\nb = 0.5", 10, {{0, 1}, {5, 0.5 / 0.75}, {10, 0}});
  check_values("kind = 'rex'\nb = 0", 10, {{5, 0.5}});
  check_values("kind = 'step'\nfactor = 0.5\nstages = 3", 300,
               {{0, 1}, {99, 1}, {100, 0.5}, {199, 0.5}, {200, 0.25}, {299, 0.25}, {300, 0.25}});
}

TEST_CASE("step falls exactly at its stages whatever the horizon") {
  for (int horizon = 1; horizon < 200; ++horizon)
    for (int stages = 1; stages < 12; ++stages) {
      const auto schedule =
          parse("kind='step'\nfactor=0.5\nstages=" + std::to_string(stages), static_cast<double>(horizon));
      for (int k = 0; k < horizon; ++k) CHECK(schedule->at(k) == std::pow(0.5, (stages * k) / horizon));
    }
}

TEST_CASE("defaults of the decays") {
  check_values("kind = 'warmup-stable-decay'", 10, {{0, 1}, {8, 1}, {9, 0.5}});
  check_values("kind = 'warmup-stable-decay'\nshape = 'power'", 10, {{8, 1}, {9, 0.25}});
  check_values("kind = 'inverse-power'\nt0 = 5", 100, {{0, 1}, {15, 0.25}});
  check_values("kind = 'step'", 3, {{0, 1}, {1, 0.1}, {2, 0.01}});
  check_values("kind = 'exponential'", 10, {{0, 1}, {2, std::exp(-1.0)}});
  check_values("kind = 'rex'", 10, {{5, 0.5 / 0.75}});
  check_values("kind = 'polynomial'", 4, {{1, 0.75}});
  check_values("kind = 'square-root'", 10, {{6, 0.8}});
  check_values("kind = 'square-root'\na = 0", 10, {{6, 1}});
  CHECK(parse("kind = 'warmup-stable-decay'\ncooldown = 1", 8)->breaks().empty());
}
