// The model as an experiment: runs against plain loops, what is claimed of them, what is refused.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/absent.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/ingredients/networks/training_data.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/network/simulation.hpp"
#include "models/network/updates.hpp"
#include "numerics/sums.hpp"
#include "spectra/dataset.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise;
using models::ingredients::CurvaturePart;
using models::testing::error_of;
using models::testing::prepare;
using Vector = std::vector<double>;
using edgewise::tests::Approx;

namespace {

const std::string head = "model = 'network'\n[time]\nat = [1, 2, 5]\n";

std::vector<Vector> run(const models::Problem& problem, std::uint64_t replica,
                        const std::vector<std::uint64_t>& steps) {
  const auto simulation = problem.simulate();
  const auto one = simulation->replica(3, replica);
  std::vector<Vector> out;
  for (const std::uint64_t step : steps) {
    one->advance(step);
    one->observe(out.emplace_back(simulation->observables().size()));
  }
  return out;
}

std::size_t column(const models::Problem& problem, const std::string& name) {
  const auto simulation = problem.simulate();
  for (std::size_t o = 0; o < simulation->observables().size(); ++o)
    if (simulation->observables()[o].name == name) return o;
  FAIL(name);
  return 0;
}

}  // namespace

TEST_CASE("a run of SGD with momentum on a network is the algorithm as it is written") {
  const std::string text =
      head +
      "[data]\nexamples = 7\ninputs = 3\noutputs = 2\ntargets = 'teacher'\n"
      "[network]\nhidden = [4]\nactivation = 'erf'\nparametrisation = 'ntk'\n"
      "[optimizer]\nkind = 'sgd'\nbatch = 3\nlearning_rate = 0.2\nmomentum = 0.6\n[schedule]\nkind = 'linear'\n";
  const auto problem = prepare(text);
  namespace nets = models::ingredients::networks;
  const auto data = models::ingredients::networks::read_training_data(settings::read_text(text, "e.toml"));
  const nets::Architecture a{3, {{4, {nets::ActivationKind::erf}}, {2, {}}}, nets::Parametrisation::ntk};
  random::Stream start(3, 1, 0, random::Purpose::initial), batches(3, 1, 0, random::Purpose::batch);
  Vector theta = nets::Network(a).draw(start), m(theta.size());
  std::vector<std::size_t> order(7);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto batch_loss = [&](const Vector& t) {
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k)
      sum += literal::loss_of({}, literal::outputs(a, t, data.train->inputs.column(order[k])),
                              data.train->targets.column(order[k])) /
             3;
    return sum;
  };
  for (std::uint64_t step = 0; step < 5; ++step) {
    batches.seek(step);
    for (std::size_t k = 0; k < 3; ++k) std::swap(order[k], order[k + batches.below(7 - k)]);
    Vector g(theta.size());
    for (std::size_t k = 0; k < theta.size(); ++k) {
      Vector up = theta, down = theta;
      up[k] += 1e-5;
      down[k] -= 1e-5;
      g[k] = (batch_loss(up) - batch_loss(down)) / 2e-5;
    }
    const double eta = 0.2 * (1 - static_cast<double>(step) / 5);
    for (std::size_t k = 0; k < theta.size(); ++k) theta[k] -= eta * (m[k] = 0.6 * m[k] + g[k]);
  }
  const auto rows = run(*problem, 1, {0, 1, 2, 5});
  CHECK(rows.back()[column(*problem, "loss")] == Approx(literal::mean_loss(a, {}, *data.train, theta)).epsilon(1e-8));
  // The sharpness, from the Hessian by second differences.
  const std::size_t p = theta.size();
  linear_algebra::Matrix hessian(p, p);
  const auto at = [&](std::size_t i, double x, std::size_t j, double y) {
    Vector t = theta;
    t[i] += x;
    t[j] += y;
    return literal::mean_loss(a, {}, *data.train, t);
  };
  const double h = 1e-4;
  for (std::size_t i = 0; i < p; ++i)
    for (std::size_t j = 0; j < p; ++j)
      hessian(i, j) = (at(i, h, j, h) - at(i, h, j, -h) - at(i, -h, j, h) + at(i, -h, j, -h)) / (4 * h * h);
  CHECK(rows.back()[column(*problem, "sharpness")] ==
        Approx(linear_algebra::symmetric_eigenvalues(hessian).back()).epsilon(1e-5));
}

namespace {

/// Sections [data], [network] and [loss], drawn and summed one number after the other.
struct Plain {
  int seed = 1, examples = 6, tests = 0, inputs = 3, outputs = 1, teacher_width = 4;
  double decay = 0, noise = 0, scale = 1, input_scale = 1;
  std::string targets = "linear";
  std::vector<int> hidden{4};
  std::string activation = "tanh", parametrisation = "standard";
  double beta = 1, weights = 1, biases = 0;
  bool bias = true;
  double inverse_temperature = 0;  ///< 0: the squared loss

  std::string text() const {
    std::string out = fmt::format(
        "[data]\nseed = {}\nexamples = {}\ntest_examples = {}\ninputs = {}\noutputs = {}\ndecay = {}\ninput_scale = "
        "{}\ntargets = '{}'\n",
        seed, examples, tests, inputs, outputs, decay, input_scale, targets);
    if (targets != "random-classes") out += fmt::format("noise = {}\n", noise);
    if (!targets.ends_with("classes")) out += fmt::format("target_scale = {}\n", scale);
    if (targets == "teacher") out += fmt::format("teacher_width = {}\n", teacher_width);
    out += "[network]\nhidden = [";
    for (const int width : hidden) out += fmt::format("{}, ", width);
    out += fmt::format("]\nactivation = '{}'\nparametrisation = '{}'\nbias = {}\nweight_variance = {}\n", activation,
                       parametrisation, bias, weights);
    if (activation == "beta-gelu") out += fmt::format("beta = {}\n", beta);
    if (bias) out += fmt::format("bias_variance = {}\n", biases);
    if (inverse_temperature > 0)
      out += fmt::format("[loss]\nkind = 'cross-entropy'\ninverse_temperature = {}\n", inverse_temperature);
    return out;
  }

