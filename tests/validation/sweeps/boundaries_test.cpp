#include "validation/sweeps/boundaries.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "tests/approx.hpp"
#include "tests/validation/sweeps/sample_sweep.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;
using edgewise::validation::testing::sample_sweep;

TEST_CASE("scales of axes: linear, logarithmic, unsorted, words") {
  const AxisScale log({"n", "k", true, {1, 10, 100}, {}});
  CHECK(log.edges().size() == 4);
  CHECK(log.from_scale(log.edges()[1]) == Approx(std::sqrt(10.0)));
  CHECK(log.from_scale(log.edges().front()) == Approx(1 / std::sqrt(10.0)));
  CHECK(log.cells(log.to_scale(std::sqrt(1000.0))) == Approx(1.5));
  CHECK(log.value(1) == Approx(10).epsilon(1e-14));
  const AxisScale unsorted({"x", "k", false, {3, 1, 2}, {}});
  CHECK(unsorted.index(0) == 1);
  CHECK(unsorted.index(2) == 0);
  CHECK(unsorted.cells(5) == Approx(4));
  CHECK(unsorted.cells(0) == Approx(-1));
  const AxisScale words({"w", "k", false, {}, {"sgd", "svd"}});
  CHECK(words.size() == 2);
  CHECK(words.value(1) == 1);
  const AxisScale alone({"x", "k", false, {7}, {}});
  CHECK(alone.edges() == std::vector<double>{6.5, 7.5});
}

TEST_CASE("a measured boundary lies within half a cell of the line, over the whole frame") {
  const SweepTable table = sample_sweep(20, 1e-9);  // cells on the line are "low"
  const auto all = planes(table);
  REQUIRE(all.size() == 1);
  const auto measured = measured_boundaries(table, all[0]);
  REQUIRE(measured.size() == 1);
  CHECK(measured[0].name == "low | high");
  for (std::size_t i = 0; i < measured[0].x.size(); ++i)
    CHECK(std::abs(measured[0].y[i] - measured[0].x[i]) <= 0.1 + 1e-9);
  const auto [least, most] = std::minmax_element(measured[0].x.begin(), measured[0].x.end());
  CHECK(std::abs(*least) < 1e-9);
  CHECK(*most > 1.89);
}

TEST_CASE("predicted boundaries: formulas where there are any, else the borders of the predicted labels") {
  SweepTable table = sample_sweep();
  const Plane plane = planes(table)[0];
  auto predicted = predicted_boundaries(table, plane);
  REQUIRE(predicted.size() == 1);
  for (std::size_t i = 0; i < predicted[0].x.size(); ++i)
    CHECK(predicted[0].y[i] == Approx(predicted[0].x[i]).epsilon(1e-9).scale(1));
  table.boundaries[0].when = "a < 1";
  predicted = predicted_boundaries(table, plane);
  CHECK(*std::max_element(predicted[0].x.begin(), predicted[0].x.end()) == Approx(1).epsilon(1e-9));
  table.boundaries.clear();
  predicted = predicted_boundaries(table, plane);
  REQUIRE(predicted.size() == 1);
  CHECK(predicted[0].name == "low | high");
  for (std::size_t i = 0; i < predicted[0].x.size(); ++i) CHECK(std::abs(predicted[0].y[i] - predicted[0].x[i]) < 0.02);
  table.boundaries = {{"slip", "b - c", ""}};
  CHECK_THROWS_WITH_AS(predicted_boundaries(table, plane), doctest::Contains("boundary 'slip': zero: 'c'"),
                       settings::Error);
}

TEST_CASE("distances and agreement: a known shift comes out") {
  // Moved by three cells (0.3) upwards: perpendicular distance 3/sqrt(2) cells.
  const DiagramComparison comparison = compare(sample_sweep(20, 0.3 - 0.05));
  REQUIRE(comparison.agreement);
  const auto& counts = comparison.agreement->counts;
  REQUIRE(counts.size() == 3);
  CHECK(counts[0].cells == 400);
  // Wrong: on the line (20 cells) and one and two above it (19, 18).
  CHECK(counts[0].agreeing == 400 - 20 - 19 - 18);
  REQUIRE(comparison.agreement->confusions.size() == 1);
  CHECK(comparison.agreement->confusions[0].predicted == "high");
  CHECK(comparison.agreement->confusions[0].cells == 57);
  // Within 2 cells along both axes of the line: |i - j| <= 4 enters the square; none of the wrong ones is left.
  CHECK(counts[2].cells == counts[2].agreeing);
  CHECK(counts[1].cells > counts[2].cells);
  double mean = 0;
  for (const BoundaryDistance& d : comparison.distances)
    if (!d.predicted) mean = d.mean_cells;
  // A guard: the mean over places that differ at both ends of the line.
  CHECK(mean == Approx(2.5 / std::sqrt(2.0)).epsilon(0.12));
  CHECK(comparison.finished == 400);
  CHECK(comparison.lines().front().starts_with("labels as predicted: 343 of 400 cells"));
}

