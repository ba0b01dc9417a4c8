#include "validation/sweeps/sweep.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/schedule_search/report.hpp"
#include "tests/approx.hpp"
#include "tests/validation/sweeps/sweep_support.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/verdicts/extrapolation.hpp"
#include "validation/verdicts/verdict.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using namespace edgewise::validation::testing;

namespace {

double solved_risk(const settings::Table& experiment) {
  const models::Experiment e = models::read_experiment(experiment);
  return models::find(e).prepare(e)->solve().find("risk")->value.back();
}

}  // namespace

TEST_CASE("the reason of a failed cell holds no words of a library") {
  const Sweep sweep = sweep_of(R"toml([sweep]
do = "stability"
[[axis]]
key = "optimizer.learning_rate"
name = "eta"
values = [0.01, 1e300]
[[measure]]
name = "threshold"
kind = "finding"
finding = "eta_max"
[experiment]
model = "least-squares"
[experiment.spectrum]
kind = "list"
eigenvalues = [1.0, 0.1]
[experiment.time]
steps = 300
)toml");
  CHECK(sweep.compute(0).state == CellState::finished);
  const CellResult failed = sweep.compute(1);
  CHECK(failed.state == CellState::failed);
  CHECK(holds(failed.failure, "learning_rate: must be at most"));
  CHECK_FALSE(holds(failed.failure, "::"));
}

TEST_CASE("a cell is what solving its experiments gives") {
  const Sweep sweep = sweep_of(small_sweep);
  REQUIRE(sweep.table().measures.size() == 3);
  CHECK(sweep.table().measures[0].name == "risk_one");
  CHECK(sweep.table().measures[2].name == "gain");
  for (std::size_t cell : {10U, 17U, 29U}) {
    const CellResult result = sweep.compute(cell);
    CHECK(result.state == CellState::finished);
    CHECK(result.failure.empty());
    const double one = solved_risk(sweep.experiment(cell, 0)), four = solved_risk(sweep.experiment(cell, 1));
    CHECK(result.measures[0] == one);
    CHECK(result.measures[1] == four);
    CHECK(result.measures[2] == one / four);
    CHECK(result.label == (one / four > 1.05 ? "helps" : "same"));
    CHECK(sweep.label(cell, result.measures) == result.label);
    CHECK(result.seconds > 0);
  }
}

TEST_CASE("a cell that cannot be computed fails with its reason, one that diverges does not") {
  const Sweep sweep = sweep_of(small_sweep);
  const CellResult failed = sweep.compute(3);
  CHECK(failed.state == CellState::failed);
  CHECK(holds(failed.failure, "variant one: "));
  CHECK(holds(failed.failure, "noise.variance: must be >= 0 and <= 1e+300, got -0.5"));
  CHECK(failed.failure.find('\n') == std::string::npos);
  REQUIRE(failed.measures.size() == 3);
  CHECK(std::isnan(failed.measures[0]));
  CHECK(failed.label.empty());
  const Sweep wild = sweep_of(small_sweep, {"axis.eta.from=50", "axis.eta.to=100", "time.points=30"});
  const CellResult diverged = wild.compute(29);
  CHECK(diverged.state == CellState::finished);
}

TEST_CASE("a derived value that is no number fails the cell") {
  const Sweep sweep = sweep_of(replaced(small_sweep, "round(20 + 100 * abs(noise))", "round(20 + sqrt(noise))"));
  const CellResult failed = sweep.compute(0);
  CHECK(failed.state == CellState::failed);
  CHECK(holds(failed.failure, "time.steps"));
  CHECK(holds(failed.failure, "gives nan"));
}

TEST_CASE("what is wrong everywhere is told before anything is computed") {
  sweep_of(small_sweep).check();
  const auto message = [](const std::vector<std::string>& overrides, const std::string& text = small_sweep) {
    return error_of([&] { sweep_of(text, overrides).check(); });
  };
  CHECK(holds(message({"optimizer.btch=2"}), "optimizer.btch: unknown key, did you mean 'batch'"));
  CHECK(holds(message({}, replaced(small_sweep, "optimizer.batch=4", "optimizer.batch=0")), "variant four: "));
  CHECK(holds(message({"model=least-sqares"}), "did you mean 'least-squares'"));
}

