#include "numerics/sums.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "numerics/constants.hpp"
#include "numerics/whole.hpp"

using namespace edgewise;

TEST_CASE("sums keep the order in their name") {
  // From the first on: 1e16 + 1 loses the 1, three times; from the last on it would count.
  const std::vector<double> x{1e8, 1, 1, 1}, y{1e8, 1, 1, 1};
  CHECK(numerics::dot_in_order(x, y) == 1e16);
  const std::vector<double> reversed{1, 1, 1, 1e8};
  CHECK(numerics::squared_norm_in_order(reversed) == 1e16 + 4);
  CHECK(numerics::dot_in_order(std::vector<double>{2, 3}, std::vector<double>{5, 7, 11}) == 31);
  CHECK(numerics::squared_norm_in_order(std::vector<double>{}) == 0);
}

TEST_CASE("whole numbers") {
  for (const double x : {0.0, -3.0, 1e300, 4503599627370497.0}) CHECK(numerics::is_whole(x));
  for (const double x : {0.5, -1e-300, infinity, -infinity, edgewise::nan}) CHECK(!numerics::is_whole(x));
}

TEST_CASE("constants") {
  CHECK(infinity > std::numeric_limits<double>::max());
  CHECK(edgewise::nan != edgewise::nan);
  CHECK(pi == 3.141592653589793);
  CHECK(gibibyte == 1073741824);
}
