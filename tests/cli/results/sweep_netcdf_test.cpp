#include "cli/results/sweep_netcdf.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "cli/results/output_file.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/results/netcdf_text.hpp"
#include "tests/validation/sweeps/sample_sweep.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using cli::testing::Folder;
using cli::testing::variable;
using validation::CellState;
using validation::SweepTable;
using validation::testing::sample_sweep;

namespace {

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

void check_same(const SweepTable& a, const SweepTable& b) {
  CHECK(a.title == b.title);
  CHECK(a.provenance == b.provenance);
  REQUIRE(a.axes.size() == b.axes.size());
  for (std::size_t i = 0; i < a.axes.size(); ++i) {
    CHECK(a.axes[i].name == b.axes[i].name);
    CHECK(a.axes[i].key == b.axes[i].key);
    CHECK(a.axes[i].log == b.axes[i].log);
    CHECK(a.axes[i].numbers == b.axes[i].numbers);
    CHECK(a.axes[i].words == b.axes[i].words);
  }
  REQUIRE(a.measures.size() == b.measures.size());
  for (std::size_t i = 0; i < a.measures.size(); ++i) {
    CHECK(a.measures[i].name == b.measures[i].name);
    CHECK(a.measures[i].unit == b.measures[i].unit);
    CHECK(a.measures[i].doc == b.measures[i].doc);
  }
  REQUIRE(a.labels.size() == b.labels.size());
  for (std::size_t i = 0; i < a.labels.size(); ++i) {
    CHECK(a.labels[i].name == b.labels[i].name);
    CHECK(a.labels[i].when == b.labels[i].when);
    CHECK(a.labels[i].predicted == b.labels[i].predicted);
  }
  REQUIRE(a.boundaries.size() == b.boundaries.size());
  for (std::size_t i = 0; i < a.boundaries.size(); ++i) CHECK(a.boundaries[i].zero == b.boundaries[i].zero);
  REQUIRE(a.cells.size() == b.cells.size());
  bool cells = true;
  for (std::size_t i = 0; i < a.cells.size(); ++i) {
    const auto &x = a.cells[i], &y = b.cells[i];
    cells = cells && x.state == y.state && x.label == y.label && x.failure == y.failure && x.seconds == y.seconds &&
            x.measures.size() == y.measures.size();
    for (std::size_t m = 0; cells && m < x.measures.size(); ++m) cells = same(x.measures[m], y.measures[m]);
  }
  CHECK(cells);
}

void write(const SweepTable& table, const std::string& path) {
  write_file(path, sweep_netcdf_bytes(table, path));
}

std::string refusal(const std::string& path) {
  try {
    read_sweep_netcdf(path);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

/// Every state and kind of axis.
SweepTable motley() {
  SweepTable table = sample_sweep(5);
  table.axes.push_back({"variant", "optimizer.kind", false, {}, {"sgd", "sign sgd"}});
  std::vector<validation::CellResult> cells;
  for (const auto& cell : table.cells) cells.insert(cells.end(), 2, cell);
  cells[3] = {CellState::failed, {NAN, NAN}, "", "it broke, \"badly\"", 0.25};
  cells[4] = {};
  cells[5].measures[1] = std::numeric_limits<double>::infinity();
  table.cells = cells;
  return table;
}

/// Two axes of numbers, the first logarithmic and not in order, and a third that is held; a border in every plane of it.
SweepTable solid() {
  SweepTable table;
  table.title = "solid";
  table.axes = {{"a", "x.a", true, {4, 1, 2}, {}}, {"b", "x.b", false, {0, 1}, {}}, {"c", "x.c", false, {7, 9}, {}}};
  table.measures = {{"loss", "MSE", "at the end"}, {"slope", "", ""}};
  table.labels = {{"low one", "a < 3", ""}, {"high", "", ""}};
  table.provenance = {{"sweep", "[sweep]"}, {"kind", "not this"}, {"comparison", "nor this"}};
  for (const double a : {4, 1, 2})
    for (const double b : {0, 1})
      for (const double c : {7, 9})
        table.cells.push_back(
            {CellState::finished, {10 * a + b, c}, a < (c == 7 ? 1.5 : 3) ? "low one" : "high", "", a});
  table.cells[0] = {CellState::failed, {NAN, NAN}, "", "broke", 0.5};
  table.cells[1] = {};
  return table;
}

/// One axis of numbers beside words: borders are points.
SweepTable flat() {
  SweepTable table;
  table.title = "flat";
  table.axes = {{"w", "x.w", false, {}, {"sgd", "sign sgd"}}, {"a", "x.a", false, {0, 1, 2}, {}}};
  table.measures = {{"m", "", "a measure"}};
  table.labels = {{"low", "m < 1", "a < 0.75"}, {"high", "", "1"}};
  table.boundaries = {{"edge", "a - 0.75", ""}, {"far", "a - 1.5", "a > 1"}};
  for (int w = 0; w < 2; ++w)
    for (int a = 0; a < 3; ++a)
      table.cells.push_back({CellState::finished, {1.0 * a}, a < 1 + w ? "low" : "high", "", 0.25});
  return table;
}

std::string held(const Folder& folder, const SweepTable& table) {
  write(table, folder / "s.nc");
  return cli::testing::netcdf_text(folder / "s.nc");
}

}  // namespace

TEST_CASE("all that the file of a sweep holds") {
  const Folder folder;
  CHECK(held(folder, solid()) ==
        R"(a = 3
b = 2
c = 2
label_rule = 2
measured_point = 7
measured_curve = 2
double a(a): 4 1 2
  units: '1'
  long_name: 'x.a'
  key: 'x.a'
  scale: 'log'
double b(b): 0 1
  units: '1'
  long_name: 'x.b'
  key: 'x.b'
  scale: 'linear'
double c(c): 7 9
  units: '1'
  long_name: 'x.c'
  key: 'x.c'
  scale: 'linear'
double loss(a, b, c): nan nan 41 41 10 10 11 11 20 20 21 21
  units: 'MSE'
  long_name: 'at the end'
  role: 'measure'
double slope(a, b, c): nan nan 7 9 7 9 7 9 7 9 7 9
  units: '1'
  long_name: 'slope'
  role: 'measure'
int label(a, b, c): -1 -1 1 1 0 0 0 0 1 0 1 0
  long_name: 'first label whose rule holds'
  flag_values: 0 1
  flag_meanings: 'low_one high'
  _FillValue: -1
)" +
            variable("string label_name(a, b, c): '' '' 'high' 'high' 'low one' 'low one' 'low one' 'low one' 'high' "
                     "'low one' 'high' 'low one'",
                     "first label whose rule holds") +
            R"(int state(a, b, c): 2 0 1 1 1 1 1 1 1 1 1 1
  long_name: 'what became of the cell'
  flag_values: 0 1 2
  flag_meanings: 'pending finished failed'
)" + variable("string failure(a, b, c): 'broke' '' '' '' '' '' '' '' '' '' '' ''", "why the cell failed") +
            variable("double seconds(a, b, c): 0.5 0 4 4 1 1 1 1 2 2 2 2", "wall time of the cell", "s") +
            variable("string label_rule(label_rule): 'low one' 'high'", "name of the label") +
            variable("string label_rule_when(label_rule): 'a < 3' ''", "rule of the label, in axes and measures") +
            variable("string label_rule_predicted(label_rule): '' ''", "where the theory puts the label") +
            variable("double measured_boundary_a(measured_point): 1.41421356237 1.41421356237 1.41421356237 "
                     "1.41421356237 2.82842712475 2.82842712475 2.82842712475",
                     "a of the measured boundaries", "1") +
            variable("double measured_boundary_b(measured_point): -0.5 0 1 1.5 1.5 1 0.5",
                     "b of the measured boundaries", "1") +
            variable("double measured_boundary_c(measured_point): 7 7 7 7 9 9 9", "c of the measured boundaries", "1") +
            variable("int measured_boundary_curve(measured_point): 0 0 0 0 1 1 1",
                     "number of the curve that the point is on") +
            variable("string measured_boundary_name(measured_curve): 'low one | high' 'low one | high'",
                     "the labels on either side") +
            R"(  Conventions: 'CF-1.10'
  kind: 'sweep'
  title: 'solid'
  sweep: '[sweep]'
  comparison: ''
)");
  CHECK(held(folder, flat()) ==
        R"(w = 2
a = 3
label_rule = 2
boundary_rule = 2
measured_point = 2
measured_curve = 2
predicted_point = 4
predicted_curve = 4
distance = 3
string w(w): 'sgd' 'sign sgd'
  long_name: 'x.w'
  key: 'x.w'
  scale: 'linear'
double a(a): 0 1 2
  units: '1'
  long_name: 'x.a'
  key: 'x.a'
  scale: 'linear'
double m(w, a): 0 1 2 0 1 2
  units: '1'
  long_name: 'a measure'
  role: 'measure'
int label(w, a): 0 1 1 0 0 1
  long_name: 'first label whose rule holds'
  flag_values: 0 1
  flag_meanings: 'low high'
  _FillValue: -1
)" + variable("string label_name(w, a): 'low' 'high' 'high' 'low' 'low' 'high'", "first label whose rule holds") +
            R"(int state(w, a): 1 1 1 1 1 1
  long_name: 'what became of the cell'
  flag_values: 0 1 2
  flag_meanings: 'pending finished failed'
)" + variable("string failure(w, a): '' '' '' '' '' ''", "why the cell failed") +
            variable("double seconds(w, a): 0.25 0.25 0.25 0.25 0.25 0.25", "wall time of the cell", "s") +
            variable("string label_rule(label_rule): 'low' 'high'", "name of the label") +
            variable("string label_rule_when(label_rule): 'm < 1' ''", "rule of the label, in axes and measures") +
            variable("string label_rule_predicted(label_rule): 'a < 0.75' '1'", "where the theory puts the label") +
            variable("string boundary_rule(boundary_rule): 'edge' 'far'", "name of the predicted boundary") +
            variable("string boundary_rule_zero(boundary_rule): 'a - 0.75' 'a - 1.5'", "formula whose zeros it is") +
            variable("string boundary_rule_when(boundary_rule): '' 'a > 1'", "where it is") +
            variable("double measured_boundary_w(measured_point): 0 1", "w of the measured boundaries", "1") +
            variable("double measured_boundary_a(measured_point): 0.5 1.5", "a of the measured boundaries", "1") +
            variable("int measured_boundary_curve(measured_point): 0 1", "number of the curve that the point is on") +
            variable("string measured_boundary_name(measured_curve): 'low | high' 'low | high'",
                     "the labels on either side") +
            variable("double predicted_boundary_w(predicted_point): 0 0 1 1", "w of the predicted boundaries", "1") +
            variable("double predicted_boundary_a(predicted_point): 0.75 1.5 0.75 1.5", "a of the predicted boundaries",
                     "1") +
            variable("int predicted_boundary_curve(predicted_point): 0 1 2 3",
                     "number of the curve that the point is on") +
            variable("string predicted_boundary_name(predicted_curve): 'edge' 'far' 'edge' 'far'",
                     "the predicted boundary") +
            variable("string distance_boundary(distance): 'low | high' 'edge' 'far'",
                     "the boundary whose points are looked at") +
            variable("string distance_of(distance): 'measured' 'predicted' 'predicted'",
                     "measured: from the predicted ones; predicted: from the measured ones") +
            variable("double distance_mean_cells(distance): 0.125 0.5 0.5", "mean distance to the nearest of them",
                     "grid cells") +
            variable("double distance_max_cells(distance): 0.25 0.75 1", "largest distance to the nearest of them",
                     "grid cells") +
            variable("double distance_mean_share(distance): 0.0625 0.25 0.25", "mean distance to the nearest of them",
                     "lengths of the axes") +
            variable("double distance_max_share(distance): 0.125 0.375 0.5", "largest distance to the nearest of them",
                     "lengths of the axes") +
            R"(  Conventions: 'CF-1.10'
  kind: 'sweep'
  title: 'flat'
  comparison: 'labels as predicted: 5 of 6 cells
  1 cell predicted high found low
