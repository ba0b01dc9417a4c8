#include "models/softmax_temperature/simulation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::softmax_temperature;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

std::unique_ptr<models::Problem> prepared(const std::string& keys) {
  const auto e = models::read_experiment(
      settings::read_text("model = 'softmax-temperature'\n[optimizer]\nlearning_rate = 0.1\n" + keys, "e.toml"));
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

std::map<std::string, double> run(const models::Problem& problem, std::uint64_t steps, std::uint64_t index = 0) {
  const auto simulation = problem.simulate();
  const auto replica = simulation->replica(1, index);
  replica->advance(steps);
  std::vector<double> values(simulation->observables().size());
  replica->observe(values);
  std::map<std::string, double> out;
  for (std::size_t i = 0; i < values.size(); ++i) out[simulation->observables()[i].name] = values[i];
  return out;
}

}  // namespace

TEST_CASE("gradient descent of three classes is that of its definition written out, and that of the features") {
  const std::string keys =
      "[task]\nkind = 'kernel'\nclasses = 3\nkernel = 'list'\nmatrix = [[2, 0.5], [0.5, 1]]\nlabels = [3, 1]\n"
      "[initial]\nlogits = [0.5, 0, -1, 0.2, 0.1, 0]\n[loss]\ninverse_temperature = 1.7\n[time]\nat = [1, 30]\n";
  const auto problem = prepared(keys);
  double z[2][3] = {{0.5, 0, -1}, {0.2, 0.1, 0}};
  const double K[2][2] = {{2, 0.5}, {0.5, 1}}, beta = 1.7, eta = 0.1;
  const int label[2] = {2, 0};
  for (int step = 0; step < 30; ++step) {
    double force[2][3];
    for (int i = 0; i < 2; ++i) {
      double sum = 0;
      for (const double x : z[i]) sum += std::exp(beta * x);
      for (int c = 0; c < 3; ++c) force[i][c] = (c == label[i] ? 1 : 0) - std::exp(beta * z[i][c]) / sum;
    }
    for (int i = 0; i < 2; ++i)
      for (int c = 0; c < 3; ++c) z[i][c] += eta * beta * (K[i][0] * force[0][c] + K[i][1] * force[1][c]);
  }
  const models::Trajectory theory = problem->solve();
  const auto features = run(*problem, 30);
  for (int i = 0; i < 2; ++i)
    for (int c = 0; c < 3; ++c) {
      const std::string name = "z_" + std::to_string(3 * i + c + 1);
      CHECK(theory.find(name)->value.back() == Approx(z[i][c]).epsilon(1e-12));
      CHECK(features.at(name) == Approx(z[i][c]).epsilon(1e-12));
    }
  CHECK(theory.exact);
  // The flow of the same is close, and sums over classes are conserved.
  const auto flow = prepared(keys + "[theory]\nmethod = 'flow'\n")->solve();
  CHECK(flow.find("z_3")->value.back() == Approx(z[0][2]).epsilon(0.05));
  CHECK(flow.find("z_1")->value.back() + flow.find("z_2")->value.back() + flow.find("z_3")->value.back() ==
        Approx(-0.5).epsilon(1e-9));
}

TEST_CASE("points of a population are descended one by one") {
  for (const int classes : {1, 3}) {
    const auto problem = prepared("[task]\nclasses = " + std::to_string(classes) +
                                  "\n[initial]\ndeviation = 8\n[loss]\ninverse_temperature = 3\n"
                                  "[monte_carlo]\npoints = 2000\n[time]\nat = [1, 20]\n");
    const models::Trajectory theory = problem->solve();
    CHECK(theory.exact);
    // 20 replicas, 2 comparisons per case at 5 standard errors.
    double loss = 0, accuracy = 0;
    for (std::uint64_t index = 0; index < 20; ++index) {
      const auto values = run(*problem, 20, index);
      loss += values.at("loss") / 20;
      accuracy += values.at("accuracy") / 20;
    }
    CHECK(std::abs(loss - theory.find("loss")->value.back()) < 5 * theory.find("loss")->std.back() / std::sqrt(20));
    CHECK(std::abs(accuracy - theory.find("accuracy")->value.back()) <
          5 * theory.find("accuracy")->std.back() / std::sqrt(20));
  }
}