  struct Set {
    std::vector<Vector> x, y;
  };
  /// Those that are trained on, and then those that are not.
  std::pair<Set, Set> draw() const {
    random::Stream stream(static_cast<std::uint64_t>(seed), 0, 0, random::Purpose::data);
    const auto normals = [&](int rows, int columns) {
      std::vector<Vector> out(static_cast<std::size_t>(columns), Vector(static_cast<std::size_t>(rows)));
      for (Vector& c : out)
        for (double& one : c) one = stream.normal();
      return out;
    };
    const auto times = [](const std::vector<Vector>& a, const Vector& v) {
      Vector out(a[0].size());
      for (std::size_t j = 0; j < a.size(); ++j)
        for (std::size_t i = 0; i < out.size(); ++i) out[i] += a[j][i] * v[j];
      return out;
    };
    const bool taught = targets == "teacher";
    const auto first = normals(taught ? teacher_width : outputs, inputs);
    const auto second = taught ? normals(outputs, teacher_width) : first;
    const auto some = [&](int n) {
      Set out{normals(inputs, n), {}};
      double trace = 0;
      for (int j = 0; j < inputs; ++j) trace += std::pow(j + 1, -2 * decay);
      for (Vector& x : out.x) {
        for (std::size_t j = 0; j < x.size(); ++j) x[j] *= std::pow(static_cast<double>(j + 1), -decay);
        Vector y = times(first, x);
        for (double& one : y) one = taught ? std::tanh(one / std::sqrt(trace)) : one / std::sqrt(trace);
        if (taught) y = times(second, y);
        for (double& one : y) one /= taught ? std::sqrt(teacher_width) : 1;
        if (targets == "product") y[0] = x[0] * x[1] + x[2] / 2;
        out.y.push_back(y);
      }
      for (Vector& y : out.y)
        for (double& one : y) one += std::sqrt(noise) * stream.normal();
      for (Vector& y : out.y) {
        if (!targets.ends_with("classes")) {
          for (double& one : y) one *= scale;
          continue;
        }
        std::size_t label = 0;
        if (targets == "random-classes")
          label = stream.below(std::max(outputs, 2));
        else if (outputs == 1)
          label = y[0] > 0;
        else
          label = static_cast<std::size_t>(std::ranges::max_element(y) - y.begin());
        if (outputs == 1) {
          y[0] = label == 1 ? 1 : -1;
        } else {
          std::ranges::fill(y, 0.0);
          y[label] = 1;
        }
      }
      for (Vector& x : out.x)
        for (double& one : x) one *= input_scale;
      return out;
    };
    Set train = some(examples);
    return {train, tests > 0 ? some(tests) : Set{}};
  }

  literal::nets::Architecture architecture() const {
    namespace nets = literal::nets;
    nets::Architecture a{static_cast<std::size_t>(inputs), {}};
    a.parametrisation = parametrisation == "ntk"          ? nets::Parametrisation::ntk
                        : parametrisation == "mean-field" ? nets::Parametrisation::mean_field
                                                          : nets::Parametrisation::standard;
    nets::Activation phi{nets::ActivationKind::tanh, beta};
    if (activation == "relu") phi.kind = nets::ActivationKind::relu;
    if (activation == "gelu") phi.kind = nets::ActivationKind::gelu;
    if (activation == "beta-gelu") phi.kind = nets::ActivationKind::beta_gelu;
    if (activation == "identity") phi.kind = nets::ActivationKind::identity;
    for (const int width : hidden) a.layers.push_back({static_cast<std::size_t>(width), phi, bias});
    a.layers.push_back({static_cast<std::size_t>(outputs), {}, bias});
    return a;
  }
  Vector start(std::uint64_t replica) const {
    random::Stream stream(3, replica, 0, random::Purpose::initial);
    Vector out;
    double fan = inputs;
    std::vector<int> widths = hidden;
    widths.push_back(outputs);
    for (const int width : widths) {
      const double deviation = std::sqrt(weights / (parametrisation == "standard" ? fan : 1));
      for (int k = 0; k < fan * width; ++k) out.push_back(deviation * stream.normal());
      for (int k = 0; bias && k < width; ++k) out.push_back(std::sqrt(biases) * stream.normal());
      fan = width;
    }
    return out;
  }
  /// Of a set at theta: the mean loss, and the share of classes that are told right.
  std::pair<double, double> loss_and_accuracy(const Set& set, const Vector& theta) const {
    const literal::nets::Loss loss =
        inverse_temperature > 0 ? literal::nets::Loss{literal::nets::LossKind::cross_entropy, inverse_temperature}
                                : literal::nets::Loss{};
    double sum = 0, right = 0;
    for (std::size_t i = 0; i < set.x.size(); ++i) {
      const Vector f = literal::outputs(architecture(), theta, set.x[i]);
      sum += literal::loss_of(loss, f, set.y[i]);
      right += outputs == 1 ? f[0] * set.y[i][0] > 0
                            : set.y[i][static_cast<std::size_t>(std::ranges::max_element(f) - f.begin())] == 1;
    }
    const auto n = static_cast<double>(set.x.size());
    return {sum / n, right / n};
  }
};

}  // namespace

