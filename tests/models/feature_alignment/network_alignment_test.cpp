// Correlations of real networks against their definition by differences of outputs, and training against its own steps.
#include "models/feature_alignment/network_alignment.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/feature_alignment/literal_correlation.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise;
using namespace edgewise::models::feature_alignment;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::testing::error_of;
using models::testing::holds;
using models::testing::number;
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

struct Readings {
  double centred, uncentred, moved;
};

/// What is read of layer l = 1, 2, .., by differences: W'g g'W with g = df/dh, which is the derivative by the layer's biases.
/// \param change  of all parameters, in place of W in the centred correlation
Readings readings(const nets::Architecture& a, const Matrix& inputs, std::size_t l, const Vector& theta,
                  const Vector& theta0, const Vector& change) {
  std::size_t first = 0, before = a.inputs;
  for (std::size_t k = 1; k < l; ++k) {
    first += a.layers[k - 1].width * (before + 1);
    before = a.layers[k - 1].width;
  }
  const std::size_t width = a.layers[l - 1].width, bias = first + width * before;
  Matrix whole(before, before), products(before, before), moved(before, before), moved_products(before, before);
  double square = 0, size = 0;
  const auto add_outer = [&](const Vector& v, Matrix& to) {
    for (std::size_t p = 0; p < before; ++p)
      for (std::size_t q = 0; q < before; ++q) to(p, q) += v[p] * v[q];
  };
  for (std::size_t i = 0; i < inputs.columns(); ++i) {
    const auto column = inputs.column(i);
    const Vector x(column.begin(), column.end());
    Vector through(before), through_change(before);
    for (std::size_t j = 0; j < width; ++j) {
      Vector t = theta;
      t[bias + j] += 1e-5;
      const double up = literal::outputs(a, t, x)[0];
      t[bias + j] -= 2e-5;
      const double g = (up - literal::outputs(a, t, x)[0]) / 2e-5;
      for (std::size_t k = 0; k < before; ++k) {
        through[k] += theta[first + j + width * k] * g;
        through_change[k] += change[first + j + width * k] * g;
      }
    }
    add_outer(through, products);
    add_outer(through_change, moved_products);
  }
  for (std::size_t j = 0; j < width; ++j) {
    Vector row(before), row_of_change(before);
    for (std::size_t k = 0; k < before; ++k) {
      row[k] = theta[first + j + width * k];
      row_of_change[k] = change[first + j + width * k];
      square += std::pow(theta[first + j + width * k] - theta0[first + j + width * k], 2);
      size += std::pow(theta0[first + j + width * k], 2);
    }
    add_outer(row, whole);
    add_outer(row_of_change, moved);
  }
  return {literal::correlation(moved, moved_products, true), literal::correlation(whole, products, true),
          std::sqrt(square / size)};
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
    Vector change(theta.size());
    for (std::size_t k = 0; k < theta.size(); ++k) change[k] = theta[k] - theta0[k];
    for (std::size_t l = 1; l <= 3; ++l) {
      CAPTURE(l);
      const Readings expected = readings(a, data.train->inputs, l, theta, theta0, change);
      CHECK(now[l] == Approx(expected.centred).epsilon(1e-5));
      CHECK(now[3 + l] == Approx(expected.uncentred).epsilon(1e-5));
      CHECK(now[6 + l] == Approx(expected.moved).epsilon(1e-6));
    }
  }
}

TEST_CASE(
    "findings of a real network are the correlations at the start of replica 0, of its weights and its gradient") {
  const nets::Architecture a{3, {{4, {nets::ActivationKind::tanh}}, {5, {nets::ActivationKind::tanh}}, {1, {}}}};
  for (const bool centred : {true, false}) {
    CAPTURE(centred);
    const std::string text =
        experiment("kind = 'gd'\nlearning_rate = 0.3\n", centred ? "" : "centred_output = false\n") +
        "[monte_carlo]\nseed = 3\n";
    const auto data = nets::read_training_data(settings::read_text(text, "e.toml"));
    random::Stream stream(3, 0, 0, random::Purpose::initial);
    const Vector theta = nets::Network(a).draw(stream);
    const auto loss = [&](const Vector& t) {
      double out = 0;
      for (std::size_t i = 0; i < 6; ++i) {
        const auto column = data.train->inputs.column(i);
        const Vector x(column.begin(), column.end());
        double residual = literal::outputs(a, t, x)[0] - data.train->targets(0, i);
        if (centred) residual -= literal::outputs(a, theta, x)[0];
        out += residual * residual / 12;
      }
      return out;
    };
    Vector gradient(theta.size());
    for (std::size_t k = 0; k < theta.size(); ++k) {
      Vector up = theta, down = theta;
      up[k] += 1e-5;
      down[k] -= 1e-5;
      gradient[k] = (loss(up) - loss(down)) / 2e-5;
    }
    const auto problem = prepare(text);
    const auto found = problem->stability();
    for (std::size_t l = 1; l <= 3; ++l) {
      CAPTURE(l);
      const Readings expected = readings(a, data.train->inputs, l, theta, theta, gradient);
      CHECK(number(found, fmt::format("rho_c_{}", l)) == Approx(expected.centred).epsilon(1e-6));
      CHECK(number(found, fmt::format("rho_u_{}", l)) == Approx(expected.uncentred).epsilon(1e-6));
    }
    Vector now(10);
    problem->simulate()->replica(3, 0)->observe(now);
    CHECK(now[0] == Approx(loss(theta)).epsilon(1e-12));
  }
}

