// Every number that `edgewise collapse` writes is the analysis's own, in every form, under its own name.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netcdf.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/context.hpp"
#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"
#include "validation/collapse/curve_analysis.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using namespace edgewise::cli::testing;
using Numbers = std::vector<double>;
using edgewise::tests::Approx;

namespace {

/// Three seeds of four sizes, with noise; horizon 2 size^1.1 in steps, roughly.
std::string noisy_curves(const Folder& folder) {
  const std::string path = folder / "noisy.csv";
  std::ofstream out(path);
  out << "size,seed,step,loss\n";
  std::uint64_t state = 99;
  const auto noise = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state >> 11) / 9007199254740992.0 - .5;
  };
  for (const double p : {16.0, 64.0, 256.0, 1024.0})
    for (int seed = 0; seed < 3; ++seed) {
      const double off = .02 * noise();
      for (int k = 1; k <= 80; ++k) {
        const double t = std::round(2 * std::pow(p, 1.1)) * k / 80;
        out << fmt::format("{},{},{:.17g},{:.17g}\n", p, seed, t,
                           .25 + (1 / std::sqrt(t) + 1 / std::sqrt(p)) * (1 + off + .01 * noise()));
      }
    }
  return path;
}

double number(const nlohmann::json& value) {
  if (value.is_number()) return value.get<double>();
  return value == "inf" ? INFINITY : value == "-inf" ? -INFINITY : NAN;
}
Numbers numbers(const nlohmann::json& list) {
  Numbers out;
  for (const auto& x : list) out.push_back(number(x));
  return out;
}
/// Equal to a rounding; not-a-numbers too.
void same(const std::string& what, const Numbers& a, const Numbers& b) {
  CAPTURE(what);
  REQUIRE(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k)
    if (std::isnan(a[k]))
      CHECK(std::isnan(b[k]));
    else
      CHECK(b[k] == Approx(a[k]).epsilon(1e-14));
}

/// A variable of a NetCDF file, all of it.
Numbers variable(const std::string& path, const std::string& name) {
  int file = 0, id = 0, dimensions = 0, of[NC_MAX_VAR_DIMS];
  REQUIRE(nc_open(path.c_str(), NC_NOWRITE, &file) == NC_NOERR);
  CAPTURE(name);
  REQUIRE(nc_inq_varid(file, name.c_str(), &id) == NC_NOERR);
  nc_inq_varndims(file, id, &dimensions);
  nc_inq_vardimid(file, id, of);
  std::size_t size = 1;
  for (int d = 0; d < dimensions; ++d) {
    std::size_t length = 0;
    nc_inq_dimlen(file, of[d], &length);
    size *= length;
  }
  Numbers out(size);
  CHECK(nc_get_var_double(file, id, out.data()) == NC_NOERR);
  nc_close(file);
  return out;
}
double attribute_of(const std::string& path, const std::string& name) {
  int file = 0;
  double out = NAN;
  REQUIRE(nc_open(path.c_str(), NC_NOWRITE, &file) == NC_NOERR);
  CHECK(nc_get_att_double(file, NC_GLOBAL, name.c_str(), &out) == NC_NOERR);
  nc_close(file);
  return out;
}

/// The columns of a CSV file with lines of comments, by their names.
std::map<std::string, Numbers> table(const std::string& text) {
  std::map<std::string, Numbers> out;
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    std::vector<std::string> cells(1);
    for (const char c : line)
      if (c == ',')
        cells.emplace_back();
      else
        cells.back() += c;
    if (names.empty()) {
      names = cells;
      continue;
    }
    REQUIRE(cells.size() == names.size());
    for (std::size_t c = 0; c < cells.size(); ++c)
      out[names[c]].push_back(cells[c].empty() ? NAN : std::strtod(cells[c].c_str(), nullptr));
  }
  return out;
}

}  // namespace