TEST_CASE("every key of data, network and loss, from the numbers as they are drawn") {
  std::vector<Plain> cases(17);
  cases[1].seed = 5;
  cases[2].decay = 0.7;
  cases[2].noise = 0.4;
  cases[3].scale = 1.7;
  cases[3].input_scale = 0.6;
  cases[4].targets = "teacher";
  cases[4].outputs = 2;
  cases[4].tests = 5;
  cases[5].targets = "classes";
  cases[5].outputs = 3;
  cases[5].tests = 8;
  cases[6].targets = "classes";
  cases[6].tests = 7;
  cases[7].targets = "random-classes";
  cases[7].examples = 11;
  cases[8].targets = "product";
  cases[8].inputs = 4;
  cases[9].activation = "beta-gelu";
  cases[9].beta = 2.3;
  cases[10].activation = "gelu";
  cases[10].bias = false;
  cases[11].parametrisation = "ntk";
  cases[11].weights = 1.4;
  cases[11].biases = 0.3;
  cases[12].parametrisation = "mean-field";
  cases[12].hidden = {3, 2};
  cases[13].targets = "classes";
  cases[13].outputs = 3;
  cases[13].inverse_temperature = 1.6;
  cases[13].tests = 9;
  cases[14].targets = "classes";
  cases[14].inverse_temperature = 0.7;
  cases[15].hidden = {5, 3};
  cases[15].activation = "relu";
  cases[15].weights = 2;
  cases[16].targets = "random-classes";
  cases[16].outputs = 4;
  cases[16].activation = "identity";
  for (const Plain& plain : cases) {
    CAPTURE(plain.text());
    const auto problem = prepare(head + plain.text() + "[optimizer]\nlearning_rate = 0.1\n");
    const auto row = run(*problem, 1, {0}).back();
    const auto [train, test] = plain.draw();
    const Vector theta = plain.start(1);
    const auto [loss, accuracy] = plain.loss_and_accuracy(train, theta);
    CHECK(row[0] == Approx(loss).epsilon(1e-12));
    const bool classes = plain.targets.ends_with("classes");
    if (classes) CHECK(row[column(*problem, "accuracy")] == Approx(accuracy));
    if (plain.tests == 0) continue;
    const auto [test_loss, test_accuracy] = plain.loss_and_accuracy(test, theta);
    CHECK(row[column(*problem, "test_loss")] == Approx(test_loss).epsilon(1e-12));
    if (classes) CHECK(row[column(*problem, "test_accuracy")] == Approx(test_accuracy));
  }
}

TEST_CASE("images: the loss at the start is that of the set they are read into") {
  if (!std::filesystem::exists(spectra::DatasetOptions().folder)) {
    MESSAGE("Fashion-MNIST is not installed");
    return;
  }
  for (const std::string keys : {"scaling = 'pixels'\n", "target = 'class-3'\n", "scaling = 'pca'\ncomponents = 4\n",
                                 "scaling = 'whitened'\ncomponents = 3\n", "test_examples = 5\n"}) {
    CAPTURE(keys);
    const std::string data = "[data]\nkind = 'fashion-mnist'\nexamples = 20\n" + keys;
    const auto problem = prepare(head + data + "[network]\nhidden = [2]\n[optimizer]\nlearning_rate = 0.1\n");
    const auto set = models::ingredients::networks::read_training_data(settings::read_text(data, "e.toml"));
    Plain plain;
    plain.inputs = static_cast<int>(set.train->inputs.rows());
    plain.outputs = static_cast<int>(set.train->targets.rows());
    plain.hidden = {2};
    const auto row = run(*problem, 1, {0}).back();
    CHECK(row[0] == Approx(literal::mean_loss(plain.architecture(), {}, *set.train, plain.start(1))).epsilon(1e-10));
    if (set.test)
      CHECK(row[column(*problem, "test_loss")] ==
            Approx(literal::mean_loss(plain.architecture(), {}, *set.test, plain.start(1))).epsilon(1e-10));
  }
}

namespace {

/// A replica, to be moved by a test itself.
struct Moved {
  std::shared_ptr<literal::nets::Examples> examples = std::make_shared<literal::nets::Examples>();
  std::shared_ptr<const literal::nets::Network> network;
  std::unique_ptr<literal::nets::NetworkObjective> objective;
  Vector theta;

  explicit Moved(const Plain& of, std::uint64_t replica) : theta(of.start(replica)) {
    const auto [train, test] = of.draw();
    *examples = {{train.x[0].size(), train.x.size()}, {train.y[0].size(), train.y.size()}};
    for (std::size_t i = 0; i < train.x.size(); ++i) {
      std::ranges::copy(train.x[i], examples->inputs.column(i).begin());
      std::ranges::copy(train.y[i], examples->targets.column(i).begin());
    }
    network = std::make_shared<const literal::nets::Network>(of.architecture());
    objective = std::make_unique<literal::nets::NetworkObjective>(network, literal::nets::Loss{}, examples);
  }
  double loss() { return objective->move_to(theta); }
};

}  // namespace

