// The least of many minima: against dense grids, and at the ends of what is searched.
#include "numerics/scan.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::numerics;
using edgewise::tests::Approx;

namespace {

Scan wide() {
  Scan scan;
  scan.low = std::log(1e-4);
  scan.high = std::log(10.0);
  scan.lowest = -700;
  scan.highest = 700;
  scan.finest = 1e-3;
  scan.lost = 1000;
  scan.rise = 27;
  scan.enough = -700;
  return scan;
}

}  // namespace

TEST_CASE("the least of many minima: polynomials with roots near the axis, against a dense grid") {
  // log of prod_k ((1 - b s_k)^2 + width) + level: a minimum near every 1/s_k.
  for (const int T : {1, 2, 5, 9, 20})
    for (const double width : {1e-6, 1e-3, 0.1, 1.0})
      for (const double level : {0.0, 1e-6, 0.1}) {
        const auto f = [&](double u) {
          const double b = std::exp(u);
          double product = 1;
          for (int k = 0; k < T; ++k) {
            const double s = 0.5 * (1 + std::cos(std::acos(-1.0) * k / T)), x = b * s;
            product *= (1 - x) * (1 - x) + width * x * x;
          }
          const double slow = std::pow(1 - 0.03 * b, 2);
          return std::min(1000.0, std::log(product + 0.02 * slow + level));
        };
        CAPTURE(T);
        CAPTURE(width);
        CAPTURE(level);
        const ScannedMinimum found = scanned_minimum(f, wide());
        double least = 1e300;
        for (double u = -12; u < 12; u += 2e-4) least = std::min(least, f(u));
        CHECK(found.value <= least + 1e-9);
        CHECK(f(found.at) == found.value);
        CHECK(found.minima >= 1);
      }
}

TEST_CASE("a narrow well beside a wide one is found where the grid alone steps over it") {
  const auto f = [](double u) {
    return std::log(1 + std::pow(u + 2, 2)) - 3 * std::exp(-std::pow((u - 0.8) / 0.15, 2));
  };
  const ScannedMinimum found = scanned_minimum(f, wide());
  CHECK(found.at == Approx(0.8).epsilon(0.01));
  CHECK(found.minima == 2);
}

TEST_CASE("beyond the grid, at its cap, on a cliff, nowhere") {
  const auto parabola = [](double at) { return [at](double u) { return 1e-3 * std::pow(u - at, 2); }; };
  for (const double at : {-300.0, -20.0, 1.0, 5.0}) {
    Scan scan = wide();
    scan.rise = 1e9;
    CHECK(scanned_minimum(parabola(at), scan).at == Approx(at).epsilon(1e-6));
  }
  Scan scan = wide();
  scan.highest = 1;
  CHECK(scanned_minimum(parabola(2), scan).at == Approx(1).epsilon(1e-12));
  scan.highest = scan.low - 5;  // the cap lies below the grid
  CHECK(scanned_minimum(parabola(2), scan).at == Approx(scan.highest).epsilon(1e-12));
  const auto cliff = [](double u) { return u < 0.3 ? -u : 1000.0; };
  CHECK(scanned_minimum(cliff, wide()).at == Approx(0.3).epsilon(2e-3));
  const ScannedMinimum lost = scanned_minimum([](double) { return 1000.0; }, wide());
  CHECK(lost.value >= 1000);
  CHECK(lost.minima == 0);
}

TEST_CASE("a well at the edge of what is lost is found from either side, where no point of the grid falls into it") {
  // Within .08 of the edge, a fifth of the grid's step; behind a hill of height 1 a wide minimum of .04.
  for (const double side : {1.0, -1.0}) {
    CAPTURE(side);
    const auto well = [side](double u) {
      const double inward = side * (-1.2 - u);  // from the edge
      if (inward < 0) return 1000.0;
      return inward < 0.08 ? 50 * std::abs(inward - 0.04) - 1 : 0.04 + 0.96 * std::pow((inward - 2) / 1.92, 2);
    };
    const ScannedMinimum found = scanned_minimum(well, wide());
    CHECK(found.at == Approx(-1.2 - 0.04 * side).epsilon(1e-5));
    CHECK(found.value == Approx(-1).epsilon(1e-4));
  }
}

TEST_CASE("where the function nears 0 its least value is found beyond the bits of the search") {
  // Off by x the logarithm is 2 log x: -55 is x = 1e-12, where 26 bits are 1e-8.
  for (const double at : {0.7, -1.3, 1.1}) {
    const ScannedMinimum found =
        scanned_minimum([&](double u) { return std::log(std::pow(u - at, 2) + 1e-28); }, wide());
    CHECK(found.value < -55);
    CHECK(found.at == Approx(at).epsilon(1e-11));
  }
}

TEST_CASE("a smooth function costs little more than its grid") {
  int calls = 0;
  const ScannedMinimum found = scanned_minimum(
      [&](double u) {
        ++calls;
        const double b = std::exp(u);
        return b > 20 ? 1000 : -300 * b / (1 + b) + 3 * b * b;
      },
      wide());
  CHECK(found.minima == 1);
  CHECK(calls < 120);
}

TEST_CASE("whether the least value lies at an end of what was sampled") {
  const auto parabola = [](double at) { return [at](double u) { return 1e-3 * std::pow(u - at, 2); }; };
  Scan scan = wide();
  scan.lowest = scan.low;
  scan.highest = scan.high;
  CHECK_FALSE(scanned_minimum(parabola(0), scan).at_end);
  CHECK(scanned_minimum(parabola(scan.high + 1), scan).at_end);
  CHECK(scanned_minimum(parabola(scan.low - 1), scan).at_end);
  // A hundredth of a step of the grid inside is inside.
  const double inside = 0.01 * (scan.high - scan.low) / (scan.points - 1);
  CHECK_FALSE(scanned_minimum(parabola(scan.high - inside), scan).at_end);
  CHECK_FALSE(scanned_minimum(parabola(scan.low + inside), scan).at_end);
  // Minima at either end count; a flat stretch does not.
  for (const double at : {scan.low - 1, 0.0, scan.high + 1}) {
    CAPTURE(at);
    CHECK(scanned_minimum(parabola(at), scan).minima == 1);
  }
  CHECK(scanned_minimum([](double u) { return -u * u; }, scan).minima == 2);
  CHECK(scanned_minimum([](double) { return 1.0; }, scan).minima == 0);
}

TEST_CASE("a needle that no grid meets is found where it is said to stand, and dense intervals find the wider ones") {
  const auto well = [](double at, double width) {
    return [=](double u) { return 0.01 * u * u - 5 * std::exp(-std::pow((u - at) / width, 2)); };
  };
  Scan scan = wide();
  CHECK(scanned_minimum(well(0.8123, 1e-6), scan).value > -1e-6);
  for (const double at : {0.8123, -3.0, 2.2}) {
    scan.also = {-5, at, 1};
    const ScannedMinimum found = scanned_minimum(well(at, 1e-6), scan);
    CHECK(found.at == Approx(at).epsilon(1e-6));
    CHECK(found.value == Approx(0.01 * at * at - 5).epsilon(1e-6));
  }
  scan.also.clear();
  scan.highest = scan.high;
  CHECK(scanned_minimum(well(1.2345, 0.003), scan).value > -1);
  scan.dense_from = 1;
  scan.dense = 0.003;
  CHECK(scanned_minimum(well(1.2345, 0.003), scan).at == Approx(1.2345).epsilon(1e-4));
  CHECK(scanned_minimum(well(0.8345, 0.003), scan).value > -1);  // before there
}
