#include "validation/sweeps/boundaries.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

namespace {

/// Axes a (logarithmic, unsorted), words and b; labels A and B with predictions, C without; some cells failed, pending or without a
/// label. A formula of axes and one of the measure.
SweepTable uneven_sweep() {
  SweepTable table;
  table.axes = {{"a", "k.a", true, {2, 0.5, 1, 8, 4}, {}},
                {"kind", "k.k", false, {}, {"u", "v"}},
                {"b", "k.b", false, {0, 1, 3, 4, 7}, {}}};
  table.measures = {{"m", "", ""}};
  table.labels = {{"A", "", "b < 2.2 * a^0.6"}, {"B", "", "a < 7"}, {"C", "", ""}};
  table.boundaries = {{"curve", "b - 2.2 * a^0.6", ""}, {"of m", "m", ""}};
  std::size_t i = 0;
  for (const double a : table.axes[0].numbers)
    for (const double kind : {0.0, 1.0})
      for (const double b : table.axes[2].numbers) {
        CellResult cell;
        cell.state = CellState::finished;
        cell.measures = {0.4 * b - std::log(a) - 0.8 + 0.3 * kind};
        cell.label = a > 7 && b > 5 ? "C" : b < 2 * a + kind ? "A" : "B";
        ++i;
        if (i % 19 == 0) cell = {CellState::failed, {NAN}, "", "why", 0};
        if (i % 23 == 0) cell = {};
        if (i % 17 == 0) cell.label = "";
        table.cells.push_back(cell);
      }
  return table;
}

}  // namespace