TEST_CASE("every rate rule along a network is the rule alone, shown what it may see") {
  using namespace models::ingredients;
  const std::string rules[] = {
      "kind = 'adagrad-norm'\neta0 = 0.7\nb0 = 0.4\n",
      "kind = 'polyak'\nmultiplier = 0.6\n",
      "kind = 'stochastic-polyak'\nc = 0.9\nf_min = 0.03\n",
      "kind = 'stochastic-polyak'\neta_max = 0.2\n",
      "kind = 'line-search'\nmultiplier = 0.9\n",
      "kind = 'dog'\n",
      "kind = 'dog'\nr_eps = 0.05\nepsilon = 0.1\nmultiplier = 0.8\n",
      "kind = 'dowg'\nr_eps = 0.2\nepsilon = 0.01\nform = 'root'\n",
      "kind = 'd-adaptation'\nd0 = 0.02\nprior = 0.3\n",
      "kind = 'prodigy'\nd0 = 0.03\nprior = 0.2\n",
      "kind = 'momo'\nbeta = 0.6\neta_max = 0.4\nf_min = 0.02\n",
      "kind = 'mechanic'\ns0 = 0.2\nlambda = 0\ndisplacement = 'recomputed'\nmultiplier = 0.3\n",
      "kind = 'cocob'\nalpha = 20\nepsilon = 0.01\n",
      "kind = 'prodigy-adam'\nd0 = 0.02\nbeta1 = 0.7\nbeta2 = 0.9\nepsilon = 1e-3\n",
      "kind = 'd-adaptation-adam'\nd0 = 0.02\nbeta1 = 0.7\nbeta2 = 0.9\nepsilon = 1e-3\n",
      "kind = 'momo-adam'\neta_max = 0.1\nf_min = 0.03\nbeta1 = 0.7\nbeta2 = 0.9\nepsilon = 1e-3\n",
      "kind = 'nadamw'\nlearning_rate = 0.02\nweight_decay = 0\nbeta1 = 0.7\nbeta2 = "
      "0.9\nepsilon = 1e-3\n",
      "kind = 'cdat'\nsigma = 1.3\nema = 0.6\nepsilon = 0.05\nmultiplier = 0.9\n",
      "kind = 'cdat'\neta_max = 0.15\n",
      "kind = 'armijo'\nc = 0.3\nshrink = 0.7\ngrow = 1.2\neta_init = 3.0\neta_max = 4.0\n",
      "kind = 'inverse-sharpness'\nsigma = 1.4\ndelay = 1\nema = 0.3\neta_max = 0.5\n"};
  Plain plain;
  plain.targets = "classes";
  plain.hidden = {3};
  for (const std::string& lines : rules) {
    CAPTURE(lines);
    const auto problem = prepare("model = 'network'\n[time]\nat = [1, 2, 3, 4, 5]\n[monte_carlo]\nseed = 3\n" +
                                 plain.text() + "[optimizer]\nkind = 'gd'\n[rate]\n" + lines);
    const auto rows = run(*problem, 0, {0, 1, 2, 3, 4, 5});
    Moved at(plain, 0);
    const Vector start = at.theta;
    const std::size_t size = start.size();
    const auto rule = read_rate_rule(settings::read_text("[rate]\n" + lines, "r.toml"),
                                     std::sqrt(numerics::squared_norm_in_order(start)));
    RateRun rates(*rule);
    Vector average(size);
    for (std::size_t step = 0; step < 6; ++step) {
      CAPTURE(step);
      CHECK(rows[step][0] == Approx(at.loss()).epsilon(1e-9));
      Vector shown(1 + rule->memory().size());
      rates.observe(shown);
      for (std::size_t k = 0; k < shown.size(); ++k)
        CHECK(rows[step][rows[step].size() - shown.size() + k] == Approx(shown[k]).epsilon(1e-6).scale(1e-12));
      StepObservation seen;
      Vector g(size), Hg(size);
      seen.loss = at.loss();
      seen.excess_mse = 2 * seen.loss;
      at.objective->gradient(g);
      at.objective->product(CurvaturePart::hessian, g, Hg);
      const double beta = rule->averaging();
      seen.weight = step == 0 ? 1 : 1 - beta;
      for (std::size_t k = 0; k < size; ++k) {
        average[k] += seen.weight * (g[k] - average[k]);
        seen.squared_gradient += g[k] * g[k];
        seen.curvature_along += g[k] * Hg[k];
        seen.squared_distance += (at.theta[k] - start[k]) * (at.theta[k] - start[k]);
        seen.toward_start += g[k] * (start[k] - at.theta[k]);
      }
      const Vector& along = beta > 0 ? average : g;
      for (const double x : along) seen.squared_direction += x * x;
      seen.mean_squared_gradient = seen.slope = seen.descent = seen.squared_gradient;
      seen.curvature = std::abs(seen.curvature_along);
      seen.sharpness = largest_curvature(*at.objective, CurvaturePart::hessian).value;
      seen.loss_after = [&, here = at.theta](double eta) {
        Vector there = here;
        for (std::size_t k = 0; k < size; ++k) there[k] -= eta * g[k];
        return at.objective->move_to(there);
      };
      if (rates.whole_vector()) {
        Vector moved(size);
        for (std::size_t k = 0; k < size; ++k) moved[k] = at.theta[k] - start[k];
        rates.step(g, seen.loss, 1, moved);
        for (std::size_t k = 0; k < size; ++k) at.theta[k] = start[k] + moved[k];
      } else {
        const double eta = rates.step(seen, 1);
        for (std::size_t k = 0; k < size; ++k) at.theta[k] -= eta * along[k];
      }
    }
  }
}

