// What simulate and validate write of every row is what the replicas say, computed from them one by one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using namespace edgewise::cli::testing;
using edgewise::tests::Approx;
using Numbers = std::vector<double>;

namespace {

const std::string two_modes = R"(model = "least-squares"
[spectrum]
kind = "list"
eigenvalues = [1.0, 0.2]
multiplicities = [3, 5]
target_power = [1.0, 2.0]
[noise]
variance = 0.3
[optimizer]
learning_rate = 0.05
[time]
at = [1, 4, 30]
[monte_carlo]
replicas = 7
seed = 9
)";

/// Comments and columns of a CSV file.
struct Written {
  std::map<std::string, std::string> lines;
  std::map<std::string, Numbers> columns;
};
Written read(const std::string& path) {
  Written out;
  std::vector<std::string> names;
  std::istringstream text(contents(path));
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("# ")) {
      const std::size_t colon = line.find(": ");
      if (colon != std::string::npos) out.lines[line.substr(2, colon - 2)] = line.substr(colon + 2);
      continue;
    }
    std::vector<std::string> row;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
    if (names.empty()) {
      names = row;
      continue;
    }
    // Validations have a row for every observable.
    const bool tall = names[1] == "observable";
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (tall && c == 1) continue;
      const std::string name = tall ? row[1] + "_" + names[c] : names[c];
      out.columns[name].push_back(row[c].empty() ? NAN : std::strtod(row[c].c_str(), nullptr));
    }
  }
  return out;
}

/// Values of an observable, [row][replica], of the algorithm run anew.
std::vector<Numbers> runs(const models::Problem& problem, const std::string& observable,
                          const std::vector<std::uint64_t>& steps, std::uint64_t replicas) {
  const auto simulation = problem.simulate();
  std::size_t o = 0;
  while (simulation->observables()[o].name != observable) ++o;
  std::vector<Numbers> out(steps.size());
  for (std::uint64_t r = 0; r < replicas; ++r) {
    const auto replica = simulation->replica(9, r);
    Numbers row(simulation->observables().size());
    for (std::size_t k = 0; k < steps.size(); ++k) {
      replica->advance(steps[k]);
      replica->observe(row);
      out[k].push_back(row[o]);
    }
  }
  return out;
}
/// Linear between order statistics.
double quantile(Numbers values, double level) {
  std::sort(values.begin(), values.end());
  const double at = level * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const double share = at - static_cast<double>(below);
  return share > 0 ? values[below] + share * (values[below + 1] - values[below]) : values[below];
}

}  // namespace

TEST_CASE("results: every column of simulate, validate and solve, from the replicas themselves") {
  const Folder folder;
  const std::string path = folder.file("e.toml", two_modes);
  const std::string simulated = folder / "s.csv", validated = folder / "v.csv", solved = folder / "t.csv";
  REQUIRE(run({"simulate", path, "-o", simulated, "--quiet"}).status == done);
  run({"validate", path, "-o", validated, "--quiet"});
  REQUIRE(run({"solve", path, "-o", solved, "--quiet"}).status == done);
  const auto experiment = models::read_experiment(settings::read_text(two_modes, "e.toml"));
  const auto problem = models::find(experiment).prepare(experiment);
  const std::vector<std::uint64_t> steps{0, 1, 4, 30};
  const models::Trajectory theory = problem->solve(), reference = problem->reference();
  const Written s = read(simulated), v = read(validated), t = read(solved);
  CHECK(s.columns.at("step") == Numbers{0, 1, 4, 30});
  for (const std::string name : {"excess_mse", "risk"}) {
    CAPTURE(name);
    const std::vector<Numbers> values = runs(*problem, name, steps, 7);
    const auto same = [&](const Written& written, const std::string& field, std::size_t k, double value) {
      const Numbers& at = written.columns.at(&written == &v ? name + "_step" : "step");
      const auto row =
          static_cast<std::size_t>(std::find(at.begin(), at.end(), static_cast<double>(steps[k])) - at.begin());
      if (row == at.size()) return;
      CAPTURE(field);
      CAPTURE(k);
      CHECK(written.columns.at(name + field)[row] == Approx(value).epsilon(1e-12));
    };
    for (std::size_t k = 0; k < steps.size(); ++k) {
      double mean = 0, squares = 0;
      for (const double x : values[k]) mean += x / 7;
      for (const double x : values[k]) squares += (x - mean) * (x - mean);
      const double sem = std::sqrt(squares / 6 / 7);
      for (const auto& [written, prefix] : {std::pair<const Written&, std::string>{s, "_"}, {v, "_mc_"}}) {
        same(written, prefix + "mean", k, mean);
        same(written, prefix + "q05", k, quantile(values[k], .05));
        same(written, prefix + "q50", k, quantile(values[k], .5));
        same(written, prefix + "q95", k, quantile(values[k], .95));
        if (k > 0) same(written, prefix + "sem", k, sem);
      }
      same(t, "", k, theory.find(name)->value[k]);
      same(v, "_theory", k, theory.find(name)->value[k]);
      REQUIRE(!reference.find(name)->std.empty());
      same(v, "_theory_std", k, reference.find(name)->std[k]);
    }
  }
  CHECK(v.columns.at("risk_step") == Numbers{1, 4, 30});
  for (const Written* w : {&s, &v}) {
    CHECK(w->lines.at("replicas") == "7");
    CHECK(w->lines.at("replicas_asked") == "7");
    CHECK(w->lines.at("replicas_diverged") == "0");
    CHECK(w->lines.at("interrupted") == "false");
    CHECK(w->lines.at("seed") == "9");
  }
  CHECK(v.lines.at("exact_at_finite_dimension") == t.lines.at("exact_at_finite_dimension"));
  CHECK(std::strtod(v.lines.at("max_z").c_str(), nullptr) <= std::strtod(v.lines.at("critical_z").c_str(), nullptr));
}
