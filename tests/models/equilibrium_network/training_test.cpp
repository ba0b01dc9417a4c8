#include "models/equilibrium_network/training.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "models/framework/model.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/family_defaults.hpp"
#include "tests/models/framework/defaults.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

TrainingProblem small_problem(const char* phi, double g, std::size_t width) {
  TrainingProblem out;
  out.network.family = family_of(FamilyKind::elliptic, 0.3, 2);
  out.network.g = g;
  out.network.phi = state_function(phi);
  out.network.width = width;
  out.network.input_power = 0.8;
  out.iterations = 4;
  out.inputs = Matrix(2, 3, std::vector<double>{1, 1, -std::sqrt(2), 0, std::sqrt(0.5), -std::sqrt(1.5)});
  out.targets = {0.5, -1, 0.2};
  out.learning_rate = 0.1;
  return out;
}

/// The loss by plain loops.
double literal_loss(const TrainingProblem& p, const TiedWeights& weights) {
  const std::size_t n = p.network.width;
  double loss = 0;
  for (std::size_t i = 0; i < p.examples(); ++i) {
    std::vector<double> z(n, 0.0);
    for (std::uint64_t k = 0; k < p.iterations; ++k) {
      std::vector<double> next(n);
      for (std::size_t a = 0; a < n; ++a) {
        double u = weights.h(a, i);
        for (std::size_t b = 0; b < n; ++b) u += weights.w(a, b) * z[b];
        next[a] = p.network.phi.value(u);
      }
      z = next;
    }
    double f = 0;
    for (std::size_t a = 0; a < n; ++a) f += weights.readout[a] * z[a] / std::sqrt(static_cast<double>(n));
    loss += (f - p.targets[i]) * (f - p.targets[i]) / 2 / static_cast<double>(p.examples());
  }
  return loss;
}

std::unique_ptr<models::Problem> prepared(const std::string& keys) {
  const auto e = models::read_experiment(settings::read_text(
      "model = 'equilibrium-training'\n[time]\nat = [1, 20]\n[optimizer]\nlearning_rate = 0.5\n" + keys, "e.toml"));
  return models::find(e).prepare(e);
}

std::string refusal(const std::string& keys) {
  try {
    prepared(keys)->solve();
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "solved";
}

}  // namespace

TEST_CASE("loss and gradient through all iterations, by loops and central differences") {
  for (const char* phi : {"linear", "tanh"}) {
    const TrainingProblem p = small_problem(phi, 0.7, 5);
    TiedWeights weights = draw_weights(p, 2, 1);
    const TiedPass pass = tied_pass(p, weights);
    CHECK(pass.loss == Approx(literal_loss(p, weights)).epsilon(1e-13));
    const double h = 1e-5;
    const auto derivative = [&](double& x) {
      const double at = x;
      x = at + h;
      const double up = literal_loss(p, weights);
      x = at - h;
      const double down = literal_loss(p, weights);
      x = at;
      return (up - down) / (2 * h);
    };
    for (std::size_t k = 0; k < weights.w.size(); ++k)
      CHECK(std::abs(derivative(weights.w.data()[k]) - pass.w.data()[k]) < 1e-9);
    for (std::size_t k = 0; k < weights.readout.size(); ++k)
      CHECK(std::abs(derivative(weights.readout[k]) - pass.readout[k]) < 1e-9);
  }
}

TEST_CASE("a step moves the standard-normalised weights") {
  const auto p = std::make_shared<const TrainingProblem>(small_problem("tanh", 0.7, 5));
  TiedWeights weights = draw_weights(*p, 2, 1);
  const TiedPass pass = tied_pass(*p, weights);
  // W = g What/sqrt n: dL/dWhat = (g/sqrt n) dL/dW moves W by that factor again.
  for (std::size_t k = 0; k < weights.w.size(); ++k) weights.w.data()[k] -= 0.1 * 0.49 / 5 * pass.w.data()[k];
  for (std::size_t k = 0; k < weights.readout.size(); ++k) weights.readout[k] -= 0.1 * pass.readout[k];
  const auto simulation = simulate_training(p);
  const auto replica = simulation->replica(2, 1);
  replica->advance(1);
  double out[3];
  replica->observe(out);
  CHECK(out[0] == Approx(literal_loss(*p, weights)).epsilon(1e-12));
}

