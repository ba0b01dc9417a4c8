#include "cli/figures/axis.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace edgewise::cli;

TEST_CASE("logarithmic when positive and over more than one decade") {
  CHECK(axis_of({1, 40}, {1, 40}, true, 0.05).log);
  CHECK_FALSE(axis_of({1, 9}, {1, 9}, true, 0.05).log);
  CHECK_FALSE(axis_of({-1, 1, 1000}, {}, true, 0.05).log);
  CHECK(axis_of({0, 1, 1000}, {0, 1, 1000}, true, 0.05).log);
  CHECK_FALSE(axis_of({0, 1, 1000}, {0, 1, 1000}, false, 0.05).log);
  CHECK_FALSE(axis_of({}, {}, true, 0.05).log);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(axis_of({nan, 1, 1000, INFINITY}, {nan, 1, 1000, INFINITY}, true, 0.05).log);
}

TEST_CASE("the range holds the data and is never empty") {
  for (const auto& values : {std::vector<double>{3, 3}, {0, 0}, {-2, 5}, {1e-300, 1e300}, {1e5, 1e5 + 1}}) {
    const Axis axis = axis_of(values, values, false, 0.05);
    CHECK(axis.low < axis.high);
    for (const double x : values) {
      CHECK(axis.place(x) >= -1e-12);
      CHECK(axis.place(x) <= 1 + 1e-12);
    }
    CHECK(axis.ticks().size() > 10);
    CHECK(axis.ticks().size() < 4000);
  }
}

TEST_CASE("what gnuplot cannot tell from 0 is drawn as 0") {
  const Axis tiny = axis_of({5e-324, 5e-324}, {5e-324, 5e-324}, false, 0.05);
  CHECK_FALSE(tiny.log);
  CHECK(tiny.high - tiny.low > 0.09);
  const Axis mixed = axis_of({1e-310, 1, 2}, {1e-310, 1, 2}, true, 0.05);
  CHECK_FALSE(mixed.log);
  CHECK(mixed.low == 0);
}

TEST_CASE("ticks") {
  Axis axis{true, 0.9, 1.1e4};
  CHECK(axis.ticks().find("\"10^{3}\" 1000 0") != std::string::npos);
  CHECK(axis.ticks().find("\"1\" 1 0") != std::string::npos);
  axis = {true, 0.5, 20};
  CHECK(axis.ticks().find("\"10^{−1}\"") == std::string::npos);
  axis = {false, 0, 1};
  CHECK(axis.ticks() ==
        "(\"0\" 0 0, \"0.2\" 0.2 0, \"0.4\" 0.4 0, \"0.6\" 0.6000000000000001 0, \"0.8\" 0.8 0, \"1\" 1 0)");
}