TEST_CASE("a replica of a population is the softmax of all its logits, written out") {
  const auto problem = prepared(
      "[task]\nclasses = 4\neigenvalue = 0.7\n[initial]\ndeviation = 0.5\n[loss]\ninverse_temperature = 3\n"
      "[monte_carlo]\npoints = 64\n[time]\nat = [1, 15]\n");
  std::vector<double> start(64);
  random::Stream(1, 0, 0, random::Purpose::initial).normals(start);
  double loss = 0;
  for (const double x : start) {
    double z[4] = {0.5 * x, 0, 0, 0};
    const auto probability = [&](int c) {
      double sum = 0;
      for (const double other : z) sum += std::exp(3 * (other - z[c]));
      return 1 / sum;
    };
    for (int step = 0; step < 15; ++step) {
      double force[4];
      for (int c = 0; c < 4; ++c) force[c] = (c == 0 ? 1 : 0) - probability(c);
      for (int c = 0; c < 4; ++c) z[c] += 0.1 * 3 * 0.7 * force[c];
    }
    loss -= std::log(probability(0)) / 64;
  }
  CHECK(run(*problem, 15).at("loss") == Approx(loss).epsilon(1e-12));
}

TEST_CASE("a short step of a network is that of its linearisation") {
  const auto problem = prepared(
      "rescaled = true\n[task]\nkind = 'network'\nwidth = 64\npoints = 5\n[loss]\ninverse_temperature = "
      "1000\n[time]\nat = "
      "[1]\n");
  CHECK(run(*problem, 1).at("linearisation_error") < 1e-3);
  CHECK(run(*problem, 1).at("kernel_change") > 0);
}

