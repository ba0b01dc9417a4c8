#include "validation/sweeps/contours.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
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

namespace {

bool on(double at, double place) {
  return std::abs(at - place) < 1e-12;
}

/// Whether both points lie on the border of one square of the grid, or inside of it.
bool in_one_square(const PlanePoint& p, const PlanePoint& q, std::span<const double> x, std::span<const double> y) {
  for (std::size_t i = 0; i + 1 < x.size(); ++i)
    for (std::size_t j = 0; j + 1 < y.size(); ++j) {
      const auto inside = [&](const PlanePoint& a) {
        return a.x > x[i] - 1e-12 && a.x < x[i + 1] + 1e-12 && a.y > y[j] - 1e-12 && a.y < y[j + 1] + 1e-12;
      };
      if (inside(p) && inside(q)) return true;
    }
  return false;
}

/// Points of curves, those where a closed one begins and ends once, in order.
std::vector<std::pair<double, double>> points_of(const std::vector<PlaneCurve>& curves) {
  std::vector<std::pair<double, double>> out;
  for (const PlaneCurve& curve : curves) {
    const bool closed = curve.front().x == curve.back().x && curve.front().y == curve.back().y;
    for (std::size_t i = closed ? 1 : 0; i < curve.size(); ++i) out.emplace_back(curve[i].x, curve[i].y);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

TEST_CASE(
    "zeros of a field on a grid of any spacing: one on every edge whose ends differ in sign, joined across squares") {
  const std::vector<double> x{-1.5, -0.9, -0.1, 0.4, 1.1, 1.3, 2.2, 2.9}, y{-2, -1.2, 0.1, 0.7, 1.9};
  const auto f = [](double a, double b) { return std::sin(2.1 * a + 0.3) + 0.8 * std::cos(1.7 * b - 0.2 * a) - 0.1; };
  const auto root = [](const std::function<double(double)>& g, double from, double to) {
    for (int i = 0; i < 80; ++i) {
      const double middle = (from + to) / 2;
      ((g(middle) < 0) == (g(from) < 0) ? from : to) = middle;
    }
    return from;
  };
  std::vector<std::pair<double, double>> expected;
  for (std::size_t j = 0; j < y.size(); ++j)
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i + 1 < x.size() && (f(x[i], y[j]) < 0) != (f(x[i + 1], y[j]) < 0))
        expected.emplace_back(root([&](double a) { return f(a, y[j]); }, x[i], x[i + 1]), y[j]);
      if (j + 1 < y.size() && (f(x[i], y[j]) < 0) != (f(x[i], y[j + 1]) < 0))
        expected.emplace_back(x[i], root([&](double b) { return f(x[i], b); }, y[j], y[j + 1]));
    }
  std::ranges::sort(expected);
  const auto curves = trace_zeros(f, x, y);
  const auto found = points_of(curves);
  REQUIRE(found.size() == expected.size());
  CHECK(found.size() > 15);
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].first == Approx(expected[i].first).epsilon(1e-11).scale(1));
    CHECK(found[i].second == Approx(expected[i].second).epsilon(1e-11).scale(1));
  }
  CHECK(curves.size() > 1);
  for (const PlaneCurve& curve : curves) {
    for (std::size_t i = 0; i + 1 < curve.size(); ++i) CHECK(in_one_square(curve[i], curve[i + 1], x, y));
    // What is open ends at the frame.
    const bool closed = curve.front().x == curve.back().x && curve.front().y == curve.back().y;
    for (const PlanePoint& end : {curve.front(), curve.back()})
      CHECK((closed || on(end.x, x.front()) || on(end.x, x.back()) || on(end.y, y.front()) || on(end.y, y.back())));
  }
  // Cut by a condition: every point that holds is there, and the ends lie where it begins to hold.
  const auto inside = [](double a, double b) { return a + 0.7 * b < 1.05; };
  std::size_t kept = 0, cut = 0;
  for (const auto& [a, b] : expected) kept += inside(a, b);
  std::size_t there = 0;
  for (const PlaneCurve& curve : trace_zeros(f, x, y, inside)) {
    CHECK(curve.size() > 1);
    for (std::size_t i = 0; i < curve.size(); ++i) {
      const bool at_the_cut = std::abs(curve[i].x + 0.7 * curve[i].y - 1.05) < 1e-9;
      CHECK((inside(curve[i].x, curve[i].y) || at_the_cut));
      if (at_the_cut) CHECK((i == 0 || i + 1 == curve.size()));
      cut += at_the_cut;
      there += !at_the_cut;
    }
  }
  CHECK(there == kept);
  CHECK(cut > 1);
}

