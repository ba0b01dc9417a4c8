// Correlations of real networks against their definition by differences of outputs, and training against its own steps.
#include "models/feature_alignment/network_alignment.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "models/framework/model.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/feature_alignment/literal_correlation.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise;
using namespace edgewise::models::feature_alignment;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

namespace nets = models::ingredients::networks;
using Vector = std::vector<double>;

std::string experiment(const std::string& optimizer, const std::string& more = "",
                       const std::string& network = "hidden = [4, 5]\n") {
  return "model = 'feature-alignment'\n[time]\nat = [1, 2, 4]\n[alignment]\nkind = 'network'\n" + more +
         "[data]\nexamples = 6\ninputs = 3\ntargets = 'product'\n[network]\n" + network + "[optimizer]\n" + optimizer;
}

/// What replica 1 of seed 3 shows at the steps asked for.
std::vector<Vector> run(const models::Problem& problem, const std::vector<std::uint64_t>& steps) {
  const auto simulation = problem.simulate();
  const auto replica = simulation->replica(3, 1);
  std::vector<Vector> out;
  for (const std::uint64_t step : steps) {
    replica->advance(step);
    replica->observe(out.emplace_back(simulation->observables().size()));
  }
  return out;
}

}  // namespace

TEST_CASE("training is the algorithm as it is written, correlations are those of differences") {
  const nets::Architecture a{3, {{4, {nets::ActivationKind::tanh}}, {5, {nets::ActivationKind::tanh}}, {1, {}}}};
  const nets::Network network(a);
  struct Row {
    const char* optimizer;
    std::size_t batch;
    Vector speeds;
  };
  for (const Row& row :
       {Row{"kind = 'gd'\nlearning_rate = 0.3\n", 0, {}},
        {"kind = 'sgd'\nlearning_rate = 0.3\nbatch = 2\n", 2, {}},
        {"kind = 'slo'\nlearning_rate = 0.1\nspeeds = [1, 0.2, 3]\neps = 0.05\n", 0, {1, 0.2, 3}},
        {"kind = 'slo'\nlearning_rate = 0.1\nspeeds = [1, 0.2, 3]\neps = 0.05\nbatch = 3\n", 3, {1, 0.2, 3}}}) {
    CAPTURE(row.optimizer);
    const std::string text = experiment(row.optimizer);
    const auto data = nets::read_training_data(settings::read_text(text, "e.toml"));
    const auto input = [&](std::size_t i) {
      const auto column = data.train->inputs.column(i);
      return Vector(column.begin(), column.end());
    };
    random::Stream start(3, 1, 0, random::Purpose::initial), batches(3, 1, 0, random::Purpose::batch);
    const Vector theta0 = network.draw(start);
    Vector theta = theta0;
    const auto loss = [&](const Vector& t, const std::vector<std::size_t>& examples) {
      double out = 0;
      for (const std::size_t i : examples) {
        const double residual =
            literal::outputs(a, t, input(i))[0] - literal::outputs(a, theta0, input(i))[0] - data.train->targets(0, i);
        out += residual * residual / 2 / static_cast<double>(examples.size());
      }
      return out;
    };
    const std::vector<std::size_t> all{0, 1, 2, 3, 4, 5};
    for (std::uint64_t step = 0; step < 4; ++step) {
      std::vector<std::size_t> batch = all;
      if (row.batch > 0) {
        batches.seek(step);
        batch.resize(row.batch);
        for (std::size_t& i : batch) i = batches.below(6);
      }
      Vector g(theta.size());
      for (std::size_t k = 0; k < g.size(); ++k) {
        Vector up = theta, down = theta;
        up[k] += 1e-5;
        down[k] -= 1e-5;
        g[k] = (loss(up, batch) - loss(down, batch)) / 2e-5;
      }
      const std::size_t ends[] = {16, 41, 47};  // weights and biases of each layer
      std::size_t k = 0;
      for (std::size_t l = 0; l < 3; ++l) {
        double square = 0;
        for (std::size_t j = k; j < ends[l]; ++j) square += g[j] * g[j];
        const double rate = row.speeds.empty() ? 0.3 : 0.1 * row.speeds[l] / (0.05 + std::sqrt(square));
        for (; k < ends[l]; ++k) theta[k] -= rate * g[k];
      }
    }
    const Vector now = run(*prepare(text), {0, 4})[1];
    CHECK(now[0] == Approx(loss(theta, all)).epsilon(1e-6));
    // Of the first layer W'g is the gradient by the inputs, and g that by the biases.
    Matrix features(3, 3), products(3, 3), centred(3, 3), centred_products(3, 3);
    double change = 0, size = 0;
    const auto add_outer = [](const Vector& v, Matrix& to) {
      for (std::size_t p = 0; p < 3; ++p)
        for (std::size_t q = 0; q < 3; ++q) to(p, q) += v[p] * v[q];
    };
    for (std::size_t i = 0; i < 6; ++i) {
      Vector by_input, through_change(3);
      for (std::size_t k = 0; k < 3; ++k) {
        Vector x = input(i);
        x[k] += 1e-5;
        const double up = literal::outputs(a, theta, x)[0];
        x[k] -= 2e-5;
        by_input.push_back((up - literal::outputs(a, theta, x)[0]) / 2e-5);
      }
      for (std::size_t j = 0; j < 4; ++j) {
        Vector t = theta;
        t[12 + j] += 1e-5;
        const double up = literal::outputs(a, t, input(i))[0];
        t[12 + j] -= 2e-5;
        const double g = (up - literal::outputs(a, t, input(i))[0]) / 2e-5;
        for (std::size_t k = 0; k < 3; ++k) through_change[k] += (theta[j + 4 * k] - theta0[j + 4 * k]) * g;
      }
      add_outer(by_input, products);
      add_outer(through_change, centred_products);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      const auto row_of = [&](bool less_start) {
        Vector out;
        for (std::size_t k = 0; k < 3; ++k) out.push_back(theta[j + 4 * k] - (less_start ? theta0[j + 4 * k] : 0));
        return out;
      };
      add_outer(row_of(false), features);
      add_outer(row_of(true), centred);
      for (std::size_t k = 0; k < 3; ++k) {
        change += row_of(true)[k] * row_of(true)[k];
        size += theta0[j + 4 * k] * theta0[j + 4 * k];
      }
    }
    CHECK(now[1] == Approx(literal::correlation(centred, centred_products, true)).epsilon(1e-5));
    CHECK(now[4] == Approx(literal::correlation(features, products, true)).epsilon(1e-5));
    CHECK(now[7] == Approx(std::sqrt(change / size)).epsilon(1e-6));
  }
}

