#include "validation/sweeps/contours.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

std::vector<double> spaced(double from, double to, std::size_t count) {
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(count - 1));
  return out;
}

double length(const PlaneCurve& curve) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < curve.size(); ++i)
    sum += std::hypot(curve[i + 1].x - curve[i].x, curve[i + 1].y - curve[i].y);
  return sum;
}

}  // namespace

TEST_CASE("a circle is one closed curve of the right length, its points on it to rounding") {
  const auto x = spaced(-1, 1, 101);
  const auto curves = trace_zeros([](double a, double b) { return a * a + b * b - 0.5; }, x, x);
  REQUIRE(curves.size() == 1);
  const PlaneCurve& circle = curves[0];
  CHECK(circle.front().x == circle.back().x);
  CHECK(circle.front().y == circle.back().y);
  for (const PlanePoint& p : circle) CHECK(p.x * p.x + p.y * p.y == Approx(0.5).epsilon(1e-12));
  CHECK(length(circle) == Approx(2 * 3.14159265 * std::sqrt(0.5)).epsilon(1e-3));
}

TEST_CASE("zeros on the points of the grid are met once") {
  const auto x = spaced(0, 1, 11);
  const auto curves = trace_zeros([](double a, double) { return a - 0.5; }, x, x);
  REQUIRE(curves.size() == 1);
  CHECK(length(curves[0]) == Approx(1));
  for (const PlanePoint& p : curves[0]) CHECK(p.x == Approx(0.5).epsilon(1e-12));
}

TEST_CASE("a condition cuts a curve to rounding, into several parts where it must") {
  const auto x = spaced(0, 1, 21);
  const auto curves = trace_zeros([](double a, double b) { return a - b; }, x, x,
                                  [](double a, double) { return a < 0.237 || a > 0.741; });
  REQUIRE(curves.size() == 2);
  CHECK(length(curves[0]) + length(curves[1]) == Approx(std::sqrt(2.0) * (1 - 0.741 + 0.237)).epsilon(1e-9));
}

TEST_CASE("poles, jumps and places without a number are no zeros") {
  const auto x = spaced(-1, 1, 40);
  CHECK(trace_zeros([](double a, double) { return 1 / a; }, x, x).empty());
  CHECK(trace_zeros([](double a, double) { return a > 0.1 ? 1.0 : -1.0; }, x, x).empty());
  const auto half = trace_zeros([](double a, double b) { return b < 0 ? NAN : a; }, x, x);
  REQUIRE(half.size() == 1);
  CHECK(length(half[0]) < 1.01);
  CHECK(trace_zeros([](double, double) { return 1.0; }, spaced(0, 1, 2), {}).empty());
}

TEST_CASE("zeros of one variable") {
  const auto zeros = find_zeros([](double a) { return std::cos(a); }, spaced(0, 7, 50));
  REQUIRE(zeros.size() == 2);
  CHECK(zeros[0] == Approx(1.5707963267948966).epsilon(1e-12));
  CHECK(zeros[1] == Approx(4.71238898038469).epsilon(1e-12));
  CHECK(find_zeros([](double a) { return std::tan(a); }, spaced(1, 2, 50)).empty());
}

TEST_CASE("borders of labels run through the middles") {
  const std::vector<double> x = {0, 1, 2}, y = {0, 10};
  const std::vector<int> labels = {0, 0, 1, 0, 0, 1};
  const auto borders = trace_labels(labels, x, y);
  REQUIRE(borders.size() == 1);
  CHECK(borders[0].low == 0);
  CHECK(borders[0].high == 1);
  REQUIRE(borders[0].curves.size() == 1);
  const PlaneCurve& line = borders[0].curves[0];
  REQUIRE(line.size() == 2);
  for (const PlanePoint& p : line) CHECK(p.x == 1.5);
}

TEST_CASE("three labels meet in the middle of a square") {
  const std::vector<double> x = {0, 1}, y = {0, 1};
  const std::vector<int> labels = {0, 1, 0, 2};
  const auto borders = trace_labels(labels, x, y);
  REQUIRE(borders.size() == 3);
  for (const LabelBorder& border : borders) {
    REQUIRE(border.curves.size() == 1);
    const PlaneCurve& curve = border.curves[0];
    const bool meets =
        (curve.front().x == 0.5 && curve.front().y == 0.5) || (curve.back().x == 0.5 && curve.back().y == 0.5);
    CHECK(meets);
  }
}

TEST_CASE("places where three labels meet are told apart") {
  // Two of them, in squares (1, 0) and (0, 1). 0 and 1 touch in two pieces, from a side to a place each.
  const auto x = spaced(0, 2, 3);
  const auto borders = trace_labels(std::vector<int>{0, 0, 1, 0, 2, 1, 1, 1, 1}, x, x);
  REQUIRE(borders.size() == 3);
  for (const LabelBorder& border : borders) {
    CAPTURE(border.low);
    CAPTURE(border.high);
    double total = 0;
    for (const PlaneCurve& curve : border.curves) total += length(curve);
    const bool apart = border.low == 0 && border.high == 1;
    CHECK(border.curves.size() == (apart ? 2 : 1));
    CHECK(total == Approx(apart ? 1 : 1 + std::sqrt(0.5)));
  }
}

TEST_CASE("an island is a closed border, a saddle two separate ones, the unknown has none") {
  const auto x = spaced(0, 2, 3);
  const std::vector<int> island = {0, 0, 0, 0, 1, 0, 0, 0, 0};
  auto borders = trace_labels(island, x, x);
  REQUIRE(borders.size() == 1);
  REQUIRE(borders[0].curves.size() == 1);
  CHECK(borders[0].curves[0].size() == 5);
  CHECK(borders[0].curves[0].front().x == borders[0].curves[0].back().x);
  const std::vector<double> two = {0, 1};
  const std::vector<int> saddle = {0, 1, 1, 0};
  borders = trace_labels(saddle, two, two);
  REQUIRE(borders[0].curves.size() == 2);
  for (const PlaneCurve& c : borders[0].curves) CHECK(length(c) == Approx(std::sqrt(0.5)));
  // The corners (0, 0) and (1, 1), of the lower label, are cut off.
  for (const PlaneCurve& c : borders[0].curves) CHECK(c.front().x + c.front().y == Approx(c.back().x + c.back().y));
  const std::vector<int> unknown = {-1, 1, -1, 1};
  CHECK(trace_labels(unknown, two, two).empty());
  CHECK_THROWS_AS(trace_labels(unknown, x, x), std::invalid_argument);
}