TEST_CASE("an observable that there is not is told before anything is computed") {
  const auto message = [](const std::vector<std::string>& overrides, const std::string& text = small_sweep) {
    return error_of([&] { sweep_of(text, overrides).check(); });
  };
  for (const char* task : {"solve", "validate", "simulate"}) {
    CAPTURE(task);
    const std::string said =
        message({"measure.risk.observable=rsik", std::string("sweep.do=") + task, "monte_carlo.replicas=1000000000"});
    CHECK(holds(said, "variant one: small.toml: measure"));
    CHECK(holds(said, std::string(task) == "simulate" ? "the simulation has no observable 'rsik', did you mean 'risk'"
                                                      : "the theory has no observable 'rsik', did you mean 'risk'"));
  }
  CHECK(holds(message({"measure.risk.observable=rsik", "sweep.do=validate", "measure.risk.source=simulation"}),
              "the simulation has no observable 'rsik'"));
  // Columns that the model does not list are found by solving a cell; a slip in their names, too.
  sweep_of(small_sweep, {"measure.risk.observable=excess_mse_bias", "theory.decomposition=true"}).check();
  CHECK(holds(message({"measure.risk.observable=excess_mse_bais", "theory.decomposition=true"}),
              "did you mean 'excess_mse_bias'"));
  CHECK(holds(message({"measure.risk.observable=excess_mse_bias"}), "has no observable 'excess_mse_bias'"));
  // A measure of one variant only.
  const std::string of_one =
      replaced(replaced(small_sweep, "observable = \"risk\"", "observable = \"risc\"\nvariant = \"four\""),
               "value = \"risk_one / risk_four\"", "value = \"risk\"");
  CHECK(holds(message({}, of_one), "variant four: small.toml: measure[0].observable: "));
}

TEST_CASE("cells that are validated at several dimensions") {
  // The gap of the limit d -> infinity (level homog) at K = 1 falls as 1/d.
  const std::string text = R"(title = "Limit"
[sweep]
do = "validate"
[[axis]]
key = "noise.variance"
name = "noise"
values = [0.0, 0.25]
[[measure]]
name = "verdict"
kind = "verdict"
[[measure]]
name = "risk"
observable = "risk"
source = "simulation"
[experiment]
model = "least-squares"
[experiment.spectrum]
kind = "isotropic"
dimension = 16
[experiment.optimizer]
gamma = 1.0
[experiment.time]
steps = 32
points = 4
[experiment.theory]
method = "ode"
level = "homog"
[experiment.monte_carlo]
replicas = 400
[experiment.verdict]
dimensions = [16, 32, 64]
resolution = 0.5
[experiment.verdict.scaling]
time.steps = 1
)";
  const Sweep sweep = sweep_of(text);
  sweep.check();
  for (const std::size_t cell : {0, 1}) {
    const CellResult result = sweep.compute(cell);
    CAPTURE(result.failure);
    REQUIRE(result.state == CellState::finished);
    CHECK(result.measures[0] == 0);
    CHECK(result.measures[4] > 0);
    // The same as the program does without a sweep.
    const auto experiment = models::read_experiment(sweep.experiment(cell, 0));
    const auto asked = read_extrapolation(experiment.table);
    REQUIRE(asked);
    std::vector<Level> levels;
    for (const auto& e : at_dimensions(experiment, *asked)) {
      const auto problem = models::find(e).prepare(e);
      levels.push_back({asked->dimensions[levels.size()], problem->reference(), run(*problem->simulate(), e, {})});
    }
    const Extrapolation direct =
        extrapolate(levels, read_verdict_options(experiment.table), asked->exponents, experiment.monte_carlo.seed);
    CHECK(direct.verdict.max_z == result.measures[1]);
  }
  // What is wrong with the dimensions fails the cells with a line that says so.
  const CellResult few = sweep_of(text, {"verdict.dimensions=[16, 32]"}).compute(0);
  CHECK(few.state == CellState::failed);
  CHECK(holds(few.failure, "verdict.dimensions"));
}

