// Comparisons of methods on workloads: the file, the scores against their definition, and the store.
#include "validation/comparisons/comparison.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/validation/comparisons/two_workloads.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using validation::ComparedRun;
using validation::MethodComparison;

namespace {

const std::string small = R"(
title = "small"
[compare]
baseline = ["constant", "linear"]
)" + validation::testing::two_workloads +
                          R"([[method]]
name = "fixed"
set = ["schedule.kind=linear"]
key = "optimizer.learning_rate"
values = [0.01, 0.1]
default = false
[[method]]
name = "polyak"
set = ["rate.kind=polyak"]
[[method]]
name = "cocob"
set = ["rate.kind=cocob"]
on_top = ["constant"]
by = "simulation"
)";

validation::ComparisonPlan plan(const std::string& text = small, const std::vector<std::string>& overrides = {}) {
  return validation::read_comparison(settings::read_text(text, "c.toml"), overrides);
}

std::string error_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    validation::compare_methods(plan(text, overrides), {.threads = 1});
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

std::string with(const std::string& from, const std::string& to) {
  std::string out = small;
  const auto at = out.find(from);
  REQUIRE(at != std::string::npos);
  return out.replace(at, from.size(), to);
}

/// The recursion of equal modes at a linear schedule, by hand.
double isotropic(double base, double batch, double (*shape)(double)) {
  double P = 1;
  const double d = 20, T = 40;
  for (int k = 0; k < 40; ++k) {
    const double e = base * shape(k / T);
    P = (1 - e) * (1 - e) * P + e * e / batch * (P + d * (P + 0.5));
  }
  return P;
}
double linear(double x) {
  return 1 - x;
}

}  // namespace

TEST_CASE("comparison: the file becomes experiments") {
  const auto p = plan();
  CHECK(p.title == "small");
  CHECK(p.workloads == std::vector<std::string>{"one", "large"});
  REQUIRE(p.methods.size() == 3);
  REQUIRE(p.methods[0].settings.size() == 2);
  CHECK(p.methods[0].settings[1].name == "learning_rate = 0.1");
  CHECK(p.methods[1].settings.size() == 2);  // the default, and under a cosine
  CHECK(p.methods[1].settings[1].schedule == "cosine");
  CHECK(p.methods[2].simulated);
  CHECK(p.methods[2].settings.size() == 1);
  const auto changed = plan(small, {"compare.limit=3", "title=other", "spectrum.dimension=7"});
  CHECK(changed.limit == 3);
  CHECK(changed.title == "other");
  CHECK(changed.methods[0].settings[0].experiments[0].text().find("dimension = 7") != std::string::npos);
}

TEST_CASE("comparison: what is wrong with a file is one clear line") {
  CHECK(error_of(small).empty());
  CHECK(error_of("title = \"a\"\n[compare]\n") ==
        "c.toml: experiment: is required: what all workloads and methods have "
        "in common");
  CHECK(error_of(with("[[workload]]\nname = \"large\"", "[[workload]]\nname = \"one\""))
            .find("c.toml: workload[1].name: 'one' is there twice") == 0);
  CHECK(error_of(with("values = [0.01, 0.1]\n", "")).find("c.toml: method[0].values: key and values go together") == 0);
  CHECK(error_of(with("default = false\n", "default = false\non_top = [\"cosine\"]\n"))
            .find("c.toml: method[0].on_top: contradicts") == 0);
  for (const std::string key : {"rate", "", ".x", "a..b"})
    CHECK(error_of(with("optimizer.learning_rate", key)) ==
          "c.toml: method[0].key: must have the form section.key, got '" + key + "'");
  CHECK(error_of(with("rate.kind=polyak", "rate.kind=polyka")).find("c.toml: experiment.rate.kind: 'polyka'") == 0);
  CHECK(error_of(with("rate.kind=polyak", "nonsense")).find("c.toml: method.set: ") == 0);
  CHECK(error_of(with("[compare]", "[compares]")).find("c.toml: compares: unknown key, did you mean 'compare'?") == 0);
  CHECK(error_of(small, {"compare.limit=1"}).find("compare.limit: must be > 1") != std::string::npos);
  CHECK(error_of(small, {"compare.rates=[1.0, 0.1]"}) ==
        "c.toml: compare.rates: must be [from, to] with 0 < from < to");
  CHECK(error_of(small, {"compare.baseline=[]"}).find("compare.baseline: ") != std::string::npos);
  CHECK(error_of(small, {"compare.observable=rsik"}) ==
        "c.toml: compare.observable: there is no rsik, did you mean 'risk'?; known: risk, excess_mse, parameter_error "
        "(baseline constant, workload one)");
  CHECK(error_of(small, {"time.steps=0"}).find("time: a comparison needs at least one step") != std::string::npos);
  CHECK(error_of(with("rate.kind=cocob\"]\non_top = [\"constant\"]\nby = \"simulation\"", "rate.kind=cocob\"]"))
            .find("simulation alone") != std::string::npos);
}

