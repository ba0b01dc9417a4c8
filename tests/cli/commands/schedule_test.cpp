// `edgewise schedule`: what it prints and writes, and that its table runs as a schedule.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/holds.hpp"

using namespace edgewise::cli::testing;
using edgewise::expected::holds;
using edgewise::tests::Approx;

namespace {

std::string small_schedule(const std::string& more = "") {
  return "title = 'small'\nmodel = 'least-squares'\n[spectrum]\nkind = 'power-law'\nalpha = 1.0\nbeta = 0.5\ndimension "
         "= "
         "20\n[noise]\nlaw = 'gaussian'\nvariance = 0.25\n[optimizer]\nlearning_rate = 1.0\n[time]\nsteps = 40\n" +
         more;
}

const std::string few = "[schedule_search]\nfamilies = ['linear', 'constant']\n";

}  // namespace

TEST_CASE("schedule prints the optimum over the families, and JSON tells the same") {
  const Folder folder;
  const std::string path = folder.file("x.toml", small_schedule(few));
  const auto printed = run({"schedule", path});
  CHECK(printed.status == 0);
  CHECK(holds(printed.out, "excess_mse after 40 steps, optimum by coordinate sweep"));
  CHECK(holds(printed.out, "the same minimum from 3 starts"));
  CHECK(printed.out.find("  optimum ") < printed.out.find("  linear "));
  CHECK(printed.out.find("  linear ") < printed.out.find("  constant "));
  const auto json = nlohmann::json::parse(run({"schedule", path, "--format", "json"}).out);
  CHECK(json["optimum"]["rates"].size() == 40);
  CHECK(json["families"].size() == 2);
  CHECK(json["families"][0]["family"] == "linear");
  CHECK(json["families"][0]["gap"].get<double>() ==
        Approx(json["families"][0]["loss"].get<double>() / json["optimum"]["loss"].get<double>() - 1));
}

TEST_CASE("of one step every family has the optimum, none a gap of rounding") {
  const Folder folder;
  std::string text = small_schedule("[schedule_search]\nfamilies = ['smooth', 'stick-breaking-linear']\nshapes = 30\n");
  text.replace(text.find("steps = 40"), 10, "steps = 1");
  const auto printed = run({"schedule", folder.file("x.toml", text)});
  CHECK(printed.status == 0);
  CHECK(holds(printed.out, "the optimum is proved unique: one step"));
  CHECK(printed.out.find("e-14%") == std::string::npos);
}

TEST_CASE("the optimum's table is a schedule: solving it gives the loss that was promised") {
  const Folder folder;
  const std::string path = folder.file("x.toml", small_schedule(few));
  const std::string table = folder / "optimum.csv";
  CHECK(run({"schedule", path, "-o", table, "--quiet"}).status == 0);
  CHECK(holds(contents(table), "step,rate,h,excess_mse\n0,"));
  const auto solved =
      run({"solve", folder.file("y.toml", small_schedule("[schedule]\nkind = 'table'\npath = 'optimum.csv'\n")),
           "--format", "csv", "--quiet"});
  CHECK(solved.status == 0);
  const std::string header = "# excess_mse: ";
  const std::string csv = contents(table);
  const double promised = std::stod(csv.substr(csv.find(header) + header.size()));
  const std::string last = solved.out.substr(solved.out.rfind('\n', solved.out.size() - 2) + 1);
  std::istringstream cells(last);
  std::string cell;
  std::getline(cells, cell, ',');
  CHECK(cell == "40");
  std::getline(cells, cell, ',');
  std::getline(cells, cell, ',');
  CHECK(std::stod(cell) == Approx(promised).epsilon(1e-12));
}

TEST_CASE("replicas: the simulation at the optimum and at the best of every family") {
  const Folder folder;
  const std::string path = folder.file("x.toml", small_schedule(few + "replicas = 400\nseed = 2\n"));
  const auto json = nlohmann::json::parse(run({"schedule", path, "--format", "json"}).out);
  REQUIRE(json["simulated"].size() == 3);
  CHECK(json["simulated"][0]["family"] == "optimum");
  // Seeds are fixed; one of three rows is beyond 4 standard errors with probability 2e-4.
  for (const auto& row : json["simulated"]) {
    CHECK(std::abs(row["z"].get<double>()) < 4);
    CHECK(row["sem"].get<double>() > 0);
  }
}

