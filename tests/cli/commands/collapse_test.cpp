#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise::cli;
using namespace edgewise::cli::testing;

namespace {

/// t^-.5 + p^-.5 + .25 at shares of the horizon `steps(p)`, in a file.
template <class Steps>
std::string curves_in(const Folder& folder, const Steps& steps, int rows = 50) {
  const std::string path = folder / "curves.csv";
  std::ofstream out(path);
  out << "size,step,loss\n";
  for (const double p : {16.0, 64.0, 256.0, 1024.0})
    for (int k = 1; k <= rows; ++k) {
      const double t = steps(p) * k / rows;
      out << fmt::format("{},{},{}\n", p, t, 0.25 + 1 / std::sqrt(t) + 1 / std::sqrt(p));
    }
  return path;
}

}  // namespace

TEST_CASE("collapse: the statuses of a good and a broken scaling, and every form of output") {
  const Folder folder;
  const std::string good = curves_in(folder, [](double p) { return p; });
  const Run text = run({"collapse", good});
  CHECK(text.status == done);
  CHECK(text.out.find("well scaled") != std::string::npos);
  CHECK(text.says("well scaled"));
  const std::string csv = folder / "out.csv", json = folder / "out.json", svg = folder / "out.svg";
  CHECK(run({"collapse", good, "-o", csv, "-o", json, "-o", svg}).status == done);
  CHECK(contents(csv).find("\nschedule,x,mean,delta,between,within,deterministic,tuples,floor,normalised_16,") !=
        std::string::npos);
  CHECK(contents(svg).find("</svg>") != std::string::npos);
  const auto read = nlohmann::json::parse(contents(json));
  const auto& only = read["schedules"][0];
  CHECK(only["outcome"] == "well scaled");
  CHECK(only["floor"].get<double>() == doctest::Approx(0.25).epsilon(1e-4));
  CHECK(only["horizon"]["exponent"].get<double>() == doctest::Approx(1));
  CHECK(only["columns"]["x"].size() == only["columns"]["delta"].size());
  const std::string broken = curves_in(
      folder, [](double) { return 1024.0; }, 2000);
  CHECK(run({"collapse", broken, "--floor", "0.25", "--quiet", "--format", "json"}).status == disagrees);
  // Another horizon than the end of the runs.
  CHECK(run({"collapse", broken, "--floor", "0.25", "--horizon", "size"}).status == done);
}

TEST_CASE("collapse: bad arguments are refused in one line") {
  const Folder folder;
  const std::string path = curves_in(folder, [](double p) { return p; });
  for (const auto& [arguments, said] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--floor", "low"}, "--floor: must be a number, or fit, got 'low'"},
           {{"--floor", "7"}, "is not above the floor 7 (given)"},
           {{"--horizon", "sise"}, "--horizon: must be ends, envelope or a formula of size"},
           {{"--horizon", "-size"}, "--horizon: gives -16 steps at size 16"},
           {{"--reference", "wsd"}, "--reference: there is no schedule 'wsd'"},
           {{"-o", path}, "is read by this command"},
           {{"-o", "x.nc"}, "unknown ending '.nc'"}}) {
    std::vector<std::string> all = {"collapse", path};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Run r = run(all);
    const std::string expected = said;
    CAPTURE(expected);
    CHECK(r.status == failed);
    CHECK(r.one_line());
    CHECK(r.says(expected));
  }
  CHECK(run({"collapse"}).says("curves is required"));
  CHECK(run({"collapse", folder / "none.csv"}).says("no such file"));
}

TEST_CASE("collapse: an experiment, in every form; options of curves are refused") {
  const Folder folder;
  const std::string path = folder / "e.toml", csv = folder / "e.csv", svg = folder / "e.svg";
  std::ofstream(path)
      << "title = 'Small'\nmodel = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 8\nalpha = 1\n"
         "beta = 0.5\ntail = 'noise'\n[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 100\n"
         "[monte_carlo]\nreplicas = 20\n[collapse]\nsizes = [8, 16]\n";
  const Run all = run({"collapse", path, "-o", csv, "-o", svg});
  CHECK(all.status == done);
  CHECK(all.says("well scaled"));
  CHECK(contents(csv).find("x,mean,deterministic,limit,predicted_delta,predicted_floor,simulated_delta,") !=
        std::string::npos);
  CHECK(contents(svg).find("</svg>") != std::string::npos);
  const Run json = run({"collapse", path, "--format", "json", "--quiet", "--set", "collapse.horizon='300'"});
  CHECK(json.status == disagrees);
  const auto read = nlohmann::json::parse(json.out);
  CHECK(read["outcome"] == "broken");
  CHECK(read["simulation_agrees"] == true);
  const Run refused = run({"collapse", path, "--floor", "0"});
  CHECK(refused.status == failed);
  CHECK(refused.says("--floor, --horizon and --reference are for curves"));
  // The section does not keep other commands from the experiment.
  CHECK(run({"solve", path, "--quiet"}).status == done);
  CHECK(run({"describe", "collapse"}).status == done);
}