TEST_CASE("a replica of a network is its definition written out, beside its linearisation") {
  // a.phi(W x)/sqrt m, less its start: 3 points in 2 dimensions, 4 units.
  const auto problem = prepared(
      "[task]\nkind = 'network'\nwidth = 4\npoints = 3\ninputs = 2\nseed = 7\n[loss]\ninverse_temperature = "
      "1.5\n[time]\nat = [12]\n");
  double x[3][2], y[3];
  random::Stream data(7, 0, 0, random::Purpose::data);
  for (int i = 0; i < 3; ++i) {
    for (double& entry : x[i]) entry = data.normal();
    const double norm = std::hypot(x[i][0], x[i][1]);
    for (double& entry : x[i]) entry /= norm;
    y[i] = data.uniform() < 0.5 ? -1 : 1;
  }
  double W[4][2], a[4];
  random::Stream draw(1, 0, 0, random::Purpose::initial);
  for (int c = 0; c < 2; ++c)
    for (auto& row : W) row[c] = draw.normal();
  for (double& weight : a) weight = draw.normal();
  const auto outputs = [&] {
    std::array<double, 3> f{};
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j) f[i] += a[j] * std::tanh(W[j][0] * x[i][0] + W[j][1] * x[i][1]) / 2;
    return f;
  };
  using Row = std::array<double, 12>;  // df_i/d(a, W)
  const auto gradients = [&] {
    std::array<Row, 3> out;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j) {
        const double h = std::tanh(W[j][0] * x[i][0] + W[j][1] * x[i][1]);
        out[i][j] = h / 2;
        for (int c = 0; c < 2; ++c) out[i][4 + 2 * j + c] = a[j] * (1 - h * h) * x[i][c] / 2;
      }
    return out;
  };
  const auto kernel = [&] {
    const auto g = gradients();
    std::array<double, 9> out{};
    for (int i = 0; i < 3; ++i)
      for (int l = 0; l < 3; ++l)
        for (int k = 0; k < 12; ++k) out[3 * i + l] += g[i][k] * g[l][k];
    return out;
  };
  const double beta = 1.5, eta = 0.1;
  const auto force = [&](int i, double z) { return beta * y[i] / (1 + std::exp(beta * y[i] * z)); };
  const auto first = outputs();
  const auto start = kernel();
  std::array<double, 3> z{}, linear{};
  for (int step = 0; step < 12; ++step) {
    const auto g = gradients();
    const auto before = linear;
    for (int i = 0; i < 3; ++i) {
      const double push = force(i, z[i]);
      for (int j = 0; j < 4; ++j) {
        a[j] += eta * push * g[i][j];
        for (int c = 0; c < 2; ++c) W[j][c] += eta * push * g[i][4 + 2 * j + c];
      }
      for (int l = 0; l < 3; ++l) linear[i] += eta * start[3 * i + l] * force(l, before[l]);
    }
    z = outputs();
    for (int i = 0; i < 3; ++i) z[i] -= first[i];
  }
  const auto seen = run(*problem, 12);
  double loss = 0, right = 0, least = 1e9, error = 0, size = 0, change = 0, whole = 0;
  for (int i = 0; i < 3; ++i) {
    loss += std::log1p(std::exp(-beta * y[i] * z[i])) / 3;
    right += y[i] * z[i] > 0 ? 1 / 3. : 0;
    least = std::min(least, beta * y[i] * z[i]);
    error += (z[i] - linear[i]) * (z[i] - linear[i]);
    size += linear[i] * linear[i];
    CHECK(seen.at("z_" + std::to_string(i + 1)) == Approx(z[i]).epsilon(1e-10));
  }
  const auto last = kernel();
  for (int k = 0; k < 9; ++k) {
    change += (last[k] - start[k]) * (last[k] - start[k]);
    whole += start[k] * start[k];
  }
  CHECK(seen.at("loss") == Approx(loss).epsilon(1e-10));
  CHECK(seen.at("accuracy") == Approx(right));
  CHECK(seen.at("min_margin") == Approx(least).epsilon(1e-10));
  CHECK(seen.at("kernel_change") == Approx(std::sqrt(change / whole)).epsilon(1e-8));
  CHECK(seen.at("linearisation_error") == Approx(std::sqrt(error / size)).epsilon(1e-8));
}

TEST_CASE("temperature enters through eta beta^2 and beta z_0 alone") {
  const auto at = [](double beta, const std::string& learning_rate, const std::string& more) {
    return prepared("rescaled = " + learning_rate +
                    "\n[task]\nkind = 'kernel'\nkernel = 'powers'\nlabels = [1, 1, -1, 1]\n" +
                    "[loss]\ninverse_temperature = " + std::to_string(beta) + "\n[time]\nat = [10, 200]\n" + more)
        ->solve();
  };
  const auto one = at(1, "true", ""), ten = at(10, "true", ""), plain = at(10, "false", "");
  for (std::size_t k = 0; k < one.steps.size(); ++k) {
    CHECK(ten.find("loss")->value[k] == Approx(one.find("loss")->value[k]).epsilon(1e-13));
    CHECK(10 * ten.find("z_2")->value[k] == Approx(one.find("z_2")->value[k]).epsilon(1e-13).scale(1));
  }
  CHECK(plain.find("loss")->value.back() < 0.5 * one.find("loss")->value.back());
}