measured boundary low | high: 0.12 cells from the nearest predicted one on average, 0.25 at most
predicted boundary edge: 0.5 cells from the nearest measured one on average, 0.75 at most
predicted boundary far: 0.5 cells from the nearest measured one on average, 1 at most'
  labels_agreeing: 5
  labels_compared: 6
)");
}

TEST_CASE("a sweep reads back the same") {
  const Folder folder;
  for (const SweepTable& table : {sample_sweep(6), motley()}) {
    const std::string path = folder / "s.nc";
    write(table, path);
    CHECK(is_sweep_netcdf(path));
    check_same(table, read_sweep_netcdf(path));
  }
  SweepTable log = sample_sweep(3);
  for (auto& axis : log.axes) axis.log = true;
  log.labels.clear();
  log.boundaries.clear();
  for (auto& cell : log.cells) cell.label.clear();
  write(log, folder / "log.nc");
  check_same(log, read_sweep_netcdf(folder / "log.nc"));
}

TEST_CASE("xarray opens a sweep with coordinates, flags, boundaries and comparison" *
          doctest::skip(std::system("/usr/bin/python3 -c 'import xarray, netCDF4' 2>/dev/null") != 0)) {
  const Folder folder;
  write(sample_sweep(20), folder / "s.nc");
  write(motley(), folder / "m.nc");
  const std::string script = folder.file("check.py", R"(
import sys, xarray, numpy
s = xarray.open_dataset(sys.argv[1] + "/s.nc", mask_and_scale=False)
assert s.attrs["kind"] == "sweep" and s.attrs["title"] == "a sample" and s.attrs["version"] == "edgewise 1"
assert s["slope"].dims == ("a", "b") and s["a"].attrs["key"] == "spectrum.alpha" and s["time"].attrs["units"] == "step"
assert s["slope"].attrs["long_name"] == "an exponent"
assert list(s["label"].attrs["flag_values"]) == [0, 1] and s["label"].attrs["flag_meanings"] == "low high"
assert s["state"].attrs["flag_meanings"] == "pending finished failed"
b, a = 3, 7
assert float(s["slope"].isel(a=a, b=b)) == float(s["b"][b] - s["a"][a]) and str(s["label_name"].isel(a=a, b=b).values) == "low"
assert int(s["label"].isel(a=a, b=b)) == 0 and int(s["label"].isel(a=b, b=a)) == 1
x, y = s["predicted_boundary_a"], s["predicted_boundary_b"]
assert len(x) > 50 and numpy.allclose(x, y, atol=1e-9)
assert abs(s["measured_boundary_a"] - s["measured_boundary_b"]).max() < 0.11
assert list(s["measured_boundary_name"].values) == ["low | high"] and set(s["measured_boundary_curve"].values) == {0}
assert s.attrs["labels_agreeing"] == 400 and s.attrs["labels_compared"] == 400
assert (s["distance_max_cells"] < 1).all() and set(s["distance_of"].values) == {"measured", "predicted"}
m = xarray.open_dataset(sys.argv[1] + "/m.nc", mask_and_scale=False)
assert m["slope"].dims == ("a", "b", "variant") and list(m["variant"].values) == ["sgd", "sign sgd"]
assert (m["state"] == 2).sum() == 1 and (m["state"] == 0).sum() == 1 and (m["label"] == -1).sum() == 2
assert "it broke" in str(m["failure"].isel(a=0, b=1, variant=1).values)
)");
  CHECK(std::system(("/usr/bin/python3 " + script + " " + (folder / "")).c_str()) == 0);
}