TEST_CASE("the start's limit is what one small step shows, and the theory's first row") {
  const std::string gd = "kind = 'gd'\nlearning_rate = 1e-7\n";
  for (const std::string& more : {std::string("correlation = 'cosine'\n"), std::string("centred_output = false\n")}) {
    const auto problem = prepare(experiment(gd, more) + "[monte_carlo]\nseed = 3\n");
    const std::vector<Vector> rows = run(*problem, {0, 1});
    for (std::size_t o = 1; o <= 6; ++o) CHECK(rows[1][o] == Approx(rows[0][o]).epsilon(1e-5));
    const models::Trajectory theory = problem->solve();
    const auto simulation = problem->simulate();
    Vector start(10);
    simulation->replica(3, 0)->observe(start);
    REQUIRE(theory.columns.size() == 6);
    CHECK(theory.valid_until == 0);
    for (std::size_t o = 0; o < 6; ++o) {
      CHECK(theory.columns[o].observable.name == simulation->observables()[1 + o].name);
      CHECK(start[1 + o] == Approx(theory.columns[o].value.back()).epsilon(1e-10));
    }
  }
}

TEST_CASE("weights and steps of any size keep their correlations") {
  const auto start = [](const std::string& scale) {
    return run(
        *prepare(experiment("kind = 'gd'\nlearning_rate = 0.1\n", "",
                            "hidden = [4, 5]\nactivation = 'relu'\nbias = false\nweight_variance = " + scale + "\n")),
        {0})[0];
  };
  const Vector one = start("1.0"), tiny = start("1e-120");
  for (std::size_t o = 1; o <= 6; ++o) CHECK(tiny[o] == Approx(one[o]).epsilon(1e-10));
}