TEST_CASE("a cap: its share of the optimum's steps and of the theory's time; no learning rate is asked for") {
  const Folder folder;
  std::string text = small_schedule(few + "max_rate = 0.1\n");
  text.erase(text.find("learning_rate = 1.0"), 19);
  const auto json = nlohmann::json::parse(run({"schedule", folder.file("x.toml", text), "--format", "json"}).out);
  const auto rates = json["optimum"]["rates"].get<std::vector<double>>();
  const double share = static_cast<double>(std::ranges::count(rates, 0.1)) / static_cast<double>(rates.size());
  CHECK(share > 0);
  CHECK(json["optimum"]["at_max_rate"].get<double>() == share);
  CHECK(json["predictions"]["additive_noise_first_rate"].get<double>() == 0.1);
  CHECK(json["predictions"]["additive_noise_capped"].get<double>() > 0.5);
  CHECK(json["predictions"]["optimum_exponent"].get<double>() == Approx(2.0 / 3));
  CHECK(json["predictions"]["cooldown_exponent"].get<double>() == 3);
  CHECK(json["predictions"]["peak_exponent"].get<double>() == Approx(1.0 / 3));
  const auto refused = run({"schedule", folder.file("y.toml", small_schedule("[schedule_search]\nfamilies = []\n"))});
  CHECK(refused.status == 2);
  CHECK(holds(refused.err, "schedule_search.families: must name at least one"));
  const auto batch = run({"schedule", folder.file("z.toml", small_schedule("[schedule.batch]\nkind = 'linear'\n")),
                          "--set", "optimizer.batch=inf"});
  CHECK(batch.status == 2);
  CHECK(holds(batch.err, "schedule.batch: optimizer.batch is inf"));
}

TEST_CASE("the figure") {
  const Folder folder;
  const std::string path = folder.file("x.toml", small_schedule(few));
  CHECK(run({"schedule", path, "-o", folder / "x.svg", "--quiet"}).status == 0);
  const std::string svg = contents(folder / "x.svg");
  CHECK(holds(svg, "<svg"));
  for (const char* word : {"optimum", "linear", "gap to the optimum", "learning rate"}) CHECK(holds(svg, word));
}

TEST_CASE("where there is no shape none is printed, and bad input is one line") {
  const Folder folder;
  const auto full = run({"schedule", folder.file("full.toml", small_schedule(few)), "--set", "optimizer.batch=inf"});
  CHECK(full.status == 0);
  CHECK(holds(full.out, "the schedule is not identifiable: batch = inf"));
  const auto refused = [&](const std::string& more, const std::string& part) {
    const auto said = run({"schedule", folder.file("bad.toml", small_schedule(more))});
    CHECK(said.status == 2);
    CHECK(holds(said.err, part));
    CHECK(std::count(said.err.begin(), said.err.end(), '\n') == 1);
  };
  refused("[schedule_search]\nfamilies = ['linera']\n", "schedule_search.families: 'linera' is not one of");
  refused("[schedule_search]\nobservable = 'average_excess_mse'\n", "is not one of excess_mse");
  refused("[schedule_search]\nstarts = 0\n", "schedule_search.starts: must be >= 1");
  refused("[rate]\nkind = 'polyak'\n", "the rule of [rate] sets the rate");
  std::string ruled = small_schedule("[rate]\nkind = 'polyak'\n");
  ruled.erase(ruled.find("learning_rate = 1.0"), 19);
  CHECK(holds(run({"schedule", folder.file("ruled.toml", ruled)}).err, "leave [rate] out to look for the best ones"));
  const auto map = run({"schedule", folder.file("map.toml", "model = 'quadratic-map'\n[time]\nsteps = 10\n")});
  CHECK(map.status == 2);
}

