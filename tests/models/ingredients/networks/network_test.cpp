// Networks, losses and their derivatives against plain loops (literal_network.hpp) and central differences of them.
#include "models/ingredients/networks/network.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <stdexcept>

#include "numerics/sums.hpp"
#include "tests/approx.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients;
using namespace edgewise::models::ingredients::networks;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

struct Case {
  std::string name;
  Architecture architecture;
  Loss loss;
  std::size_t examples;
};

Activation phi(ActivationKind kind, double beta = 1) {
  return {kind, beta};
}

std::vector<Case> cases() {
  using enum ActivationKind;
  const Layer linear3{3, phi(identity), true};
  std::vector<Case> out{
      {"one input, one unit, one example", {1, {{1, phi(tanh), true}}}, {}, 1},
      {"no hidden layer", {3, {{2, phi(identity), false}}}, {}, 4},
      {"no hidden layer, classes", {3, {linear3}}, {LossKind::cross_entropy, 0.7}, 5},
      {"two classes in one output",
       {2, {{3, phi(erf), true}, {1, phi(identity), true}}},
       {LossKind::cross_entropy, 2},
       4},
      {"curved output", {2, {{3, phi(gelu), true}, {2, phi(tanh), true}}}, {}, 3},
      {"mean field", {3, {{4, phi(erf), false}, {2, phi(identity), true}}, Parametrisation::mean_field}, {}, 4}};
  for (const ActivationKind kind : {identity, tanh, erf, relu, gelu, beta_gelu})
    out.push_back({fmt::format("three layers of {}", activation_names()[static_cast<std::size_t>(kind)]),
                   {3, {{4, phi(kind, 1.7), true}, {5, phi(kind, 1.7), false}, linear3}, Parametrisation::ntk},
                   {LossKind::cross_entropy, 1.3},
                   6});
  for (Case& c : out) {
    c.architecture.weight_variance = 1.4;
    c.architecture.bias_variance = 0.3;
  }
  return out;
}

std::shared_ptr<Examples> examples_of(const Case& c) {
  random::Stream stream(5, 0, 0, random::Purpose::data);
  const std::size_t outputs = c.architecture.layers.back().width;
  auto out =
      std::make_shared<Examples>(Examples{Matrix(c.architecture.inputs, c.examples), Matrix(outputs, c.examples)});
  for (double& x : out->inputs.entries()) x = stream.normal();
  for (std::size_t i = 0; i < c.examples; ++i)
    for (std::size_t k = 0; k < outputs; ++k)
      out->targets(k, i) = c.loss.kind == LossKind::squared ? stream.normal()
                           : outputs == 1                   ? (i % 2 == 0 ? 1.0 : -1.0)
                                                            : (i % outputs == k ? 1.0 : 0.0);
  return out;
}

/// A case with all there is to look at.
struct Bench {
  explicit Bench(const Case& c)
      : examples(examples_of(c)),
        network(std::make_shared<const Network>(c.architecture)),
        objective(network, c.loss, examples) {
    random::Stream stream(7, 0, 0, random::Purpose::initial);
    theta = network->draw(stream);
    v.resize(theta.size());
    for (double& x : v) x = stream.normal();
    loss = objective.move_to(theta);
  }
  std::vector<double> product(CurvaturePart part) const {
    std::vector<double> out(theta.size());
    objective.product(part, v, out);
    return out;
  }
  std::shared_ptr<Examples> examples;
  std::shared_ptr<const Network> network;
  NetworkObjective objective;
  std::vector<double> theta, v;
  double loss = 0;
};

std::vector<double> moved(std::vector<double> theta, double t, std::span<const double> v) {
  for (std::size_t k = 0; k < theta.size(); ++k) theta[k] += t * v[k];
  return theta;
}

void check_near(std::span<const double> a, std::span<const double> b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k) CHECK(std::abs(a[k] - b[k]) < tolerance);
}

}  // namespace

