#include "validation/verdicts/rounding.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

using namespace edgewise::validation;
using Pair = std::pair<std::string, std::string>;

TEST_CASE("numbers of which a sentence says that they differ are written with the digits that show it") {
  CHECK(percent(0.1004) == "10%");
  CHECK(distinct_percent(0.25, 0.1) == Pair("25%", "10%"));
  CHECK(distinct_percent(0.1004, 0.1) == Pair("10.04%", "10%"));
  CHECK(distinct_percent(0.1, 0.1) == Pair("10%", "10%"));
  CHECK(distinct(2.567, 2.568) == Pair("2.567", "2.568"));
  CHECK(distinct(3.391, 2.97) == Pair("3.39", "2.97"));
  const double one = 2.5, next = std::nextafter(one, 3.0);
  const auto [a, b] = distinct(one, next);
  CHECK(a != b);
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(distinct_percent(infinity, 0.1) == Pair("inf%", "10%"));
  CHECK(distinct(std::nan(""), std::nan("")).first == "nan");
}
