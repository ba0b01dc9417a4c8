// Experiments with the optimizers of the linear family, as a user writes them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/least_squares/linear_methods/linear_bands.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "models/least_squares/linear_methods/tuning.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::there;

namespace {

models::Experiment experiment_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  settings::Table table = settings::read_text(text, "e.toml");
  for (const std::string& assignment : overrides) settings::override_value(table, assignment);
  return models::read_experiment(std::move(table));
}

std::unique_ptr<models::Problem> prepare(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const models::Experiment experiment = experiment_of(text, overrides);
  return models::find(experiment).prepare(experiment);
}

/// The error of preparing, solving and simulating.
std::string message(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    const auto problem = prepare(text, overrides);
    problem->solve();
    problem->simulate();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string head =
    "model = 'least-squares'\n[time]\nat = [8, 64]\n[spectrum]\nkind = 'power-law'\ndimension = 20\nalpha = 0.7\nbeta "
    "= "
    "0.4\n[noise]\nlaw = 'gaussian'\nvariance = 0.05\n";
const std::string lookahead = head + "[optimizer]\nkind = 'lookahead'\nlearning_rate = 0.1\ninner_steps = 8\n";
const std::string custom =
    head + "[optimizer]\nkind = 'custom'\nstart = [1, 0]\nreadout = [1, 0]\n[[optimizer.phase]]\n";

double last(const models::Trajectory& trajectory, const char* column) {
  return trajectory.find(column)->value.back();
}

}  // namespace

TEST_CASE("every optimizer is an experiment away") {
  for (const models::least_squares::LinearMethod& method : models::least_squares::linear_methods()) {
    const std::string& name = method.description.name;
    CAPTURE(name);
    if (name == "custom") continue;
    const auto problem = prepare(head + "[optimizer]\nkind = '" + name + "'\nlearning_rate = 0.01\n");
    const models::Trajectory theory = problem->solve();
    CHECK(theory.exact);
    CHECK(theory.steps == std::vector<double>{0, 8, 64});
    CHECK(last(theory, "excess_mse") < theory.find("excess_mse")->value.front());
    const auto simulation = problem->simulate();
    CHECK(simulation->observables().size() == theory.columns.size());
    for (std::size_t i = 0; i < theory.columns.size(); ++i)
      CHECK(simulation->observables()[i].name == theory.columns[i].observable.name);
    CHECK_FALSE(problem->stability().empty());
  }
}

TEST_CASE("schedules of the learning rate and of any other number") {
  const auto P = [&](const std::string& more) { return last(prepare(lookahead + more)->solve(), "excess_mse"); };
  const double constant = P("");
  CHECK(P("[schedule]\nkind = 'cosine'\n") != constant);
  CHECK(P("[schedule.outer_learning_rate]\nkind = 'cosine'\n") != constant);
  CHECK(P("[schedule.batch]\nkind = 'constant'\n") == constant);
  CHECK(P("[schedule.inner_steps]\nkind = 'step'\nfactor = 0.5\nstages = 2\n") != constant);
  CHECK(holds(message(lookahead + "[schedule.workers]\nkind = 'cosine'\n"), "schedule.workers"));
  CHECK(holds(message(lookahead + "[schedule]\nbatch = 5\n"), "schedule.batch: must be a section, [schedule.batch]"));
  CHECK(holds(message(custom + "T0 = [[1, 0], [0, 1]]\nn = [0, 0]\ne = [1, 0]\n[schedule]\nkind = 'cosine'\n"),
              "no learning_rate"));
  // A schedule keeps a number in its range.
  for (const char* name : {"momentum", "average_decay"}) {
    CAPTURE(name);
    const std::string optimizer = head +
                                  "[optimizer]\nkind = 'ema'\nmomentum_kind = 'nesterov'\nlearning_rate = 0.01\n" +
                                  name + " = 0.5\n[schedule." + name + "]\nkind = 'table'\nvalues = ";
    CHECK(last(prepare(optimizer + "[1, 1.75]\n")->solve(), "average_excess_mse") > 0);
    CHECK(holds(message(optimizer + "[1, 2]\n"), "to 1 at step 32; it must be < 1"));
  }
}

TEST_CASE("bad optimizers are refused by name") {
  CHECK(holds(message(lookahead + "workers = 2\n"), "optimizer.workers: unknown key"));
  CHECK(holds(message(lookahead + "outer_learning_rate = -1.0\n"), "optimizer.outer_learning_rate: must be >= 0"));
  CHECK(holds(message(head + "[optimizer]\nkind = 'lookahead'\nlearning_rate = 0.1\ninner_steps = 0\n"),
              "optimizer.inner_steps: must be >= 1"));
  CHECK(holds(message(head + "[optimizer]\nkind = 'momentum'\nlearning_rate = 0.1\nmomentum = 1.0\n"),
              "optimizer.momentum: must be"));
  CHECK(holds(message(head + "[optimizer]\nkind = 'la-diloco'\nlearning_rate = 0.1\nworkers = 0\n"),
              "optimizer.workers: must be >= 1"));
  CHECK(holds(message(head + "[optimizer]\nkind = 'lookahed'\nlearning_rate = 0.1\n"), "did you mean 'lookahead'?"));
  CHECK(holds(message(head + "[optimizer]\nkind = 'momentum'\nlearning_rate = 0.1\n[theory]\nmethod = 'volterra'\n"),
              "theory.method: volterra is not offered"));
  CHECK(holds(message(lookahead + "[theory]\nbands = true\nmethod = 'ode'\n"), "theory.bands: "));
  CHECK(holds(message(lookahead + "[monte_carlo]\nsampler = 'block'\n"), "monte_carlo.sampler"));
  CHECK(holds(message(lookahead + "[[optimizer.phase]]\nT0 = [[1]]\n"), "belongs to kind = \"custom\" only"));
  CHECK(holds(message(lookahead + "phase = [1]\n"), "optimizer.phase: belongs to kind = \"custom\" only"));
}