TEST_CASE("a comparison written out: distances of all points from all segments, cells by their margins, what differs") {
  const SweepTable table = uneven_sweep();
  const std::vector<Plane> all = planes(table);
  REQUIRE(all.size() == 2);
  // Places in units of cells: sorted logarithms of a, and b, between their neighbours.
  const std::vector<double> la{std::log(0.5), 0, std::log(2.0), std::log(4.0), std::log(8.0)}, lb{0, 1, 3, 4, 7};
  const auto cells = [](const std::vector<double>& at, double place) {
    std::size_t i = 1;
    while (i + 1 < at.size() && place > at[i]) ++i;
    return static_cast<double>(i) - 1 + (place - at[i - 1]) / (at[i] - at[i - 1]);
  };
  using Points = std::vector<std::pair<double, double>>;
  const auto in_cells = [&](const Boundary& curve) {
    Points out;
    for (std::size_t i = 0; i < curve.x.size(); ++i)
      out.emplace_back(cells(la, std::log(curve.x[i])), cells(lb, curve.y[i]));
    return out;
  };
  const auto in_shares = [&](const Boundary& curve) {
    Points out;
    for (std::size_t i = 0; i < curve.x.size(); ++i)
      out.emplace_back(std::log(curve.x[i]) / std::log(16.0), curve.y[i] / 7);
    return out;
  };
  const auto distance = [](const std::pair<double, double>& p, const std::vector<Points>& curves) {
    double least = INFINITY;
    for (const Points& curve : curves)
      for (std::size_t i = 0; i + 1 < curve.size(); ++i) {
        const auto [ax, ay] = curve[i];
        const double dx = curve[i + 1].first - ax, dy = curve[i + 1].second - ay, px = p.first - ax, py = p.second - ay;
        // Beside the segment by the area, before and behind it from its ends.
        const double along = px * dx + py * dy, square = dx * dx + dy * dy;
        least = std::min({least, std::hypot(px, py), std::hypot(px - dx, py - dy)});
        if (along > 0 && along < square) least = std::min(least, std::abs(px * dy - py * dx) / std::sqrt(square));
      }
    return least;
  };
  struct Sum {
    double points = 0, cells = 0, most = 0, shares = 0, most_share = 0;
  };
  std::map<std::pair<bool, std::string>, Sum> expected;
  std::map<std::pair<std::string, std::string>, std::size_t> confusions;
  double compared[3] = {}, agreeing[3] = {};
  for (std::size_t k = 0; k < 2; ++k) {
    const std::vector<Boundary> measured = measured_boundaries(table, all[k]),
                                predicted = predicted_boundaries(table, all[k]);
    CHECK(predicted.size() >= 2);
    CHECK(std::ranges::any_of(measured, [](const Boundary& b) { return b.name == "A | C" || b.name == "B | C"; }));
    std::vector<Points> of_measured, of_predicted, shares_measured, shares_predicted;
    for (const Boundary& b : measured) of_measured.push_back(in_cells(b)), shares_measured.push_back(in_shares(b));
    for (const Boundary& b : predicted) of_predicted.push_back(in_cells(b)), shares_predicted.push_back(in_shares(b));
    const auto add = [&](bool is_predicted, const std::vector<Boundary>& from, const std::vector<Points>& own,
                         const std::vector<Points>& others, const std::vector<Points>& own_shares,
                         const std::vector<Points>& other_shares) {
      for (std::size_t c = 0; c < from.size(); ++c) {
        if (!is_predicted && from[c].name != "A | B") continue;  // C has no prediction
        Sum& sum = expected[{is_predicted, from[c].name}];
        for (std::size_t i = 0; i < own[c].size(); ++i) {
          const double one = distance(own[c][i], others), share = distance(own_shares[c][i], other_shares);
          sum.points += 1;
          sum.cells += one;
          sum.shares += share;
          sum.most = std::max(sum.most, one);
          sum.most_share = std::max(sum.most_share, share);
        }
      }
    };
    add(false, measured, of_measured, of_predicted, shares_measured, shares_predicted);
    add(true, predicted, of_predicted, of_measured, shares_predicted, shares_measured);
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < 5; ++j) {
        const CellResult& cell = table.cells[(i * 2 + k) * 5 + j];
        const double a = table.axes[0].numbers[i], b = lb[j];
        const std::string says = b < 2.2 * std::pow(a, 0.6) ? "A" : a < 7 ? "B" : "";
        if (cell.state != CellState::finished || says.empty()) continue;
        if (says != cell.label) ++confusions[{says, cell.label.empty() ? "none" : cell.label}];
        const double ci = cells(la, std::log(a)), cj = static_cast<double>(j);
        for (std::size_t m = 0; m < 3; ++m) {
          // Closer along both axes at once, by points that lie close on every segment.
          bool near = false;
          for (const Points& curve : of_predicted)
            for (std::size_t s = 0; s + 1 < curve.size() && m > 0; ++s)
              for (int t = 0; t <= 400; ++t) {
                const double x = curve[s].first + t / 400.0 * (curve[s + 1].first - curve[s].first),
                             y = curve[s].second + t / 400.0 * (curve[s + 1].second - curve[s].second);
                near = near || std::max(std::abs(x - ci), std::abs(y - cj)) < (m == 1 ? 0.35 : 0.9);
              }
          if (near) continue;
          compared[m] += 1;
          agreeing[m] += says == cell.label;
        }
      }
  }
  const DiagramComparison found = compare(table, all, {0.35, 0.9});
  REQUIRE(found.distances.size() == expected.size());
  CHECK(expected.size() == 3);
  std::size_t d = 0;
  for (const auto& [key, sum] : expected) {
    CAPTURE(d);
    const BoundaryDistance& one = found.distances[d++];
    CHECK(one.predicted == key.first);
    CHECK(one.name == key.second);
    CHECK(one.points == sum.points);
    CHECK(one.mean_cells == Approx(sum.cells / sum.points).epsilon(1e-9));
    CHECK(one.max_cells == Approx(sum.most).epsilon(1e-9));
    CHECK(one.mean_share == Approx(sum.shares / sum.points).epsilon(1e-9));
    CHECK(one.max_share == Approx(sum.most_share).epsilon(1e-9));
  }
  REQUIRE(found.agreement);
  REQUIRE(found.agreement->counts.size() == 3);
  for (std::size_t m = 0; m < 3; ++m) {
    CHECK(found.agreement->counts[m].margin == (m == 0 ? 0 : m == 1 ? 0.35 : 0.9));
    CHECK(found.agreement->counts[m].cells == compared[m]);
    CHECK(found.agreement->counts[m].agreeing == agreeing[m]);
    if (m > 0) CHECK(compared[m] < compared[m - 1]);
  }
  REQUIRE(found.agreement->confusions.size() == confusions.size());
  CHECK(confusions.size() > 2);
  for (std::size_t i = 0; i < confusions.size(); ++i) {
    const LabelAgreement::Confusion& one = found.agreement->confusions[i];
    CHECK(one.cells == confusions[{one.predicted, one.found}]);
    if (i > 0) CHECK(one.cells <= found.agreement->confusions[i - 1].cells);
  }
  std::size_t failed = 0, pending = 0;
  for (const CellResult& cell : table.cells)
    failed += cell.state == CellState::failed, pending += cell.state == CellState::pending;
  CHECK(failed == 2);
  CHECK(pending == 2);
  CHECK(found.failed == failed);
  CHECK(found.pending == pending);
  CHECK(found.finished == table.cells.size() - failed - pending);
}