TEST_CASE("every task of a sweep") {
  const std::string text = replaced(small_sweep, "[experiment]", R"([[measure]]
name = "p"
kind = "verdict"
what = "p_value"
[experiment]
monte_carlo.replicas = 50)");
  SUBCASE("simulate") {
    const Sweep sweep = sweep_of(small_sweep, {"sweep.do=simulate", "monte_carlo.replicas=20"});
    const CellResult a = sweep.compute(11), b = sweep.compute(11);
    CHECK(a.state == CellState::finished);
    CHECK(a.measures == b.measures);
    CHECK(a.measures[0] > 0);
    const std::atomic<bool> stop{true};
    CHECK(sweep.compute(11, &stop).state == CellState::pending);
  }
  SUBCASE("stability") {
    const std::string own =
        replaced(replaced(small_sweep, "observable = \"risk\"", "kind = \"finding\"\nfinding = \"kernel_norm\""),
                 "do = \"solve\"", "do = \"stability\"");
    const CellResult cell = sweep_of(own).compute(11);
    CAPTURE(cell.failure);
    CHECK(cell.state == CellState::finished);
    CHECK(cell.measures[0] > 0);
    CHECK(cell.measures[0] > cell.measures[1]);
  }
}

TEST_CASE("the search for the best schedule as a task of a sweep") {
  const std::string text = R"(
[sweep]
do = "schedule"
[experiment]
model = "least-squares"
[experiment.spectrum]
kind = "list"
eigenvalues = [0.7]
multiplicities = [50]
[experiment.noise]
variance = 0.3
[experiment.optimizer]
learning_rate = 0.1
batch = 2
[experiment.initial]
error_power = [1]
[experiment.schedule_search]
families = ["constant", "polynomial"]
[[axis]]
key = "time.steps"
values = [100, 200]
[[measure]]
name = "best"
kind = "finding"
finding = "optimum"
[[measure]]
name = "polynomial"
kind = "finding"
finding = "polynomial"
[[measure]]
name = "one"
kind = "finding"
finding = "polynomial 1"
[[measure]]
name = "known"
kind = "finding"
finding = "identifiable"
[experiment.monte_carlo]
replicas = 2
)";
  const ScheduleTask search{models::ingredients::searched_findings, models::ingredients::searched_finding_names};
  const auto of = [&](const std::string& definition) {
    return Sweep(read_sweep_file(settings::read_text(definition, "small.toml")), search);
  };
  CHECK(holds(error_of([&] { sweep_of(text); }), "sweep.do: schedule is not offered here"));
  const Sweep sweep = of(text);
  sweep.check();
  const CellResult cell = sweep.compute(1);
  CAPTURE(cell.failure);
  REQUIRE(cell.state == CellState::finished);
  CHECK(cell.measures[0] == edgewise::tests::Approx(5.210447409094e-02).epsilon(1e-12));  // section 3.4
  CHECK(cell.measures[1] > cell.measures[0]);
  CHECK(cell.measures[2] >= cell.measures[1]);
  CHECK(cell.measures[3] == 1);
  // w = 1/P, w <- w + w/((c - 1) + n w), c = 1 + (d + 1)/B, n = d sigma^2/B.
  double w = 1 / 0.7;
  for (int k = 0; k < 100; ++k) w += w / (51.0 / 2 + 50 * 0.3 / 2 * w);
  CHECK(sweep.compute(0).measures[0] == edgewise::tests::Approx(1 / w).epsilon(1e-12));
  const std::atomic<bool> stop{true};
  CHECK(sweep.compute(0, &stop).state == CellState::pending);
  const std::atomic<bool> going{false};
  CHECK(sweep.compute(0, &going).state == CellState::finished);
  const Sweep slip = of(replaced(text, "finding = \"polynomial 1\"", "finding = \"polynomial 7\""));
  CHECK(holds(error_of([&] { slip.check(); }), "measure[2].finding: 'polynomial 7' is not among what the cells give"));
  const Sweep none = of(replaced(text, "model = \"least-squares\"", "model = \"quadratic-map\""));
  CHECK(none.compute(0).state == CellState::failed);
}