TEST_CASE("what is read in no equation is refused: momentum without a kind of it, keys that a theory passes over") {
  const auto optimizer = [](const std::string& keys) {
    return head + "[optimizer]\nlearning_rate = 0.1\n" + keys + "\n";
  };
  CHECK(holds(
      message(optimizer("kind = 'sla'\npersistent = true")),
      "optimizer.persistent: is read where momentum_kind = heavy-ball or nesterov or custom, and here it is none"));
  for (const std::string key : {"decoupled", "independent"}) {
    CHECK(holds(message(optimizer(key + " = true")),
                "optimizer." + key + ": says how weight_decay acts, and there is none"));
    // 0 is a decay like any other, so that a sweep can begin there; and so is one that is looked for.
    CHECK(message(optimizer(key + " = true\nweight_decay = 0.0")) == "no error");
    CHECK(message(optimizer(key + " = true\n[tune]\nweight_decay = [0.01, 0.1]")) == "no error");
  }
  const std::string unread = "is read where ";
  for (const std::string kind : {"ema", "tail-average", "sla"}) {
    const std::string plain = optimizer("kind = '" + kind + "'");
    CAPTURE(kind);
    CHECK(message(plain) == "no error");
    CHECK(holds(message(plain, {"optimizer.momentum=0.9"}), "optimizer.momentum: " + unread));
    CHECK(message(plain, {"optimizer.momentum=0.9", "optimizer.momentum_kind=nesterov"}) == "no error");
    CHECK(holds(message(plain, {"schedule.momentum.kind=linear"}), "schedule.momentum: " + unread));
    CHECK(message(plain, {"schedule.momentum.kind=linear", "optimizer.momentum_kind=nesterov"}) == "no error");
    CHECK_FALSE(there(prepare(plain)->stability(), "momentum"));
    CHECK(there(prepare(plain, {"optimizer.momentum_kind=nesterov"})->stability(), "momentum"));
  }
  for (const std::string key : {"gradient_weight", "buffer_weight"}) {
    const std::string heavy = optimizer("kind = 'momentum'");
    CAPTURE(key);
    CHECK(holds(message(heavy, {"optimizer." + key + "=0.3"}), "optimizer." + key + ": " + unread));
    CHECK(message(heavy, {"optimizer." + key + "=0.3", "optimizer.momentum_kind=custom"}) == "no error");
    const std::string outer = optimizer("kind = 'diloco'\nouter_" + key + " = 0.3");
    CHECK(holds(message(outer), "optimizer.outer_" + key + ": " + unread));
    CHECK(message(outer, {"optimizer.outer_momentum_kind=custom"}) == "no error");
  }
  const auto tuned = [&](const std::string& kind) {
    const auto experiment = experiment_of(optimizer("kind = 'ema'\nmomentum_kind = '" + kind + "'") +
                                          "[tune]\nevaluations = 2\nmomentum = [0.1, 0.2]\n");
    return models::find(experiment).tune(experiment);
  };
  CHECK_THROWS_WITH_AS(tuned("none"), doctest::Contains("e.toml: tune.momentum: is read where"), settings::Error);
  CHECK(there(tuned("nesterov"), "momentum"));

  struct Reads {
    std::string optimizer, method;
    std::vector<std::string> keys;
  };
  const std::vector<std::string> all{
      "bands=true",          "decomposition=true", "exponents=true", "level=homog",           "integrator=etd",
      "rtol=1e-3",           "atol=1e-9",          "paths=3",        "kernel=oneexp",         "scale_contraction=1.01",
      "scale_feedback=1.01", "time_step=0.5",      "scheme=weak2",   "scale_label_noise=1.01"};
  const Reads table[] = {
      {"sgd",
       "recursion",
       {"bands", "decomposition", "exponents", "rtol", "scale_contraction", "scale_feedback", "scale_label_noise"}},
      {"sgd",
       "ode",
       {"bands", "decomposition", "exponents", "level", "integrator", "rtol", "atol", "scale_contraction",
        "scale_feedback", "scale_label_noise"}},
      {"sgd",
       "volterra",
       {"bands", "decomposition", "exponents", "rtol", "scale_contraction", "scale_feedback", "scale_label_noise"}},
      {"sgd", "reduced", {"bands", "decomposition", "exponents", "kernel", "scale_feedback", "scale_label_noise"}},
      {"sgd", "sde", {"exponents", "scale_label_noise", "paths", "time_step", "scheme"}},
      {"lookahead", "recursion", {"bands", "decomposition", "exponents", "scale_label_noise"}},
      {"diloco", "recursion", {"bands", "decomposition", "exponents", "scale_label_noise"}},
      {"lookahead", "ode", {}},
      {"la-diloco", "ode", {}},
      {"momentum", "ode", {"level", "rtol"}}};
  for (const Reads& row : table)
    for (const std::string& setting : all) {
      const std::string key = setting.substr(0, setting.find('='));
      CAPTURE(row.optimizer);
      CAPTURE(row.method);
      CAPTURE(setting);
      const std::string said =
          message(optimizer("kind = '" + row.optimizer + "'\nbatch = 2"),
                  {"theory.method=" + row.method, "noise.law=gaussian", "noise.variance=0.1", "theory." + setting});
      if (std::ranges::find(row.keys, key) != row.keys.end())
        CHECK(said == "no error");
      else
        CHECK(holds(said, "e.toml: theory." + key + ": "));
    }
}