TEST_CASE("every key of a network's optimizers, by the steps alone") {
  using namespace models::network;
  struct Case {
    std::string keys;
    UpdateRule rule{};
  };
  std::vector<Case> cases;
  const auto add = [&](const std::string& keys, UpdateKind kind, double rho, bool normalised) -> UpdateRule& {
    cases.push_back({keys});
    UpdateRule& rule = cases.back().rule;
    rule.kind = kind;
    rule.rho = rho;
    rule.normalised = normalised;
    return rule;
  };
  add("kind = 'gd'\nmomentum = 0.7\n", UpdateKind::plain, 0, true).base.momentum = 0.7;
  add("kind = 'sam'\nrho = 0.2\nevery = 2\n", UpdateKind::sam, 0.2, true).every = 2;
  add("kind = 'sam'\nrho = 0.2\nnormalised = false\nmomentum = 0.4\n", UpdateKind::sam, 0.2, false).base.momentum = 0.4;
  const std::string preconditioned = "rho = 0.3\npreconditioned = true\n";
  add("kind = 'functional-sam'\n" + preconditioned, UpdateKind::functional_sam, 0.3, true).preconditioned = true;
  UpdateRule& logit =
      add("kind = 'logit-sam'\nnorm = 'preconditioner'\n" + preconditioned, UpdateKind::logit_sam, 0.3, true);
  logit.preconditioned = logit.norm_of_preconditioner = true;
  const std::string penalty = "kind = 'gradient-penalty'\nrho = 0.3\n";
  add(penalty, UpdateKind::penalty, 0.3, false);
  add(penalty + "part = 'neglected'\n", UpdateKind::penalty, 0.3, false).part = CurvaturePart::neglected;
  UpdateRule& third =
      add(penalty + "part = 'gauss-newton'\nnormalised = true\nevery = 3\n", UpdateKind::penalty, 0.3, true);
  third.part = CurvaturePart::gauss_newton;
  third.every = 3;
  const std::string deviation = "deviation = 0.2\n";
  add("kind = 'weight-noise'\n" + deviation, UpdateKind::weight_noise, 0, true).deviation = 0.2;
  UpdateRule& both = add("kind = 'weight-noise'\nantithetic = true\n" + deviation, UpdateKind::weight_noise, 0, true);
  both.antithetic = true;
  both.deviation = 0.2;
  UpdateRule& trace =
      add("kind = 'gauss-newton-trace'\nevery = 2\n" + deviation, UpdateKind::gauss_newton_trace, 0, true);
  trace.every = 2;
  trace.deviation = 0.2;
  add("kind = 'hessian-trace'\n" + deviation, UpdateKind::hessian_trace, 0, true).deviation = 0.2;
  Plain plain;
  plain.targets = "classes";
  plain.hidden = {3};
  for (const Case& c : cases) {
    CAPTURE(c.keys);
    const auto problem = prepare(head + plain.text() + "[optimizer]\nlearning_rate = 0.3\n" + c.keys);
    const auto rows = run(*problem, 1, {0, 1, 2, 3, 4});
    Moved at(plain, 1);
    Updates updates(c.rule, at.theta.size(), 3, 1);
    for (std::uint64_t step = 0; step < 5; ++step) {
      CHECK(rows[step][0] == Approx(at.loss()).epsilon(1e-11));
      move(updates.direction(*at.objective, at.theta, step), 0.3, at.theta);
    }
  }
}

TEST_CASE("a linear network under gradient descent is its own linearisation") {
  const auto problem = prepare(
      "model = 'network'\n[time]\nat = [1, 4, 30]\n[data]\nexamples = 9\ninputs = 4\noutputs = 2\nnoise = 0.3\n"
      "[network]\nhidden = []\n[optimizer]\nkind = 'gd'\nlearning_rate = 0.3\n[monte_carlo]\nseed = 3\n");
  const models::Trajectory theory = problem->solve();
  const auto rows = run(*problem, 0, {0, 1, 4, 30});
  REQUIRE(theory.steps.size() == 4);
  for (std::size_t t = 0; t < 4; ++t) CHECK(rows[t][0] == Approx(theory.columns[0].value[t]).epsilon(1e-12));
  CHECK(problem->reference().columns.empty());
}

TEST_CASE("kernel norm and probed traces: of the Jacobian by differences, and of the signs that are drawn") {
  Plain plain;
  const std::string keys =
      "[optimizer]\nkind = 'sgd'\nbatch = 2\nlearning_rate = 0.3\n[monte_carlo]\ntraces = "
      "'hutchinson'\nprobes = 3\n";
  const auto problem = prepare(head + plain.text() + keys);
  const auto row = run(*problem, 1, {0}).back();
  Moved at(plain, 1);
  const std::size_t n = at.examples->size();
  linear_algebra::Matrix kernel(n, n);
  for (std::size_t k = 0; k < at.theta.size(); ++k) {
    Vector up = at.theta, down = at.theta, slope;
    up[k] += 1e-5;
    down[k] -= 1e-5;
    for (std::size_t i = 0; i < n; ++i)
      slope.push_back((literal::outputs(plain.architecture(), up, at.examples->inputs.column(i))[0] -
                       literal::outputs(plain.architecture(), down, at.examples->inputs.column(i))[0]) /
                      2e-5);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) kernel(i, j) += slope[i] * slope[j];
  }
  // Gradients are means of two: 0.3/2 is the rate of their sum.
  CHECK(row[column(*problem, "kernel_norm")] ==
        Approx(models::ingredients::exact_kernel_norm(linear_algebra::symmetric_eigen(kernel), 0.15, 2)).epsilon(1e-8));
  at.loss();
  random::Stream signs(3, 1, 0, random::Purpose::gradient);
  double ggn = 0, nme = 0;
  for (int probe = 0; probe < 3; ++probe) {
    Vector v(at.theta.size()), Av(v.size());
    for (double& x : v) x = signs.uniform() < 0.5 ? -1 : 1;
    at.objective->product(CurvaturePart::gauss_newton, v, Av);
    ggn += numerics::dot_in_order(v, Av) / 3;
    at.objective->product(CurvaturePart::neglected, v, Av);
    nme += numerics::dot_in_order(v, Av) / 3;
  }
  CHECK(row[column(*problem, "ggn_trace")] == Approx(ggn).epsilon(1e-10));
  CHECK(row[column(*problem, "nme_trace")] == Approx(nme).epsilon(1e-9));
  CHECK(row[column(*problem, "hessian_trace")] == Approx(ggn + nme).epsilon(1e-10));
}

TEST_CASE("the flat share: units times examples of large weights, where tanh'' is at most 1% of 4/(3 sqrt 3)") {
  Plain plain;
  plain.weights = 30;
  plain.examples = 20;
  const auto problem =
      prepare(head + plain.text() + "[optimizer]\nlearning_rate = 0.001\n[monte_carlo]\ntraces = 'exact'\n");
  Moved at(plain, 1);
  double flat = 0;
  for (std::size_t i = 0; i < 20; ++i)
    for (std::size_t j = 0; j < 4; ++j) {
      double s = at.theta[12 + j];
      for (std::size_t k = 0; k < 3; ++k) s += at.theta[4 * k + j] * at.examples->inputs(k, i);
      flat += 2 * std::abs(std::tanh(s)) * (1 - std::tanh(s) * std::tanh(s)) <= 0.04 / std::sqrt(27);
    }
  REQUIRE(flat > 4);
  REQUIRE(flat < 76);
  CHECK(run(*problem, 1, {0}).back()[column(*problem, "flat_share")] == Approx(flat / 80));
}