TEST_CASE("collapse: every number of the analysis of curves, in JSON, CSV and NetCDF") {
  const Folder folder;
  const std::string path = noisy_curves(folder), csv = folder / "o.csv", nc = folder / "o.nc";
  const std::string paths[] = {path};
  // Fitted floor and given floor: intervals are there, or are not.
  for (const bool fitted : {true, false}) {
    CAPTURE(fitted);
    validation::CollapseOptions options;
    options.seed = 5;
    std::vector<std::string> arguments = {"collapse", path, "--quiet", "--seed", "5"};
    if (!fitted) {
      options.floor = .25;
      arguments.insert(arguments.end(), {"--floor", "0.25"});
    }
    const auto r = validation::analyse_collapse(validation::read_loss_curves(paths), options).at(0);
    std::vector<std::string> to_files = arguments;
    to_files.insert(to_files.end(), {"-o", csv, "-o", nc});
    run(to_files);
    arguments.insert(arguments.end(), {"--format", "json"});
    const auto json = nlohmann::json::parse(run(arguments).out)["schedules"][0];
    const validation::CollapseSpread& s = r.spread;
    REQUIRE(r.horizon);
    const std::map<std::string, double> scalars = {{"spread", r.verdict.spread},       {"spread_low", r.verdict.low},
                                                   {"spread_high", r.verdict.high},    {"floor", r.floor},
                                                   {"floor_low", r.floor_low},         {"floor_high", r.floor_high},
                                                   {"supercollapse", r.supercollapse}, {"end_slope", r.slope}};
    for (const auto& [name, value] : scalars) {
      same(name, {value}, {number(json[name])});
      same(name, {value}, variable(nc, name.starts_with("floor") ? "loss_" + name : name));
    }
    same("late", {r.supercollapse_late}, {number(json["supercollapse_late"])});
    CHECK(json["floor_from"] == r.floor_from);
    CHECK(json["reason"] == r.verdict.reason);
    if (r.fit) {
      same("prefactor", {r.fit->prefactor}, {number(json["frontier"]["prefactor"])});
      same("exponent", {r.fit->exponent}, {number(json["frontier"]["exponent"])});
      same("rms", {r.fit->rms}, {number(json["frontier"]["rms"])});
    }
    CHECK(r.fit.has_value() == json.contains("frontier"));
    same("horizon", {r.horizon->prefactor, r.horizon->exponent, r.horizon->error},
         {number(json["horizon"]["prefactor"]), number(json["horizon"]["exponent"]),
          number(json["horizon"]["exponent_error"])});
    same("horizon_prefactor", {r.horizon->prefactor}, variable(nc, "horizon_prefactor"));
    same("horizon_exponent", {r.horizon->exponent}, variable(nc, "horizon_exponent"));
    const std::map<std::string, Numbers> columns = {{"x", s.x},           {"mean", s.mean},
                                                    {"delta", s.delta},   {"between", s.between},
                                                    {"within", s.within}, {"deterministic", s.deterministic},
                                                    {"tuples", s.tuples}, {"floor", s.floor}};
    const auto written = table(contents(csv));
    for (const auto& [name, values] : columns) {
      same(name, values, numbers(json["columns"][name]));
      same(name, values, written.at(name));
      same(name, values, variable(nc, name == "floor" ? "floor_over_seeds" : name));
    }
    Numbers all;
    for (std::size_t p = 0; p < r.curves.size.size(); ++p) {
      same("normalised", s.mean_of[p], numbers(json["sizes"][p]["normalised"]));
      same("normalised", s.mean_of[p], written.at("normalised_" + fmt::format("{}", r.curves.size[p])));
      same("floor of a size", s.floor_of[p], numbers(json["sizes"][p]["floor"]));
      same("horizon of a size", {r.curves.horizon[p]}, {number(json["sizes"][p]["horizon"])});
      CHECK(json["sizes"][p]["seeds"] == 3);
      all.insert(all.end(), s.mean_of[p].begin(), s.mean_of[p].end());
    }
    same("normalised", all, variable(nc, "normalised"));
    same("horizon", r.curves.horizon, variable(nc, "horizon"));
    same("size", r.curves.size, variable(nc, "size"));
    for (std::size_t k = 0; k < r.sensitivity.size(); ++k) {
      same("sensitivity", {r.sensitivity[k].floor, r.sensitivity[k].spread, r.sensitivity[k].supercollapse},
           {number(json["sensitivity"][k]["floor"]), number(json["sensitivity"][k]["spread"]),
            number(json["sensitivity"][k]["supercollapse"])});
      CHECK(json["sensitivity"][k]["outcome"] == validation::name(r.sensitivity[k].outcome));
    }
    CHECK(json["sensitivity"].size() == r.sensitivity.size());
  }
}

