// The central flow of a network: its definition, the descent whose mean path it is, and what is refused.
#include "models/network/theory.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/central_flow.hpp"
#include "models/ingredients/networks/network_section.hpp"
#include "numerics/sums.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::ingredients::CurvaturePart;
using models::ingredients::networks::NetworkObjective;
using models::testing::column;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

constexpr double eta = 0.7;
const std::string sections = "[data]\nexamples = 30\ninputs = 5\ntargets = 'classes'\n[network]\nhidden = [8]\n";

std::string experiment(const std::string& optimizer, const std::string& more = "[monte_carlo]\nshared_start = true\n") {
  return "model = 'network'\n[time]\nat = [20, 60, 100, 200, 300, 400, 500, 600]\n[theory]\nmethod = 'central-flow'\n" +
         sections + "[optimizer]\n" + optimizer + more;
}

/// The objective and the start of replica 0 of seed 1, as the sections say.
struct Literal {
  models::ingredients::networks::TrainingData data;
  std::shared_ptr<const models::ingredients::networks::Network> network;
  NetworkObjective objective;
  std::vector<double> theta;

  explicit Literal(const settings::Table& table = settings::read_text(sections, "x.toml"))
      : data(models::ingredients::networks::read_training_data(table)),
        network(models::ingredients::networks::read_network(
            settings::read(table.table_or_empty("network"), models::ingredients::networks::network_parameters()),
            *data.train)),
        objective(network, {}, data.train) {
    random::Stream stream(1, 0, 0, random::Purpose::initial);
    theta = network->draw(stream);
  }
  void descend(double rate) {
    std::vector<double> g(theta.size());
    objective.move_to(theta);
    objective.gradient(g);
    for (std::size_t i = 0; i < g.size(); ++i) theta[i] -= rate * g[i];
  }
};

}  // namespace

TEST_CASE("a network's central flow is the mean of descent at the edge, and gradient flow below it" *
          doctest::test_suite("slow")) {
  const auto problem = prepare(experiment("learning_rate = 0.7\n"));
  const auto theory = problem->solve();
  REQUIRE(theory.steps.size() == 9);
  // Gradient flow by small steps.
  Literal flow;
  for (int k = 0; k < 20 * 500; ++k) flow.descend(eta / 500);
  CHECK(column(theory, "loss")[1] == Approx(flow.objective.move_to(flow.theta)).epsilon(2e-3));
  CHECK(column(theory, "oscillation")[1] == 0);

  const auto simulation = problem->simulate();
  const auto run = simulation->replica(1, 1);
  const auto& names = simulation->observables();
  std::vector<double> seen(names.size());
  Literal descent;
  double own = 0, whole = 0, late = 0;
  int step = 0;
  for (std::size_t row = 1; row < 9; ++row) {
    double sum = 0;
    const int before = step;
    for (; step < theory.steps[row]; ++step) {
      descent.descend(eta);
      sum += descent.objective.move_to(descent.theta);
    }
    const double mean = sum / (step - before);
    run->advance(static_cast<std::uint64_t>(step));
    run->observe(seen);
    CHECK(names.back().name == "mean_loss");
    CHECK(seen.back() == Approx(mean).epsilon(1e-9));  // from replica 0's start, whichever replica it is
    if (!(column(theory, "oscillation")[row - 1] > 0)) continue;
    CHECK(column(theory, "eta_sharpness")[row] == Approx(2).epsilon(1e-3));
    own += column(theory, "mean_loss")[row] * (step - before);
    whole += sum;
    ++late;
  }
  CHECK(late >= 5);
  CHECK(whole == Approx(own).epsilon(0.1));  // over several bursts; after a part of one it is 30% short
  const auto claims = problem->predictions();
  REQUIRE(claims.size() == 1);
  CHECK(claims[0].name == "central_loss");
  CHECK(claims.back().low == Approx(0.75 * claims.back().nominal).epsilon(1e-12));
  CHECK(std::isinf(problem->reference().columns[0].valid_from));
  // Of runs that have turned back at the edge in time.
  models::RecordedReplica recorded;
  const std::vector<std::string> observed{"eta_sharpness", "mean_loss"};
  recorded.names = observed;
  recorded.steps = theory.steps;
  recorded.rows = {{1, 1, 1.9, 2.1, 2.2, 1.8, 1.9, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 1, 1}};
  CHECK(claims.back().statistic(recorded));
  recorded.rows[0][5] = recorded.rows[0][6] = 2.3;  // step 400 of 600
  CHECK_FALSE(claims.back().statistic(recorded));
}

