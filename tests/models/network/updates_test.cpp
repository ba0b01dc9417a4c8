// Steps of curvature-aware optimizers against their definitions on the loss as it is written (literal_network.hpp), with
// central differences for every derivative.
#include "models/network/updates.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>

#include "models/ingredients/quadratic_objective.hpp"
#include "models/network/edge.hpp"
#include "models/network/reference_problems.hpp"
#include "models/network/simulation.hpp"
#include "numerics/sums.hpp"
#include "tests/approx.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise;
using namespace edgewise::models::network;
using namespace edgewise::models::ingredients::networks;
using linear_algebra::Matrix;
using models::ingredients::CurvaturePart;
using models::ingredients::QuadraticObjective;
using Vector = std::vector<double>;
using edgewise::tests::Approx;

namespace {

Vector plus(Vector a, double t, const Vector& b) {
  for (std::size_t k = 0; k < a.size(); ++k) a[k] += t * b[k];
  return a;
}

double size(const Vector& a) {
  return std::sqrt(numerics::squared_norm_in_order(a));
}

Vector differences(const std::function<double(const Vector&)>& f, const Vector& at, double h = 1e-5) {
  Vector out(at.size());
  for (std::size_t k = 0; k < at.size(); ++k) {
    Vector up = at, down = at;
    up[k] += h;
    down[k] -= h;
    out[k] = (f(up) - f(down)) / (2 * h);
  }
  return out;
}

/// A small curved network, its loss and its derivatives by differences.
struct Bench {
  explicit Bench(LossKind kind = LossKind::cross_entropy) : loss{kind, 0.8} {
    architecture = {2, {{3, {ActivationKind::gelu}, true}, {3, {}, true}}, Parametrisation::ntk, 1.5, 0.2};
    examples = std::make_shared<Examples>(Examples{Matrix(2, 4), Matrix(3, 4)});
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 2; ++j) examples->inputs(j, i) = std::cos(1.0 + 2.0 * static_cast<double>(i + 3 * j));
      examples->targets(i % 3, i) = 1;
    }
    network = std::make_shared<const Network>(architecture);
    objective = std::make_unique<NetworkObjective>(network, loss, examples);
    random::Stream stream(4, 0, 0, random::Purpose::initial);
    theta = network->draw(stream);
    objective->move_to(theta);
  }
  double at(const Vector& t) const { return literal::mean_loss(architecture, loss, *examples, t); }
  Vector gradient(const Vector& t) const {
    return differences([this](const Vector& x) { return at(x); }, t);
  }
  /// sum_i c_i . f_i(t).
  double weighted(const Matrix& c, const Vector& t) const {
    double sum = 0;
    for (std::size_t i = 0; i < examples->size(); ++i) {
      const Vector f = literal::outputs(architecture, t, examples->inputs.column(i));
      for (std::size_t k = 0; k < f.size(); ++k) sum += c(k, i) * f[k];
    }
    return sum;
  }
  /// c(t), by differences of the loss of single outputs.
  Matrix cotangent(const Vector& t) const {
    Matrix c(3, examples->size());
    for (std::size_t i = 0; i < examples->size(); ++i) {
      const Vector f = literal::outputs(architecture, t, examples->inputs.column(i));
      const Vector d =
          differences([&](const Vector& x) { return literal::loss_of(loss, x, examples->targets.column(i)); }, f);
      for (std::size_t k = 0; k < 3; ++k) c(k, i) = d[k] / static_cast<double>(examples->size());
    }
    return c;
  }
  Vector direction(const UpdateRule& rule, std::uint64_t step = 0, std::uint64_t replica = 0) const {
    objective->move_to(theta);
    return Updates(rule, theta.size(), 9, replica).direction(*objective, theta, step);
  }

  Architecture architecture;
  Loss loss;
  std::shared_ptr<Examples> examples;
  std::shared_ptr<const Network> network;
  std::unique_ptr<NetworkObjective> objective;
  Vector theta;
};

void check_near(const Vector& a, const Vector& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k) CHECK(std::abs(a[k] - b[k]) < tolerance);
}

UpdateRule rule_of(UpdateKind kind, double rho, bool normalised = true) {
  UpdateRule rule;
  rule.kind = kind;
  rule.rho = rho;
  rule.normalised = normalised;
  return rule;
}

}  // namespace