TEST_CASE("relu's kink as GELU has it: the neglected trace of one hidden layer") {
  Plain plain;
  plain.activation = "relu";
  std::string text = head + plain.text() + "[optimizer]\nlearning_rate = 0.3\n[monte_carlo]\ntraces = 'exact'\n";
  const auto trace = [&] {
    const auto problem = prepare(text);
    return run(*problem, 1, {0}).back()[column(*problem, "nme_trace")];
  };
  CHECK(trace() == 0);
  text.replace(text.find("activation = 'relu'"), 19, "activation = 'relu'\nsynthetic_beta = 1.7");
  // sum_i (f - y) a_j phi''(s_j) (|x|^2 + 1)/n, of W_j with its bias; s Phi(beta s) has phi'' = (2 - b^2 s^2) b phi(b s).
  Moved at(plain, 1);
  double expected = 0;
  const std::size_t n = at.examples->size();
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = at.examples->inputs.column(i);
    const double f = literal::outputs(plain.architecture(), at.theta, x)[0], off = f - at.examples->targets(0, i);
    for (std::size_t j = 0; j < 4; ++j) {
      double s = at.theta[12 + j], square = 1;
      for (std::size_t k = 0; k < 3; ++k) {
        s += at.theta[4 * k + j] * x[k];
        square += x[k] * x[k];
      }
      const double b = 1.7 * s, bell = std::exp(-b * b / 2) / std::sqrt(2 * std::acos(-1));
      expected += off * at.theta[16 + j] * (2 - b * b) * 1.7 * bell * square / static_cast<double>(n);
    }
  }
  CHECK(trace() == Approx(expected).epsilon(1e-10));
}

TEST_CASE("kernel norms, traces and test examples are observed as asked") {
  const std::string text =
      head +
      "[data]\nexamples = 12\ninputs = 3\ntargets = 'classes'\ntest_examples = 4\n[network]\nhidden = [5]\n"
      "[optimizer]\nkind = 'sgd'\nbatch = 2\nlearning_rate = 0.2\n[monte_carlo]\ntraces = 'exact'\n";
  const auto problem = prepare(text);
  for (const char* name : {"accuracy", "kernel_norm", "test_loss", "test_accuracy", "hessian_trace"})
    column(*problem, name);
  const auto row = run(*problem, 0, {2}).back();
  CHECK(row[column(*problem, "hessian_trace")] ==
        Approx(row[column(*problem, "ggn_trace")] + row[column(*problem, "nme_trace")]));
  std::string probed = text;
  probed.replace(probed.find("'exact'"), 7, "'hutchinson'\nprobes = 400");
  const auto estimated = run(*prepare(probed), 0, {2}).back();
  CHECK(estimated[column(*problem, "ggn_trace")] == Approx(row[column(*problem, "ggn_trace")]).epsilon(0.1));
  CHECK(run(*problem, 0, {2}) == run(*problem, 0, {2}));
  CHECK(run(*problem, 0, {2}) != run(*problem, 1, {2}));
  CHECK(run(*problem, 0, {1, 2}).back()[0] == row[0]);  // whatever was recorded on the way
}

TEST_CASE("edges of one network under every optimizer") {
  struct Row {
    std::string keys;
    double high;  // of the sharpness, which gradient descent holds at 20
  };
  for (const Row& row : {Row{"kind = 'gd'", 21.5},
                         {"kind = 'sam'\nrho = 0.03", 16},
                         {"kind = 'gradient-penalty'\nrho = 0.05", 16},
                         {"kind = 'functional-sam'\nrho = 0.02", 21.5}}) {
    CAPTURE(row.keys);
    const auto problem = prepare(
        "model = 'network'\n[time]\nsteps = 900\npoints = 60\n[data]\nexamples = 30\ninputs = 8\n"
        "targets = 'classes'\nseed = 2\n[network]\nhidden = [16]\n[optimizer]\nlearning_rate = 0.1\n" +
        row.keys + "\n");
    REQUIRE(problem->predictions().size() == 1);
    CHECK(problem->predictions()[0].name == "edge_plateau");
    const auto end = run(*problem, 0, {0, 600, 900}).back();
    CHECK(end[column(*problem, "sharpness")] < row.high);
  }
}

TEST_CASE("shares and medians of the edge are those of every step") {
  // eta_k lambda(theta_k) from a run read at every step; momentum 0.5 has its edge at 3.
  const std::string text =
      "model = 'network'\n[time]\nat = [30]\n[data]\nexamples = 30\ninputs = 8\ntargets = 'classes'\n[network]\nhidden "
      "= "
      "[6]\n[optimizer]\nkind = 'gd'\nmomentum = 0.5\n[rate]\nkind = 'cdat'\nsigma = 1.9\n[monte_carlo]\nseed = "
      "3\nevery_step = true\n";
  const auto problem = prepare(text);
  std::vector<std::uint64_t> all;
  for (std::uint64_t k = 0; k <= 30; ++k) all.push_back(k);
  const auto rows = run(*problem, 0, all);
  Vector products;
  double below = 0;
  for (std::size_t k = 0; k < 30; ++k) {
    products.push_back(rows[k + 1][column(*problem, "learning_rate")] * rows[k][column(*problem, "sharpness")] / 1.5);
    if (products.back() < 2) ++below;
  }
  std::sort(products.begin(), products.end());
  CHECK(below > 0);
  CHECK(below < 30);
  for (const char* name : {"share_below_edge", "median_edge"}) {
    CHECK(models::is_absent(rows[0][column(*problem, name)]));
    CHECK(std::isfinite(rows[1][column(*problem, name)]));
  }
  CHECK(rows[30][column(*problem, "share_below_edge")] == Approx(below / 30).epsilon(1e-12));
  CHECK(rows[30][column(*problem, "median_edge")] == Approx((products[14] + products[15]) / 2).epsilon(1e-5));
  const auto alone = run(*problem, 0, {30}).back();
  CHECK(alone[column(*problem, "share_below_edge")] == rows[30][column(*problem, "share_below_edge")]);
  CHECK(alone[column(*problem, "median_edge")] == rows[30][column(*problem, "median_edge")]);
}