TEST_CASE("a cell that diverges keeps no early value, and no label that goes by one") {
  const std::string text = R"toml(
sweep.do = "solve"
axis = [{key = "optimizer.learning_rate", name = "eta", values = [0.005, 0.05]}]
measure = [
  {name = "final", observable = "excess_mse"}, {name = "exponent", kind = "slope", observable = "excess_mse"}]
label = [{name = "learns", when = "final < 1.5"}, {name = "fails"}]
[experiment]
model = "least-squares"
spectrum = {kind = "isotropic", dimension = 100}
optimizer.batch = 1
time.at = [50, 500, 5000]
)toml";
  const Sweep sweep = sweep_of(text);
  // eta_max = 2/(d + 2): the second rate grows by 1.15 a step, and ends after some 1600.
  const CellResult learns = sweep.compute(0), fails = sweep.compute(1);
  CHECK(learns.label == "learns");
  CHECK(learns.measures[0] < 1e-9);
  CHECK(fails.state == CellState::finished);
  CHECK(fails.measures[0] == INFINITY);
  CHECK(std::isnan(fails.measures[1]));
  CHECK(fails.label == "fails");
}

TEST_CASE("a slip in the name of a finding, and a near miss of a report, are told before anything is computed") {
  const auto with = [](const std::string& measure) {
    return replaced(small_sweep, "[[measure]]\nname = \"risk\"",
                    "[[measure]]\nname = \"x\"\n" + measure + "\n[[measure]]\nname = \"risk\"");
  };
  const auto complaint = [&](const std::string& measure) {
    const Sweep sweep = sweep_of(with(measure));
    return error_of([&] { sweep.check(); });
  };
  CHECK(complaint("kind = \"finding\"\nfinding = \"kernel_norm\"").empty());
  const std::string slip = complaint("kind = \"finding\"\nfinding = \"kernel_nrom\"");
  CAPTURE(slip);
  CHECK(holds(slip, "measure[0].finding: 'kernel_nrom' is not among what the cells give, did you mean 'kernel_norm'?"));
  CHECK(holds(slip, "eta_max"));
  CHECK(holds(complaint("kind = \"report\"\nreport = \"iterated_step\""), "did you mean 'iterated_steps'?"));
  // What a solver reports depends on the cell: a name that is like none is taken at its word.
  CHECK(complaint("kind = \"report\"\nreport = \"anything_else\"").empty());
}

TEST_CASE("a cell's values as they are set: whole numbers, numbers too large for that, yes and no, words") {
  const Sweep sweep = sweep_of(R"toml(
sweep.do = "solve"
axis = [
  {key = "a.x", values = [-3.0, 0.5, 9007199254740992.0, 9007199254740994.0]},
  {key = "a.flag", values = ["true", "false", "maybe"]}]
derived = [{key = "b.half", value = "x/2"}, {key = "b.whole", value = "2*x"}]
measure = [{name = "end"}]
experiment.model = "x"
)toml");
  REQUIRE(sweep.cells() == 12);
  const std::vector<settings::Value> x{std::int64_t{-3}, 0.5, std::int64_t{9007199254740992}, 9007199254740994.0};
  const std::vector<settings::Value> half{-1.5, 0.25, std::int64_t{4503599627370496}, std::int64_t{4503599627370497}};
  const std::vector<settings::Value> whole{std::int64_t{-6}, std::int64_t{1}, 18014398509481984.0, 18014398509481988.0};
  const std::vector<settings::Value> flag{true, false, std::string("maybe")};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      const settings::Table e = sweep.experiment(3 * i + j, 0);
      CHECK(*e.table("a")->find("x") == x[i]);
      CHECK(*e.table("a")->find("flag") == flag[j]);
      CHECK(*e.table("b")->find("half") == half[i]);
      CHECK(*e.table("b")->find("whole") == whole[i]);
      CHECK(sweep.table().place(3 * i + j) == std::vector<std::size_t>{i, j});
    }
}