TEST_CASE("the exact diagram agrees everywhere and its boundary is within half a cell") {
  const DiagramComparison comparison = compare(sample_sweep(20, 0));
  CHECK(comparison.agreement->counts[0].agreeing == 400);
  CHECK(comparison.agreement->confusions.empty());
  for (const BoundaryDistance& d : comparison.distances) {
    CHECK(d.max_cells < 1);
    CHECK(d.mean_share == Approx(d.mean_cells / 19).epsilon(1e-6));
  }
}

TEST_CASE("failed cells and cells without a label have no border and are not compared") {
  SweepTable table = sample_sweep();
  for (CellResult& cell : table.cells)
    if (cell.label == "high") {
      cell.state = CellState::failed;
      cell.label = "";
    }
  CHECK(measured_boundaries(table, planes(table)[0]).empty());
  const DiagramComparison comparison = compare(table);
  CHECK(comparison.failed > 0);
  CHECK(comparison.agreement->counts[0].cells == comparison.finished);
  CHECK(comparison.distances.empty());
}

TEST_CASE("a border with a label that has no prediction is not measured against the predicted lines") {
  SweepTable table = sample_sweep();
  table.labels[0].predicted.clear();
  for (const BoundaryDistance& d : compare(table).distances) CHECK(d.predicted);
}

TEST_CASE("logarithmic axes: middles are geometric") {
  SweepTable table;
  table.axes = {{"n", "k", true, {1, 10, 100, 1000}, {}}, {"m", "l", true, {1, 100}, {}}};
  table.labels = {{"A", "", ""}, {"B", "", ""}};
  for (const double n : table.axes[0].numbers)
    for (int j = 0; j < 2; ++j) table.cells.push_back({CellState::finished, {}, n < 50 ? "A" : "B", "", 0});
  const auto measured = measured_boundaries(table, planes(table)[0]);
  REQUIRE(measured.size() == 1);
  for (const double n : measured[0].x) CHECK(n == Approx(std::sqrt(1000.0)).epsilon(1e-12));
}

TEST_CASE("one axis: points; three axes: planes; words are held") {
  SweepTable line;
  line.axes = {{"x", "k", false, {0, 1, 2, 3}, {}}};
  line.labels = {{"A", "", "x < 1.2"}, {"B", "", "1"}};
  line.boundaries = {{"edge", "x - 1.2", ""}};
  for (int i = 0; i < 4; ++i) line.cells.push_back({CellState::finished, {}, i < 2 ? "A" : "B", "", 0});
  const auto all = planes(line);
  REQUIRE(all.size() == 1);
  const auto measured = measured_boundaries(line, all[0]), predicted = predicted_boundaries(line, all[0]);
  REQUIRE(measured.size() == 1);
  CHECK(measured[0].x[0] == 1.5);
  CHECK(measured[0].y.empty());
  REQUIRE(predicted.size() == 1);
  CHECK(predicted[0].x[0] == Approx(1.2).epsilon(1e-12));
  const DiagramComparison comparison = compare(line);
  CHECK(comparison.agreement->counts[0].agreeing == 4);
  CHECK(comparison.distances[0].mean_cells == Approx(0.3).epsilon(1e-9));

  SweepTable table = sample_sweep(6);
  table.axes.insert(table.axes.begin(), {"variant", "optimizer.kind", false, {}, {"u", "v"}});
  std::vector<CellResult> twice = table.cells;
  table.cells.insert(table.cells.end(), twice.begin(), twice.end());
  const auto two = planes(table);
  REQUIRE(two.size() == 2);
  CHECK(two[0].horizontal == 1);
  CHECK(two[1].place[0] == 1);
  CHECK(compare(table).agreement->counts[0].cells == 72);
  CHECK(planes(SweepTable{}).empty());
}

namespace {

/// The measures of `sample_sweep`: slope = b - a - shift, known in the middles of the cells only.
SweepTable with_measured_boundary(const std::string& zero, const std::string& when = "") {
  SweepTable table = sample_sweep(20, 0.3);
  table.boundaries = {{"from the cells", zero, when}};
  return table;
}

}  // namespace

