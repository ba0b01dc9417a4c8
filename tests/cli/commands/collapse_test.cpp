#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/holds.hpp"

using namespace edgewise::cli;
using namespace edgewise::cli::testing;
using edgewise::expected::holds;
using edgewise::tests::Approx;

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
  CHECK(only["floor"].get<double>() == Approx(0.25).epsilon(1e-4));
  CHECK(only["horizon"]["exponent"].get<double>() == Approx(1));
  CHECK(only["columns"]["x"].size() == only["columns"]["delta"].size());
  const std::string broken = curves_in(
      folder, [](double) { return 1024.0; }, 2000);
  CHECK(run({"collapse", broken, "--floor", "0.25", "--quiet", "--format", "json"}).status == disagrees);
  // Another horizon than the end of the runs.
  CHECK(run({"collapse", broken, "--floor", "0.25", "--horizon", "size"}).status == done);
}

TEST_CASE("collapse: curves that show nothing are inconclusive; a frontier that is not there gives no horizon") {
  const Folder folder;
  std::string flat = "size,step,loss\n";
  for (const int p : {16, 64})
    for (int k = 1; k <= 50; ++k) flat += fmt::format("{},{},{}\n", p, k, 1 + 2e-5 * (51 - k) + (p == 16 ? 0.1 : 0));
  const Run r = run({"collapse", folder.file("flat.csv", flat), "--floor", "0"});
  CHECK(r.status == inconclusive);
  CHECK(r.says("flat: inconclusive: largest spread of the sizes over x >= 0.3 is 0.0000"));
  const std::string path = curves_in(folder, [](double p) { return 4 * p; });
  const Run envelope = run({"collapse", path, "--floor", "0.25", "--horizon", "envelope"});
  CHECK(envelope.status == failed);
  CHECK(envelope.says("these runs have no frontier to read a horizon from"));
}

TEST_CASE("collapse: a sweep must have a loss, and be finished") {
  const Folder folder;
  const std::string sweep = folder.file("s.toml", R"([sweep]
do = 'solve'
[experiment]
model = 'sum-of-powers'
[experiment.powers]
terms = [[1, 0.5, 0], [1, 0, 0.5]]
floor = 0.25
[experiment.time]
steps = 1
[[axis]]
key = 'powers.size'
name = 'size'
values = [16, 64]
[[axis]]
key = 'time.steps'
name = 'step'
from = 1
to = 64
count = 64
[[measure]]
name = 'other'
kind = 'value'
value = '1/0'
[[measure]]
name = 'loss'
kind = 'final'
observable = 'loss'
)");
  const std::string csv = folder / "s.csv";
  REQUIRE(run({"sweep", sweep, "--quiet", "--store", folder / "s.db", "-o", csv}).status == done);
  const std::vector<std::string> options = {"--floor", "0.25", "--horizon", "size", "--quiet", "--format", "json"};
  const auto collapsed = [&](const std::string& path) {
    std::vector<std::string> all = {"collapse", path};
    all.insert(all.end(), options.begin(), options.end());
    return run(all);
  };
  const Run whole = collapsed(csv);
  CHECK(whole.status == done);
  CHECK(nlohmann::json::parse(whole.out)["schedules"][0]["sizes"].size() == 2);
  const auto changed = [&](std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
    return folder.file("changed.csv", text);
  };
  CHECK(
      collapsed(changed(contents(csv), "loss", "lost"))
          .says("changed.csv: is a sweep without a measure called loss; its axes and measures are to be called size"));
  std::string some = contents(csv);
  for (const char* cell : {"\n5,", "\n7,"}) {
    const std::size_t at = some.find(",finished,", some.find(cell));
    some.replace(at, 10, ",pending,");
  }
  CHECK(collapsed(folder.file("changed.csv", some)).says("changed.csv: 2 of its 128 cells are not there yet"));
  std::string lost = contents(csv);
  lost.replace(lost.find(",finished,", lost.find("\n5,")), 10, ",failed,");
  const Run without = collapsed(folder.file("changed.csv", lost));
  CHECK(holds(without.out, "changed.csv: 1 cell without a loss left out"));
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
           {{"--set", "a.b=3"}, "--set is for experiments; curves have nothing to set"},
           {{"--noise", "linear"}, "has no column rate"},
           {{"--noise", "linear", "--floor", "0"}, "--noise: takes no --floor"},
           {{"-o", "x.ncd"}, "unknown ending '.ncd'"}}) {
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
         "[monte_carlo]\nreplicas = 200\n[collapse]\nsizes = [8, 16]\n";
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
  CHECK(refused.says("--floor, --horizon, --reference and --noise are for curves"));
  // The section does not keep other commands from the experiment.
  CHECK(run({"solve", path, "--quiet"}).status == done);
  CHECK(run({"describe", "collapse"}).status == done);
}

