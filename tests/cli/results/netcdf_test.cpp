#include "cli/results/netcdf.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/results/sample_results.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using testing::Folder;
using testing::same;
using testing::sample_result;

TEST_CASE("every kind of result reads back the same") {
  const Folder folder;
  for (const ResultKind kind : {ResultKind::solution, ResultKind::simulation, ResultKind::validation}) {
    CAPTURE(name(kind));
    const Result result = sample_result(kind);
    const std::string path = folder / "r.nc";
    write_netcdf(result, path, path);
    const Result back = read_netcdf(path);
    CHECK(same(result, back));
    CHECK(back.provenance == result.provenance);
  }
}

TEST_CASE("a result without steps") {
  const Folder folder;
  Result result = sample_result(ResultKind::solution);
  result.steps.clear();
  for (Field& f : result.fields)
    for (auto& v : f.values) v.clear();
  write_netcdf(result, folder / "r.nc", "r.nc");
  const Result back = read_netcdf(folder / "r.nc");
  CHECK(back.steps.empty());
  CHECK(back.observables.size() == 2);
}

TEST_CASE("xarray opens it, with dimensions, coordinates, units and long names" *
          doctest::skip(std::system("python3 -c 'import xarray, netCDF4' 2>/dev/null") != 0)) {
  const Folder folder;
  for (const ResultKind kind : {ResultKind::solution, ResultKind::simulation, ResultKind::validation}) {
    const std::string path = folder / (std::string(name(kind)) + ".nc");
    write_netcdf(sample_result(kind), path, path);
  }
  const std::string script = folder.file("check.py", R"(
import sys, xarray
folder = sys.argv[1]
s = xarray.open_dataset(folder + "/solution.nc")
assert set(s.sizes) == {"step"} and "step" in s.coords, s
assert s["excess_mse"].attrs["units"] == "MSE" and s["risk"].attrs["long_name"] == "(P + sigma^2)/2"
assert s["step"].attrs["units"] == "1" and s.attrs["rtol"] == 1e-8 and s.attrs["experiment"].startswith("a = 1\n\n[b]")
assert float(s["risk"].sel(step=1)) == 1 / 3
assert "risk_mean" in xarray.open_dataset(folder + "/simulation.nc")
v = xarray.open_dataset(folder + "/validation.nc")
assert v["z"].dims == ("observable", "step") and float(v["theory"].sel(observable="risk", step=0)) == 0.1
)");
  CHECK(std::system(("python3 " + script + " " + (folder / "")).c_str()) == 0);
}

TEST_CASE("bad files are named") {
  const Folder folder;
  CHECK_THROWS_AS(read_netcdf(folder / "none.nc"), settings::Error);
  CHECK_THROWS_AS(read_netcdf(folder.file("text.nc", "not NetCDF")), settings::Error);
  CHECK_THROWS_AS(write_netcdf(sample_result(ResultKind::solution), folder / "no/such.nc", "such.nc"), settings::Error);
}
