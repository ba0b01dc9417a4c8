#include "cli/results/netcdf.hpp"

#include <doctest/doctest.h>
#include <netcdf.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "cli/results/netcdf_file.hpp"
#include "cli/results/output_file.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/results/netcdf_text.hpp"
#include "tests/cli/results/sample_results.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using testing::Folder;
using testing::same;
using testing::sample_result;
using testing::variable;

TEST_CASE("every kind of result reads back the same") {
  const Folder folder;
  for (const ResultKind kind : {ResultKind::solution, ResultKind::simulation, ResultKind::validation}) {
    CAPTURE(name(kind));
    const Result result = sample_result(kind);
    const std::string path = folder / "r.nc";
    write_file(path, netcdf_bytes(result, path));
    const Result back = read_netcdf(path);
    CHECK(same(result, back));
    CHECK(back.provenance == result.provenance);
  }
}

TEST_CASE("all that the file of a result holds") {
  const Folder folder;
  const auto held = [&](const Result& result) {
    write_file(folder / "r.nc", netcdf_bytes(result, "r.nc"));
    return testing::netcdf_text(folder / "r.nc");
  };
  Result result;
  result.kind = ResultKind::solution;
  result.provenance = {attribute("kind", "solution"), attribute("rtol", 0.5)};
  result.steps = {0, 10, 30};
  result.observables = {{"risk", "MSE", "half of it"}, {"width", "", "of the peak"}};
  result.fields = fields_of(ResultKind::solution);
  result.fields[0].values = {{1, 2, 3}, {4, 5, 6}};
  result.fields[1].values = {{7, 8, 9}, {}};
  CHECK(held(result) == R"(step = 3
double step(step): 0 10 30
  units: '1'
  long_name: 'optimizer steps taken'
double risk(step): 1 2 3
  units: 'MSE'
  long_name: 'half of it'
  observable: 'risk'
  field: ''
  observable_long_name: 'half of it'
double risk_std(step): 7 8 9
  units: 'MSE'
  long_name: 'risk: predicted standard deviation of one run'
  observable: 'risk'
  field: 'std'
  observable_long_name: 'half of it'
double width(step): 4 5 6
  units: '1'
  long_name: 'of the peak'
  observable: 'width'
  field: ''
  observable_long_name: 'of the peak'
  kind: 'solution'
  rtol: 0.5
  Conventions: 'CF-1.10'
)");
  result.kind = ResultKind::validation;
  result.provenance = {attribute("kind", "validation")};
  result.steps = {10, 30};
  result.fields = fields_of(ResultKind::validation);
  double next = 1;
  for (Field& field : result.fields) {
    field.values = {{next, next + 1}, {next + 2, next + 3}};
    next += 4;
  }
  CHECK(
      held(result) ==
      R"(step = 2
observable = 2
)" + variable("double step(step): 10 30", "optimizer steps taken", "1") +
          R"(string observable(observable): 'risk' 'width'
string observable_units(observable): 'MSE' ''
string observable_long_name(observable): 'half of it' 'of the peak'
)" + variable("double theory(observable, step): 1 2 3 4", "value predicted by the theory", "of the observable") +
          variable("double mc_mean(observable, step): 5 6 7 8", "mean over replicas", "of the observable") +
          variable("double mc_sem(observable, step): 9 10 11 12", "standard error of the mean", "of the observable") +
          variable("double z(observable, step): 13 14 15 16", "discrepancy in standard errors", "1") +
          variable("double theory_std(observable, step): 17 18 19 20", "predicted standard deviation of one run",
                   "of the observable") +
          variable("double mc_q05(observable, step): 21 22 23 24", "5% quantile over replicas", "of the observable") +
          variable("double mc_q50(observable, step): 25 26 27 28", "median over replicas", "of the observable") +
          variable("double mc_q95(observable, step): 29 30 31 32", "95% quantile over replicas", "of the observable") +
          R"(  kind: 'validation'
  Conventions: 'CF-1.10'
)");
}

TEST_CASE("every axis reads back, with its own coordinate") {
  const Folder folder;
  for (const models::Axis* axis : models::axes()) {
    CAPTURE(axis->name);
    Result result = sample_result(ResultKind::validation);
    result.axis = axis;
    const std::string path = folder / "r.nc";
    write_file(path, netcdf_bytes(result, path));
    const Result back = read_netcdf(path);
    CHECK(back.axis == axis);
    CHECK(same(result, back));
  }
}