TEST_CASE("SAM, functional SAM and SAM along the logits are their definitions") {
  const Bench b;
  const Vector g = b.gradient(b.theta);
  for (const bool normalised : {true, false}) {
    const double rho = 0.3;
    const Vector there = plus(b.theta, normalised ? rho / size(g) : rho, g);
    const auto pulled = [&](const Matrix& c, const Vector& t) {
      return differences([&](const Vector& x) { return b.weighted(c, x); }, t);
    };
    check_near(b.direction(rule_of(UpdateKind::sam, rho, normalised)), b.gradient(there), 1e-8);
    check_near(b.direction(rule_of(UpdateKind::functional_sam, rho, normalised)), pulled(b.cotangent(b.theta), there),
               1e-8);
    check_near(b.direction(rule_of(UpdateKind::logit_sam, rho, normalised)), pulled(b.cotangent(there), b.theta), 1e-8);
  }
}

TEST_CASE("SAM less its two paths: the three gradients, and the term of second order") {
  for (const LossKind kind : {LossKind::cross_entropy, LossKind::squared})
    for (const bool normalised : {false, true}) {
      const Bench b(kind);
      const auto along = [&](UpdateKind update, double rho) { return b.direction(rule_of(update, rho, normalised)); };
      const auto rest = [&](double rho) {
        Vector out = plus(along(UpdateKind::sam, rho), -1, along(UpdateKind::functional_sam, rho));
        out = plus(out, -1, along(UpdateKind::logit_sam, rho));
        return size(plus(out, 1, along(UpdateKind::plain, 0)));
      };
      const auto said = [&](double rho) {
        return sam_residual(*b.objective, b.theta, rule_of(UpdateKind::sam, rho, normalised));
      };
      CHECK(said(0.3).size == Approx(rest(0.3)).epsilon(1e-9));
      CHECK(said(0.02).leading == Approx(said(0.2).leading / 100).epsilon(1e-10));
      // The next order is one rho smaller: ten times less of it.
      const auto gap = [&](double rho) { return std::abs(said(rho).size / said(rho).leading - 1); };
      CHECK(gap(1e-3) < 0.02);
      CHECK(gap(1e-4) < 0.15 * gap(1e-3));
      Vector back(b.theta.size());
      b.objective->gradient(back);  // it is left where it was
      check_near(back, along(UpdateKind::plain, 0), 1e-15);
    }
}

TEST_CASE("where the gradient is exactly 0 no rule that follows it moves, whatever it divides by") {
  Bench b(LossKind::squared);
  for (double& y : b.examples->targets.entries()) y = 0;
  b.theta.assign(b.theta.size(), 0);
  for (const UpdateKind kind :
       {UpdateKind::plain, UpdateKind::sam, UpdateKind::functional_sam, UpdateKind::logit_sam, UpdateKind::penalty})
    for (const bool preconditioned : {false, true}) {
      UpdateRule rule = rule_of(kind, 0.3);
      rule.preconditioned = preconditioned;
      CHECK(b.direction(rule) == Vector(b.theta.size(), 0));
      CHECK(rule.ratio(0) == 0);
    }
  CHECK(rule_of(UpdateKind::sam, 0.3).ratio(2) == Approx(0.15));
  CHECK(rule_of(UpdateKind::sam, 0.3, false).ratio(2) == 0.3);
}

TEST_CASE("preconditioned ascents, in either norm") {
  const Bench b;
  const Vector g = b.gradient(b.theta);
  // At the first step v = .1 g^2 and 1 - .9 = .1, so that M = |g| + 1e-3.
  Vector u(g.size());
  double of_m = 0;
  for (std::size_t k = 0; k < g.size(); ++k) {
    const double m = std::abs(g[k]) + 1e-3;
    u[k] = g[k] / m;
    of_m += u[k] * u[k] * m;
  }
  UpdateRule rule = rule_of(UpdateKind::sam, 0.2);
  rule.preconditioned = true;
  check_near(b.direction(rule), b.gradient(plus(b.theta, 0.2 / size(u), u)), 1e-7);
  rule.norm_of_preconditioner = true;
  check_near(b.direction(rule), b.gradient(plus(b.theta, 0.2 / std::sqrt(of_m), u)), 1e-7);
}