TEST_CASE("comparison: what stops before the steps that were asked for has no value there") {
  models::Trajectory t;
  CHECK(validation::stopped_early(t, 5));
  t.steps = {0, 2, 5};
  CHECK_FALSE(validation::stopped_early(t, 5));
  t.valid_until = 2;  // the curve goes on, and is shown
  CHECK_FALSE(validation::stopped_early(t, 9));
  t.valid_until = 6;
  CHECK(validation::stopped_early(t, 9));
  CHECK_FALSE(validation::stopped_early(t, 5));
  t.diverged_at = 6;
  CHECK(validation::stopped_early(t, 5));
}

TEST_CASE("comparison: values, ratios and scores are those of the definition") {
  const auto c = validation::compare_methods(plan(), {.threads = 1});
  REQUIRE(c);
  for (std::size_t w = 0; w < 2; ++w) {
    const double batch = w == 0 ? 2 : 16;
    CHECK(c->runs[0][1][w].value == Approx(isotropic(0.1, batch, linear)).epsilon(1e-12));
    // No rate of a fine grid is better than the tuned one.
    const ComparedRun& tuned = c->baselines[1][w];
    CHECK(tuned.value == Approx(isotropic(tuned.rate, batch, linear)).epsilon(1e-12));
    for (double base = 0.01; base < 1; base *= 1.003)
      CHECK(isotropic(base, batch, linear) >= tuned.value * (1 - 1e-12));
    CHECK(c->baseline(w) == std::min(tuned.value, c->baselines[0][w].value));
    CHECK(c->ratio(0, 1, w) == Approx(c->runs[0][1][w].value / c->baseline(w)));
  }
  CHECK(c->runs[2][0][0].error > 0);
  CHECK(c->trusted(0, 0));

  MethodComparison m{plan(), {{{.value = 2}, {.value = 1}}, {{.value = 1}, {.value = 3}}}, {}};
  m.runs = {{{{.value = 1}, {.value = 4}}, {{.value = 2.5}, {.value = 1.75}}}};
  CHECK(m.baseline(0) == 1);
  CHECK(m.baseline(1) == 1);
  CHECK(m.ratios(0, 0) == std::vector<double>{1, 4});
  CHECK(m.score(m.ratios(0, 0)) == Approx(0.5));
  CHECK(m.score(m.ratios(0, 1)) == Approx((1.5 / 3 + 2.25 / 3) / 2));
  CHECK(m.calibrated(0) == 1);
  CHECK(m.oracle(0) == std::vector<double>{1, 1.75});
  // Of settings that score alike, all of them 0: no divergence, then the smaller ratios.
  const double lost = std::numeric_limits<double>::infinity();
  m.runs = {{{{.value = 50}, {.value = 162}}, {{.value = 179}, {.value = 575}}, {{.value = lost}, {.value = lost}}},
            {{{.value = lost}, {.value = 4}}, {{.value = 1e9}, {.value = 1e9}}},
            {{{.value = lost}, {.value = lost}}, {{.value = lost}, {.value = lost}}}};
  CHECK(m.calibrated(0) == 0);
  CHECK(m.calibrated(1) == 1);
  CHECK(m.calibrated(2) == 0);  // of those that do not differ the first, the default
  CHECK(m.score({0.5, std::numeric_limits<double>::infinity()}) == Approx(0.5));
  // The score is the mean height of the profile between 1 and the limit.
  const std::vector<double> ratios{0.8, 1.3, 2.9, 7};
  double area = 0;
  for (int i = 0; i < 30000; ++i) area += validation::profile(ratios, 1 + 3 * (i + 0.5) / 30000) / 30000;
  CHECK(m.score(ratios) == Approx(area).epsilon(1e-4));
}

