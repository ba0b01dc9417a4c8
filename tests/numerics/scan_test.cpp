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
  scan.highest = scan.lowest - 1;  // and below all that is searched
  const ScannedMinimum alone = scanned_minimum(parabola(2), scan);
  CHECK(alone.at == scan.highest);
  CHECK(alone.at_end);
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

namespace {

/// The places where a scan looks for a function that is low enough everywhere, so that no minimum is searched; in order.
std::vector<double> samples_of(const Function& f, Scan scan) {
  scan.enough = 1e300;
  std::vector<double> seen;
  scanned_minimum(
      [&](double x) {
        seen.push_back(x);
        return f(x);
      },
      scan);
  std::ranges::sort(seen);
  return seen;
}

/// 0, 1, .. 8 and no farther.
Scan of_nine() {
  Scan scan;
  scan.high = scan.highest = 8;
  scan.points = 9;
  scan.lowest = 0;
  scan.lost = 1e6;
  scan.rise = 1e5;
  return scan;
}

void check_places(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t k = 0; k < found.size(); ++k) CHECK(found[k] == Approx(expected[k]).epsilon(1e-13).scale(1));
}

}  // namespace

TEST_CASE("an interval whose middle lies on the cubic through its neighbours is looked at once") {
  std::vector<double> halves;
  for (int k = 0; k <= 16; ++k) halves.push_back(k / 2.0);
  check_places(samples_of([](double x) { return x * x * x - 5 * x * x + 20 * x; }, of_nine()), halves);
  // Beside what is lost the cubic has fewer points: a parabola through three, and none where both ends are.
  Scan scan = of_nine();
  scan.finest = 0.5;
  const auto walled = [](double x) { return x < 1.25 || x > 6.75 ? 2e6 : x * x + x; };
  std::vector<double> expected{0, 1, 1.5};
  for (double x = 2; x < 6.25; x += 0.5) expected.push_back(x);
  for (const double x : {6.5, 7.0, 8.0}) expected.push_back(x);
  check_places(samples_of(walled, scan), expected);
}

TEST_CASE("an interval is halved on where its middle is off by a tenth of what it rises, and not where nothing rises") {
  for (const double bump : {-0.1025, -0.0975, 0.0975, 0.1025}) {
    CAPTURE(bump);
    // Straight but for the middle of [3, 4]: its halves are looked into where it is off by more than 1/10.
    const auto f = [&](double x) { return x + (x == 3.5 ? bump : 0.0); };
    Scan scan = of_nine();
    scan.finest = 0.3;
    std::vector<double> expected;
    for (int k = 0; k <= 16; ++k) expected.push_back(k / 2.0);
    if (std::abs(bump) > 0.1) {
      // Then the first half's own middle is looked at; by the cubic through 2.5, 3, 3.5, 4 it is well placed, as is the next.
      expected.push_back(3.25);
      expected.push_back(3.75);
      std::ranges::sort(expected);
    }
    check_places(samples_of(f, scan), expected);
  }
  // Four neighbours that rise by less than a thousandth together.
  for (const double slope : {0.98e-3 / 3, 1.02e-3 / 3}) {
    const std::vector<double> found = samples_of([&](double x) { return 5 + slope * x; }, of_nine());
    // At the ends there are three alone, and beside a middle the four rise by two steps and a half: three are halved.
    CHECK(found.size() == (slope < 1e-3 / 3 ? 9 : 9 + 3));
  }
  // Below `finest` nothing is halved; from `dense_from` on everything is, down to `dense`.
  Scan scan = of_nine();
  scan.finest = 1;
  CHECK(samples_of([](double x) { return x * x; }, scan).size() == 9);
  scan.finest = 1e-3;
  scan.dense_from = 6;
  scan.dense = 0.3;
  check_places(samples_of([](double) { return 1.0; }, scan),
               {0, 1, 2, 3, 4, 5, 6, 6.25, 6.5, 6.75, 7, 7.25, 7.5, 7.75, 8});
}

TEST_CASE("beyond the grid strides grow by a quarter, above after thirty alike, up to 36 of the grid's") {
  Scan scan = of_nine();
  scan.finest = 1e9;
  scan.lowest = -200;
  scan.highest = 8;
  std::vector<double> expected;
  double at = 0, stride = 1;
  while (at > -200) {
    at = std::max(at - stride, -200.0);
    stride = std::min(stride * 1.25, 36.0);
    expected.insert(expected.begin(), at);
  }
  for (int k = 0; k <= 8; ++k) expected.push_back(k);
  check_places(samples_of([](double x) { return x; }, scan), expected);
  // Only while it falls there: it rises from -3 on.
  check_places(samples_of([](double x) { return std::abs(x + 2.2); }, scan),
               {-4.5 + 0.6875, -2.25, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8});
  // Nor where it falls there, but has been lower, nor where it is flat.
  check_places(samples_of([](double x) { return x - 9 * (x == 5); }, scan), {0, 1, 2, 3, 4, 5, 6, 7, 8});
  check_places(samples_of([](double x) { return std::max(x, 1.0); }, scan), {0, 1, 2, 3, 4, 5, 6, 7, 8});

  scan = of_nine();
  scan.finest = 1e9;
  scan.highest = 400;
  scan.rise = 300;
  expected.clear();
  for (int k = 0; k <= 8; ++k) expected.push_back(k);
  at = 8;
  stride = 1;
  while (at < 302) {  // until it has risen by 300 above its value at the low end, 2
    at += stride;
    expected.push_back(at);
    if (at > 38) stride = std::min(stride * 1.25, 36.0);
  }
  check_places(samples_of([](double x) { return x + (x < 0.5 ? 2 : 0); }, scan), expected);
  // Until it is lost, where the low end is; no farther than `highest`.
  scan.lost = 20.5;
  CHECK(samples_of([](double x) { return x < 0.5 ? 1e9 : x; }, scan).back() == 21);
  scan.highest = 12.5;
  CHECK(samples_of([](double x) { return x < 0.5 ? 1e9 : x; }, scan).back() == 12.5);
}