TEST_CASE("bands of every optimizer, asked for or where they cost little") {
  for (const models::least_squares::LinearMethod& method : models::least_squares::linear_methods()) {
    const std::string& name = method.description.name;
    CAPTURE(name);
    if (name == "custom") continue;
    const std::string text =
        head + "[optimizer]\nkind = '" + name + "'\nlearning_rate = 0.01\n" + (name == "diloco" ? "workers = 2\n" : "");
    const auto problem = prepare(text);
    for (const models::Column& column : problem->solve().columns) CHECK(column.std.empty());
    const models::Trajectory asked = prepare(text + "[theory]\nbands = true\n")->solve();
    const models::Trajectory judged = problem->reference();
    for (std::size_t c = 0; c < asked.columns.size(); ++c) {
      CHECK(asked.columns[c].std == judged.columns[c].std);
      REQUIRE(asked.columns[c].std.size() == 3);
      CHECK(asked.columns[c].std.front() == 0);
      CHECK(asked.columns[c].std.back() > 0);
    }
  }
  // Too much where nobody asked, or at all.
  const std::string many = head + "[optimizer]\nkind = 'diloco'\nlearning_rate = 0.01\nworkers = 64\n";
  CHECK(prepare(many)->reference().columns[1].std.empty());
  CHECK(holds(message(many + "[theory]\nbands = true\n"), "e.toml: theory.bands: the covariances of 20 modes"));
  const std::string rademacher = "[data]\nlaw = 'rademacher'\n";
  for (const std::string& several : {lookahead, head + "[optimizer]\nkind = 'la-diloco'\nlearning_rate = 0.01\n"})
    CHECK(!prepare(several + rademacher)->reference().columns[1].std.empty());
  CHECK(prepare(many + rademacher)->reference().columns[1].std.empty());
  CHECK(holds(message(many + rademacher + "[theory]\nbands = true\n"), "the covariances of 20 modes"));
  // Gradient descent does not fluctuate.
  const auto still = prepare(lookahead + "batch = inf\n[theory]\nbands = true\n")->solve();
  CHECK(still.columns[1].std == std::vector<double>(3, 0.0));
}

TEST_CASE("bands on inputs that are not Gaussian: unasked where they cost a second, refused where minutes") {
  const auto of = [](int dimension, const std::string& steps, const std::string& theory) {
    return "model = 'least-squares'\n[time]\nat = [" + steps + "]\n[data]\nlaw = 'uniform'\n[spectrum]\nkind = " +
           "'power-law'\nalpha = 1.0\nbeta = 0.5\ndimension = " + std::to_string(dimension) +
           "\n[optimizer]\nkind = 'momentum'\nlearning_rate = 0.01\nmomentum = 0.5\n" + theory;
  };
  CHECK_FALSE(prepare(of(40, "100", ""))->reference().columns[1].std.empty());
  CHECK(prepare(of(40, "10000", ""))->reference().columns[1].std.empty());
  const std::string asked = "[theory]\nbands = true\n";
  CHECK(holds(message(of(40, "1000000", asked)), "the covariances of 40 modes over 1000000 steps cost too much"));
  // n^2 r^4 of them are too many to keep: nodes stand for modes whose powers are smooth.
  const models::Trajectory many = prepare(of(1001, "1", asked))->solve(), few = prepare(of(900, "1", asked))->solve();
  CHECK(many.columns[1].std.back() == Approx(few.columns[1].std.back()).epsilon(0.05));
}

TEST_CASE("bands over nodes that stand for many modes") {
  const std::string text =
      "model = 'least-squares'\n[time]\nat = [40, 80]\n[spectrum]\nkind = 'power-law'\ndimension = 200\nalpha = "
      "0.7\nbeta = 0.4\n[noise]\nlaw = 'gaussian'\nvariance = 0.05\n[optimizer]\nkind = 'momentum'\nlearning_rate = "
      "0.01\n[theory]\nbands = true\n";
  const auto linear = models::least_squares::read_linear_problem(experiment_of(text));
  models::Trajectory all = prepare(text)->solve(), nodes = all;
  const double half = models::least_squares::LinearVariance::work(linear, 80, 200) / 2;
  REQUIRE_FALSE(models::least_squares::add_linear_bands(nodes, linear, half));
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(nodes.columns[1].std[i] != all.columns[1].std[i]);
    CHECK(nodes.columns[1].std[i] == Approx(all.columns[1].std[i]).epsilon(1e-5));
  }
}