TEST_CASE("diverging runs end, degenerate ones do not") {
  const auto ends = [](const std::string& text) {
    const auto problem = prepare(text);
    return run(*problem, 0, {0, 5}).back();
  };
  for (const double x : ends(head + "[network]\nactivation = 'relu'\n[optimizer]\nlearning_rate = 1e9\n"))
    CHECK(std::isinf(x));
  for (const char* text :
       {"[data]\nexamples = 1\ninputs = 1\n[network]\nhidden = [1]\n", "[network]\nhidden = []\n",
        "[network]\nweight_variance = 0\n", "[data]\ntargets = 'classes'\n[loss]\nkind = 'cross-entropy'\n"})
    for (const double x : ends(head + text + "[optimizer]\nkind = 'sam'\nrho = 0.1\nlearning_rate = 0.1\n"))
      CHECK(std::isfinite(x));
}

TEST_CASE("rate rules drive networks") {
  for (const std::string kind : {"line-search", "stochastic-polyak", "dog", "momo", "mechanic", "cocob"}) {
    CAPTURE(kind);
    const auto problem = prepare(head + "[optimizer]\nkind = 'sgd'\nbatch = 10\n[rate]\nkind = '" + kind + "'\n" +
                                 (kind == "mechanic" ? "lambda = 0\n" : ""));
    const auto rows = run(*problem, 0, {0, 200});
    CHECK(std::isfinite(rows[1][0]));
    CHECK(rows[1][0] < rows[0][0]);
  }
  // The greedy rate is exact on a quadratic: one output, linear, one direction left.
  const auto line =
      prepare(head + "[data]\nexamples = 1\ninputs = 2\n[network]\nhidden = []\n[rate]\nkind = 'line-search'\n");
  CHECK(run(*line, 0, {1}).back()[0] < 1e-28);
}

TEST_CASE("what rate rules are shown of a network: its batch, the way from the start, averages of gradients") {
  namespace nets = models::ingredients::networks;
  for (const std::string kind : {"'dog'\nr_eps = 0.01", "'d-adaptation'", "'momo'", "'stochastic-polyak'", "'cocob'"}) {
    CAPTURE(kind);
    const std::string text = head +
                             "[data]\nexamples = 7\ninputs = 3\noutputs = 2\ntargets = 'teacher'\n[network]\nhidden = "
                             "[4]\nactivation = 'erf'\nparametrisation = 'ntk'\n[optimizer]\nkind = 'sgd'\nbatch = "
                             "3\n[schedule]\nkind = 'linear'\n[rate]\nkind = " +
                             kind + "\n";
    const auto table = settings::read_text(text, "e.toml");
    const auto data = nets::read_training_data(table);
    const nets::Architecture a{3, {{4, {nets::ActivationKind::erf}}, {2, {}}}, nets::Parametrisation::ntk};
    random::Stream initial(3, 1, 0, random::Purpose::initial), batches(3, 1, 0, random::Purpose::batch);
    const Vector start = nets::Network(a).draw(initial);
    Vector theta = start, average(theta.size());
    const auto rule = models::ingredients::read_rate_rule(table, 1.0);
    models::ingredients::RateRun run_of_rule(*rule);
    std::vector<std::size_t> order(7);
    std::iota(order.begin(), order.end(), std::size_t{0});
    double rate = 0;
    for (std::uint64_t step = 0; step < 5; ++step) {
      batches.seek(step);
      for (std::size_t k = 0; k < 3; ++k) std::swap(order[k], order[k + batches.below(7 - k)]);
      const auto loss = [&](const Vector& t) {
        double sum = 0;
        for (std::size_t k = 0; k < 3; ++k)
          sum += literal::loss_of({}, literal::outputs(a, t, data.train->inputs.column(order[k])),
                                  data.train->targets.column(order[k])) /
                 3;
        return sum;
      };
      Vector g(theta.size());
      for (std::size_t k = 0; k < g.size(); ++k) {
        Vector up = theta, down = theta;
        up[k] += 1e-5;
        down[k] -= 1e-5;
        g[k] = (loss(up) - loss(down)) / 2e-5;
      }
      const double factor = 1 - static_cast<double>(step) / 5;
      if (run_of_rule.whole_vector()) {
        Vector moved(theta.size());
        for (std::size_t k = 0; k < moved.size(); ++k) moved[k] = theta[k] - start[k];
        run_of_rule.step(g, loss(theta), factor, moved);
        for (std::size_t k = 0; k < moved.size(); ++k) theta[k] = start[k] + moved[k];
        continue;
      }
      const double newest = step == 0 ? 1 : 1 - rule->averaging();
      models::ingredients::StepObservation now;
      now.loss = loss(theta);
      now.weight = newest;
      for (std::size_t k = 0; k < g.size(); ++k) {
        average[k] = (1 - newest) * average[k] + newest * g[k];
        now.squared_gradient += g[k] * g[k];
        now.squared_direction += average[k] * average[k];
        now.squared_distance += (theta[k] - start[k]) * (theta[k] - start[k]);
        now.toward_start += g[k] * (start[k] - theta[k]);
      }
      rate = run_of_rule.step(now, factor);
      for (std::size_t k = 0; k < g.size(); ++k) theta[k] -= rate * (rule->averaging() > 0 ? average[k] : g[k]);
    }
    const auto problem = prepare(text);
    const auto row = run(*problem, 1, {1, 5}).back();
    CHECK(row[column(*problem, "loss")] == Approx(literal::mean_loss(a, {}, *data.train, theta)).epsilon(1e-7));
    if (!run_of_rule.whole_vector()) CHECK(row[column(*problem, "learning_rate")] == Approx(rate).epsilon(1e-7));
  }
}

