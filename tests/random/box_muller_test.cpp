#include "random/box_muller.hpp"

#include <doctest/doctest.h>

#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "tests/approx.hpp"

using edgewise::tests::Approx;

namespace ew = edgewise::random;

TEST_CASE("the logarithm is right to 2 units in the last place") {
  for (double x = 1e-300; x < 1e300; x *= 1.37) {
    const double exact = std::log(x);
    CHECK(std::abs(ew::logarithm(x) - exact) <= 4.5e-16 * std::abs(exact));
  }
  for (double y = 1e-15; y < 0.9; y *= 1.1) {
    CHECK(ew::logarithm(1 - y) == Approx(std::log(1 - y)).epsilon(1e-15));
    CHECK(ew::logarithm(1 + y) == Approx(std::log(1 + y)).epsilon(1e-15));
  }
  CHECK(ew::logarithm(1.0) == 0.0);
}

TEST_CASE("log(1 + y) - y keeps its relative accuracy for tiny y") {
  for (double y = 1e-150; y < 0.4; y *= 1.9)
    for (const double signed_y : {y, -0.7 * y})
      CHECK(ew::log_plus_one_minus(signed_y) == Approx(boost::math::log1pmx(signed_y)).epsilon(1e-14));
}

TEST_CASE("Box-Muller: radius and angle are those of the bits") {
  std::uint64_t radius = 88172645463325252u, angle = 6364136223846793005u;
  for (int i = 0; i < 100000; ++i) {
    radius = radius * 6364136223846793005u + 1442695040888963407u;
    angle = angle * 2862933555777941757u + 3037000493u;
    const auto [x, y] = ew::box_muller(radius, angle);
    const double u = (static_cast<double>(radius) + 0.5) * 0x1p-64;
    CHECK(std::hypot(x, y) == Approx(std::sqrt(-2 * std::log(u))).epsilon(1e-14));
    // A quarter turn of 52 bits, mirrored at the vertical by bit 63 and at the diagonal by bit 62.
    double t = std::numbers::pi / 2 * (static_cast<double>(angle & ((std::uint64_t{1} << 52) - 1)) * 0x1p-52 - 0.5);
    if (angle >> 63) t = std::numbers::pi - t;
    if ((angle >> 62) & 1) t = std::numbers::pi / 2 - t;
    const double r = std::hypot(x, y);
    CHECK(std::abs(x - r * std::cos(t)) <= 1e-15 * (1 + r));
    CHECK(std::abs(y - r * std::sin(t)) <= 1e-15 * (1 + r));
  }
}

TEST_CASE("Box-Muller: the extremes of the radius") {
  const auto [far, zero] = ew::box_muller(0, std::uint64_t{1} << 51);  // U = 2^-65, angle 0
  CHECK(far == Approx(std::sqrt(130 * std::numbers::ln2)).epsilon(1e-15));
  CHECK(zero == 0.0);
  const auto [x, y] = ew::box_muller(~std::uint64_t{0}, 12345);  // U = 1
  CHECK(x == 0.0);
  CHECK(y == 0.0);
  // 300 in 2^64 draws of U reach further than 8.78: the tail keeps its resolution there.
  const auto [tail, none] = ew::box_muller(300, std::uint64_t{1} << 51);
  CHECK(tail == Approx(std::sqrt(-2 * (std::log(300.5) - 64 * std::numbers::ln2))).epsilon(1e-15));
}

TEST_CASE("uniforms stay inside (0, 1) and are symmetric") {
  CHECK(ew::uniform_of(0) == 0x1p-53);
  CHECK(ew::uniform_of(~std::uint64_t{0}) == 1 - 0x1p-53);
  CHECK(ew::uniform_of(std::uint64_t{1} << 63) == 0.5 + 0x1p-53);
}