TEST_CASE("bad files and clashing names are told") {
  const Folder folder;
  CHECK_THROWS_AS(read_sweep_netcdf(folder / "none.nc"), settings::Error);
  CHECK_THROWS_AS(read_sweep_netcdf(folder.file("text.nc", "not NetCDF")), settings::Error);
  CHECK_FALSE(is_sweep_netcdf(folder / "none.nc"));
  CHECK_FALSE(is_sweep_netcdf(folder / "text.nc"));
  SweepTable twice = sample_sweep(3);
  twice.measures[0].name = "a";
  CHECK_THROWS_WITH_AS(sweep_netcdf_bytes(twice, "t.nc"), doctest::Contains("two things of the sweep are named 'a'"),
                       settings::Error);
  CHECK(folder.files() == 1);
}

TEST_CASE("what the program could not have written is refused before it is drawn") {
  const Folder folder;
  const std::string path = folder / "s.nc";
  const auto says = [&](const SweepTable& table, const std::string& words) {
    CAPTURE(words);
    write(table, path);
    const std::string said = refusal(path);
    CAPTURE(said);
    CHECK(said.starts_with(path + ": is damaged, or no sweep of edgewise: "));
    CHECK(said.find(words) != std::string::npos);
  };
  SweepTable table = sample_sweep(3);
  table.boundaries.clear();
  for (auto& label : table.labels) label.predicted.clear();
  const SweepTable good = table;
  table.axes[0].name = "x`touch PWNED`";
  says(table, "'x`touch PWNED`' cannot name an axis");
  table = good;
  table.axes[0].name = "A";
  table.axes[1].name = "a";
  says(table, "two axes are named 'a'");
  table = good;
  std::swap(table.axes[0].numbers[0], table.axes[0].numbers[2]);
  says(table, "do not increase");
  table = good;
  table.axes[1].log = true;
  table.axes[1].numbers[0] = -1;
  says(table, "do not increase, or cannot stand on its scale");
  table = motley();
  table.axes[2].words[1] = table.axes[2].words[0];
  says(table, "has a value twice");
}