TEST_CASE("rules that live by the loss along their step rest where it is rounding") {
  for (const char* rule : {"kind = 'armijo'", "kind = 'cdat'\nsigma = 1.5"}) {
    CAPTURE(rule);
    const auto problem = prepare(
        std::string("model = 'network'\n[time]\nsteps = 3000\n[data]\nexamples = 3\ninputs = 6\n[network]\nhidden = "
                    "[]\n[rate]\n") +
        rule + "\n");
    const auto rows = run(*problem, 0, {0, 2500, 3000});
    const std::size_t loss = column(*problem, "loss");
    CHECK(models::is_absent(rows[0][column(*problem, "eta_sharpness")]));
    CHECK(models::is_absent(rows[0][column(*problem, "edge")]));
    CHECK(rows[1][loss] < 1e-24 * rows[0][loss]);
    CHECK(rows[1][loss] > 1e-30 * rows[0][loss]);  // not the floor of rounding
    CHECK(rows[2][loss] == rows[1][loss]);
    CHECK(rows[2][column(*problem, "eta_sharpness")] > 0.5);  // of the last step; trials end at 1e-11 of it
  }
}

TEST_CASE("bad experiments on networks are refused with the key") {
  const auto refused = [](const std::string& text) { return error_of(head + text); };
  const auto names = [](const std::string& message, const char* part) {
    return message.find(part) != std::string::npos;
  };
  CHECK(names(refused("[optimizer]\nkind = 'gd'\n"), "optimizer.learning_rate: is required"));
  for (const char* text : {"activation = 'relu'\nhidden = []\n", "bias_variance = 0.3\nbias = false\n"})
    CHECK(names(refused(std::string("[optimizer]\nlearning_rate = 0.1\n[network]\n") + text),
                ("network." + std::string(text).substr(0, std::string(text).find(' ')) + ": is of ").c_str()));
  CHECK(names(refused("[optimizer]\nlearning_rate = 0\n"), "optimizer.learning_rate"));
  CHECK(names(refused("[optimizer]\nkind = 'sam'\nlearning_rate = 1\nrho = -1\n"), "optimizer.rho"));
  CHECK(names(refused("[optimizer]\nkind = 'sgd'\nlearning_rate = 1\nbatch = 101\n"), "number of examples, 100"));
  CHECK(names(refused("[optimizer]\nkind = 'sgd'\nlearning_rate = 1\nbatch = 1.5\n"), "whole"));
  CHECK(names(refused("[optimizer]\nkind = 'sam'\nlearning_rate = 1\nrho = 1\nnorm = 'preconditioner'\n"),
              "preconditioned = true"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[rate]\nkind = 'dog'\n"), "the rule of [rate]"));
  CHECK(names(refused("[optimizer]\nmomentum = 0.5\n[rate]\nkind = 'dog'\n"), "optimizer.momentum"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[loss]\nkind = 'cross-entropy'\n"), "is of classes"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[loss]\ninverse_temperature = 2\n"),
              "is read where kind = cross-entropy"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[network]\nhidden = [2.5]\n"), "network.hidden"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[network]\nhidden = [100000, 100000]\n"), "small network"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[network]\nbeta = 2\n"), "beta-gelu"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[data]\nscaling = 'pca'\n"), "read where kind"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[data]\nteacher_width = 3\n"), "read where targets"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[data]\nkind = 'fashion-mnist'\ninputs = 3\n"),
              "read where kind"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[monte_carlo]\nkernel_norm = 'exact'\n"), "kernel_norm"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[monte_carlo]\nprobes = 3\n"), "hutchinson"));
  CHECK(names(refused("[optimizer]\nkind = 'sam'\nlearning_rate = 1\nrho = 1\nevery = 1e300\n"), "optimizer.every"));
  // Scales at which the Hessian is no number, and the theory's limits, with the key.
  const std::string classes = "[optimizer]\nlearning_rate = 1\n[data]\ntargets = 'classes'\noutputs = 3\n";
  CHECK(names(refused(classes + "[loss]\nkind = 'cross-entropy'\ninverse_temperature = 1e300\n"),
              "loss.inverse_temperature: the loss at the start, or its derivatives"));
  CHECK(refused(classes + "[loss]\nkind = 'cross-entropy'\ninverse_temperature = 1e-3\n") == "no error");
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[data]\ntarget_scale = 1e200\nnoise = 2.0\n"),
              "data.target_scale: the loss"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[network]\nactivation = 'relu'\nweight_variance = 1e300\n"),
              "network.weight_variance: the loss"));
  // Whole numbers are scales, too, 0 is none, and the norms of derivatives are observed.
  CHECK(names(
      refused(
          "[optimizer]\nlearning_rate = 1\n[network]\nhidden = [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]\n"
          "activation = 'relu'\nweight_variance = 1000000000000000000\n"),
      "network.weight_variance: the loss"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[data]\ntarget_scale = 1e200\n[network]\nbias_variance = 0.0\n"),
              "data.target_scale: the loss"));
  CHECK(names(refused("[optimizer]\nlearning_rate = 1\n[network]\nactivation = 'relu'\nbias_variance = 1e307\n"),
              "network.bias_variance: the loss"));
  CHECK(names(error_of(head + "[optimizer]\nlearning_rate = 1\nmomentum = 0.5\n", true), "theory.method: linearised"));
  CHECK(names(
      refused(
          "[optimizer]\nkind = 'gauss-newton-trace'\nlearning_rate = 1\ndeviation = 0.1\n[data]\ntargets = 'classes'\n"
          "[loss]\nkind = 'cross-entropy'\n"),
      "squared loss"));
}