TEST_CASE("a grid ends at its cap, and an end reaches in by a thousandth of its interval") {
  Scan scan = of_nine();
  scan.finest = 1e9;
  scan.highest = 5.5;
  check_places(samples_of([](double x) { return x; }, scan), {0, 1, 2, 3, 4, 5, 5.5});
  scan = of_nine();
  scan.finest = 1e9;
  scan.enough = -1;
  for (const double inside : {0.98e-3, 1.02e-3})
    for (const double at : {inside, 8 - inside}) {
      CAPTURE(at);
      const ScannedMinimum found = scanned_minimum([&](double x) { return std::abs(x - at); }, scan);
      CHECK(found.at == Approx(at).epsilon(1e-5));
      CHECK(found.at_end == (inside < 1e-3));
    }
}

TEST_CASE("a minimum is looked at as one of exp f where it is lower than both neighbours by more than 1") {
  for (const double height : {0.98, 1.02})
    for (const double side : {-1.0, 1.0}) {
      CAPTURE(height);
      CAPTURE(side);
      Scan scan = of_nine();
      scan.finest = 1e9;
      scan.enough = -1;
      std::vector<double> seen;
      const auto f = [&](double x) {
        seen.push_back(x);
        return height * std::pow((x - 4 - side / 4) / 0.75, 2);  // of 4 +- 1, the nearer neighbour of 4, it is `height`
      };
      const ScannedMinimum found = scanned_minimum(f, scan);
      CHECK(found.at == Approx(4 + side / 4).epsilon(1e-7));
      std::size_t pairs = 0;
      for (std::size_t k = 1; k < seen.size(); ++k)
        for (const double h : {1e-5, 1e-8})
          pairs += std::abs(seen[k] - seen[k - 1] - 2 * h) < 1e-3 * h && std::abs(seen[k] - found.at) < 3 * h;
      CHECK(pairs == (height > 1 ? 2 : 0));
    }
}

TEST_CASE("an interval beside what is lost is halved down to a thousandth where nothing else is said") {
  for (const double width : {0.98e-3, 1.02e-3}) {
    CAPTURE(width);
    Scan scan = of_nine();
    scan.high = scan.highest = 8 * 64 * width;
    const std::vector<double> found = samples_of([&](double x) { return x > 200.3 * width ? 2e6 : 0.0; }, scan);
    double least = 1;
    for (std::size_t k = 1; k < found.size(); ++k) least = std::min(least, found[k] - found[k - 1]);
    CHECK(least == Approx(width > 1e-3 ? width / 2 : width).epsilon(1e-9));
  }
}

TEST_CASE("points to be looked at are, but beside one that is there already or outside of the grid") {
  Scan scan = of_nine();
  scan.finest = 1e9;
  scan.also = {-1, 2.5, 4 + 0.98e-6, 5 + 1.02e-6, 6 - 0.98e-6, 7 - 1.02e-6, 9};
  const std::vector<double> found = samples_of([](double x) { return x; }, scan);
  check_places(found, {0, 1, 2, 2.5, 3, 4, 5, 5 + 1.02e-6, 6, 7 - 1.02e-6, 7, 8});
}

TEST_CASE("of more than a hundred minima the hundred lowest are looked into") {
  for (const double tilt : {1e-3, -1e-3}) {
    CAPTURE(tilt);
    Scan scan = of_nine();
    scan.high = scan.highest = 400;
    scan.points = 401;
    scan.finest = 1e9;
    scan.enough = -1e9;
    std::size_t finer = 0;
    const ScannedMinimum found = scanned_minimum(
        [&](double x) {
          finer += x != std::round(x) && std::abs(x - (tilt > 0 ? 0 : 400)) > 203;
          return std::cos(std::acos(-1.0) * x) + tilt * x;
        },
        scan);
    CHECK(found.minima == 100);
    CHECK(finer == 0);  // none of the higher half
    CHECK(found.at == Approx(tilt > 0 ? 1 : 399).epsilon(1e-3));
  }
}