TEST_CASE("loss and gradient of networks are those of the definition") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Bench b(c);
    const auto literal = [&](std::span<const double> theta) {
      return literal::mean_loss(c.architecture, c.loss, *b.examples, theta);
    };
    CHECK(b.loss == Approx(literal(b.theta)).epsilon(1e-12));
    std::vector<double> g(b.theta.size()), differences(g.size());
    b.objective.gradient(g);
    for (std::size_t k = 0; k < g.size(); ++k) {
      std::vector<double> up = b.theta, down = b.theta;
      up[k] += 1e-5;
      down[k] -= 1e-5;
      differences[k] = (literal(up) - literal(down)) / 2e-5;
    }
    check_near(g, differences, 1e-8);
    // Per example, their mean is the gradient; their squares and the batch of one agree with them.
    const Matrix each = b.objective.per_example_gradients();
    for (std::size_t k = 0; k < g.size(); ++k) {
      double mean = 0;
      for (std::size_t i = 0; i < each.columns(); ++i) mean += each(k, i) / static_cast<double>(each.columns());
      CHECK(std::abs(mean - g[k]) < 1e-13);
    }
    const std::size_t last = c.examples - 1;
    b.objective.use(std::span<const std::size_t>(&last, 1));
    b.objective.move_to(b.theta);
    b.objective.gradient(g);
    check_near(g, each.column(last), 1e-13);
    const std::vector<double> squares = b.network->per_example_squares(
        b.objective.pass(),
        b.network->backward(b.theta, b.objective.pass(),
                            c.loss.cotangent(b.objective.pass().outputs(),
                                             Matrix(b.examples->targets.rows(), 1, b.examples->targets.column(last)))));
    CHECK(squares[0] == Approx(numerics::squared_norm_in_order(g)).epsilon(1e-12));
  }
}

TEST_CASE("Hessian, Gauss-Newton and neglected products are derivatives of the gradient") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Bench b(c);
    const double h = 1e-5;
    std::vector<double> up(b.theta.size()), down(up.size()), expected(up.size());
    b.objective.move_to(moved(b.theta, h, b.v));
    b.objective.gradient(up);
    b.objective.move_to(moved(b.theta, -h, b.v));
    b.objective.gradient(down);
    for (std::size_t k = 0; k < up.size(); ++k) expected[k] = (up[k] - down[k]) / (2 * h);
    b.objective.move_to(b.theta);
    check_near(b.product(CurvaturePart::hessian), expected, 2e-8);

    // The neglected part: the same with the cotangent held fixed.
    const std::vector<double> cotangent = b.objective.cotangent();
    b.objective.move_to(moved(b.theta, h, b.v));
    b.objective.pull_back(cotangent, up);
    b.objective.move_to(moved(b.theta, -h, b.v));
    b.objective.pull_back(cotangent, down);
    for (std::size_t k = 0; k < up.size(); ++k) expected[k] = (up[k] - down[k]) / (2 * h);
    b.objective.move_to(b.theta);
    check_near(b.product(CurvaturePart::neglected), expected, 2e-8);
    const std::vector<double> whole = b.product(CurvaturePart::hessian), gn = b.product(CurvaturePart::gauss_newton),
                              rest = b.product(CurvaturePart::neglected);
    for (std::size_t k = 0; k < whole.size(); ++k) CHECK(std::abs(gn[k] + rest[k] - whole[k]) < 1e-12);
  }
}

TEST_CASE("J v is the derivative of the outputs, J' its transpose, J J' the kernel") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Bench b(c);
    const Matrix jv = b.network->push_forward(b.theta, b.objective.pass(), b.v);
    for (std::size_t i = 0; i < c.examples; ++i) {
      const auto at = [&](double t) {
        return literal::outputs(c.architecture, moved(b.theta, t, b.v), b.examples->inputs.column(i));
      };
      const std::vector<double> up = at(1e-5), down = at(-1e-5);
      for (std::size_t k = 0; k < up.size(); ++k) CHECK(std::abs(jv(k, i) - (up[k] - down[k]) / 2e-5) < 1e-8);
    }
    Matrix u = jv;
    for (std::size_t k = 0; k < u.size(); ++k) u.data()[k] = std::cos(1 + static_cast<double>(k));
    std::vector<double> pulled(b.theta.size());
    b.network->pull_back(b.theta, b.objective.pass(), u, pulled);
    CHECK(numerics::dot_in_order(pulled, b.v) ==
          Approx(numerics::dot_in_order(u.entries(), jv.entries())).epsilon(1e-11));
    const Matrix kernel = b.network->tangent_kernel(b.theta, b.objective.pass());
    const Matrix back = b.network->push_forward(b.theta, b.objective.pass(), pulled);
    for (std::size_t r = 0; r < kernel.rows(); ++r)
      CHECK(numerics::dot_in_order(kernel.column(r), u.entries()) == Approx(back.data()[r]).epsilon(1e-11));
  }
}