TEST_CASE(
    "borders of many labels on a grid of any spacing: the middles of edges between them, joined square by square") {
  const std::vector<double> x{0, 1, 1.5, 4, 6, 6.5, 9}, y{-3, -1, 0, 0.25, 2};
  std::vector<int> labels;
  random::Stream stream(17, 0);
  for (std::size_t i = 0; i < x.size() * y.size(); ++i) labels.push_back(static_cast<int>(stream.below(9)) % 4 - 1);
  const auto at = [&](std::size_t i, std::size_t j) { return labels[j * x.size() + i]; };
  struct Border {
    std::vector<std::pair<double, double>> middles;
    double length = 0;
  };
  std::map<std::pair<int, int>, Border> expected;
  const auto pair = [](int a, int b) { return std::pair(std::min(a, b), std::max(a, b)); };
  const auto differ = [](int a, int b) { return a != b && a >= 0 && b >= 0; };
  for (std::size_t j = 0; j < y.size(); ++j)
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i + 1 < x.size() && differ(at(i, j), at(i + 1, j)))
        expected[pair(at(i, j), at(i + 1, j))].middles.emplace_back((x[i] + x[i + 1]) / 2, y[j]);
      if (j + 1 < y.size() && differ(at(i, j), at(i, j + 1)))
        expected[pair(at(i, j), at(i, j + 1))].middles.emplace_back(x[i], (y[j] + y[j + 1]) / 2);
    }
  std::size_t saddles = 0, forks = 0;
  for (std::size_t j = 0; j + 1 < y.size(); ++j)
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      const double mx = (x[i] + x[i + 1]) / 2, my = (y[j] + y[j + 1]) / 2;
      const int corner[4] = {at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)};
      const std::pair<double, double> middle[4] = {{mx, y[j]}, {x[i + 1], my}, {mx, y[j + 1]}, {x[i], my}};
      std::map<std::pair<int, int>, std::vector<std::pair<double, double>>> crossings;
      for (int k = 0; k < 4; ++k)
        if (differ(corner[k], corner[(k + 1) % 4]))
          crossings[pair(corner[k], corner[(k + 1) % 4])].push_back(middle[k]);
      for (const auto& [labels_of, places] : crossings) {
        double& length = expected[labels_of].length;
        const double half_diagonal = std::hypot(x[i + 1] - x[i], y[j + 1] - y[j]) / 2;
        if (places.size() == 2)
          length += std::hypot(places[0].first - places[1].first, places[0].second - places[1].second);
        if (places.size() == 4) length += 2 * half_diagonal, ++saddles;  // two corners cut off
        if (places.size() % 2 == 1)
          for (const auto& [px, py] : places) length += std::hypot(px - mx, py - my), ++forks;
      }
    }
  CHECK(saddles > 0);
  CHECK(forks > 2);
  const auto borders = trace_labels(labels, x, y);
  REQUIRE(borders.size() == expected.size());
  REQUIRE(borders.size() == 3);
  for (const LabelBorder& border : borders) {
    CAPTURE(border.low);
    CAPTURE(border.high);
    auto& [middles, total] = expected[{border.low, border.high}];
    std::ranges::sort(middles);
    double sum = 0;
    std::vector<std::pair<double, double>> found;
    for (const PlaneCurve& curve : border.curves) {
      sum += length(curve);
      for (std::size_t i = 0; i + 1 < curve.size(); ++i) CHECK(in_one_square(curve[i], curve[i + 1], x, y));
    }
    for (const auto& p : points_of(border.curves))
      if (std::ranges::binary_search(middles, p)) found.push_back(p);
    CHECK(found == middles);
    CHECK(sum == Approx(total).epsilon(1e-13));
  }
  // A saddle's lower corners are cut off, whichever diagonal they lie on.
  const std::vector<double> two{0, 1};
  for (const bool swapped : {false, true}) {
    const auto saddle = trace_labels(swapped ? std::vector<int>{1, 0, 0, 1} : std::vector<int>{0, 1, 1, 0}, two, two);
    REQUIRE(saddle[0].curves.size() == 2);
    for (const PlaneCurve& curve : saddle[0].curves) {
      const double slope = (curve[1].y - curve[0].y) / (curve[1].x - curve[0].x);
      CHECK(slope == (swapped ? 1 : -1));
    }
  }
}

