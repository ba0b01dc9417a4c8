#include "validation/sweeps/diagram_plane.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

SweepAxis numbers(std::vector<double> values, bool log = false, const std::string& name = "x") {
  SweepAxis axis;
  axis.name = name;
  axis.log = log;
  axis.numbers = std::move(values);
  return axis;
}

SweepAxis words(std::vector<std::string> values) {
  SweepAxis axis;
  axis.name = "word";
  axis.words = std::move(values);
  return axis;
}

SweepTable table_of(std::vector<SweepAxis> axes) {
  SweepTable table;
  std::size_t cells = 1;
  for (const SweepAxis& axis : axes) cells *= axis.size();
  table.axes = std::move(axes);
  table.cells.resize(cells);
  return table;
}

}  // namespace

TEST_CASE("a straight scale: borders in the middle, and as far beyond the ends") {
  const AxisScale scale(numbers({1, 2, 6}));
  CHECK(scale.size() == 3);
  CHECK(scale.sorted() == std::vector<double>{1, 2, 6});
  CHECK(scale.edges() == std::vector<double>{0.5, 1.5, 4, 8});
  CHECK(scale.to_scale(3) == 3);
  CHECK(scale.from_scale(3) == 3);
  CHECK(scale.value(2) == 6);
  CHECK(scale.value_at(5) == 5);
}

TEST_CASE("places in units of cells are linear between the values, and go on beyond the ends") {
  const AxisScale scale(numbers({1, 2, 6}));
  for (const auto& [place, cells] :
       std::vector<std::pair<double, double>>{{1, 0}, {2, 1}, {6, 2}, {1.5, 0.5}, {3, 1.25}, {0, -1}, {10, 3}}) {
    CHECK(scale.cells(place) == Approx(cells).epsilon(1e-15));
  }
  const AxisScale single(numbers({5}));
  CHECK(single.edges() == std::vector<double>{4.5, 5.5});
  CHECK(single.cells(5.25) == 0.25);
}

TEST_CASE("a logarithmic scale, whatever the order of the values") {
  const AxisScale scale(numbers({100, 1, 10}, true));
  CHECK(scale.index(0) == 1);
  CHECK(scale.index(1) == 2);
  CHECK(scale.index(2) == 0);
  CHECK(scale.value(0) == 100);
  REQUIRE(scale.edges().size() == 4);
  const double root = std::sqrt(10.0);
  CHECK(scale.from_scale(scale.edges()[0]) == Approx(1 / root).epsilon(1e-14));
  CHECK(scale.from_scale(scale.edges()[1]) == Approx(root).epsilon(1e-14));
  CHECK(scale.from_scale(scale.edges()[3]) == Approx(100 * root).epsilon(1e-14));
  CHECK(scale.cells(scale.to_scale(root)) == Approx(0.5).epsilon(1e-14));
}

TEST_CASE("borders on a logarithmic scale stay above 0 and finite, whatever the values") {
  const AxisScale scale(numbers({5e-324, 1e-300, 1e300}, true));
  CHECK(scale.from_scale(scale.to_scale(5e-324) - 100) > 0);
  CHECK(std::isfinite(scale.from_scale(scale.to_scale(1e300) + 1000)));
  CHECK(scale.from_scale(scale.to_scale(1e-300)) == Approx(1e-300).epsilon(1e-12));
}

TEST_CASE("words stand at 0, 1, 2; infinity as far beyond the last number as that beyond the one before") {
  SweepAxis axis = words({"b", "a", "c"});
  axis.log = true;  // means nothing for words
  const AxisScale scale(axis);
  CHECK(scale.sorted() == std::vector<double>{0, 1, 2});
  CHECK(scale.edges() == std::vector<double>{-0.5, 0.5, 1.5, 2.5});
  CHECK(scale.value(1) == 1);

  const double infinity = std::numeric_limits<double>::infinity();
  const AxisScale ends(numbers({1, 4, infinity}));
  CHECK(ends.sorted() == std::vector<double>{1, 4, 7});
  CHECK(ends.value_at(5.4) == 5.4);
  CHECK(ends.value_at(5.5) == infinity);
  CHECK(AxisScale(numbers({3, infinity})).sorted() == std::vector<double>{3, 4});
}

TEST_CASE("planes: the first two axes of numbers run, all others are held at each of their values") {
  // x of 1 value and the word never run.
  const SweepTable table =
      table_of({words({"a", "b"}), numbers({7}), numbers({1, 2, 3}), numbers({1, 2}), numbers({4, 5, 6})});
  const std::vector<Plane> all = planes(table);
  REQUIRE(all.size() == 6);
  std::vector<std::vector<std::size_t>> held;
  for (const Plane& plane : all) {
    CHECK(plane.horizontal == 2);
    CHECK(plane.vertical == 3u);
    held.push_back({plane.place[0], plane.place[4]});
  }
  CHECK(held == std::vector<std::vector<std::size_t>>{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}});

  const std::vector<Plane> line = planes(table_of({numbers({1, 2}), words({"a", "b", "c"})}));
  REQUIRE(line.size() == 3);
  CHECK(line[1].horizontal == 0);
  CHECK_FALSE(line[1].vertical);
  CHECK(line[1].place[1] == 1);
  CHECK(planes(table_of({words({"a", "b"}), numbers({1})})).empty());
}

TEST_CASE("cells of the grid, and what a plane shows of it") {
  const SweepTable table =
      table_of({numbers({30, 10}, false, "x"), words({"a", "b", "c"}), numbers({1, 2}, false, "y")});
  // The last axis runs fastest.
  CHECK(cell_at(table, std::vector<std::size_t>{1, 2, 1}) == 1 * 6 + 2 * 2 + 1);
  const std::vector<Plane> all = planes(table);
  REQUIRE(all.size() == 3);
  const PlaneView view(table, all[2]);
  CHECK_FALSE(view.flat());
  CHECK(view.rows() == 2);
  // Sorted x: 10 is the axis' second value.
  CHECK(view.cell(0, 1) == 1 * 6 + 2 * 2 + 1);
  CHECK(view.cell(1, 0) == 0 * 6 + 2 * 2 + 0);
  CHECK(view.values(12, 1.5) == std::vector<double>{12, 1.5});
  const PlanePoint cells = view.in_cells({15, 2}), shares = view.in_shares({15, 2});
  CHECK(cells.x == 0.25);
  CHECK(cells.y == 1);
  CHECK(shares.x == 15.0 / 20);
  CHECK(shares.y == 2);
  const Boundary boundary = view.boundary("edge", {{15, 2}, {20, 1}});
  CHECK(boundary.name == "edge");
  CHECK(boundary.x == std::vector<double>{15, 20});
  CHECK(boundary.y == std::vector<double>{2, 1});
  const PlaneCurve back = view.curve(boundary);
  REQUIRE(back.size() == 2);
  CHECK(back[1].x == 20);
  CHECK(back[1].y == 1);
}