TEST_CASE(
    "labels: the first whose formula is true, none where it is no number or nothing holds; formulas know all names") {
  const std::string text = R"toml(
sweep.do = "solve"
axis = [{key = "a.x", values = [1, 2]}]
derived = [{name = "d", value = "10*x + cell"}]
measure = [{name = "m"}]
label = [{name = "unknown", when = "sqrt(m)"}, {name = "far", when = "d > 20"}, {name = "near", when = "x < 2"}]
experiment.model = "x"
)toml";
  const Sweep sweep = sweep_of(text);
  const auto label = [&](std::size_t cell, double m) { return sweep.label(cell, std::vector<double>{m}); };
  CHECK(label(0, 4) == "unknown");
  CHECK(label(0, 0) == "near");
  CHECK(label(0, -1) == "near");
  CHECK(label(1, -1) == "far");
  const Sweep none = sweep_of(replaced(text, "d > 20", "d > 21"));
  CHECK(none.label(1, std::vector<double>{0}).empty());
  CHECK(none.label(1, std::vector<double>{NAN}).empty());
}

TEST_CASE("names of measures stand for nothing else, in letters of either size; panels show what there is") {
  const auto said = [](const std::string& name, const std::string& panels = "") {
    return error_of([&] {
      sweep_of("[sweep]\n" + panels +
               "[[axis]]\nkey = \"a.x\"\nvalues = [1]\n[[axis]]\nkey = \"a.kind\"\nvalues = [\"u\"]\n" +
               "[[derived]]\nname = \"d\"\nvalue = \"x\"\n[[measure]]\nname = \"" + name +
               "\"\n[[measure]]\nname = \"other\"\n" + "[experiment]\nmodel = \"x\"\n");
    });
  };
  CHECK(said("m").empty());
  for (const char* name : {"X", "Kind", "D", "Other", "Version", "cell"}) {
    CAPTURE(name);
    CHECK(holds(said(name), "measure: '"));
    CHECK(holds(said(name), "' stands for something else already; rename it"));
  }
  CHECK(said("m", "panels = [\"m\", \"m,other\"]\n").empty());
  CHECK(holds(said("m", "panels = [\"m,label\"]\n"), "sweep.panels: there is no measure 'label'; known: m, other"));
  CHECK(shown_in("a,bc,d") == std::vector<std::string>{"a", "bc", "d"});
  CHECK(shown_in("a") == std::vector<std::string>{"a"});
  CHECK(shown_in("a,") == std::vector<std::string>{"a", ""});
}

TEST_CASE("what a table says of where it comes from") {
  const Sweep plain = sweep_of(small_sweep), changed = sweep_of(small_sweep, {"axis.eta.count=3", "time.points=9"});
  REQUIRE(plain.table().provenance.size() == 2);
  CHECK(plain.table().provenance[0] == std::pair<std::string, std::string>("file", "small.toml"));
  CHECK(plain.table().provenance[1].first == "sweep");
  CHECK(plain.table().provenance[1].second == plain.plan().text());
  REQUIRE(changed.table().provenance.size() == 3);
  CHECK(changed.table().provenance[1] ==
        std::pair<std::string, std::string>("overrides", "--set axis.eta.count=3\n--set time.points=9"));
}

