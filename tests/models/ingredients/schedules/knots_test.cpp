#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "tests/models/ingredients/schedules/schedule_text.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::testing;

TEST_CASE("curves through points") {
  check_values("kind = 'two-point'\ny0 = 0.5\nx1 = 0.2\ny1 = 2\nx2 = 0.6\ny2 = 1\ny3 = 0.2\ninterpolate = 'linear'", 10,
               {{0, 0.25}, {1, 0.625}, {2, 1}, {4, 0.75}, {6, 0.5}, {8, 0.3}});
  check_values("kind = 'grid'\nstages = [4, 2, 0]\nbins = 5", 6, {{0, 1}, {1, 1}, {2, 0.5}, {4, 0}});
  check_values("kind = 'grid'\nstages = [2, 1, 0]\nbins = 3\nspacing = 'log'\nminimum = 0.01", 3,
               {{0, 1}, {1, 0.1}, {2, 0.01}});
  CHECK(holds(error_of("kind = 'two-point'\nx1 = 0.7\nx2 = 0.6"), "x.toml: schedule.x2: the points need"));
  CHECK(holds(error_of("kind = 'two-point'\ny0 = 0\ny1 = 0\ny2 = 0\ny3 = 0"), "0 at every step"));
  CHECK(holds(error_of("kind = 'grid'\nstages = [9]\nbins = 9"), "whole numbers up to bins - 1 = 8"));
  CHECK(holds(error_of("kind = 'grid'\nminimum = 0.01"), "x.toml: schedule.minimum: is read where spacing = log"));
  CHECK(holds(error_of("kind = 'rex'\nb = 0\nbeta = 1"), "give either b or beta"));
  CHECK(holds(error_of("kind = 'stick-breaking'\nminimum = 0.9\nmaximum = 0.5"), "must be at most maximum"));
}

TEST_CASE("curves through points: defaults, whole steps, jumps and limits") {
  const std::string lines = "\ninterpolate = 'linear'\n";
  check_values("kind = 'two-point'" + lines, 10, {{0, 0.6}, {1, 1}, {3.5, 0.65}, {6, 0.3}, {8, 0.16}, {10, 0.02}});
  // Over the largest value on whole steps: of a peak at 2.5 that at 3, and of one beyond the last step that at the last.
  check_values("kind = 'two-point'\ny0 = 0\nx1 = 0.25\ny1 = 2\nx2 = 0.5\ny2 = 1\ny3 = 0" + lines, 10,
               {{2, 1.6 / 1.8}, {2.5, 2 / 1.8}, {3, 1}, {5, 1 / 1.8}});
  const double last = 0.5 + 1.5 * 4 / 4.9;
  check_values("kind = 'two-point'\ny0 = 0.1\nx1 = 0.5\ny1 = 0.5\nx2 = 0.99\ny2 = 2\ny3 = 1" + lines, 10,
               {{0, 0.1 / last}, {5, 0.5 / last}, {9, 1}});
  // Points of stick-breaking are at whole steps: 3, and 6 of 6.5; two at one step are a jump for lines alone.
  check_values("kind = 'stick-breaking'" + lines, 10, {{0, 1}, {3, 0.7}, {5, 0.21 + 0.49 / 3}, {6, 0.21}, {8, 0.105}});
  check_values("kind = 'stick-breaking'", 10, {{0, 1}, {3, 0.7}, {6, 0.21}, {10, 0}});
  check_values("kind = 'stick-breaking'\nminimum = 0.4\nmaximum = 0.9" + lines, 10,
               {{0, 0.9}, {2, 0.8}, {3, 0.7}, {8, 0.4}});
  check_values("kind = 'stick-breaking'\nd2 = 0.0" + lines, 10, {{2, 0.8}, {3, 0.21}, {6.5, 0.105}});
  check_values("kind = 'stick-breaking'\nd2 = 0.0", 10, {{3, 0.7}, {10, 0}});
  check_values("kind = 'smooth'", 100, {{0, 0}, {10, 0.8}, {20, 1}, {73, 0.3}, {100, 0}});
  check_values("kind = 'smooth'\nx_peak = 0.9\nd1 = 0.5\nd2 = 0.2", 100, {{0, 0}, {50, 0.8}, {60, 0.3}, {90, 1}});
  check_values("kind = 'grid'", 10, {{0, 1}, {2, 0.75}, {4, 0.5}, {6, 0.25}, {8, 0.125}});
  check_values("kind = 'grid'\nstages = [1, 0]\nbins = 3\nspacing = 'log'", 2, {{0, std::sqrt(1e-3)}, {1, 1e-3}});
  CHECK(holds(error_of("kind = 'grid'\nstages = []"), "must hold at least one number"));
  CHECK(holds(error_of("kind = 'grid'\nstages = [1.5]"), "whole numbers up to bins - 1 = 8"));
  for (const char* bad : {"x1 = 0.0", "x2 = 1.0", "x1 = 0.6\nx2 = 0.6"})
    CHECK(holds(error_of(std::string("kind = 'two-point'\n") + bad), "the points need 0 < x1 < x2 < 1"));
}