TEST_CASE("a custom method's matrices are checked") {
  CHECK(holds(message(head + "[optimizer]\nkind = 'custom'\nstart = [1]\nreadout = [1]\n"), "[[optimizer.phase]]"));
  CHECK(holds(message(custom + "T0 = [[1, 0]]\nn = [0, 0]\ne = [1, 0]\n"), "must be a 2 x 2 matrix"));
  CHECK(holds(message(custom + "T0 = [[1, 0], [0, 1]]\nn = [0, 0]\n"), "n and e belong together"));
  CHECK(holds(message(custom + "T0 = [[1, 0], [0, 1]]\nn = [0]\ne = [1, 0]\n"), "must hold 2 numbers"));
  CHECK(holds(message(custom + "T0 = [[1, 0], [0, 1]]\n"), "the first phase must be a noisy one"));
  CHECK(holds(message(head + "[optimizer]\nkind = 'custom'\nstart = [1, 0]\nreadout = [1]\n[[optimizer.phase]]\nT0 = "
                             "[[1, 0], [0, 1]]\nn = [0, 0]\ne = [1, 0]\n"),
              "optimizer.readout"));
  CHECK(holds(message(head + "[optimizer]\nkind = 'custom'\nblocks = [1, 1]\nstart = [1, 0]\nreadout = [1, "
                             "0]\n[[optimizer.phase]]\nT0 = [[1, 1], [0, 1]]\nn = [0, 0]\ne = [1, 0]\n"),
              "zero between different blocks"));
}

TEST_CASE("lookahead by its matrices, with repeats and a sync") {
  const std::string matrices =
      head +
      "[optimizer]\nkind = 'custom'\nstart = [1, 1]\nreadout = [1, 0]\n[[optimizer.phase]]\nrepeat = 8\nT0 = [[1, 0], "
      "[0, 1]]\nT1 = [[0, 0], [0, -0.1]]\nn = [0, -0.1]\ne = [0, 1]\n[[optimizer.phase]]\nT0 = [[0.5, 0.5], [0.5, "
      "0.5]]\n";
  const models::Trajectory by_rule = prepare(lookahead)->solve(), by_matrices = prepare(matrices)->solve();
  for (std::size_t i = 0; i < by_rule.steps.size(); ++i)
    CHECK(by_matrices.find("excess_mse")->value[i] == Approx(by_rule.find("excess_mse")->value[i]).epsilon(1e-13));
}

TEST_CASE("phases repeated a million times are kept once") {
  const auto matrices = [](const std::string& steps, const std::string& syncs) {
    return head +
           "[optimizer]\nkind = 'custom'\nstart = [1, 1]\nreadout = [1, 0]\n[[optimizer.phase]]\nrepeat = " + steps +
           "\nT0 = [[1, 0], [0, 1]]\nT1 = [[0, 0], [0, -0.1]]\nn = [0, -0.1]\ne = [0, 1]\n[[optimizer.phase]]\nrepeat "
           "= " +
           syncs + "\nT0 = [[0.5, 0.5], [0.5, 0.5]]\n";
  };
  // A sync that is repeated changes nothing the second time.
  const auto once = prepare(matrices("1000000", "1"))->stability(),
             again = prepare(matrices("1000000", "1000000"))->stability();
  for (std::size_t i = 0; i < once.size(); ++i)
    if (const double* value = std::get_if<double>(&once[i].value); value && std::isfinite(*value)) {
      CAPTURE(once[i].name);
      CHECK(std::get<double>(again[i].value) == Approx(*value).epsilon(1e-12));
    }
  const models::Trajectory short_one = prepare(matrices("8", "1"))->solve(),
                           short_again = prepare(matrices("8", "5"))->solve();
  CHECK(last(short_again, "excess_mse") == Approx(last(short_one, "excess_mse")).epsilon(1e-14));
}

TEST_CASE(
    "a coordinate that no phase moves is no mode: SGD that is drawn to its start settles where its recursion does") {
  std::string drawn =
      head +
      "[optimizer]\nkind = 'custom'\nstart = [1, 1]\nreadout = [1, 0]\n[[optimizer.phase]]\nT0 = [[0.95, "
      "0.05], [0, 1]]\nT1 = [[-0.1, 0], [0, 0]]\nn = [-0.1, 0]\ne = [1, 0]\n";
  drawn.replace(drawn.find("64"), 2, "1500");
  const auto found = prepare(drawn)->stability();
  const auto steady = std::ranges::find(found, "steady_excess_mse", &models::Finding::name);
  REQUIRE(steady != found.end());
  CHECK(std::get<double>(steady->value) == Approx(last(prepare(drawn)->solve(), "excess_mse")).epsilon(1e-9));
}

TEST_CASE("the inner-flow limit approaches the recursion as eta falls at fixed eta H") {
  const auto gap = [&](const std::string& rate, const std::string& steps) {
    const std::string text = "model = 'least-squares'\n[time]\nat = [" + steps +
                             "]\n[spectrum]\nkind = 'power-law'\ndimension = 50\nalpha = 0.7\nbeta = 0.4\n[noise]\nlaw "
                             "= 'gaussian'\nvariance = 0.05\n[optimizer]\nkind = 'la-diloco'\nworkers = "
                             "2\nouter_learning_rate = 0.7\nlearning_rate = " +
                             rate + "\ninner_steps = " + steps + "\n";
    const auto flow = prepare(text + "[theory]\nmethod = 'ode'\n")->solve();
    CHECK_FALSE(flow.exact);
    return std::abs(last(flow, "excess_mse") / last(prepare(text)->solve(), "excess_mse") - 1);
  };
  const double coarse = gap("0.1", "8"), fine = gap("0.0125", "64");
  CHECK(coarse < 0.1);
  CHECK(fine < coarse / 6);
}