TEST_CASE("shapes are scored by the median over seeds at the best base rate") {
  const Folder folder;
  const std::string search =
      "[schedule_search]\nfamilies = ['linear', 'cooldown-linear']\nwarmups = [0.0, 0.2]\nscore = "
      "'simulated'\nreplicas = "
      "5\nscored_shapes = 2\nscored_bases = 3\n";
  const std::string path = folder.file("x.toml", small_schedule(search));
  const auto json = nlohmann::json::parse(run({"schedule", path, "--format", "json", "--quiet"}).out);
  const auto& scores = json["scores"];
  REQUIRE(scores.size() == 4);
  double before = 0;
  for (const auto& one : scores) {
    CHECK(one["score"].get<double>() >= before);
    before = one["score"].get<double>();
    REQUIRE(one["bases"].size() == 3);
    double least = 1e300;
    for (const auto& base : one["bases"]) least = std::min(least, base["median"].get<double>());
    CHECK(one["score"].get<double>() == least);
    CHECK(one["bases"][1]["base"].get<double>() == one["theory_base"].get<double>());
    CHECK(one["bases"][2]["base"].get<double>() == Approx(3 * one["theory_base"].get<double>()));
  }
  // One of them by hand: the schedule at its base, five seeds, their median.
  const auto& one = scores[0]["family"] == "linear"   ? scores[0]
                    : scores[1]["family"] == "linear" ? scores[1]
                                                      : scores[2];
  REQUIRE(one["family"] == "linear");
  std::string rates = "[schedule]\nkind = 'linear'\n";
  if (one["warmup"].get<double>() > 0) rates += "warmup = 0.2\n";
  std::string text = small_schedule(rates + "[monte_carlo]\nreplicas = 5\n");
  const std::string given = "learning_rate = 1.0";
  text.replace(text.find(given), given.size(), "learning_rate = " + one["bases"][0]["base"].dump());
  const auto simulated = run({"simulate", folder.file("y.toml", text), "--format", "csv", "--quiet"});
  REQUIRE(simulated.status == 0);
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(simulated.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream cells(line);
    rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, ',');) rows.back().push_back(cell);
  }
  const auto column = std::ranges::find(rows.front(), "excess_mse_q50") - rows.front().begin();
  REQUIRE(column < static_cast<std::ptrdiff_t>(rows.back().size()));
  CHECK(std::stod(rows.back()[static_cast<std::size_t>(column)]) ==
        Approx(one["bases"][0]["median"].get<double>()).epsilon(1e-12));
  const auto printed = run({"schedule", path, "-o", folder / "f.svg"});
  CHECK(printed.status == 0);
  CHECK(holds(printed.out, "scores: median of 5 seeds at the best base rate"));
  CHECK(holds(contents(folder / "f.svg"), "share of shapes"));
  for (const auto& [keys, said] : std::vector<std::pair<std::string, std::string>>{
           {"score = 'simulated'\n", "schedule_search.replicas: must be 1 or more"},
           {"scored_bases = 3\n", "schedule_search.scored_bases: is read where score = simulated"}}) {
    const auto refused = run({"schedule", folder.file("z.toml", small_schedule("[schedule_search]\n" + keys))});
    CHECK(refused.status == 2);
    CHECK(refused.one_line());
    const std::string expected = said;
    CHECK(refused.says(expected));
  }
}

TEST_CASE("of one replica no error is known; without a cap no share of steps is at it") {
  const Folder folder;
  const std::string path = folder.file("x.toml", small_schedule(few + "replicas = 1\n"));
  const auto text = run({"schedule", path, "--quiet"}).out;
  const auto json = nlohmann::json::parse(run({"schedule", path, "--format", "json", "--quiet"}).out);
  CHECK(json["simulated"][0]["z"] == 0.0);
  CHECK(json["simulated"][0]["replicas"] == 1);
  CHECK(
      holds(text, fmt::format("\n  optimum   simulated {0:.6g} (one replica: its error is not known), median {0:.6g}\n",
                              json["simulated"][0]["mean"].get<double>())));
  CHECK_FALSE(holds(text, "at max_rate"));
  CHECK(json["optimum"]["at_max_rate"] == 0.0);
}