TEST_CASE("traces: exact, by columns, and Hutchinson's estimate") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Bench b(c);
    const EstimatedTraces exact = traces_by_columns(b.objective);
    CHECK(b.objective.gauss_newton_trace() == Approx(exact.gauss_newton).epsilon(1e-11));
    CHECK(std::abs(b.objective.neglected_trace() - exact.neglected) < 1e-11);
    random::Stream stream(11, 0, 0, random::Purpose::other);
    const EstimatedTraces estimate = hutchinson_traces(b.objective, 400, stream);
    // 4.4 standard errors: 1e-5 of false alarms each.
    CHECK(std::abs(estimate.gauss_newton - exact.gauss_newton) <= 4.4 * estimate.gauss_newton_sem + 1e-12);
    CHECK(std::abs(estimate.neglected - exact.neglected) <= 4.4 * estimate.neglected_sem + 1e-12);
    CHECK(std::abs(estimate.hessian - exact.hessian) <= 4.4 * estimate.hessian_sem + 1e-12);
  }
  Bench b(cases()[0]);
  // Few probes, one by one: v'Av of signs v, and the standard error of their mean.
  for (const std::size_t probes : {1, 2, 3}) {
    random::Stream stream(11, 0), same(11, 0);
    const EstimatedTraces estimate = hutchinson_traces(b.objective, probes, stream);
    std::vector<double> ggn, nme;
    for (std::size_t k = 0; k < probes; ++k) {
      std::vector<double> v(b.theta.size());
      for (double& x : v) x = same.uniform() < 0.5 ? -1 : 1;
      ggn.push_back(models::ingredients::curvature_along(b.objective, CurvaturePart::gauss_newton, v));
      nme.push_back(models::ingredients::curvature_along(b.objective, CurvaturePart::neglected, v));
    }
    const auto check = [probes](const std::vector<double>& x, double mean, double sem) {
      double sum = 0, squares = 0;
      for (const double one : x) sum += one;
      const auto n = static_cast<double>(probes);
      for (const double one : x) squares += (one - sum / n) * (one - sum / n);
      CHECK(mean == Approx(sum / n).epsilon(1e-12));
      CHECK(sem == Approx(probes > 1 ? std::sqrt(squares / (n - 1) / n) : 0).epsilon(1e-9));
    };
    check(ggn, estimate.gauss_newton, estimate.gauss_newton_sem);
    check(nme, estimate.neglected, estimate.neglected_sem);
    for (std::size_t k = 0; k < probes; ++k) ggn[k] += nme[k];
    check(ggn, estimate.hessian, estimate.hessian_sem);
  }
  random::Stream stream(11, 0);
  CHECK_THROWS_AS(hutchinson_traces(b.objective, 0, stream), std::invalid_argument);
}

TEST_CASE("the largest curvature is the largest eigenvalue of the matrix written out") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Bench b(c);
    const std::size_t p = b.theta.size();
    for (const CurvaturePart part : {CurvaturePart::hessian, CurvaturePart::gauss_newton, CurvaturePart::neglected}) {
      Matrix written(p, p);
      std::vector<double> e(p);
      for (std::size_t k = 0; k < p; ++k) {
        e[k] = 1;
        b.objective.product(part, e, written.column(k));
        e[k] = 0;
      }
      const double largest = linear_algebra::symmetric_eigenvalues(written).back();
      const LargestCurvature found = largest_curvature(b.objective, part, {}, 1e-9);
      CHECK(std::abs(found.value - largest) < 1e-9);
      CHECK(largest_curvature(b.objective, part, found.next_start, 1e-9).value == Approx(found.value).epsilon(1e-8));
    }
  }
}

TEST_CASE("networks at zero weights and at nothing to learn") {
  const Case c{"", {2, {{3, phi(ActivationKind::tanh), true}, {1, phi(ActivationKind::identity), true}}}, {}, 3};
  Bench b(c);
  const std::vector<double> zero(b.theta.size());
  b.objective.move_to(zero);
  std::vector<double> g(zero.size());
  b.objective.gradient(g);
  for (std::size_t k = 0; k + 1 < g.size(); ++k) CHECK(g[k] == 0);  // only the last bias moves
  CHECK(g.back() == Approx(-(b.examples->targets(0, 0) + b.examples->targets(0, 1) + b.examples->targets(0, 2)) / 3));
  CHECK(largest_curvature(b.objective, CurvaturePart::gauss_newton).value == Approx(1));
  b.examples->targets = Matrix(1, 3);
  CHECK(b.objective.move_to(zero) == 0);
  CHECK(b.objective.neglected_trace() == 0);
  // The saddle at zero weights: the neglected part couples W_1 and W_2 and has eigenvalues of both signs.
  b.examples->targets = Matrix(1, 3, 1.0);
  b.objective.move_to(zero);
  CHECK(largest_curvature(b.objective, CurvaturePart::neglected).value > 0.1);
}