TEST_CASE("equilibrium training experiments: what a replica observes, by the matrices that it draws") {
  // Two iterations of linear weights: z_2 = W h + h, f = v.z_2/sqrt n; of one input of norm sqrt d in d = 1: x = +-1.
  const auto simulation =
      prepared(
          "[network]\nfamily = 'iid'\nscale = 0.6\nwidth = 5\n[training]\nexamples = 1\ninputs = 1\niterations = 2\n"
          "input_power = 0.7\ntargets = 'random'\n")
          ->simulate();
  random::Stream data(1, 0, 0, random::Purpose::data);  // of the teacher, the input and the target
  data.normal();
  const double x = data.normal() > 0 ? 1 : -1, y = data.normal();
  const Matrix w = draw(family_of(FamilyKind::iid, 0, 2), 5, 0.6, 4, 2);
  random::Stream stream(4, 2, 0, random::Purpose::data);
  std::vector<double> h(5), v(5);
  stream.normals(h);
  stream.seek(1);
  stream.normals(v);
  double f = 0, length = 0, change = 0;
  for (double& value : h) value *= std::sqrt(0.7) * x;
  for (std::size_t i = 0; i < 5; ++i) {
    double moved = 0;
    for (std::size_t j = 0; j < 5; ++j) moved += w(i, j) * h[j];
    f += v[i] * (h[i] + moved) / std::sqrt(5);
    length += (h[i] + moved) * (h[i] + moved) / 5;
    change += moved * moved / 5;
  }
  double out[3];
  simulation->replica(4, 2)->observe(out);
  CHECK(out[0] == Approx((f - y) * (f - y) / 2).epsilon(1e-12));
  CHECK(out[1] == Approx(length).epsilon(1e-12));
  CHECK(out[2] == Approx(change / length).epsilon(1e-12));
}

TEST_CASE("wide networks train as the lazy theory says") {
  for (const char* network : {"family = 'goe'\nscale = 0.3\n", "family = 'haar'\nscale = 0.6\nactivation = 'tanh'\n"}) {
    CAPTURE(network);
    const auto problem = prepared("[network]\nwidth = 64\n" + std::string(network) +
                                  "[training]\nexamples = 4\ninputs = 4\niterations = 10\n");
    const auto theory = problem->solve();
    const auto simulation = problem->simulate();
    // f_0 is Gaussian: the mean loss of 40 runs is known to some 15% at first; the fall of each is what is told.
    double fall = 0, start = 0, end = 0;
    for (std::uint64_t index = 0; index < 40; ++index) {
      const auto replica = simulation->replica(1, index);
      double out[3];
      replica->observe(out);
      start += out[0] / 40;
      replica->advance(20);
      replica->observe(out);
      end += out[0] / 40;
    }
    fall = end / start;
    const auto& loss = theory.find("loss")->value;
    CHECK(start == Approx(loss.front()).epsilon(0.3));  // a guard: three standard errors
    // The kernels of single networks of this width are some 1/8 off, and the mean of exponentials falls slower.
    CHECK(std::log(fall) == Approx(std::log(loss.back() / loss.front())).epsilon(0.1));
  }
}

TEST_CASE("scales outside the phase and families without a tangent kernel have no theory, and say so") {
  CHECK(refusal("[network]\nscale = 0.5\n") == "solved");
  CHECK(refusal("[network]\nscale = 1.5\n").starts_with("e.toml: network.scale: outside the stable phase"));
  CHECK(refusal("[network]\nfamily = 'goe'\nactivation = 'tanh'\nscale = 0.3\n")
            .starts_with("e.toml: network.family: the tangent kernel"));
  CHECK(refusal("[training]\niterations = 1.5\n").starts_with("e.toml: training.iterations: must be a whole"));
  CHECK_THROWS_WITH(prepared("[network]\nwidth = 20000\n[training]\niterations = 10000\n")->simulate(),
                    doctest::Contains("training.iterations: times examples"));
  CHECK_THROWS_WITH(prepared("[network]\nwidth = 20001\n")->simulate(),
                    doctest::Contains("network.width: must be at most 20000"));
  const auto findings = prepared("[network]\nscale = 1.5\nfamily = 'goe'\n")->stability();
  const auto value = [&](const char* name) {
    return std::get<double>(std::ranges::find(findings, name, &models::Finding::name)->value);
  };
  CHECK(value("edge_scale") == 0.5);
  CHECK(value("relative_scale") == 3);
}

TEST_CASE("a diverging run is counted as one, from a start that is finite") {
  const auto problem = prepared("[network]\nscale = 1.3\nwidth = 40\n[training]\niterations = 30\n");
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  double out[3];
  replica->observe(out);
  CHECK(std::isfinite(out[0]));
  replica->advance(20);
  replica->observe(out);
  CHECK(std::isinf(out[0]));
}