TEST_CASE("every number of the search follows from the rates and losses that it tells, and stands in the table") {
  const Folder folder;
  const std::string search =
      "[schedule_search]\nfamilies = ['linear', 'stick-breaking-linear']\nshapes = 20\nreplicas = 60\nmax_rate = "
      "0.12\n";
  const std::string path = folder.file("x.toml", small_schedule(search));
  const auto json = nlohmann::json::parse(run({"schedule", path, "--format", "json", "--quiet"}).out);
  const std::string text = run({"schedule", path, "--format", "txt", "--quiet"}).out;
  const auto number = [](const nlohmann::json& of, const char* name) { return of.at(name).get<double>(); };
  const auto shape_is_right = [&](const nlohmann::json& of) {
    const auto rates = of["rates"].get<std::vector<double>>();
    const auto peak = std::ranges::max_element(rates);
    CHECK(number(of, "peak") == *peak);
    CHECK(of["peak_step"] == peak - rates.begin());
    CHECK(number(of, "first") == rates.front());
    CHECK(number(of, "last") == rates.back());
    return fmt::format("  {:>9.5g} {:<8}  {:>9.5g}  {:>9.5g}", *peak, peak - rates.begin(), rates.front(),
                       rates.back());
  };
  CHECK(json["title"] == "small");
  CHECK(json["model"] == "least-squares");
  CHECK(json["observable"] == "excess_mse");
  CHECK(json["steps"] == 40);
  const auto& optimum = json["optimum"];
  const double least = number(optimum, "loss");
  CHECK(holds(text, fmt::format("\n  {:<21}  {:>19.13g}  {:>8}  {:>8}  {:>9}{}\n", "optimum", least, "0%", "", "",
                                shape_is_right(optimum))));
  CHECK(optimum["identifiable"] == true);
  REQUIRE(optimum["searches"].size() == 3);
  for (const auto& one : optimum["searches"]) {
    CHECK(number(one, "loss") >= least * (1 - 1e-12));
    CHECK(holds(text, fmt::format("\n    from {}: {:.13g}, {} passes\n", one["start"].get<std::string>(),
                                  number(one, "loss"), one["passes"].get<int>())));
  }
  CHECK(holds(text, fmt::format("\n  at max_rate: {:.4g} of the optimum's steps\n", number(optimum, "at_max_rate"))));
  REQUIRE(json["families"].size() == 2);
  for (const auto& one : json["families"]) {
    CAPTURE(one["family"].get<std::string>());
    CHECK(one["diverges"] == false);
    CHECK(number(one, "gap") == Approx(number(one, "loss") / least - 1).epsilon(1e-9));
    // The best of what was tried is the family's, and the rest comes in order.
    const auto scores = one["scores"].get<std::vector<double>>();
    CHECK(scores.front() == number(one, "loss"));
    CHECK(std::ranges::is_sorted(scores));
    CHECK(one["shapes"] == scores.size());
    CHECK(one["best"].size() == std::min<std::size_t>(10, scores.size()));
    for (std::size_t i = 0; i < one["best"].size(); ++i) CHECK(number(one["best"][i], "loss") == scores[i]);
    CHECK(number(one["best"][0], "base") == number(one, "base"));
    CHECK(number(one["best"][0], "warmup") == number(one, "warmup"));
    CHECK(number(one["nearest"], "distance") < 1);
    std::string restarts;
    if (one.contains("restarts")) {
      const auto [low, high] = std::ranges::minmax(one["restarts"].get<std::vector<double>>());
      CHECK(number(one, "restarts_spread") == Approx(low == high ? 0 : high / low - 1).scale(1));
      CHECK(low == number(one, "loss"));
      const double spread = number(one, "restarts_spread");
      restarts = fmt::format("+{:.3g}%", spread < 1e-12 ? 0 : 100 * spread);
      CHECK(number(one, "left_in_one_parameter") >= 0);
      CHECK(number(one, "left_in_one_parameter") < 1);
    }
    CHECK(holds(text, fmt::format("\n  {:<21}  {:>19.13g}  {:>8}  {:>8}  {:>9}{}", one["family"].get<std::string>(),
                                  number(one, "loss"), fmt::format("{:.3g}%", 100 * number(one, "gap")), restarts,
                                  fmt::format("{:.5g}", number(one, "base")), shape_is_right(one))));
    // The schedule that is told is that of the rates.
    const auto solved = nlohmann::json::parse(
        run({"solve", folder.file("y.toml", small_schedule(one["schedule"].get<std::string>())), "--format", "json",
             "--quiet", "--set", fmt::format("optimizer.learning_rate={:.17g}", number(one, "base"))})
            .out);
    CHECK(solved["columns"]["excess_mse"].back().get<double>() == Approx(number(one, "loss")).epsilon(1e-9));
  }
  // Linear decay has no parameters but its warm-up; others are told in their order, of every shape that was tried.
  for (const auto& one : json["families"]) {
    const bool sticks = one["family"] == "stick-breaking-linear";
    CHECK(one.contains("parameters") == sticks);
    std::string parameters;
    if (sticks) {
      REQUIRE(one["best"][1]["parameters"].size() == one["parameters"].size());
      CHECK(one["best"][0]["parameters"] == one["parameters"]);
      std::size_t found = text.find("  stick-breaking-linear ");
      const std::string line = text.substr(found, text.find('\n', found) - found);
      for (const auto& [key, value] : one["parameters"].items())
        CHECK(holds(line, fmt::format("{} = {:.4g}, ", key, value.get<double>())));
      CHECK(line.ends_with(fmt::format(", warmup = {:.4g}", number(one, "warmup"))));
    } else {
      CHECK(holds(text, fmt::format("  warmup = {:.4g}\n", number(one, "warmup"))));
    }
  }
  CHECK(holds(text, fmt::format("\n  {}\n", optimum["statement"].get<std::string>())));
  CHECK(
      holds(text, fmt::format("\n  excess_mse after 40 steps, optimum by {}\n", optimum["method"].get<std::string>())));
  CHECK(number(optimum, "spread") < 1e-6);
  const double greedy = number(json, "greedy");
  CHECK(greedy >= least);
  CHECK(holds(text, fmt::format("\n  {:<21}  {:>19.13g}  {:>8}  ", "greedy", greedy,
                                fmt::format("{:.3g}%", greedy / least - 1 < 1e-12 ? 0 : 100 * (greedy / least - 1)))));
  CHECK(json["predictions"].size() > 3);
  for (const auto& [name, value] : json["predictions"].items())
    CHECK(holds(text, fmt::format("\n  {} = {:.7g}: ", name, value.get<double>())));
  CHECK(json["warnings"].is_array());
  // The optimum's table: every rate, and the loss before its step.
  const std::string csv = run({"schedule", path, "--format", "csv", "--quiet"}).out;
  std::istringstream lines(csv.substr(csv.find("\nstep,rate,h,excess_mse\n") + 24));
  const auto solved = nlohmann::json::parse(
      run({"solve",
           folder.file("t.toml",
                       small_schedule("[schedule]\nkind = 'table'\nvalues = " + optimum["rates"].dump() + "\n")),
           "--format", "json", "--quiet"})
          .out)["columns"];
  std::size_t k = 0;
  for (std::string line; std::getline(lines, line); ++k) {
    std::istringstream cells(line);
    std::string step, rate, injected, loss;
    std::getline(cells, step, ',');
    std::getline(cells, rate, ',');
    std::getline(cells, injected, ',');
    std::getline(cells, loss, ',');
    CHECK(std::stoul(step) == k);
    CHECK(std::stod(rate) == optimum["rates"][k].get<double>());
    CHECK(std::stod(injected) > 0);
    CHECK(std::stod(loss) == Approx(solved["excess_mse"][k].get<double>()).epsilon(1e-9));
  }
  CHECK(k == 40);
  REQUIRE(json["simulated"].size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& row = json["simulated"][i];
    const auto& of = i == 0 ? optimum : json["families"][i - 1];
    const std::string name = row["family"];
    CHECK(name == (i == 0 ? "optimum" : of["family"].get<std::string>()));
    const double z = (number(row, "mean") - number(of, "loss")) / number(row, "sem");
    CHECK(number(row, "z") == Approx(z).epsilon(1e-9));
    CHECK(row["replicas"] == 60);
    CHECK(row["diverged"] == 0);
    CHECK(holds(text, fmt::format("\n  {:<21}  simulated {:.6g} +- {:.2g} (60 replicas, {:+.1f} standard errors off), "
                                  "median {:.6g}\n",
                                  name, number(row, "mean"), number(row, "sem"), z, number(row, "median"))));
  }
}