TEST_CASE("divergence ends the trajectory, and a half round is said") {
  const auto diverging =
      prepare(head + "[optimizer]\nkind = 'momentum'\nlearning_rate = 50\nmomentum = 0.9\n")->solve();
  CHECK(diverging.diverged_at.has_value());
  CHECK(diverging.steps.size() < 3);
  const auto problem = prepare(head + "[optimizer]\nkind = 'lookahead'\nlearning_rate = 0.1\ninner_steps = 7\n");
  CHECK(problem->warnings().front() ==
        "time.steps = 64 is no whole number of rounds of 7: the last sync is at step 63");
}

TEST_CASE("tuning by the section [tune]") {
  const auto findings = models::least_squares::tune_experiment(experiment_of(
      lookahead + "[tune]\nevaluations = 60\nlearning_rate = [0.01, 1]\nouter_learning_rate = [0.1, 2]\n"));
  CHECK(findings[0].name == "learning_rate");
  CHECK(findings[1].name == "outer_learning_rate");
  CHECK(findings[2].name == "excess_mse");
  CHECK(std::get<double>(findings[2].value) <= last(prepare(lookahead)->solve(), "excess_mse"));
  const auto refused = [&](const std::string& more, const char* part) {
    try {
      models::least_squares::tune_experiment(experiment_of(lookahead + more));
      FAIL("no error");
    } catch (const settings::Error& e) {
      CHECK(holds(e.what(), part));
    }
  };
  refused("[tune]\n", "range for at least one");
  refused("[tune]\nlearning_rate = [1]\n", "must be [from, to]");
  refused("[tune]\nlearning_rate = [1, 0.5]\n", "0 < from <= to");
  refused("[tune]\nlerning_rate = [0.1, 0.5]\n", "did you mean 'learning_rate'?");
  refused("[tune]\nlearning_rate = [0.1, 0.5]\nobservable = 'x'\n", "there is no x");
  refused("[tune]\nevaluations = 10\nlearning_rate = [100, 200]\n",
          "tune.learning_rate: every one of the 10 runs tried diverged");
  refused("[tune]\nevaluations = 10\nsamples = 7\nlearning_rate = [0.1, 0.2]\n", "tune.samples: not one period");
  for (const std::string samples : {"1.9e19", "1e20", "1e300"})  // no number of steps that time.steps takes either
    refused("[tune]\nevaluations = 10\nsamples = " + samples + "\nlearning_rate = [0.1, 0.2]\n",
            "steps of a run, which takes at most 9007199254740992");
}