TEST_CASE(
    "a linear network without layers or biases is its weights times the inputs, in the units that are asked for") {
  // f = w.x, less itself at the start or not; the products x_1 x_2 + x_3/2 are of the inputs before their scale.
  const std::string text = experiment("kind = 'gd'\nlearning_rate = 0.3\n", "centred_output = false\n",
                                      "hidden = []\nbias = false\nweight_variance = 2\n");
  CHECK(run(*prepare(text, {"data.kind='gaussian'"}), {0}) == run(*prepare(text), {0}));
  const auto data = nets::read_training_data(settings::read_text(text, "e.toml"));
  random::Stream stream(3, 1, 0, random::Purpose::initial);
  Vector w;
  for (int k = 0; k < 3; ++k) w.push_back(stream.normal());
  const auto loss = [&](double of_inputs, double of_targets) {
    double out = 0;
    for (std::size_t i = 0; i < 6; ++i) {
      const auto x = data.train->inputs.column(i);
      double residual = -of_targets * (x[0] * x[1] + x[2] / 2);
      for (std::size_t k = 0; k < 3; ++k) residual += of_inputs * std::sqrt(2. / 3) * w[k] * x[k];
      out += residual * residual / 12;
    }
    return out;
  };
  CHECK(run(*prepare(text), {0})[0][0] == Approx(loss(1, 1)).epsilon(1e-13));
  CHECK(run(*prepare(text, {"data.input_scale=1.5"}), {0})[0][0] == Approx(loss(1.5, 1)).epsilon(1e-13));
  CHECK(run(*prepare(text, {"data.target_scale=0.7"}), {0})[0][0] == Approx(loss(1, .7)).epsilon(1e-13));
  // With a bias of variance b there is one more normal number after the weights.
  const Vector with = run(*prepare(text, {"network.bias=true", "network.bias_variance=4"}), {0})[0];
  const double bias = 2 * stream.normal();
  double expected = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const auto x = data.train->inputs.column(i);
    double residual = bias - data.train->targets(0, i);
    for (std::size_t k = 0; k < 3; ++k) residual += std::sqrt(2. / 3) * w[k] * x[k];
    expected += residual * residual / 12;
  }
  CHECK(with[0] == Approx(expected).epsilon(1e-13));
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
  CHECK(holds(models::testing::error_with(experiment(gd, "", "hidden = [4]\n"), {"data.target_scale=1.7e308"}),
              "weights or gradients overflow; what sets their size (the rate, initial weights, data.target_scale)"));
  CHECK(holds(said(experiment("kind = 'gd'\nlearning_rate = 1e30\n", "", "hidden = [4]\n")),
              "as that of saturated units is: take a smaller optimizer.learning_rate"));
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
  for (const char* unit : {"1e-250", "1e-100", "1e-60", "1e-15", "1e15", "1e60", "1e100", "1e300"}) {
    CAPTURE(unit);
    CHECK(at_start(std::string("data.target_scale=") + unit) == Approx(usual).epsilon(1e-9));
  }
  for (const char* unit : {"1e-60", "1e15", "1e60"}) {
    CAPTURE(unit);
    CHECK(at_start(std::string("data.input_scale=") + unit) == Approx(usual).epsilon(1e-9));
  }
}

TEST_CASE("what the identity at the start leaves undefined names its layer") {
  nets::Architecture a;
  a.inputs = 2;
  for (const std::size_t width : {3U, 1U}) a.layers.push_back({width, {nets::ActivationKind::identity}, false});
  const auto network = std::make_shared<const nets::Network>(a);
  nets::Examples examples{Matrix(2, 4), Matrix(1, 4)};
  for (double& x : examples.inputs.entries()) x = 1;
  for (double& y : examples.targets.entries()) y = 1;
  nets::NetworkObjective objective(network, nets::Loss{}, std::make_shared<const nets::Examples>(examples));
  // Of weights that are all 0 no layer has a gradient.
  objective.move_to(Vector(9, 0.0));
  for (std::size_t l = 0; l < 2; ++l)
    CHECK_THROWS_WITH_AS(
        early_correlation(objective, l, Correlation::cosine),
        fmt::format(
            "rho_c of layer {} is not defined: the layer has not moved, its gradient is 0; a gradient may be 0 as "
            "that of saturated units is: take a smaller optimizer.learning_rate or smaller weights",
            l + 1)
            .c_str(),
        std::domain_error);
}