TEST_CASE("penalties add their part of the Hessian") {
  const Bench b;
  const Vector g = b.gradient(b.theta);
  const double h = 1e-4;
  const Vector up = b.gradient(plus(b.theta, h, g)), down = b.gradient(plus(b.theta, -h, g));
  const Matrix c = b.cotangent(b.theta);
  const auto held = [&](const Vector& t) { return differences([&](const Vector& x) { return b.weighted(c, x); }, t); };
  const Vector up_held = held(plus(b.theta, h, g)), down_held = held(plus(b.theta, -h, g));
  Vector full(g.size()), neglected(g.size());
  for (std::size_t k = 0; k < g.size(); ++k) {
    full[k] = (up[k] - down[k]) / (2 * h);
    neglected[k] = (up_held[k] - down_held[k]) / (2 * h);
  }
  UpdateRule rule = rule_of(UpdateKind::penalty, 0.7, false);
  check_near(b.direction(rule), plus(g, 0.7, full), 1e-6);
  rule.part = CurvaturePart::neglected;
  check_near(b.direction(rule), plus(g, 0.7, neglected), 1e-6);
  rule.part = CurvaturePart::gauss_newton;
  check_near(b.direction(rule), plus(plus(g, 0.7, full), -0.7, neglected), 1e-6);
  rule.normalised = true;
  check_near(b.direction(rule), plus(plus(g, 0.7 / size(g), full), -0.7 / size(g), neglected), 1e-6);
}

TEST_CASE("every k-th step k times as strong, plain in between") {
  const Bench b;
  UpdateRule every = rule_of(UpdateKind::sam, 0.1);
  every.every = 3;
  check_near(b.direction(every, 0), b.direction(rule_of(UpdateKind::sam, 0.3)), 1e-15);
  check_near(b.direction(every, 1), b.direction({}), 1e-15);
  check_near(b.direction(every, 6), b.direction(rule_of(UpdateKind::sam, 0.3)), 1e-15);
}

TEST_CASE("where there is no gradient SAM stays, without a division") {
  QuadraticObjective saddle(scalar_saddle());
  for (const UpdateKind kind : {UpdateKind::sam, UpdateKind::penalty}) {
    const Vector origin{0};
    saddle.move_to(origin);
    CHECK(Updates(rule_of(kind, 0.5), 1, 1, 0).direction(saddle, origin, 0) == Vector{0});
  }
}

TEST_CASE("momentum accumulates") {
  QuadraticObjective saddle(scalar_saddle());
  UpdateRule rule;
  rule.base.momentum = 0.5;
  Updates updates(rule, 1, 1, 0);
  Vector t{1.2};
  double m = 0, literal = 1.2;
  for (std::uint64_t k = 0; k < 5; ++k) {
    saddle.move_to(t);
    const Vector along = updates.direction(saddle, t, k);
    move(along, 0.1, t);
    m = 0.5 * m + literal * (0.5 * literal * literal - 1);
    literal -= 0.1 * m;
    CHECK(t[0] == Approx(literal).epsilon(1e-14));
  }
}

TEST_CASE("RMSProp and Adam are their definitions, and tell their preconditioner") {
  for (const double beta1 : {0.0, 0.8}) {
    const Bench bench;
    UpdateRule rule;
    rule.base.adaptive = true;
    rule.base.beta1 = beta1;
    rule.base.beta2 = 0.9;
    rule.base.epsilon = 0.01;
    Updates updates(rule, bench.theta.size(), 1, 0);
    CHECK(updates.preconditioner().empty());
    Vector theta = bench.theta, literal = theta, m(theta.size()), v(theta.size());
    for (int k = 0; k < 4; ++k) {
      bench.objective->move_to(theta);
      move(updates.direction(*bench.objective, theta, static_cast<std::uint64_t>(k)), 0.1, theta);
      const Vector g = bench.gradient(literal);
      Vector scale(g.size());
      for (std::size_t i = 0; i < g.size(); ++i) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = 0.9 * v[i] + 0.1 * g[i] * g[i];
        scale[i] = std::sqrt(v[i] / (1 - std::pow(0.9, k + 1))) + 0.01;
        literal[i] -= 0.1 * m[i] / (1 - std::pow(beta1, k + 1)) / scale[i];
      }
      check_near(theta, literal, 1e-7);
      check_near({updates.preconditioner().begin(), updates.preconditioner().end()}, scale, 1e-7);
    }
  }
  // A slow mode with frozen P: m' = beta1 m + (1 - beta1) h x, x' = x - eta m', on the edge at eta h = 2 (1 + beta1)/(1 - beta1).
  models::ingredients::BaseUpdate adam;
  adam.adaptive = true;
  adam.beta1 = 0.9;
  for (const double factor : {0.99, 1.01}) {
    double x = 1, m = 0;
    for (int k = 0; k < 4000; ++k) x -= factor * 2 * adam.edge_factor() * (m = 0.9 * m + 0.1 * x);
    CHECK((std::abs(x) < 1) == (factor < 1));
  }
}