TEST_CASE("comparison: a store finds nothing of another program, and nothing of a file that has changed") {
  const temporary::Folder folder;
  const std::string text = with("kind = \"isotropic\"\ndimension = 20", "kind = \"file\"\npath = \"spectrum.csv\"");
  const auto computed = [&](const std::string& version) {
    validation::ComparisonStore store(folder / "c.db");
    std::size_t first = 0, all = 0;
    validation::ComparisonOptions options;
    options.threads = 1;
    options.store = &store;
    options.version = version;
    options.progress = [&](std::size_t done, std::size_t of) {
      first = first == 0 ? done : first;
      all = of;
    };
    const auto file = settings::read_text(text, folder / "c.toml");
    CHECK(validation::compare_methods(validation::read_comparison(file), options));
    return first == 0 ? 0 : all - first + 1;
  };
  folder.file("spectrum.csv", "1,20,0.05\n");
  const std::size_t jobs = computed("1");
  CHECK(jobs == 14);  // of two workloads: two baselines, 2 + 2 + 1 settings
  CHECK(computed("1") == 0);
  CHECK(computed("2") == jobs);
  folder.file("spectrum.csv", "1,20,0.06\n");
  CHECK(computed("2") == jobs);
  CHECK(computed("2") == 0);
}

TEST_CASE("comparison: a store is resumed, and gives the same bits") {
  const auto path = (std::filesystem::temp_directory_path() / "edgewise-comparison-test.db").string();
  const auto remove = [&] {
    for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(path + ending);
  };
  remove();
  std::atomic<bool> stop{false};
  std::size_t first = 0;
  {
    validation::ComparisonStore store(path);
    validation::ComparisonOptions options;
    options.threads = 1;
    options.store = &store;
    options.stop = &stop;
    options.progress = [&](std::size_t done, std::size_t) { stop = done >= 4; };
    CHECK_FALSE(validation::compare_methods(plan(), options));
    stop = false;
    options.progress = [&](std::size_t done, std::size_t) { first = first == 0 ? done : first; };
    const auto resumed = validation::compare_methods(plan(), options);
    REQUIRE(resumed);
    CHECK(first == 5);
    const auto whole = validation::compare_methods(plan(), {.threads = 1});
    for (std::size_t m = 0; m < 3; ++m)
      for (std::size_t s = 0; s < whole->runs[m].size(); ++s)
        for (std::size_t w = 0; w < 2; ++w) {
          CHECK(resumed->runs[m][s][w].value == whole->runs[m][s][w].value);
          CHECK(resumed->runs[m][s][w].trusted == whole->runs[m][s][w].trusted);
        }
    CHECK(resumed->baselines[0][1].rate == whole->baselines[0][1].rate);
  }
  CHECK_NOTHROW(validation::ComparisonStore(path, true));
  CHECK_FALSE(validation::ComparisonStore(path).find("anything"));
  remove();
  std::ofstream(path) << "not a database, but a text that is long enough to be told from one";
  CHECK_THROWS_AS(validation::ComparisonStore{path}, settings::Error);
  remove();
}

TEST_SUITE("threads") {
  TEST_CASE("comparison: the number of threads changes nothing") {
    const auto one = validation::compare_methods(plan(), {.threads = 1});
    const auto three = validation::compare_methods(plan(), {.threads = 3});
    for (std::size_t m = 0; m < 3; ++m)
      for (std::size_t s = 0; s < one->runs[m].size(); ++s)
        for (std::size_t w = 0; w < 2; ++w) CHECK(one->runs[m][s][w].value == three->runs[m][s][w].value);
  }
}