// 60 draws of width 120: 4 standard errors (of some 1 to 3%; 6e-5 false alarms each) and 3% for O(1/n).
TEST_CASE("the tangent kernel after few iterations, of drawn networks") {
  struct Case {
    const char* phi;
    Family family;
    double g;
    std::uint64_t iterations;
  };
  const Family iid = family_of(FamilyKind::iid, 0, 2);
  for (const Case& c : {Case{"linear", iid, 0.8, 1}, Case{"linear", iid, 0.8, 4},
                        Case{"linear", family_of(FamilyKind::goe, 0, 2), 0.45, 5},
                        Case{"linear", family_of(FamilyKind::anti, 0, 2), 0.8, 3},
                        Case{"linear", family_of(FamilyKind::elliptic, 0.5, 2), 0.6, 4}, Case{"tanh", iid, 1.2, 3},
                        Case{"relu", family_of(FamilyKind::haar, 0, 2), 1.1, 4}}) {
    CAPTURE(c.phi);
    CAPTURE(c.iterations);
    TrainingProblem p = small_problem(c.phi, c.g, 120);
    p.network.family = c.family;
    p.iterations = c.iterations;
    p.inputs = Matrix(1, 1, std::vector<double>{1});
    p.targets = {0.7};
    constexpr std::uint64_t draws = 60;
    double mean = 0, square = 0;
    for (std::uint64_t r = 0; r < draws; ++r) {
      // Of one example the gradient is the residual times that of f.
      const TiedPass pass = tied_pass(p, draw_weights(p, 4, r));
      const double kernel = (numerics::squared_norm_in_order(pass.readout) +
                             c.g * c.g / 120 * numerics::squared_norm_in_order(pass.w.entries())) /
                            (2 * pass.loss);
      mean += kernel / draws;
      square += kernel * kernel / draws;
    }
    const double expected = 2 / lazy_edge(p);
    CHECK(std::abs(mean - expected) < 4 * std::sqrt((square - mean * mean) / draws) + 0.03 * expected);
  }
}

TEST_CASE("kernels of many iterations are those of the fixed point") {
  for (const char* phi : {"linear", "tanh", "relu"}) {
    TrainingProblem p = small_problem(phi, 0.6, 50);
    p.network.family = family_of(FamilyKind::iid, 0, 2);
    p.network.depth.at = {1, 7};
    p.iterations = 300;
    const std::vector<double> many = lazy_losses(p);
    p.iterations = 301;
    for (std::size_t k = 0; k < 2; ++k) CHECK(many[k] == Approx(lazy_losses(p)[k]).epsilon(1e-9));
  }
}

TEST_CASE(
    "the theory claims nothing of narrow networks, and not the fixed point where the iteration has not come to it") {
  const auto until = [](const std::string& keys) { return prepared(keys)->solve().valid_until.value_or(infinity); };
  // Linear, iid: the residual falls by g^2 an iteration.
  CHECK(until("[network]\nscale = 0.999\n[training]\niterations = 301\nexamples = 2\n") == 0);
  CHECK(until("[network]\nscale = 0.999\n[training]\niterations = 300\nexamples = 2\n") == infinity);
  CHECK(until("[network]\nscale = 0.9\n[training]\niterations = 1\n") == infinity);
  CHECK(until("[network]\nscale = 0.9\n[training]\niterations = 400\n") == infinity);
  CHECK(until("[network]\nscale = 0.6\nactivation = 'relu'\n[training]\niterations = 10\n") == infinity);
  CHECK(until("[network]\nscale = 0.6\nwidth = 19\n") == 0);
  const auto told = prepared("[network]\nscale = 0.999\n[training]\niterations = 301\n")->solve().warnings;
  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with("301 iterations leave 0.55 of a squared length"));
}

TEST_CASE("equilibrium training: what is left out is what the description says") {
  const auto check = [](const std::string& keys, const char* key, const char* usual, const char* other) {
    models::testing::check_default(
        "model = 'equilibrium-training'\n[time]\nat = [0, 2]\n[optimizer]\nlearning_rate = 0.1\n" + keys, key, usual,
        other);
  };
  check("[training]\nexamples = 1\niterations = 2\n", "network.width", "1000", "999");
  const std::string wide = "[network]\nwidth = 25\n", narrow = "[training]\nexamples = 2\niterations = 3\n" + wide;
  models::equilibrium_network::testing::check_family_defaults(check, narrow);
  check(wide, "training.iterations", "30", "3");
  check(wide, "training.input_power", "1", "1.1");
  check(wide, "training.examples", "16", "15");
  check(wide, "training.inputs", "8", "7");
  check(wide, "training.targets", "'linear'", "'random'");
  check(wide, "training.seed", "1", "2");
}