TEST_CASE("the sharpness that a preconditioner leaves") {
  QuadraticObjective objective(portable_quadratic());
  const std::size_t p = objective.parameters();
  Vector theta(p), P(p), unit(p), column(p);
  for (std::size_t i = 0; i < p; ++i)
    theta[i] = .3 * std::cos(static_cast<double>(i)), P[i] = 1 / static_cast<double>(1 + i % 4);
  const double loss = objective.move_to(theta);
  Matrix scaled(p, p);
  for (std::size_t j = 0; j < p; ++j) {
    unit.assign(p, 0);
    unit[j] = 1;
    objective.product(CurvaturePart::hessian, unit, column);
    for (std::size_t i = 0; i < p; ++i) scaled(i, j) = column[i] / std::sqrt(P[i] * P[j]);
  }
  CurvatureReader read;
  CHECK(read.preconditioned(objective, P) ==
        Approx(linear_algebra::symmetric_eigenvalues(scaled).back()).epsilon(1e-9));
  // It is what rules are shown of a step that P made.
  const auto seen = observe_step(objective, theta, loss, unit, {.own_loss = true, .sharpness = true}, P);
  CHECK(seen.sharpness == Approx(linear_algebra::symmetric_eigenvalues(scaled).back()).epsilon(1e-9));
}

TEST_CASE("trace penalties and weight noise have their gradients on average") {
  const Bench b(LossKind::squared);
  const double s = 0.05, strength = 0.5 * s * s;
  const auto trace = [&](bool whole) {
    return differences(
        [&, whole](const Vector& t) {
          b.objective->move_to(t);
          return b.objective->gauss_newton_trace() + (whole ? b.objective->neglected_trace() : 0.0);
        },
        b.theta);
  };
  const Vector of_ggn = trace(false), of_h = trace(true);
  const Vector g = b.direction({});
  struct Kind {
    UpdateKind kind;
    bool antithetic;
    const Vector& expected;
    double bias;  // of what is left out, O(s^4), relative to the penalty
  };
  for (const Kind& kind :
       {Kind{UpdateKind::gauss_newton_trace, false, of_ggn, 1e-6}, Kind{UpdateKind::hessian_trace, false, of_h, 1e-3},
        Kind{UpdateKind::weight_noise, true, of_h, 0.02}}) {
    UpdateRule rule;
    rule.kind = kind.kind;
    rule.deviation = s;
    rule.antithetic = kind.antithetic;
    const std::size_t draws = 4000;
    Vector mean(g.size()), square(g.size());
    Updates updates(rule, b.theta.size(), 9, 0);
    for (std::size_t d = 0; d < draws; ++d) {
      b.objective->move_to(b.theta);
      const Vector along = updates.direction(*b.objective, b.theta, d);
      for (std::size_t k = 0; k < g.size(); ++k) {
        const double x = (along[k] - g[k]) / strength;
        mean[k] += x / static_cast<double>(draws);
        square[k] += x * x / static_cast<double>(draws);
      }
    }
    // 4.8 standard errors, for 24 numbers three times: 1e-4 of false alarms in all.
    for (std::size_t k = 0; k < g.size(); ++k) {
      CAPTURE(static_cast<int>(kind.kind));
      const double sem = std::sqrt((square[k] - mean[k] * mean[k]) / static_cast<double>(draws));
      CHECK(std::abs(mean[k] - kind.expected[k]) < 4.8 * sem + kind.bias * size(kind.expected));
    }
  }
}

TEST_CASE("edges of stability: the multiplier of a linearised step turns over there") {
  for (const double r : {0.0, 0.1, 5.0})
    for (const double momentum : {0.0, 0.9}) {
      const double lambda = edge_sharpness(0.3, r, momentum);
      CHECK(edge_ratio(0.3, lambda, r, lambda, momentum) == Approx(2).epsilon(1e-14));
    }
  CHECK(edge_sharpness(0.3, 0, 0) == Approx(2 / 0.3));
  CHECK_THROWS_AS(edge_sharpness(0, 1, 0), std::invalid_argument);
  // Heavy ball on a quadratic of curvature lambda: bounded below the edge, growing above.
  for (const double side : {0.99, 1.01}) {
    const double eta = 0.1, momentum = 0.8, lambda = side * edge_sharpness(eta, 0, momentum);
    double x = 1, m = 0;
    for (int k = 0; k < 3000; ++k) x -= eta * (m = momentum * m + lambda * x);
    CHECK((std::abs(x) < 1) == (side < 1));
  }
}