TEST_CASE("custom methods that are none, and what cannot be simulated or followed, are refused in one line") {
  const std::string start = head + "[optimizer]\nkind = 'custom'\n", phase = "[[optimizer.phase]]\nT0 = ";
  const auto one = [&](const std::string& keys, const std::string& phases) { return message(start + keys + phases); };
  const std::string noisy = phase + "[[1, 0], [0, 1]]\nT1 = [[-0.1, 0], [0, 0]]\nn = [-0.1, 0]\ne = [1, 0]\n";
  const std::string pair = "start = [1, 0]\nreadout = [1, 0]\n";
  CHECK(one(pair, noisy) == "no error");
  CHECK(one(pair + "blocks = [1, 2]\n", noisy) == "e.toml: optimizer.blocks: sum to 3, but `start` has 2 coordinates");
  CHECK(one(pair + "blocks = [1.5, 0.5]\n", noisy).starts_with("e.toml: optimizer.blocks: must be"));
  CHECK(one("start = [1, 0, 0, 0, 0, 0, 0]\nreadout = [1, 0, 0, 0, 0, 0, 0]\n", noisy) ==
        "e.toml: optimizer.blocks: a block has 1 to 6 coordinates, here 7");
  CHECK(one(pair + "start_target = [1]\n", noisy) == "e.toml: optimizer.start_target: must hold 2 numbers, as `start`");
  CHECK(one("start = [1, 0]\nreadout = [1]\n", noisy) == "e.toml: optimizer.readout: must hold 2 numbers, as `start`");
  CHECK(one(pair + "blocks = [1, 1]\n",
            phase + "[[1, 0.1], [0, 1]]\nT1 = [[-0.1, 0], [0, 0]]\nn = [-0.1, 0]\ne = [1, 0]\n")
            .find("must be zero between different blocks") != std::string::npos);
  const std::string still = phase + "[[1, 0], [0, 1]]\nT1 = [[-0.1, 0], [0, 0]]\n";
  CHECK(one(pair, noisy + still + phase + "[[1, 0], [0, 1]]\n") ==
        "e.toml: optimizer.phase: of noiseless phases in a row, only the last may have T1");
  CHECK(one(pair, noisy + phase + "[[1, 0], [0, 0.9]]\n" + still) == "no error");
  CHECK(one(pair + "blocks = [1, 1]\n", noisy) ==
        "e.toml: optimizer.blocks: a custom method of several blocks cannot be simulated");
  CHECK(one(pair, noisy + "omega = [0.5]\n") == "e.toml: optimizer.phase.omega: only omega = 1 can be simulated");
  CHECK(one(pair, noisy + "omega = [1.0]\n") == "no error");

  const std::string momentum = head + "[optimizer]\nkind = 'momentum'\nlearning_rate = 0.1\nmomentum = 0.5\n";
  CHECK(message(momentum, {"optimizer.weight_decay=0.1", "optimizer.independent=true", "optimizer.decoupled=true"}) ==
        "e.toml: optimizer.independent: give either decoupled or independent, not both");
  CHECK(message(momentum, {"optimizer.weight_decay=1.0", "optimizer.independent=true"}) ==
        "e.toml: optimizer.weight_decay: must be < 1 where it is independent");
  CHECK(message(momentum, {"optimizer.weight_decay=0.9", "optimizer.independent=true"}) == "no error");
  CHECK(message(momentum, {"optimizer.weight_decay=1.0"}) == "no error");
  CHECK(message(lookahead, {"theory.method=ode", "schedule.kind=linear"}) ==
        "e.toml: theory.method: the inner-flow limit needs constant hyperparameters; use recursion");
  CHECK(message(lookahead, {"theory.method=ode", "optimizer.weight_decay=0.1"}) ==
        "e.toml: theory.method: the inner-flow limit is without weight decay; use recursion");
  const std::string workers =
      head + "[optimizer]\nkind = 'la-diloco'\nlearning_rate = 0.1\ninner_steps = 4\nworkers = 3\n";
  CHECK(message(workers, {"optimizer.workers=2.5"}) ==
        "e.toml: optimizer.workers: must be whole to be simulated (here 2.5)");
  CHECK(message(workers, {"schedule.workers.kind=linear"}) == "no error");
  const auto given = prepare(
      momentum, {"initial.error_power=[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "optimizer.weight_decay=0.1"});
  CHECK_THROWS_WITH_AS(given->solve(),
                       "e.toml: initial.error_power: this method carries theta* itself, so the start must be "
                       "initial.scale * theta*",
                       settings::Error);
  CHECK_THROWS_WITH_AS(given->simulate(), "e.toml: initial.error_power: weight decay needs initial.scale instead",
                       settings::Error);
  CHECK(message(head + "[optimizer]\nlearning_rate = 0.9\n[theory]\nmethod = 'ode'\nlevel = 'log'\n",
                {"optimizer.learning_rate=1.0", "optimizer.batch=inf"}) ==
        "e.toml: theory.level: log needs (1 - eta lambda)^2 + eta^2 lambda^2/B > 0 for every mode; use diff or the "
        "recursion");
}

TEST_CASE("the inner flow of a rate that is too large ends where P is no number any more") {
  const auto solved = prepare(lookahead, {"theory.method=ode", "optimizer.learning_rate=1.5", "optimizer.batch=1",
                                          "time.at=[8, 16, 80000]"})
                          ->solve();
  REQUIRE(solved.diverged_at);
  CHECK(*solved.diverged_at == 80000);
  CHECK(solved.steps.back() < 80000);
  for (const double P : solved.find("excess_mse")->value) CHECK(std::isfinite(P));
}

TEST_CASE("what has no best learning rates is refused") {
  const auto refused = [](const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
      prepare(text, overrides)->rate_objective("");
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const std::string workers =
      head + "[optimizer]\nkind = 'la-diloco'\nlearning_rate = 0.1\ninner_steps = 4\nworkers = 3\n";
  for (const std::string name : {"inner_steps", "workers"})
    CHECK(refused(workers, {"schedule." + name + ".kind=linear"}) ==
          "e.toml: schedule." + name + ": the best learning rates are known for rounds that stay alike; leave it out");
  CHECK(refused(custom + "T0 = [[1, 0], [0, 1]]\nT1 = [[-0.1, 0], [0, 0]]\nn = [-0.1, 0]\ne = [1, 0]\n") ==
        "e.toml: optimizer: it has no learning_rate whose schedule could be looked for");
  const std::string ema = head + "[optimizer]\nkind = 'tail-average'\nlearning_rate = 0.1\naverage_from = 3\n";
  CHECK(refused(ema, {"time.at=[200001]"}) ==
        "e.toml: time.steps: at most 200000 of them where more than the learning rate differs from step to step");
  CHECK(refused(ema) == "no error");
}

TEST_CASE("every key of a schedule reaches the steps: one mode under full batches, by hand") {
  // P = lambda v^2, v' = (1 - eta s(k/T) lambda) v over T = 4 steps.
  const std::string one =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [0.5]\ntarget_power = [2.0]\n[optimizer]\n"
      "learning_rate = 0.9\nbatch = inf\n[time]\nat = [4]\n[schedule]\nkind = ";
  const auto pi = std::acos(-1.0);
  using Four = std::array<double, 4>;
  const std::vector<std::pair<std::string, Four>> rows = {
      {"'linear'\nfloor = 0.2\nlast_fraction = 0.5", Four{1, 1, 1, 0.6}},
      {"'polynomial'\nfloor = 0.2\npower = 3", Four{1, 0.2 + 0.8 * 27 / 64, 0.3, 0.2 + 0.8 / 64}},
      {"'cosine'\nfloor = 0.1\npower = 2\nhalf_waves = 3",
       [&] {
         Four out;
         for (std::size_t k = 0; k < 4; ++k)
           out[k] = 0.1 + 0.9 * std::pow((1 + std::cos(3 * pi * static_cast<double>(k) / 4)) / 2, 2);
         return out;
       }()},
      {"'warmup-stable-decay'\ncooldown = 0.75\nshape = 'power'\npower = 2", Four{1, 1, 4.0 / 9, 1.0 / 9}},
      {"'inverse-square-root'\nt0 = 3", Four{1, std::sqrt(3.0 / 4), std::sqrt(3.0 / 5), std::sqrt(3.0 / 6)}},
      {"'inverse-power'\nt0 = 2\nexponent = 2", Four{1, 4.0 / 9, 1.0 / 4, 4.0 / 25}},
      {"'exponential'\nrate = 2", Four{1, std::exp(-0.5), std::exp(-1.0), std::exp(-1.5)}},
      {"'step'\nfactor = 0.5\nstages = 2", Four{1, 1, 0.5, 0.5}},
      {"'rex'\nb = 0.2", Four{1, 0.75 / 0.95, 0.5 / 0.9, 0.25 / 0.85}},
      {"'rex'\nbeta = 0.8", Four{1, 0.75 / 0.95, 0.5 / 0.9, 0.25 / 0.85}},
      {"'square-root'\na = 1.5", Four{1, std::pow(15.0 / 16, 0.75), std::pow(0.75, 0.75), std::pow(7.0 / 16, 0.75)}},
      // Points at 0, 1/4, 1/2 and 1 over the largest height, 0.8; half way between the last two.
      {"'two-point'\ny0 = 0.4\nx1 = 0.25\ny1 = 0.8\nx2 = 0.5\ny2 = 0.6\ny3 = 0.2\ninterpolate = 'linear'",
       Four{0.5, 1, 0.75, 0.5}},
      {"'stick-breaking'\ny1 = 0.7\nd1 = 0.25\ndy2 = 0.6\nd2 = 0.3333333333333333\ny_end = 0.4\n"
       "interpolate = 'linear'\nmaximum = 0.9\nminimum = 0.35",
       Four{0.9, 0.7, 0.42, 0.35}},
      {"'stick-breaking'\ny1 = 0.7\nd1 = 0.25\ndy2 = 0.6\nd2 = 0.3333333333333333\ny_end = 0.4\n"
       "interpolate = 'linear'",
       Four{1, 0.7, 0.42, 0.42 * 0.7}},
      {"'smooth'\ny_start = 0.2\nx_peak = 0.5\ny1 = 0.6\nd1 = 0.25\ny2 = 0.3\nd2 = 0.6666666666666666",
       Four{0.2, 0.6, 1, 0.3}},
      {"'table'\nvalues = [1, 0.4, 0.8]\ninterpolate = 'linear'", Four{1, 0.7, 0.4, 0.6}},
      {"'grid'\nstages = [4, 1]\nbins = 5", Four{1, 1, 0.25, 0.25}},
      {"'grid'\nstages = [4, 1]\nbins = 5\nspacing = 'log'\nminimum = 0.0001", Four{1, 1, 1e-3, 1e-3}},
      {"'constant'\nwarmup = 0.75", Four{1.0 / 3, 2.0 / 3, 1, 1}},
      {"'constant'\nwarmup = 0.75\nwarmup_shape = 'cosine'", Four{0.25, 0.75, 1, 1}},
      {"'constant'\nwarmup = 0.75\nwarmup_shape = 'polynomial'\nwarmup_power = 3", Four{1.0 / 27, 8.0 / 27, 1, 1}},
      {"'constant'\nwarmup = 0.5\nwarmup_shape = 'exponential'\nwarmup_rate = 2", Four{1 - std::exp(-1.0), 1, 1, 1}},
      {"'linear'\nwarmup = 0.5\nwarmup_mode = 'first'", Four{0, 0.5, 1, 0.5}}};
  for (const auto& [schedule, values] : rows) {
    double v = std::sqrt(2.0);
    for (const double s : values) v *= 1 - 0.9 * s * 0.5;
    const std::string& shown = schedule;
    CAPTURE(shown);
    CHECK(last(prepare(one + schedule + "\n")->solve(), "excess_mse") == Approx(0.5 * v * v).epsilon(1e-12));
  }
}

TEST_CASE("schedules of any other number reach the steps: one mode under full batches, step by step") {
  const std::string one =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [0.5]\ntarget_power = [2.0]\n[time]\nat = "
      "[12]\n[optimizer]\nbatch = inf\nlearning_rate = 0.3\n";
  const double lambda = 0.5, eta = 0.3;
  {
    // u' = b u + lambda v, v' = v - eta (lambda v + b u'), a' = d a + (1 - d) v'.
    double v = 1, u = 0, a = 1;
    for (int k = 0; k < 12; ++k) {
      const double b = 0.8 * (k < 6 ? 1 : 0.25), d = 0.9 * (k < 4 ? 0.5 : k < 8 ? 1 : 0.2), g = lambda * v;
      u = b * u + g;
      v -= eta * (g + b * u);
      a = d * a + (1 - d) * v;
    }
    const auto solved = prepare(one +
                                "kind = 'ema'\nmomentum_kind = 'nesterov'\nmomentum = 0.8\naverage_decay = 0.9\n"
                                "[schedule.momentum]\nkind = 'table'\nvalues = [1, 0.25]\n"
                                "[schedule.average_decay]\nkind = 'table'\nvalues = [0.5, 1, 0.2]\n")
                            ->solve();
    CHECK(last(solved, "excess_mse") == Approx(2 * lambda * v * v).epsilon(1e-12));
    CHECK(last(solved, "average_excess_mse") == Approx(2 * lambda * a * a).epsilon(1e-12));
  }
  {
    // Rounds of 4, 4, 2 and 2 steps: H halves at step 6. xi is that of the step that ends a round.
    double v = 1;
    for (const auto& [begin, length] : {std::pair{0, 4}, {4, 4}, {8, 2}, {10, 2}}) {
      const double xi = 0.7 * (1 - 0.75 * (begin + length - 1) / 12.0);
      v *= 1 - xi + xi * std::pow(1 - eta * lambda, length);
    }
    const auto solved = prepare(one +
                                "kind = 'lookahead'\nouter_learning_rate = 0.7\ninner_steps = 4\n"
                                "[schedule.inner_steps]\nkind = 'step'\nfactor = 0.5\nstages = 2\n"
                                "[schedule.outer_learning_rate]\nkind = 'linear'\nfloor = 0.25\n")
                            ->solve();
    CHECK(last(solved, "excess_mse") == Approx(2 * lambda * v * v).epsilon(1e-12));
  }
}

TEST_CASE("every key of a custom method's phases is what its definition says: the moments of one mode by hand") {
  const auto solved = prepare(
                          "model = 'least-squares'\n[time]\nat = [3, 7]\n[spectrum]\nkind = 'list'\neigenvalues = "
                          "[0.5]\ntarget_power = [2.0]\n[noise]\nlaw = 'gaussian'\nvariance = 0.3\n"
                          "[optimizer]\nkind = 'custom'\nbatch = 2\nstart = [1, 0.4]\nstart_target = [0, 0.2]\n"
                          "readout = [0.8, 0.3]\n"
                          "[[optimizer.phase]]\nrepeat = 2\nT0 = [[0.9, 0.1], [0.2, 0.7]]\n"
                          "T1 = [[-0.3, 0], [-0.1, -0.2]]\nn = [-0.3, 0.2]\ne = [1, 0.5]\nomega = [0.6]\n"
                          "[[optimizer.phase]]\nT0 = [[0.6, 0.4], [0, 1]]\nT1 = [[0, 0.1], [0, 0]]\n"
                          "[[optimizer.phase]]\nT0 = [[1, 0], [0.3, 0.6]]\nT1 = [[-0.2, 0], [0, 0]]\nn = [-0.2, 0]\n"
                          "e = [0.7, 0.3]\nomega = [1.7]\n")
                          ->solve();
  using Square = std::array<std::array<double, 2>, 2>;
  const double lambda = 0.5;
  const auto moved = [&](const Square& t0, const Square& t1, const Square& m) {
    Square out{};
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j)
        for (int k = 0; k < 2; ++k)
          for (int l = 0; l < 2; ++l)
            out[i][j] += (t0[i][k] + lambda * t1[i][k]) * m[k][l] * (t0[j][l] + lambda * t1[j][l]);
    return out;
  };
  const auto form = [](const std::array<double, 2>& a, const Square& m) {
    return a[0] * a[0] * m[0][0] + 2 * a[0] * a[1] * m[0][1] + a[1] * a[1] * m[1][1];
  };
  // A Gaussian x of variance lambda: Var((x^2 - lambda) v - x eps) = 2 lambda^2 v^2 + lambda sigma^2, over a batch of 2.
  const auto noisy = [&](Square m, const std::array<double, 2>& n, double noise) {
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) m[i][j] += n[i] * n[j] * noise / 2;
    return m;
  };
  const auto gradient = [&](const std::array<double, 2>& e, const Square& m) {
    return 2 * lambda * lambda * form(e, m) + lambda * 0.3;
  };
  // v_0 = -theta*: the coordinates start at (1, 0.4 - 0.2) v_0.
  Square m{{{2, 0.4}, {0.4, 0.08}}};
  for (std::size_t k = 1; k <= 7; ++k) {
    if (k % 3 != 0) {
      const double noise = 0.6 * gradient({1, 0.5}, m);
      m = noisy(moved({{{0.9, 0.1}, {0.2, 0.7}}}, {{{-0.3, 0}, {-0.1, -0.2}}}, m), {-0.3, 0.2}, noise);
      if (k % 3 == 2) m = moved({{{0.6, 0.4}, {0, 1}}}, {{{0, 0.1}, {0, 0}}}, m);
    } else {
      const double noise = 1.7 * gradient({0.7, 0.3}, m);
      m = noisy(moved({{{1, 0}, {0.3, 0.6}}}, {{{-0.2, 0}, {0, 0}}}, m), {-0.2, 0}, noise);
    }
    if (k == 3) CHECK(solved.find("excess_mse")->value[1] == Approx(lambda * form({0.8, 0.3}, m)).epsilon(1e-13));
  }
  CHECK(last(solved, "excess_mse") == Approx(lambda * form({0.8, 0.3}, m)).epsilon(1e-13));
  CHECK(models::testing::report(solved, "iterated_steps") == 7);
}

TEST_CASE("a schedule of the steps of a round by its factor: rounds of 40, then of 20 steps, of one mode") {
  double v = 1;
  for (const int length : {40, 20, 20}) v *= 1 - 0.7 + 0.7 * std::pow(1 - 0.02 * 0.5, length);
  const auto solved = prepare(
                          "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [0.5]\ntarget_power = "
                          "[2.0]\n[time]\nat = [80]\n[optimizer]\nkind = 'lookahead'\nbatch = inf\n"
                          "learning_rate = 0.02\nouter_learning_rate = 0.7\ninner_steps = 40\n"
                          "[schedule.inner_steps]\nkind = 'step'\nfactor = 0.5\nstages = 2\n")
                          ->solve();
  CHECK(last(solved, "excess_mse") == Approx(0.5 * 2 * v * v).epsilon(1e-12));
}