TEST_CASE("a result without steps") {
  const Folder folder;
  Result result = sample_result(ResultKind::solution);
  result.steps.clear();
  for (Field& f : result.fields)
    for (auto& v : f.values) v.clear();
  write_file(folder / "r.nc", netcdf_bytes(result, "r.nc"));
  const Result back = read_netcdf(folder / "r.nc");
  CHECK(back.steps.empty());
  CHECK(back.observables.size() == 2);
}

TEST_CASE("xarray opens it, with dimensions, coordinates, units and long names" *
          doctest::skip(std::system("python3 -c 'import xarray, netCDF4' 2>/dev/null") != 0)) {
  const Folder folder;
  for (const ResultKind kind : {ResultKind::solution, ResultKind::simulation, ResultKind::validation}) {
    const std::string path = folder / (std::string(name(kind)) + ".nc");
    write_file(path, netcdf_bytes(sample_result(kind), path));
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
}

namespace {

/// Writes what `fill` puts into a file that says it is a result of this kind.
std::string crafted(const Folder& folder, const std::string& kind, const std::function<void(NetcdfFile&)>& fill) {
  NetcdfFile file("crafted");
  file.create();
  put_text(file, NC_GLOBAL, "kind", kind);
  fill(file);
  const std::string path = folder / "crafted.nc";
  write_file(path, file.finish());
  return path;
}

int dimension(const NetcdfFile& file, const char* name, std::size_t length) {
  int id = 0;
  file.check(nc_def_dim(file.id, name, length, &id));
  return id;
}

std::string refusal(const std::string& path) {
  try {
    read_netcdf(path);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("lengths and types are looked at before memory is touched") {
  const Folder folder;
  const auto column = [](const NetcdfFile& file, const std::vector<int>& dimensions, nc_type type) {
    int variable = 0;
    file.check(nc_def_var(file.id, "risk", type, static_cast<int>(dimensions.size()), dimensions.data(), &variable));
    put_text(file, variable, "observable", "risk");
    put_text(file, variable, "field", "");
  };
  // More values than there are steps.
  CHECK(refusal(crafted(folder, "solution", [&](NetcdfFile& file) {
          const int step = dimension(file, "step", 2), other = dimension(file, "other", 5000);
          define(file, "step", {step}, "1", "");
          column(file, {step, other}, NC_DOUBLE);
        })).find("is damaged, or no file of edgewise: 'risk' has other lengths than it must") != std::string::npos);
  CHECK(refusal(crafted(folder, "solution", [&](NetcdfFile& file) {
          const int step = dimension(file, "step", 2), other = dimension(file, "other", 5000);
          define(file, "step", {other}, "1", "");
          column(file, {step}, NC_DOUBLE);
        })).find("'step' has other lengths") != std::string::npos);
  CHECK(refusal(crafted(folder, "solution", [&](NetcdfFile& file) {
          const int step = dimension(file, "step", 2);
          define(file, "step", {step}, "1", "");
          column(file, {step}, NC_STRING);
        })).find("'risk' holds no numbers") != std::string::npos);
  // An attribute of many numbers where one is expected is passed over.
  const std::string many = crafted(folder, "solution", [&](NetcdfFile& file) {
    const int step = dimension(file, "step", 1);
    define(file, "step", {step}, "1", "");
    const std::vector<double> values(3000, 7);
    file.check(nc_put_att_double(file.id, NC_GLOBAL, "rtol", NC_DOUBLE, values.size(), values.data()));
  });
  CHECK(read_netcdf(many).get("rtol").empty());
  // A length that no file of this size can hold.
  CHECK(refusal(crafted(folder, "solution", [&](NetcdfFile& file) {
          define(file, "step", {dimension(file, "step", std::size_t{1} << 40U)}, "1", "");
        })).find("it claims to hold 1.1e+12 values") != std::string::npos);
  CHECK(refusal(crafted(folder, "validation", [&](NetcdfFile& file) {
          define(file, "step", {dimension(file, "step", 2)}, "1", "");
          const int observable = dimension(file, "observable", 3);
          for (const char* name : {"observable", "observable_units", "observable_long_name"})
            define(file, name, {observable}, "1", "");
        })).find("'observable' holds no texts") != std::string::npos);
  CHECK(refusal(crafted(folder, "validation", [&](NetcdfFile& file) {
          const int step = dimension(file, "step", 2), observable = dimension(file, "observable", 1);
          define(file, "step", {step}, "1", "");
          for (const char* name : {"observable", "observable_units", "observable_long_name"}) {
            const int both[] = {observable, step};
            int variable = 0;
            file.check(nc_def_var(file.id, name, NC_STRING, 2, both, &variable));
          }
        })).find("'observable' has other lengths") != std::string::npos);
  // Two lengths that a file of this size can hold, each by itself.
  CHECK(refusal(crafted(folder, "validation", [&](NetcdfFile& file) {
          const int step = dimension(file, "step", 20000), observable = dimension(file, "observable", 20000);
          define(file, "step", {step}, "1", "");
          for (const char* name : {"observable", "observable_units", "observable_long_name"}) {
            int variable = 0;
            file.check(nc_def_var(file.id, name, NC_STRING, 1, &observable, &variable));
          }
        })).find("it claims to hold 4e+08 values") != std::string::npos);
  CHECK(refusal(crafted(folder, "solution", [](NetcdfFile&) {})).find("there is no dimension 'step'") !=
        std::string::npos);
  CHECK(refusal(crafted(folder, "nonsense", [](NetcdfFile&) {})).find("is no result of edgewise") != std::string::npos);
}

TEST_CASE("what other programs make of a result is read, or refused by name") {
  const Folder folder;
  // Steps without a limit, whole numbers instead of real ones.
  const std::string rewritten = crafted(folder, "solution", [&](NetcdfFile& file) {
    const int step = dimension(file, "step", NC_UNLIMITED);
    int steps = 0, risk = 0;
    file.check(nc_def_var(file.id, "step", NC_INT64, 1, &step, &steps));
    file.check(nc_def_var(file.id, "risk", NC_SHORT, 1, &step, &risk));
    put_text(file, risk, "observable", "risk");
    put_text(file, risk, "field", "");
    file.check(nc_enddef(file.id));
    const std::size_t from = 0, count = 3;
    const long long at[] = {0, 10, 20};
    const short values[] = {7, 5, 3};
    file.check(nc_put_vara_longlong(file.id, steps, &from, &count, at));
    file.check(nc_put_vara_short(file.id, risk, &from, &count, values));
  });
  const Result read = read_netcdf(rewritten);
  CHECK(read.steps == std::vector<double>{0, 10, 20});
  CHECK(read.fields.at(0).values.at(0) == std::vector<double>{7, 5, 3});
  // A single number, and columns of three dimensions.
  for (const std::size_t rank : {std::size_t{0}, std::size_t{3}})
    CHECK(refusal(crafted(folder, "solution",
                          [&](NetcdfFile& file) {
                            const int step = dimension(file, "step", 2);
                            define(file, "step", {step}, "1", "");
                            const int risk = define(file, "risk", std::vector<int>(rank, step), "1", "");
                            put_text(file, risk, "observable", "risk");
                            put_text(file, risk, "field", "");
                          }))
              .find("crafted.nc: is damaged, or no file of edgewise: 'risk' has other lengths than it must") !=
          std::string::npos);
  CHECK(refusal(crafted(folder, "solution", [&](NetcdfFile& file) {
          dimension(file, "step", 2);
          define(file, "step", {}, "1", "");
        })).find("'step' has other lengths") != std::string::npos);
}

TEST_CASE("a file that is cut short or changed is an error, in our own words") {
  const Folder folder;
  const std::string whole = netcdf_bytes(sample_result(ResultKind::solution), "r.nc");
  for (const std::size_t size : {std::size_t{0}, std::size_t{8}, whole.size() / 2, whole.size() - 1}) {
    const std::string said = refusal(folder.file("cut.nc", whole.substr(0, size)));
    CAPTURE(said);
    CHECK(said.find("cut.nc: ") != std::string::npos);
    CHECK(said.find("HDF error") == std::string::npos);
  }
}