TEST_CASE("scales of initial weights follow the parametrisation") {
  const auto spread = [](Parametrisation parametrisation, std::size_t from, std::size_t to) {
    const Network network({400, {{300, {}, false}, {50, {}, false}}, parametrisation, 2, 0});
    random::Stream stream(3, 1);
    const std::vector<double> theta = network.draw(stream);
    double square = 0;
    for (std::size_t k = from; k < to; ++k) square += theta[k] * theta[k];
    return square / static_cast<double>(to - from);
  };
  // 15000 numbers: 5% is 4.3 standard errors.
  CHECK(spread(Parametrisation::standard, 0, 120000) == Approx(2.0 / 400).epsilon(0.05));
  CHECK(spread(Parametrisation::standard, 120000, 135000) == Approx(2.0 / 300).epsilon(0.05));
  CHECK(spread(Parametrisation::ntk, 120000, 135000) == Approx(2.0).epsilon(0.05));
  // Layer after layer, weights before biases, one normal number each.
  const Network both({2, {{3, {}}, {1, {}, false}}, Parametrisation::standard, 2, 0.3});
  random::Stream one(3, 1), two(3, 1);
  const std::vector<double> drawn = both.draw(one);
  REQUIRE(drawn.size() == 12);
  for (std::size_t k = 0; k < 12; ++k) {
    const double variance = k < 6 ? 2.0 / 2 : k < 9 ? 0.3 : 2.0 / 3;
    CHECK(drawn[k] == Approx(std::sqrt(variance) * two.normal()).epsilon(1e-14));
  }
  CHECK(Network({9, {{4, {}}, {2, {}}}, Parametrisation::mean_field}).multiplier(0) == Approx(1.0 / 3));
  CHECK(Network({9, {{4, {}}, {2, {}}}, Parametrisation::mean_field}).multiplier(1) == Approx(0.25));
}

TEST_CASE("losses at large outputs are finite, and the accuracy counts") {
  const Matrix f(2, 3, std::vector<double>{800, -800, 1, 2, 0, 0}), y(2, 3, std::vector<double>{1, 0, 1, 0, 0, 1});
  const Loss loss{LossKind::cross_entropy, 1};
  CHECK(loss.value(f, y) == Approx((std::log(1 + std::exp(1.0)) + std::log(2.0)) / 3));
  CHECK(loss.cotangent(f, y)(0, 0) == 0);
  CHECK(Loss::accuracy(f, y) == Approx(1.0 / 3));
  const Matrix wrong(1, 2, std::vector<double>{-900, 0}), sign(1, 2, std::vector<double>{1, -1});
  CHECK(loss.value(wrong, sign) == Approx((900 + std::log(2.0)) / 2));
  CHECK(loss.cotangent(wrong, sign)(0, 0) == Approx(-0.5));
  CHECK(Loss::accuracy(wrong, sign) == 0);
  CHECK_THROWS_AS(loss.value(f, sign), std::invalid_argument);
}

TEST_CASE("networks refuse what does not fit") {
  CHECK_THROWS_AS(Network({2, {}}), std::invalid_argument);
  CHECK_THROWS_AS(Network({0, {{1, {}}}}), std::invalid_argument);
  CHECK_THROWS_AS(Network({2, {{0, {}}}}), std::invalid_argument);
  CHECK_THROWS_AS(Network({2, {{1, phi(ActivationKind::beta_gelu, 0)}}}), std::invalid_argument);
  CHECK_THROWS_AS(Network({2, {{1, {}}}, Parametrisation::standard, -1}), std::invalid_argument);
  const auto network = std::make_shared<const Network>(Architecture{2, {{1, {}}}});
  const auto none = std::make_shared<const Examples>();
  CHECK_THROWS_AS(NetworkObjective(network, {}, none), std::invalid_argument);
  const auto other = std::make_shared<const Examples>(Examples{Matrix(3, 2), Matrix(1, 2)});
  CHECK_THROWS_AS(NetworkObjective(network, {}, other), std::invalid_argument);
  Pass pass;
  CHECK_THROWS_AS(network->forward(std::vector<double>(2), Matrix(2, 1), pass), std::invalid_argument);
}