TEST_CASE("collapse: an experiment needs no steps, since the sizes' horizons take their place") {
  const Folder folder;
  const std::string path = folder / "e.toml";
  std::ofstream(path)
      << "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 8\nalpha = 1\nbeta = 0.5\n"
         "tail = 'noise'\n[optimizer]\nlearning_rate = 0.1\n"
         "[collapse]\nsizes = [8, 16]\nsimulate = false\n";
  const auto without = run({"collapse", path, "--format", "csv"});
  CHECK(without.err.find("time.steps") == std::string::npos);
  for (const char* given : {"time.steps=10", "time.steps=1000000"}) {
    const auto with = run({"collapse", path, "--format", "csv", "--set", given});
    CHECK(with.status == without.status);
    CHECK(with.out == without.out);
  }
  CHECK(without.out.find("x,") != std::string::npos);
}

TEST_CASE("collapse: of many points the text has about twenty rows, the last of them at the end") {
  const Folder folder;
  const std::string path = folder / "e.toml";
  std::ofstream(path)
      << "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 8\nalpha = 1\nbeta = 0.5\n"
         "tail = 'noise'\n[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 100\n"
         "[monte_carlo]\nreplicas = 1\n[collapse]\nsizes = [8, 16]\n";
  struct Case {
    int points, every;
  };
  for (const auto& test : {Case{30, 1}, {60, 3}, {100, 5}}) {
    const int points = test.points, every = test.every;
    CAPTURE(points);
    std::istringstream text(run({"collapse", path, "--set", fmt::format("collapse.points={}", points)}).out);
    std::vector<double> shown;
    bool rows = false;
    for (std::string line; std::getline(text, line);) {
      if (rows && line.find("sizes: ") != std::string::npos) break;
      if (rows) shown.push_back(std::strtod(line.c_str(), nullptr));
      rows = rows || line.find("mean l") != std::string::npos;
    }
    REQUIRE(shown.size() == static_cast<std::size_t>(points / every));
    for (std::size_t i = 0; i < shown.size(); ++i)
      CHECK(shown[i] == Approx(static_cast<double>(i + 1) * every / points).epsilon(0.005));  // to three digits
  }
}

TEST_CASE(
    "collapse: every number of an experiment's collapse is the same in JSON, CSV and NetCDF, and has its meaning") {
  const Folder folder;
  const std::string path = folder / "e.toml", csv = folder / "e.csv", nc = folder / "e.nc", json = folder / "e.json";
  std::ofstream(path)
      << "title = 'Small'\nmodel = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 8\nalpha = 1\n"
         "beta = 0.5\ntail = 'noise'\n[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 100\n"
         "[monte_carlo]\nreplicas = 40\n[collapse]\nsizes = [8, 16]\n";
  run({"collapse", path, "-o", csv, "-o", json, "-o", nc, "--quiet"});
  const auto read = nlohmann::json::parse(contents(json));
  const auto written = table(contents(csv));
  for (const auto& [name, values] : read["columns"].items()) {
    same(name, numbers(values), written.at(name));
    if (!name.starts_with("normalised_")) same(name, numbers(values), variable(nc, name));
  }
  for (const char* name : {"spread", "predicted_supercollapse"})
    same(name, {number(read[name])}, {attribute_of(nc, name)});
  same("floor", {number(read["floor"])}, {attribute_of(nc, "loss_floor")});
  const auto column = [&](const char* name) { return numbers(read["columns"][name]); };
  const Numbers first = column("normalised_8"), second = column("normalised_16");
  Numbers stacked = first;
  stacked.insert(stacked.end(), second.begin(), second.end());
  same("normalised", stacked, variable(nc, "normalised"));
  REQUIRE(first.size() == column("x").size());
  double largest = 0;
  for (std::size_t k = 0; k < first.size(); ++k) {
    // Two sizes: the mean, and half their difference over it.
    CHECK(column("mean")[k] == Approx((first[k] + second[k]) / 2).epsilon(1e-12));
    CHECK(column("deterministic")[k] == Approx(std::abs(first[k] - second[k]) / (first[k] + second[k])).epsilon(1e-9));
    if (column("x")[k] >= .3) largest = std::max(largest, column("deterministic")[k]);
    CHECK(std::pow(column("simulated_delta")[k], 2) ==
          Approx(std::pow(column("simulated_between")[k], 2) + std::pow(column("simulated_within")[k], 2))
              .epsilon(1e-10));
    CHECK(column("simulated_deterministic")[k] <= column("simulated_between")[k]);
  }
  CHECK(number(read["spread"]) == Approx(largest).epsilon(1e-9));
  CHECK(first.back() == Approx(1));
  // The floor over seeds at the end is that of the raw loss; the spread of normalised curves is 0 there.
  CHECK(column("simulated_within").back() == Approx(0));
  CHECK(column("simulated_floor").back() > 0);
  CHECK(column("predicted_floor").back() > 0);
}