TEST_CASE("a boundary of measures is the contour of the cells' numbers, over the whole frame") {
  const SweepTable table = with_measured_boundary("slope");
  const auto predicted = predicted_boundaries(table, planes(table)[0]);
  REQUIRE(predicted.size() == 1);
  CHECK(predicted[0].name == "from the cells");
  for (std::size_t i = 1; i + 1 < predicted[0].x.size(); ++i)
    CHECK(predicted[0].y[i] - predicted[0].x[i] == Approx(0.3).epsilon(1e-9));
  const auto [least, most] = std::minmax_element(predicted[0].x.begin(), predicted[0].x.end());
  CHECK(*least == Approx(0).scale(1));
  CHECK(*std::max_element(predicted[0].y.begin(), predicted[0].y.end()) == Approx(2));
  CHECK(*most < 1.8);
  // Its distance from the labels' border, which is the same line, is that of the grid.
  std::size_t seen = 0;
  for (const BoundaryDistance& d : compare(table).distances) {
    CHECK(d.mean_cells < 0.5);
    ++seen;
  }
  CHECK(seen == 2);
}

TEST_CASE("a boundary of measures is linear between cells, on the scale of a logarithmic axis") {
  SweepTable table;
  table.axes = {{"n", "k", true, {1, 100}, {}}, {"b", "k.b", false, {0, 1}, {}}};
  table.measures = {{"m", "", ""}};
  for (const double m : {-1.0, -1.0, 3.0, 3.0}) {
    CellResult cell;
    cell.state = CellState::finished;
    cell.measures = {m};
    table.cells.push_back(cell);
  }
  table.boundaries = {{"m = 0", "m", ""}};
  auto predicted = predicted_boundaries(table, planes(table)[0]);
  REQUIRE(predicted.size() == 1);
  for (const double n : predicted[0].x) CHECK(n == Approx(std::sqrt(10.0)).epsilon(1e-12));
  // Along one axis it is a point.
  table.axes.pop_back();
  table.cells = {table.cells[0], table.cells[2]};
  predicted = predicted_boundaries(table, planes(table)[0]);
  REQUIRE(predicted.size() == 1);
  REQUIRE(predicted[0].x.size() == 1);
  CHECK(predicted[0].x[0] == Approx(std::sqrt(10.0)).epsilon(1e-12));
}

TEST_CASE("a boundary of measures has gaps where cells have no number, or where `when` of measures does not hold") {
  SweepTable table = with_measured_boundary("slope");
  const Plane plane = planes(table)[0];
  for (std::size_t i = 0; i < table.cells.size(); ++i)
    if (i / 20 == 8) table.cells[i].measures[0] = std::numeric_limits<double>::quiet_NaN();
  const auto in_gap = [&](const Boundary& curve) {
    return std::count_if(curve.x.begin(), curve.x.end(), [](double a) { return a > 0.751 && a < 0.949; });
  };
  // Cells 7, 8, 9 along a lie at 0.75, 0.85, 0.95.
  auto predicted = predicted_boundaries(table, plane);
  CHECK(predicted.size() == 2);
  for (const Boundary& curve : predicted) CHECK(in_gap(curve) == 0);

  table = with_measured_boundary("slope");
  for (std::size_t i = 0; i < table.cells.size(); ++i)
    if (i / 20 == 8) table.cells[i].state = CellState::pending;
  CHECK(predicted_boundaries(table, plane).size() == 2);

  const double middle = std::exp(10 * 0.9);  // time = exp(10 a)
  for (const std::string& zero : {std::string("slope"), std::string("b - a - 0.3")}) {
    table = with_measured_boundary(zero, "time < " + std::to_string(middle));
    predicted = predicted_boundaries(table, plane);
    REQUIRE(predicted.size() == 1);
    CHECK(*std::max_element(predicted[0].x.begin(), predicted[0].x.end()) == Approx(0.85));
  }
  // A `when` of axes cuts it anywhere.
  table = with_measured_boundary("slope", "a < 0.91");
  predicted = predicted_boundaries(table, plane);
  REQUIRE(predicted.size() == 1);
  CHECK(*std::max_element(predicted[0].x.begin(), predicted[0].x.end()) == Approx(0.91).epsilon(1e-9));
}

TEST_CASE("a misspelt measure of a boundary is told with the right one") {
  const SweepTable table = with_measured_boundary("slpe");
  CHECK_THROWS_WITH_AS(predicted_boundaries(table, planes(table)[0]),
                       doctest::Contains("boundary 'from the cells': zero: 'slpe'"), settings::Error);
  CHECK_THROWS_WITH_AS(compare(table), doctest::Contains("did you mean 'slope'"), settings::Error);
}

TEST_CASE("nothing to compare, nothing said") {
  SweepTable table = sample_sweep();
  for (CellResult& cell : table.cells) cell = {};
  CHECK(compare(table).lines().empty());
}