TEST_CASE("correlations that are not defined are said to be so") {
  const std::string gd = "kind = 'gd'\nlearning_rate = 0.1\n";
  const auto said = [](const std::string& text) {
    try {
      run(*prepare(text), {0, 1});
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  const std::string dead = "hidden = [4]\nweight_variance = 0\n";
  CHECK(holds(said(experiment(gd, "", dead)), "rho_c of layer 1 is not defined: the layer has not moved"));
  CHECK(holds(said(experiment(gd, "correlation = 'cosine'\n", "hidden = []\nweight_variance = 0\n")),
              "rho_u of layer 1 is not defined: its weights or its gradients are 0"));
  // A gradient that is 0 moves nothing, whatever eps is.
  CHECK(holds(said(experiment("kind = 'slo'\nlearning_rate = 0.1\nspeeds = [1, 1]\neps = 0\n", "", dead)),
              "its gradient is 0"));
  CHECK(holds(error_of(experiment(gd, "", "hidden = [1]\n")), "correlation: pearson is not defined in layer 2"));
  CHECK(error_of(experiment(gd, "correlation = 'cosine'\n", "hidden = [1]\n")) == "no error");
  for (const char* speeds : {"[1, 1]", "[1, 1, 0]", "[1, 1, -1]"})
    CHECK(holds(error_of(experiment(fmt::format("kind = 'slo'\nlearning_rate = 0.1\nspeeds = {}\n", speeds))),
                "optimizer.speeds: must be 3 numbers > 0"));
}

TEST_CASE("speed-limited layers align in the order of their speeds" * doctest::test_suite("slow")) {
  // Means of five starts, docs/theory/networks-and-kernels.md, section 2.5, at half its width and steps.
  const auto mean = [](const std::string& optimizer) {
    const auto problem = prepare(
        "model = 'feature-alignment'\n[time]\nat = [300]\n[alignment]\nkind = 'network'\n[data]\nexamples = "
        "300\ninputs "
        "= 20\ntargets = 'product'\n[network]\nhidden = [64, 64]\nactivation = 'relu'\nbias = false\n[optimizer]\n" +
        optimizer);
    const auto simulation = problem->simulate();
    double out = 0;
    for (std::uint64_t index = 0; index < 5; ++index) {
      const auto replica = simulation->replica(1, index);
      replica->advance(300);
      Vector now(simulation->observables().size());
      replica->observe(now);
      out += now[1] / 5;
    }
    return out;
  };
  const double fast = mean("kind = 'slo'\nlearning_rate = 0.02\nspeeds = [5, 0.05, 0.05]\n"),
               gd = mean("kind = 'gd'\nlearning_rate = 0.1\n"),
               slow = mean("kind = 'slo'\nlearning_rate = 0.02\nspeeds = [0.05, 0.05, 5]\n");
  CHECK(fast > gd + 0.03);
  CHECK(gd > slow + 0.03);
}

TEST_CASE("the correlation at the start has no unit, of targets or of inputs") {
  const auto at_start = [](const std::string& key) {
    // ReLU without biases at the start is homogeneous in its inputs.
    return prepare(experiment("kind = 'gd'\nlearning_rate = 0.1\n", "", "hidden = [6, 5]\nactivation = 'relu'\n"),
                   {key})
        ->solve()
        .find("rho_c_1")
        ->value[0];
  };
  const double usual = at_start("data.target_scale=1");
  for (const char* unit : {"1e-100", "1e-60", "1e-15", "1e15", "1e60", "1e100"}) {
    CAPTURE(unit);
    CHECK(at_start(std::string("data.target_scale=") + unit) == Approx(usual).epsilon(1e-9));
  }
  for (const char* unit : {"1e-60", "1e15", "1e60"}) {
    CAPTURE(unit);
    CHECK(at_start(std::string("data.input_scale=") + unit) == Approx(usual).epsilon(1e-9));
  }
}