TEST_CASE("what a comparison says, line by line") {
  DiagramComparison c;
  c.agreement.emplace();
  c.agreement->counts = {{0, 20, 18}, {1, 12, 12}, {1.5, 9, 9}, {2, 0, 0}};
  c.agreement->confusions = {{"A", "B", 2}, {"B", "none", 1}};
  c.distances = {{"A | B", false, 7, 0.456, 1.234, 0, 0}, {"curve", true, 9, 2, 12.3, 0, 0}};
  CHECK(c.lines() == std::vector<std::string>{
                         "labels as predicted: 18 of 20 cells, 12 of 12 cells more than 1 cell from every predicted "
                         "boundary, 9 of 9 cells "
                         "more than 1.5 cells from every predicted boundary",
                         "  2 cells predicted A found B", "  1 cell predicted B found none",
                         "measured boundary A | B: 0.46 cells from the nearest predicted one on average, 1.2 at most",
                         "predicted boundary curve: 2 cells from the nearest measured one on average, 12 at most"});
  c.agreement->counts[0].cells = 0;
  CHECK(c.lines().size() == 2);
}

TEST_CASE("a boundary of measures is bilinear in the middle of cells, and straight on to the frame") {
  SweepTable table;
  table.axes = {{"a", "k.a", false, {0, 1, 3}, {}}, {"b", "k.b", true, {1, 10, 1000, 1e4}, {}}};
  table.measures = {{"m", "", ""}};
  // [a][b]
  const double m[3][4] = {{-3, -1, 2, 4}, {-2, 1, 3, 0.5}, {1, 2, -1, -4}};
  for (const auto& row : m)
    for (const double value : row) table.cells.push_back({CellState::finished, {value}, "", "", 0});
  table.boundaries = {{"zero", "m", ""}};
  const std::vector<double> la{0, 1, 3}, lb{0, std::log(10.0), std::log(1000.0), std::log(1e4)};
  const auto field = [&](double a, double b) {
    const std::size_t i = a < 1 ? 0 : 1, j = b < lb[1] ? 0 : b < lb[2] ? 1 : 2;
    const double s = (a - la[i]) / (la[i + 1] - la[i]), t = (b - lb[j]) / (lb[j + 1] - lb[j]);
    return (1 - s) * ((1 - t) * m[i][j] + t * m[i][j + 1]) + s * ((1 - t) * m[i + 1][j] + t * m[i + 1][j + 1]);
  };
  const auto predicted = predicted_boundaries(table, planes(table)[0]);
  REQUIRE(predicted.size() == 2);
  std::size_t inner = 0, outer = 0;
  const double half_low = std::log(10.0) / 2, half_high = std::log(10.0) / 2;
  for (const Boundary& curve : predicted)
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      const double a = curve.x[i], b = std::log(curve.y[i]);
      if (a > -1e-9 && a < 3 + 1e-9 && b > -1e-9 && b < lb[3] + 1e-9) {
        CHECK(field(std::clamp(a, 0., 3.), std::clamp(b, 0., lb[3])) == Approx(0).epsilon(1e-9).scale(1));
        ++inner;
        continue;
      }
      // Half a cell beyond, straight on from its neighbour.
      ++outer;
      const std::size_t next = i == 0 ? 1 : i - 1;
      CHECK((i == 0 || i + 1 == curve.x.size()));
      const bool left = a<0, right = a> 3;
      CHECK(a == Approx(left ? -0.5 : right ? 4 : curve.x[next]).epsilon(1e-12));
      CHECK(b == Approx(left || right ? std::log(curve.y[next])
                        : b < 0       ? -half_low
                                      : lb[3] + half_high)
                     .epsilon(1e-12));
    }
  CHECK(inner > 6);
  CHECK(outer == 4);
}

TEST_CASE(
    "predicted borders of labels lie between the points of a fine grid; along one axis between those of a finer one") {
  SweepTable table;
  table.axes = {{"x", "k", false, {0, 1, 2, 3}, {}}};
  table.labels = {{"A", "", "x < 1.2"}, {"B", "", "x < 2.7"}, {"C", "", ""}};
  for (int i = 0; i < 4; ++i) table.cells.push_back({CellState::finished, {}, "A", "", 0});
  const auto predicted = predicted_boundaries(table, planes(table)[0]);
  // 4000 points from -.5 to 3.5: in between where the first does not hold.
  REQUIRE(predicted.size() == 1);
  CHECK(predicted[0].name == "A | B");
  const double step = 4.0 / 3999;
  CHECK(predicted[0].x[0] == Approx(-0.5 + (std::ceil(1.7 / step) - 0.5) * step).epsilon(1e-12));
  // 240 a side on a plane, and from label to label whatever the order.
  table.axes.push_back({"y", "l", false, {0, 2}, {}});
  table.cells.insert(table.cells.end(), 4, table.cells[0]);
  table.labels = {{"B", "", "x > 1.2"}, {"A", "", "1"}};
  const auto lines = predicted_boundaries(table, planes(table)[0]);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].name == "B | A");
  const double coarse = 4.0 / 239;
  for (const double x : lines[0].x) CHECK(x == Approx(-0.5 + (std::ceil(1.7 / coarse) - 0.5) * coarse).epsilon(1e-12));
  const auto [low, high] = std::ranges::minmax(lines[0].y);
  CHECK(low == Approx(-1));
  CHECK(high == Approx(3));
  table.labels = {{"B", "", "x >"}};
  CHECK_THROWS_WITH_AS(predicted_boundaries(table, planes(table)[0]), doctest::Contains("label 'B': predicted: "),
                       settings::Error);
}