TEST_CASE("zeros of one variable between uneven points: at a point, over a gap, at a jump") {
  const std::vector<double> x{0, 0.3, 1, 2.5, 3, 4};
  const auto zeros = find_zeros([](double a) { return (a - 0.1) * (a - 1) * (a - 2.7) * (a - 3.9); }, x);
  REQUIRE(zeros.size() == 4);
  const double expected[] = {0.1, 1, 2.7, 3.9};
  for (std::size_t i = 0; i < 4; ++i) CHECK(zeros[i] == Approx(expected[i]).epsilon(1e-12));
  CHECK(find_zeros([](double a) { return a > 0.5 && a < 2 ? NAN : a - 0.6; }, x).empty());
  CHECK(find_zeros([](double a) { return a < 0.7 ? -1.0 : 1.0; }, x).empty());
  // A steep rise is a zero, of 1e-6 of the difference at most a jump.
  CHECK(find_zeros([](double a) { return std::tanh(1e6 * (a - 0.7)); }, x).size() == 1);
}

TEST_CASE("a point of the grid without a number is no end of a zero") {
  const std::vector<double> x{0, 1};
  for (const double gap : {NAN * 1.0, INFINITY * 1.0}) {
    CHECK(find_zeros([gap](double a) { return a == 1 ? gap : -1 - a; }, x).empty());
    CHECK(find_zeros([gap](double a) { return a == 0 ? gap : -1 - a; }, x).empty());
  }
}

TEST_CASE("what is a jump does not depend on the unit of the function") {
  const std::vector<double> x{0, 0.4, 1};
  for (const double unit : {1e-12, 1.0, 1e12}) {
    CHECK(find_zeros([unit](double a) { return unit * (a - 0.7); }, x).size() == 1);
    CHECK(find_zeros([unit](double a) { return a > 0.7 ? unit : -unit; }, x).empty());
    CHECK(find_zeros([unit](double a) { return a < 0.7 ? unit : -0.1 * unit; }, x).empty());
  }
}

TEST_CASE("a square with a corner without a number has no piece of a curve") {
  const std::vector<double> x{0, 1};
  for (const double gap : {NAN * 1.0, INFINITY * 1.0})
    for (const double sign : {-1.0, 1.0})
      for (const double at_x : x)
        for (const double at_y : x) {
          const auto f = [&](double a, double b) { return a == at_x && b == at_y ? gap : sign * (b - 0.3); };
          CHECK(trace_zeros(f, x, x).empty());
          CHECK(trace_zeros(f, std::vector<double>{0.01, 0.99}, x).size() == 1);
        }
}

TEST_CASE("a condition that holds at no end of a curve, at one, or at a point alone") {
  const std::vector<double> x{0, 0.25, 0.5, 0.75, 1};
  const auto parts = [&](const std::function<bool(double, double)>& inside) {
    std::vector<std::pair<double, double>> out;
    for (const PlaneCurve& curve : trace_zeros([](double, double b) { return b - 0.6; }, x, x, inside))
      out.emplace_back(std::min(curve.front().x, curve.back().x), std::max(curve.front().x, curve.back().x));
    std::ranges::sort(out);
    return out;
  };
  const auto ends = [&](const std::function<bool(double, double)>& inside, const std::vector<double>& expected) {
    std::vector<double> found;
    for (const auto& [low, high] : parts(inside)) found.insert(found.end(), {low, high});
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]).epsilon(1e-12).scale(1));
  };
  ends([](double, double) { return true; }, {0, 1});
  ends([](double, double) { return false; }, {});
  ends([](double a, double) { return a > 0.1 && a < 0.9; }, {0.1, 0.9});
  ends([](double a, double) { return a < 0.3; }, {0, 0.3});
  ends([](double a, double) { return a > 0.3; }, {0.3, 1});
  ends([](double a, double) { return a > 0.4 && a < 0.6; }, {0.4, 0.6});
  ends([](double a, double) { return a < 0.1 || (a > 0.4 && a < 0.6) || a > 0.9; }, {0, 0.1, 0.4, 0.6, 0.9, 1});
  // What lies between two points of the curve is not seen.
  ends([](double a, double) { return a > 0.3 && a < 0.4; }, {});
}