TEST_CASE("collapse: a sweep in any form is as good as its CSV, and NetCDF holds what JSON does") {
  const Folder folder;
  const std::string sweep = folder / "s.toml", store = folder / "s.db", nc = folder / "s.nc", csv = folder / "s.csv";
  std::ofstream(sweep)
      << "[sweep]\ndo = 'solve'\n[experiment]\nmodel = 'sum-of-powers'\n[experiment.powers]\nterms = "
         "[[1, 0.5, 0], [1, 0, 0.5]]\nfloor = 0.25\n[experiment.time]\nsteps = 1\n[[axis]]\nkey = "
         "'powers.size'\nname = 'size'\nvalues = [16, 64]\n[[axis]]\nkey = 'time.steps'\nname = "
         "'step'\nfrom = 0\nto = 64\ncount = 65\n[[measure]]\nname = 'loss'\nkind = 'final'\nobservable = "
         "'loss'\n";
  REQUIRE(run({"sweep", sweep, "--quiet", "--store", store, "-o", nc, "-o", csv}).status == done);
  const std::vector<std::string> options = {"--floor", "0.25", "--horizon", "size", "--quiet", "--format", "json"};
  const auto json_of = [&](const std::string& path) {
    std::vector<std::string> all = {"collapse", path};
    all.insert(all.end(), options.begin(), options.end());
    const Run r = run(all);
    CHECK(r.status == done);
    auto out = nlohmann::json::parse(r.out);
    out.erase("files");
    // Step 0 has no loss, which a note says.
    CHECK(out["schedules"][0]["notes"].dump().find("2 cells without a loss left out") != std::string::npos);
    out["schedules"][0].erase("notes");
    return out;
  };
  const auto from_store = json_of(store);
  CHECK(from_store["schedules"][0]["sizes"].size() == 2);
  CHECK(from_store.dump() == json_of(nc).dump());
  CHECK(from_store.dump() == json_of(csv).dump());
  const std::string out = folder / "c.nc";
  CHECK(run({"collapse", store, "--floor", "0.25", "--horizon", "size", "--quiet", "-o", out}).status == done);
  CHECK(contents(out).starts_with("\x89HDF"));
  const Run other = run({"collapse", folder.file("x.db", "SQLite format 3")});
  CHECK(other.status == failed);
  CHECK(other.one_line());
}

TEST_CASE("collapse: the relative noise model from the command line") {
  const Folder folder;
  const std::string path = folder / "n.csv", csv = folder / "out.csv";
  {
    std::ofstream out(path);
    out << "schedule,size,step,loss,rate,noise\n";
    for (int k = 0; k <= 100; ++k) out << fmt::format("constant,1,{},{},0.02,2\n", k, 3 + 0.2 * 0.02 * 2);
    for (int k = 0; k <= 100; ++k)
      out << fmt::format("linear,1,{},{},{},2\n", k, 3 + 0.2 * 0.02 * (1 - k / 100.0) * 2, 0.02 * (1 - k / 100.0));
  }
  const Run text = run({"collapse", path, "--noise", "constant", "-o", csv});
  CHECK(text.status == done);
  CHECK(text.says("a = 0.2 for 1 curve"));
  CHECK(contents(csv).find("\nschedule,size,step,tau,loss,predicted,") != std::string::npos);
  const Run json = run({"collapse", path, "--noise", "constant", "--quiet", "--format", "json"});
  CHECK(nlohmann::json::parse(json.out)["factor"].get<double>() == Approx(0.2));
  CHECK(run({"collapse", path, "--noise", "constant", "-o", folder / "x.svg"}).status == failed);
}