TEST_CASE(
    "comparison: ratios of what diverged, of 0 and of less; the first of equal baselines; what holds for all "
    "workloads") {
  const double lost = std::numeric_limits<double>::infinity();
  MethodComparison m{
      plan(), {{{.value = 2}, {.value = 0}}, {{.value = 2}, {.value = -1}}, {{.value = 3}, {.value = 5}}}, {}};
  m.runs = {{{{.value = 3, .trusted = false}, {.value = 0}},
             {{.value = lost}, {.value = 2}},
             {{.value = std::nan("")}, {.value = -3}},
             {{.value = 0}, {.value = 1}}}};
  CHECK(m.best_baseline(0) == 0);
  CHECK(m.best_baseline(1) == 1);
  CHECK(m.baseline(0) == 2);
  CHECK(m.baseline(1) == -1);
  CHECK(m.ratio(0, 0, 0) == 1.5);
  CHECK(m.ratio(0, 1, 0) == lost);
  CHECK(m.ratio(0, 2, 0) == lost);
  CHECK(m.ratio(0, 3, 0) == 0);
  // Beside a baseline that is not above 0: 1 where the method is not either.
  CHECK(m.ratio(0, 0, 1) == 1);
  CHECK(m.ratio(0, 2, 1) == 1);
  CHECK(m.ratio(0, 3, 1) == -1);
  CHECK(m.oracle(0) == std::vector<double>{0, -2});
  CHECK_FALSE(m.trusted(0, 0));
  CHECK(m.trusted(0, 1));
  m.runs.push_back({{{.value = 1}, {.value = 1, .trusted = false}}});
  CHECK_FALSE(m.trusted(1, 0));
  m.runs[1][0][1].trusted = true;
  CHECK(m.trusted(1, 0));
  m.plan.limit = 3;
  CHECK(m.score({0.2, 1, 2, 2.5, 3, 9}) == Approx((1 + 1 + 0.5 + 0.25) / 6));
  CHECK(validation::profile({0.2, 1, 2, 2.5, 3, 9}, 2) == 0.5);
  CHECK(validation::profile({0.2, 1}, 0.1) == 0);
}

TEST_CASE(
    "comparison: what is simulated is the mean and its error at the last step, of the observable that is compared") {
  const auto p = plan(small, {"compare.observable=excess_mse"});
  const auto c = validation::compare_methods(p, {.threads = 1});
  REQUIRE(c);
  for (std::size_t w = 0; w < 2; ++w) {
    const models::Experiment e = models::read_experiment(p.methods[2].settings[0].experiments[w]);
    const auto simulation = models::find(e).prepare(e)->simulate();
    const validation::Sample sample = validation::run(*simulation, e, {.threads = 1});
    const auto at = std::ranges::find(simulation->observables(), "excess_mse", &models::Observable::name);
    const auto column = static_cast<std::size_t>(at - simulation->observables().begin());
    REQUIRE(column > 0);
    std::vector<double> last;
    for (const double x : sample.values[(column + 1) * sample.steps.size() - 1]) last.push_back(x);
    REQUIRE(last.size() == 4);
    const double mean = (last[0] + last[1] + last[2] + last[3]) / 4;
    double squares = 0;
    for (const double x : last) squares += (x - mean) * (x - mean);
    const ComparedRun& run = c->runs[2][0][w];
    CHECK(run.value == Approx(mean).epsilon(1e-12));
    CHECK(run.error == Approx(std::sqrt(squares / 12)).epsilon(1e-10));
    // Solved ones have no error, and are those of the same observable.
    const models::Experiment solved = models::read_experiment(p.methods[0].settings[0].experiments[w]);
    const models::Trajectory theory = models::find(solved).prepare(solved)->solve();
    CHECK(c->runs[0][0][w].value == theory.find("excess_mse")->value.back());
    CHECK(c->runs[0][0][w].error == 0);
  }
  CHECK(error_of(with("by = \"simulation\"", "by = \"simulation\"\nkey = \"optimizer.batch\"\nvalues = [0]"))
            .find("(method cocob, ") != std::string::npos);
  CHECK(error_of(small, {"compare.rates=[1e3, 1e4]"}) ==
        "c.toml: compare.rates: on workload one every rate of every baseline diverged; give smaller ones");
}