TEST_CASE("a wide network follows the wide kernel, and its kernel moves as 1/(beta m)") {
  const auto network = [](int width, double beta, const char* activation) {
    return prepared("rescaled = true\n[task]\nkind = 'network'\nwidth = " + std::to_string(width) + "\nactivation = '" +
                    activation + "'\npoints = 8\n[loss]\ninverse_temperature = " + std::to_string(beta) +
                    "\n[time]\nat = [50]\n");
  };
  const auto mean = [](const models::Problem& problem, const char* name, std::uint64_t runs) {
    double sum = 0;
    for (std::uint64_t index = 0; index < runs; ++index) sum += run(problem, 50, index).at(name);
    return sum / static_cast<double>(runs);
  };
  for (const char* activation : {"tanh", "erf"}) {
    const auto wide = network(1000, 1, activation);
    CHECK(mean(*wide, "loss", 4) == Approx(wide->solve().find("loss")->value.back()).epsilon(0.04));
  }
  const double narrow = mean(*network(128, 1, "tanh"), "kernel_change", 6),
               wide = mean(*network(512, 1, "tanh"), "kernel_change", 6),
               cold = mean(*network(128, 10, "tanh"), "kernel_change", 6);
  CHECK(wide * 4 == Approx(narrow).epsilon(0.35));  // a guard: second order and six draws
  CHECK(cold * 10 < narrow);
}

TEST_CASE("what makes no sense is refused by its key") {
  const auto refused = [&](const std::string& keys, const std::string& message) {
    CAPTURE(keys);
    CAPTURE(refusal(keys + "[time]\nsteps = 10\n"));
    CHECK(refusal(keys + "[time]\nsteps = 10\n").starts_with("e.toml: " + message));
  };
  refused("[task]\nkind = 'kernel'\n", "task.labels: is required");
  refused("[task]\nkind = 'kernel'\nlabels = [2]\n", "task.labels: of one logit are 1 or -1");
  refused("[task]\nkind = 'kernel'\nclasses = 2\nlabels = [0]\n", "task.labels: are classes from 1 to 2");
  refused("[task]\nkind = 'kernel'\nkernel = 'list'\nlabels = [1]\n", "task.matrix: is required");
  refused("[task]\nkind = 'kernel'\nkernel = 'list'\nlabels = [1, 1]\nmatrix = [[1, 2], [2, 1]]\n",
          "task.matrix: must have no negative eigenvalue");
  refused("[task]\nkind = 'kernel'\nkernel = 'list'\nlabels = [1, 1]\nmatrix = [[1, 0.5], [0.4, 1]]\n",
          "task.matrix: must be symmetric");
  refused("[task]\nkind = 'kernel'\nkernel = 'list'\nlabels = [1, 1]\nmatrix = [[1]]\n", "task.matrix: needs a row");
  refused("[task]\nlabels = [1]\n", "task.labels: is read where kind = kernel");
  refused("[task]\nkind = 'kernel'\nlabels = [1]\n[initial]\ndeviation = 1\n", "initial.deviation: belongs to");
  refused("[task]\nkind = 'kernel'\nlabels = [1]\n[initial]\nlogits = [1, 2]\n", "initial.logits: needs 1 numbers");
  refused("[task]\nkind = 'kernel'\nlabels = [1]\nbase = 0.1\n", "task.base: is read where kernel = powers");
  refused("[task]\nkind = 'kernel'\nlabels = [1]\n[monte_carlo]\npoints = 10\n", "monte_carlo.points: belongs to");
  refused("[theory]\nrtol = 1e-3\n", "theory.rtol: is read where method = flow");
  refused("[theory]\nmethod = 'flow'\nrtol = 1e-3\n", "theory.rtol: is of points coupled");
  refused("[task]\nkind = 'kernel'\nlabels = [1]\n[theory]\nmethod = 'linear'\nrtol = 1e-3\n",
          "theory.rtol: is read where method = flow, and here it is linear");
  refused("[task]\nclasses = 1.5\n", "task.classes: must be a whole");
  refused("[task]\nkind = 'network'\nclasses = 3\n", "task.classes: of a network is 1");
  refused("[loss]\ninverse_temperature = 0\n", "loss.inverse_temperature");
  refused("[loss]\ninverse_temperature = 1e200\n", "optimizer.learning_rate: makes eta beta^2 overflow");
  CHECK(refusal("[theory]\nmethod = 'gd'\n[time]\nsteps = 1000000000\n")
            .starts_with("e.toml: theory.method: gd would take"));
  CHECK(refusal("[time]\nsteps = 1000000000\n") == "solved");
}