TEST_CASE(
    "a closed border stays as it is, an open one is drawn on to the frame on both axes where it ends in a corner") {
  SweepTable table;
  table.axes = {{"a", "k.a", false, {0, 1, 2}, {}}, {"b", "k.b", false, {0, 1, 3}, {}}};
  table.labels = {{"A", "", ""}, {"B", "", ""}};
  const auto with = [&](const std::string& labels) {
    table.cells.clear();
    for (const char label : labels) table.cells.push_back({CellState::finished, {}, std::string(1, label), "", 0});
    return measured_boundaries(table, planes(table)[0]);
  };
  const auto island = with("AAAABAAAA");
  REQUIRE(island.size() == 1);
  CHECK(island[0].x.size() == 5);
  CHECK(island[0].x.front() == island[0].x.back());
  for (const double x : island[0].x) CHECK((x == 0.5 || x == 1 || x == 1.5));
  // [a][b]: a corner is cut off.
  const auto corner = with("BAAAAAAAA");
  REQUIRE(corner.size() == 1);
  std::vector<std::pair<double, double>> points;
  for (std::size_t i = 0; i < 4; ++i) points.emplace_back(corner[0].x[i], corner[0].y[i]);
  std::ranges::sort(points);
  CHECK(points == std::vector<std::pair<double, double>>{{-0.5, 0.5}, {0, 0.5}, {0.5, -0.5}, {0.5, 0}});
  const auto far = with("AAAAAAAAB");
  points.clear();
  for (std::size_t i = 0; i < 4; ++i) points.emplace_back(far[0].x[i], far[0].y[i]);
  std::ranges::sort(points);
  CHECK(points == std::vector<std::pair<double, double>>{{1.5, 3}, {1.5, 4}, {2, 2}, {2.5, 2}});
}

TEST_CASE("along one axis a cell that failed has no border on either side") {
  SweepTable table;
  table.axes = {{"x", "k", false, {0, 1, 2, 3, 4, 5}, {}}};
  table.labels = {{"A", "", ""}, {"B", "", ""}};
  for (const char* label : {"A", "B", "", "A", "A", "B"})
    table.cells.push_back({*label ? CellState::finished : CellState::failed, {}, label, "", 0});
  const auto measured = measured_boundaries(table, planes(table)[0]);
  REQUIRE(measured.size() == 2);
  CHECK(measured[0].x == std::vector<double>{0.5});
  CHECK(measured[1].x == std::vector<double>{4.5});
}

TEST_CASE("cells of one axis count as near a point from their margin on") {
  SweepTable table = sample_sweep(5);
  table.axes.pop_back();
  table.cells.resize(5);
  table.labels = {{"low", "slope < 0", "a < 0.7625"}, {"high", "", "1"}};
  table.boundaries = {{"point", "a - 0.7625", ""}};
  const DiagramComparison found = compare(table, planes(table), {0.49, 0.51, 1.49, 1.51, 2.51});
  std::vector<std::size_t> cells;
  for (const auto& count : found.agreement->counts) cells.push_back(count.cells);
  CHECK(cells == std::vector<std::size_t>{5, 5, 3, 3, 1, 0});
}

TEST_CASE("cells count as near from their margin on, along both axes, beside a line and beyond its end") {
  // Five cells by five, .475 apart: a line half way between the second and the third, over all of them or to 2.485 of them.
  const auto counted = [](const std::string& zero, const std::string& when) {
    SweepTable table = sample_sweep(5);
    table.boundaries = {{"line", zero, when}};
    std::vector<std::size_t> out;
    const DiagramComparison comparison = compare(table, planes(table), {0.49, 0.51, 1.49, 1.51});
    for (const auto& count : comparison.agreement->counts) out.push_back(count.cells);
    return out;
  };
  using Counts = std::vector<std::size_t>;
  for (const bool upright : {true, false}) {
    const std::string across = upright ? "a" : "b", along = upright ? "b" : "a";
    CHECK(counted(across + " - 0.7625", "") == Counts{25, 25, 15, 15, 5});
    // Cells at .5 beside it as far as .515 beyond its end are 8, those at 1.5 and 1.515 all but the last row and column.
    CHECK(counted(across + " - 0.7625", along + " < 1.230375") == Counts{25, 25, 19, 17, 9});
    CHECK(counted("1.2375 - " + across, "2 - " + along + " < 1.230375") == Counts{25, 25, 19, 17, 9});
  }
}