TEST_CASE("the central flow of f = u v x: at rest balanced from its edge on, beside a cycle of two") {
  // Along u = v = q/sqrt 2, f = x q^2/2: with |x| = 1 a loss (q^2/2 - y)^2/2, of z = q^2/2 - y and J = q. In units where eta = 1, E =
  // z - J^2/2 = -y: held is J^2 + z = 2, and the oscillation's pull 3 w^2/2 J is that of z J. What is unbalanced has died out.
  const std::string one =
      "[data]\nexamples = 1\ninputs = 1\n[network]\nhidden = [1]\nactivation = 'identity'\nbias = false\n";
  Literal it(settings::read_text(one, "x.toml"));
  const double x = std::abs(it.data.train->inputs(0, 0)), y = std::abs(it.data.train->targets(0, 0));
  constexpr double E = -1.1, z = 2 * (1 + E) / 3, u = 2 * (z - E), w2 = -2 * z / 3;
  const double rate = 1.1 / (x * y), unit = rate * x, loss = 0.5 * (std::pow(z + w2 / 2, 2) + u * w2) / (unit * unit);
  const auto problem = prepare(
      fmt::format("model = 'network'\n[time]\nat = [3, 2000, 4000]\n[theory]\nmethod = 'central-flow'\n{}[optimizer]\n"
                  "learning_rate = {}\n[monte_carlo]\nshared_start = true\n",
                  one, rate));
  const auto t = problem->solve();
  CHECK(models::testing::label(t, "edge") == "held");
  CHECK(column(t, "oscillation").front() == 0);
  for (const std::size_t k : {2u, 3u}) {
    CHECK(column(t, "eta_sharpness")[k] == Approx(2).epsilon(1e-5));
    CHECK(column(t, "oscillation")[k] == Approx(w2 / (unit * x)).epsilon(1e-5));
    CHECK(column(t, "loss")[k] == Approx(loss).epsilon(1e-5));
  }
  CHECK(column(t, "mean_loss")[3] == Approx(loss).epsilon(1e-5));
  // Turns, 3 J w/(2 pi) a step, until half of the loss has gone by; descent is at its cycle before long.
  CHECK(models::testing::report(t, "turns") ==
        Approx(2000 * 3 * std::sqrt(u * w2) / (2 * std::acos(-1))).epsilon(0.02));
  double cycle = 0.1;
  const auto step = [](double at) { return at * (1 - (at - E) * (2 - at)); };
  for (int k = 0; k < 20000; ++k) cycle = step(cycle);
  const double mean = (cycle * cycle + step(cycle) * step(cycle)) / 4 / (unit * unit);
  CHECK(models::testing::report(t, "descent_least") == Approx(mean / loss).epsilon(0.02));
  CHECK(models::testing::report(t, "descent_most") == Approx(mean / loss).epsilon(0.02));
  const auto claims = problem->predictions();
  REQUIRE(claims.size() == 1);
  CHECK(claims[0].nominal == Approx(loss).epsilon(0.005));
  CHECK(claims[0].low == Approx(0.75 * claims[0].nominal).epsilon(1e-12));
  CHECK(claims[0].high == Approx(1.33 * claims[0].nominal).epsilon(1e-12));
  for (const auto& c : problem->reference().columns) CHECK(std::isinf(c.valid_from));
  // A run comes to the cycle.
  const auto simulation = problem->simulate();
  const auto run = simulation->replica(1, 0);
  std::vector<double> seen(simulation->observables().size());
  run->advance(2000);
  run->advance(4000);
  run->observe(seen);
  CHECK(simulation->observables().back().name == "mean_loss");
  CHECK(seen.back() == Approx(mean).epsilon(1e-4));
  models::RecordedReplica recorded;
  const std::vector<std::string> observed{"eta_sharpness", "mean_loss"};
  recorded.names = observed;
  recorded.steps = t.steps;
  recorded.rows = {{1, 2.1, 1.9, 2}, {9, 4, 3, 7}};
  const bool from_three = column(t, "oscillation")[1] > 0;
  CHECK(claims[0].statistic(recorded) == Approx(from_three ? (1997 * 3 + 2000 * 7.) / 3997 : 7));
}

TEST_CASE("a step of the flow at the edge is (8.1) with the derivatives of a network by differences") {
  Literal it;
  models::ingredients::CentralFlow flow(it.objective, it.theta, eta);
  for (int k = 0; k < 150; ++k) flow.step();
  REQUIRE(flow.oscillation().size() == 1);
  const std::vector<double> before = flow.mean(), w = flow.oscillation()[0];
  flow.step();
  const std::vector<double> after = flow.mean();
  const std::size_t P = before.size();
  std::vector<double> middle(P), slope(P), Hw(P);
  for (std::size_t i = 0; i < P; ++i) middle[i] = (before[i] + after[i]) / 2;
  it.objective.move_to(middle);
  it.objective.gradient(slope);
  const auto held = [&](std::vector<double> at) {
    it.objective.move_to(at);
    it.objective.product(CurvaturePart::hessian, w, Hw);
    return numerics::dot_in_order(w, Hw);
  };
  double off = 0, size = 0;
  for (std::size_t i = 0; i < P; ++i) {
    std::vector<double> plus = middle, minus = middle;
    plus[i] += 1e-5;
    minus[i] -= 1e-5;
    const double expected = -eta * (slope[i] + 0.5 * (held(plus) - held(minus)) / 2e-5), found = after[i] - before[i];
    off += (found - expected) * (found - expected);
    size += expected * expected;
  }
  CHECK(std::sqrt(off / size) < 0.05);  // X moves during the step
  const auto top = largest_curvature(it.objective, CurvaturePart::hessian);
  it.objective.move_to(after);
  CHECK(largest_curvature(it.objective, CurvaturePart::hessian, top.next_start).value == Approx(2 / eta).epsilon(1e-3));
}

