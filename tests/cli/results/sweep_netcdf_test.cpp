#include "cli/results/sweep_netcdf.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "cli/results/output_file.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/validation/sweeps/sample_sweep.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using cli::testing::Folder;
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

}  // namespace

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
