#include "numerics/roots.hpp"

#include <doctest/doctest.h>

#include <rapidcheck.h>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::numerics;
using edgewise::tests::Approx;

TEST_CASE("roots to full precision, either sign first") {
  CHECK(root([](double x) { return x * x - 2; }, 0, 2) == Approx(std::numbers::sqrt2).epsilon(4e-16));
  CHECK(root([](double x) { return 2 - x * x; }, 0, 2) == Approx(std::numbers::sqrt2).epsilon(4e-16));
  CHECK(root([](double x) { return std::cos(x); }, 1, 2) == Approx(std::numbers::pi / 2).epsilon(4e-16));
}

TEST_CASE("an end that is a root is the root, whatever the other end") {
  const auto f = [](double x) { return x * (x - 1); };
  CHECK(root(f, 0, 0.5) == 0);
  CHECK(root(f, 0.5, 1) == 1);
}

TEST_CASE("the bits asked for are what is reached") {
  CHECK(rc::check("x^3 = c", [] {
    const double c = std::exp(*rc::gen::inRange(-3000, 3000) / 100.0);
    const int bits = *rc::gen::inRange(10, 50);
    const double x = root([&](double t) { return t * t * t - c; }, 0, std::max(1.0, c), bits);
    RC_ASSERT(std::abs(x - std::cbrt(c)) <= std::ldexp(std::cbrt(c), 1 - bits));
  }));
}

TEST_CASE("an interval as wide as the doubles, values as large, and jumps have a root as well") {
  constexpr double most = std::numeric_limits<double>::max(), least = std::numeric_limits<double>::denorm_min();
  for (const double at : {1e-300, 3e-200, 7e-3, 5.0, 2e120, 4e300}) {
    CHECK(root([&](double x) { return x - at; }, 1e-305, 1e307) == Approx(at).epsilon(1e-15));
    CHECK(root([&](double x) { return x < at ? -1.0 : 1.0; }, 0, most) == Approx(at).epsilon(1e-15));
    CHECK(root([&](double x) { return x < at ? 1e308 : -1e308; }, 0, most, 40) == Approx(at).epsilon(2e-12));
    CHECK(root([&](double x) { return x < at ? -1.0 : INFINITY; }, -at, most) == Approx(at).epsilon(1e-15));
  }
  CHECK(root([&](double x) { return 1e307 * (x - 3); }, 1, 17) == Approx(3).epsilon(1e-15));
  CHECK(root([](double x) { return x <= 0 ? -1.0 : 1.0; }, -1, 2) <= least);  // neighbours: 0 and the next
  // Not a number on the way to the root: an error, and no loop.
  CHECK_THROWS_AS(root([](double x) { return x == 0 ? -1.0 : x >= 1e300 ? 1.0 : NAN; }, 0, 1e300), std::domain_error);
}

TEST_CASE("no sign change, no root") {
  const auto positive = [](double) { return 1.0; };
  CHECK_THROWS_WITH_AS(root(positive, 0, 1), "no sign change between the ends of the interval", std::domain_error);
  CHECK_THROWS_AS(root([](double) { return std::numeric_limits<double>::quiet_NaN(); }, 0, 1), std::domain_error);
  CHECK_THROWS_AS(root([](double x) { return x - 0.5; }, 1, 0), std::domain_error);
}

TEST_CASE("a threshold to its tolerance, and to neighbouring numbers at most") {
  const auto beyond = [](double x) { return x >= 0.3; };
  CHECK(std::abs(threshold(beyond, 0, 1, 1e-3) - 0.3) <= 0.5e-3);
  CHECK(std::abs(threshold(beyond, 0, 1, 0) - 0.3) <= 0.3 - std::nextafter(0.3, 0));
  // Between neighbours the middle rounds to the even one, which is the upper as often as the lower.
  double step = 0.3;
  for (int k = 0; k < 8; ++k) {
    step = std::nextafter(step, 1);
    const double found = threshold([&](double x) { return x >= step; }, 0, 1, 0);
    CHECK((found == step || found == std::nextafter(step, 0)));
  }
  CHECK(threshold([](double) { return true; }, 0, 1, 0.25) < 0.25);
  CHECK(threshold(beyond, 0, 1, 0.5) == 0.375);  // [0, 1], [0, .5], [.25, .5]: no wider than half its end
}

TEST_CASE("a minimum") {
  const Minimum found = minimum([](double x) { return (x - 0.7) * (x - 0.7) + 3; }, 0, 2);
  CHECK(found.at == Approx(0.7).epsilon(1e-7));
  CHECK(found.value == Approx(3).epsilon(1e-14));
}