TEST_CASE("a shared start: batches alone tell replicas apart") {
  const auto second = [](const std::string& optimizer, const std::string& more) {
    const auto problem =
        prepare("model = 'network'\n[time]\nsteps = 5\n" + sections + "[optimizer]\n" + optimizer + more);
    const auto simulation = problem->simulate();
    std::vector<std::vector<double>> out;
    for (const std::uint64_t index : {0u, 1u}) {
      const auto replica = simulation->replica(3, index);
      for (const std::uint64_t step : {0u, 5u}) {
        out.emplace_back(simulation->observables().size());
        replica->advance(step);
        replica->observe(out.back());
      }
    }
    return std::pair(out[0][0] == out[2][0], out[1][0] == out[3][0]);
  };
  const std::string shared = "[monte_carlo]\nshared_start = true\n",
                    sgd = "kind = 'sgd'\nbatch = 4\nlearning_rate = 0.1\n";
  CHECK(second("learning_rate = 0.1\n", shared) == std::pair(true, true));
  CHECK(second(sgd, shared) == std::pair(true, false));
  CHECK(second(sgd, "") == std::pair(false, false));
}

TEST_CASE("the linearised network by its kernel: r' = r - (eta/n) K r of all outputs and examples") {
  const std::string text =
      "[data]\nexamples = 4\ninputs = 3\noutputs = 2\ntargets = 'teacher'\nnoise = 0.5\n[network]\nhidden = [3]\n"
      "activation = 'erf'\nparametrisation = 'ntk'\n";
  Literal it(settings::read_text(text, "x.toml"));
  const std::size_t P = it.theta.size(), size = 8;
  const auto residuals = [&](const std::vector<double>& theta) {
    std::vector<double> out;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::vector<double> f =
          literal::outputs(it.network->architecture(), theta, it.data.train->inputs.column(i));
      for (std::size_t c = 0; c < 2; ++c) out.push_back(f[c] - it.data.train->targets(c, i));
    }
    return out;
  };
  linear_algebra::Matrix K(size, size);
  for (std::size_t p = 0; p < P; ++p) {
    std::vector<double> up = it.theta, down = it.theta;
    up[p] += 1e-5;
    down[p] -= 1e-5;
    const auto above = residuals(up), below = residuals(down);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = 0; j < size; ++j) K(i, j) += (above[i] - below[i]) * (above[j] - below[j]) / 4e-10;
  }
  for (const bool fading : {false, true}) {
    CAPTURE(fading);
    const auto theory = prepare("model = 'network'\n[time]\nat = [1, 3, 9]\n" + text +
                                "[optimizer]\nlearning_rate = 0.7\n" + (fading ? "[schedule]\nkind = 'linear'\n" : ""))
                            ->solve();
    std::vector<double> r = residuals(it.theta);
    std::size_t at = 0;
    for (int step = 0; step <= 9; ++step) {
      if (step == theory.steps[at])
        CHECK(column(theory, "loss")[at++] == Approx(numerics::squared_norm_in_order(r) / 8).epsilon(1e-8));
      const double rate = 0.7 * (fading ? 1 - step / 9.0 : 1.0);
      std::vector<double> next = r;
      for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < size; ++j) next[i] -= rate / 4 * K(i, j) * r[j];
      r = next;
    }
    CHECK(at == 4);
    CHECK(models::testing::report(theory, "eta_kernel_max") ==
          Approx(0.7 / 4 * linear_algebra::symmetric_eigenvalues(K).back()).epsilon(1e-8));
  }
}

TEST_CASE("what the central flow of a network is not of") {
  const auto refused = [](const std::string& optimizer, const std::string& part) {
    try {
      prepare(experiment(optimizer))->solve();
    } catch (const settings::Error& e) {
      return holds(e.what(), part);
    }
    return false;
  };
  const std::string of = "theory.method: central-flow is of gradient descent on all examples";
  CHECK(refused("learning_rate = 0.1\nmomentum = 0.5\n", of));
  CHECK(refused("kind = 'sgd'\nbatch = 3\nlearning_rate = 0.1\n", of));
  CHECK(refused("kind = 'sam'\nrho = 0.1\nlearning_rate = 0.1\n", of));
  CHECK(refused("[rate]\nkind = 'cdat'\n", of));
  CHECK(refused("learning_rate = 0.1\n[schedule]\nkind = 'linear'\n", of));
  CHECK(refused("learning_rate = 5.0\n", "begins below the edge"));
  // A single start is what is compared.
  const auto alone = prepare(experiment("learning_rate = 0.1\n", ""));
  CHECK_THROWS_WITH_AS(alone->reference(),
                       doctest::Contains("monte_carlo.shared_start: the central flow is of the start"),
                       settings::Error);
  CHECK(alone->predictions().empty());
}