TEST_CASE("zero has no sign in a cell, and a variant's error its name") {
  const std::string text = R"toml(
sweep.do = "solve"
axis = [{key = "noise.variance", name = "v", values = [0.0, 0.1]}]
measure = [{name = "zero", kind = "value", value = "-v"}, {name = "after", kind = "value", value = "2 + zero"}]
[experiment]
model = "least-squares"
spectrum = {kind = "isotropic", dimension = 5}
optimizer.learning_rate = 0.1
time.steps = 3
)toml";
  const CellResult cell = sweep_of(text).compute(0);
  CHECK(cell.measures[0] == 0);
  CHECK_FALSE(std::signbit(cell.measures[0]));
  CHECK(cell.label.empty());
  CHECK(sweep_of(text).compute(1).measures == std::vector<double>{-0.1, 1.9});
  const CellResult failed = sweep_of(text, {"optimizer.batch=0"}).compute(0);
  CHECK(failed.failure.starts_with("small.toml: experiment.optimizer.batch: "));
}

TEST_CASE(
    "a validated cell is the verdict of its own theory and simulation, with findings where a measure asks for them") {
  const std::string text = R"toml(
sweep.do = "validate"
axis = [{key = "noise.variance", name = "v", values = [0.1, 0.4]}]
measure = [
  {name = "verdict", kind = "verdict"}, {name = "simulated", observable = "risk", source = "simulation"},
  {name = "solved", observable = "risk"}, {name = "norm", kind = "finding", finding = "kernel_norm"}]
[experiment]
model = "least-squares"
spectrum = {kind = "isotropic", dimension = 6}
optimizer.learning_rate = 0.05
time = {steps = 20, points = 4}
monte_carlo = {replicas = 60, seed = 9}
verdict.resolution = 0.9
)toml";
  const Sweep sweep = sweep_of(text);
  sweep.check();
  const CellResult cell = sweep.compute(1);
  CAPTURE(cell.failure);
  REQUIRE(cell.state == CellState::finished);
  const models::Experiment e = models::read_experiment(sweep.experiment(1, 0));
  const auto problem = models::find(e).prepare(e);
  const Sample sample = run(*problem->simulate(), e, {.threads = 1});
  VerdictOptions options;
  options.resolution = 0.9;
  const Verdict direct = judge(problem->reference(), sample, options, 9);
  CHECK(cell.measures[0] == static_cast<double>(direct.outcome));
  CHECK(cell.measures[1] == direct.max_z);
  CHECK(cell.measures[2] == direct.p_value);
  CHECK(cell.measures[3] == direct.largest_gap);
  const auto risk =
      std::ranges::find(sample.observables, "risk", &models::Observable::name) - sample.observables.begin();
  CHECK(cell.measures[4] == sample.mean[(static_cast<std::size_t>(risk) + 1) * sample.steps.size() - 1]);
  CHECK(cell.measures[5] == problem->reference().find("risk")->value.back());
  CHECK(cell.measures[6] > 0);
  CHECK(direct.max_z > 0);
  std::atomic<bool> stop{true};
  CHECK(sweep.compute(1, &stop).state == CellState::pending);
  CHECK(holds(sweep_of(text, {"verdict.predictions=[\"end\"]"}).compute(1).failure,
              "verdict.predictions: nothing is predicted"));
}

TEST_CASE("a slip in the name of a prediction, or a near miss of a word, is told before anything is computed") {
  const auto said = [](const std::string& task, const std::string& measure) {
    return error_of([&] {
      sweep_of("[sweep]\ndo = \"" + task +
               "\"\n[[axis]]\nkey = \"data.epsilon\"\nvalues = [0.02]\n[[measure]]\nname = \"x\"\n" + measure + R"toml(
[experiment]
model = "quadratic-map"
initial = {residual = -0.1, minimum_sharpness = 2.15, invariant = 0.0}
optimizer.kind = "gd"
theory.method = "central-flow"
time = {steps = 100, points = 4}
monte_carlo.replicas = 2
)toml")
          .check();
    });
  };
  CHECK(said("validate", "kind = \"prediction\"\nprediction = \"central_loss\"\n").empty());
  CHECK(holds(said("validate", "kind = \"prediction\"\nprediction = \"other\"\n"),
              "measure[0].prediction: 'other' is not among what the cells give; known: central_loss"));
  CHECK(said("solve", "kind = \"word\"\nword = \"elsewhere\"\nequals = \"a\"\n").empty());
}
