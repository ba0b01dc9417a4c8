// The memory recursion of quadratic regression against an independent form of itself, its linear limits, its invariants
// and simulations; its flags; gradient flow and divergence (docs/theory/quadratic-regression.md, section 3).
#include "models/quadratic_regression/memory.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/quadratic_regression/memory_kernels.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::quadratic_regression;
using edgewise::linear_algebra::Matrix;
using edgewise::linear_algebra::product;
using edgewise::linear_algebra::Transposed;
using edgewise::tests::Approx;

namespace {

QuadraticMemoryProblem problem_of(double eta, double delta, double kappa, double b, std::size_t steps) {
  QuadraticMemoryProblem p;
  p.ensemble.delta = delta;
  p.ensemble.kappa = kappa;
  p.batch_fraction = b;
  p.learning_rate = {eta};
  p.steps = steps;
  return p;
}

double rate(const QuadraticMemoryProblem& p, std::size_t t) {
  return p.learning_rate.size() == 1 ? p.learning_rate[0] : p.learning_rate[t];
}

using Wide = boost::multiprecision::cpp_bin_float_50;

// The recursion as docs/theory/quadratic-regression.md (3.4) writes it, full matrices, one sum at a time, in fifty digits:
// they leave thirty to a loss of 1e-20. With momentum theta_(t+1) - theta_t has that of the step before, of all functions.
struct Literal {
  using Square = std::vector<std::vector<Wide>>;
  explicit Literal(const QuadraticMemoryProblem& p) {
    const std::size_t n = p.steps + 1;
    const auto& e = p.ensemble;
    const Wide b = p.batch_fraction, delta = e.delta, kappa = e.kappa;
    for (Square* m : {&C, &R, &L, &cc, &H, &X, &S, &M}) *m = Square(n + 1, std::vector<Wide>(n + 1));
    const auto c = [&](const Wide& q) {
      return Wide(e.residual_variance + e.jacobian_variance * q + kappa / 2 * q * q);
    };
    const auto c1 = [&](const Wide& q) { return Wide(e.jacobian_variance + kappa * q); };
    for (std::size_t t = 0; t < n; ++t) {
      for (std::size_t s = 0; s <= t; ++s) {
        if (s < t) L[t][s] = rate(p, s) * R[t][s] * c1(C[t][s]);
        cc[t][s] = cc[s][t] = c(C[t][s]);
      }
      H[t][t] = 1;
      for (std::size_t s = 0; s < t; ++s)
        for (std::size_t r = s; r < t; ++r) H[t][s] -= b * L[t][r] * H[r][s];
      for (std::size_t s = 0; s <= t; ++s) {
        for (std::size_t r = 0; r <= t; ++r) X[t][s] += H[t][r] * cc[r][s];
        if (s < t)
          for (std::size_t r = 0; r <= s; ++r) X[s][t] += H[s][r] * cc[r][t];
      }
      std::vector<Wide> Y(t);
      for (std::size_t s = 0; s < t; ++s) {
        Y[s] = b * X[s][t];
        for (std::size_t r = 0; r < t; ++r) Y[s] -= L[t][r] * M[r][s];
      }
      for (std::size_t s = 0; s <= t; ++s) {
        S[t][s] = X[t][s];
        for (std::size_t r = 0; r < s; ++r) S[t][s] -= L[s][r] * Y[r];
        S[s][t] = S[t][s];
        M[t][s] = M[s][t] = s < t ? b * Y[s] : b * S[t][t];
      }
      if (t + 1 == n) break;
      const Wide eta = rate(p, t), kept = t > 0 ? p.momentum * rate(p, t) / rate(p, t - 1) : 0.0;
      std::vector<Wide> N(t + 1), a(t + 1);
      for (std::size_t s = 0; s <= t; ++s) {
        N[s] = delta * M[t][s] * c1(C[t][s]);
        a[s] = -eta * delta * b * H[t][s] * c1(C[t][s]) + eta * rate(p, s) * delta * M[t][s] * kappa * R[t][s];
      }
      for (std::size_t s = 0; s <= t; ++s) {
        R[t + 1][s] = R[t][s] + (s == t ? 1 : 0);
        if (t > 0) R[t + 1][s] += kept * (R[t][s] - R[t - 1][s]);
        for (std::size_t r = 0; r <= t; ++r) R[t + 1][s] += a[r] * R[r][s];
      }
      for (std::size_t s = 0; s <= t + 1; ++s) {
        Wide sum = C[t][s];
        if (t > 0) sum += kept * (C[t][s] - C[t - 1][s]);
        for (std::size_t r = 0; r <= t; ++r) sum += a[r] * C[r][s];
        for (std::size_t r = 0; r < s; ++r) sum += eta * rate(p, r) * N[r] * R[s][r];
        C[t + 1][s] = C[s][t + 1] = sum;
      }
    }
  }
  Square C, R, L, cc, H, X, S, M;
};

double largest_difference(const Matrix& a, const Literal::Square& b) {
  double worst = 0;
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (std::size_t i = 0; i < a.rows(); ++i)
      worst = std::max(worst, std::abs(a(i, j) - static_cast<double>(b[i][j])));
  return worst;
}

double largest_difference(const Matrix& a, const Matrix& b) {
  double worst = 0;
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (std::size_t i = 0; i < a.rows(); ++i) worst = std::max(worst, std::abs(a(i, j) - b(i, j)));
  return worst;
}

}  // namespace

TEST_CASE("a pass over a triangle is the two products it stands for") {
  std::mt19937_64 engine(1);
  std::normal_distribution<double> normal;
  for (const std::size_t n : {1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 33, 70}) {
    PackedTriangle triangle(n);
    std::vector<double> a(n), x(n), down(n, 7.0), across(n, 7.0), y(n);
    for (std::size_t r = 0; r < n; ++r) {
      a[r] = normal(engine);
      x[r] = normal(engine);
      for (std::size_t s = 0; s <= r; ++s) triangle.row(r)[s] = normal(engine);
    }
    triangle_products(triangle, n, a.data(), x.data(), down.data(), across.data());
    symmetric_product(triangle, n, a.data(), y.data(), std::vector<double>(n).data());
    for (std::size_t k = 0; k < n; ++k) {
      double below = 0, along = 0, symmetric = 0;
      for (std::size_t r = k; r < n; ++r) below += a[r] * triangle.row(r)[k];
      for (std::size_t s = 0; s <= k; ++s) along += triangle.row(k)[s] * x[s];
      for (std::size_t s = 0; s < n; ++s) symmetric += a[s] * (s <= k ? triangle.row(k)[s] : triangle.row(s)[k]);
      CHECK(std::abs(down[k] - below) < 1e-13);
      CHECK(std::abs(across[k] - along) < 1e-13);
      CHECK(std::abs(y[k] - symmetric) < 1e-13);
    }
  }
}

TEST_CASE("the fast recursion is the literal one, step by step, with a schedule and every two-time function") {
  // The first meets the edge of stability, beyond which rounding is amplified: it is followed for 30 steps only.
  std::vector<QuadraticMemoryProblem> problems = {problem_of(.3, .5, 4, 1, 30), problem_of(.3, .5, 2, .2, 60),
                                                  problem_of(.2, 2, 1, .5, 45)};
  problems.push_back(problem_of(.2, .7, 3, .4, 37));
  problems.back().ensemble.residual_variance = .6;
  problems.back().ensemble.jacobian_variance = 1.7;
  problems.back().learning_rate.clear();
  for (std::size_t t = 0; t < 37; ++t)
    problems.back().learning_rate.push_back(.05 + .2 * std::pow(std::sin(.3 * static_cast<double>(t)), 2));
  problems.push_back(problem_of(.2, .5, 2, .6, 50));
  problems.back().momentum = .5;
  problems.push_back(problems[3]);
  problems.back().momentum = .3;
  for (QuadraticMemoryProblem& problem : problems) {
    problem.two_time = true;
    const QuadraticMemorySolution fast = solve_quadratic_memory(problem);
    const Literal slow(problem);
    REQUIRE(fast.loss.size() == problem.steps + 1);
    for (std::size_t t = 0; t <= problem.steps; ++t) {
      CAPTURE(t);
      CHECK(std::abs(fast.loss[t] - static_cast<double>(slow.S[t][t] / 2)) < 1e-12);
      CHECK(std::abs(fast.q[t] - static_cast<double>(slow.C[t][t])) < 1e-12);
    }
    const QuadraticTwoTime& f = *fast.two_time;
    CHECK(largest_difference(f.overlap, slow.C) < 1e-12);
    CHECK(largest_difference(f.response, slow.R) < 1e-11);
    CHECK(largest_difference(f.residual_response, slow.H) < 1e-11);
    CHECK(largest_difference(f.residual, slow.S) < 1e-12);
    CHECK(largest_difference(f.masked_residual, slow.M) < 1e-12);
  }
}

TEST_CASE("the loss keeps its digits as it vanishes") {
  // At the ends 1e-25, 5e-11, 5e-20: 1e-9 of them is far below the rounding of a number of the size of the first.
  for (const auto& run : {std::pair{1.0, 0.0}, {.5, 0.0}, {1.0, .3}}) {
    const double b = run.first, momentum = run.second;
    CAPTURE(b);
    CAPTURE(momentum);
    QuadraticMemoryProblem problem = problem_of(.6, .1, 1, b, 60);
    problem.momentum = momentum;
    const QuadraticMemorySolution fast = solve_quadratic_memory(problem);
    const Literal slow(problem);
    for (std::size_t t = 0; t <= 60; t += 5)
      CHECK(fast.loss[t] == Approx(static_cast<double>(slow.S[t][t] / 2)).epsilon(1e-11));
  }
  // 1e-118, by the Marchenko-Pastur law; and one step that takes everything, whose rounding is no negative loss.
  QuadraticMemoryProblem problem = problem_of(.6, .1, 0, 1, 400);
  const std::vector<double> linear = quadratic_linear_loss(problem);
  const QuadraticMemorySolution late = solve_quadratic_memory(problem);
  CHECK(linear.back() < 1e-100);
  for (std::size_t t = 0; t <= 400; t += 40) CHECK(late.loss[t] == Approx(linear[t]).epsilon(1e-9));
  const QuadraticMemorySolution at_once = solve_quadratic_memory(problem_of(1, 1e-30, 0, 1, 20));
  CHECK(!at_once.diverged_at);
  for (std::size_t t = 1; t <= 20; ++t) CHECK((at_once.loss[t] >= 0 && at_once.loss[t] < 1e-15));
}

TEST_CASE("at full batch the residuals are (I + L)^-1 c(C) (I + L)^-T") {
  QuadraticMemoryProblem problem = problem_of(.25, .5, 3, 1, 40);
  problem.two_time = true;
  const QuadraticMemorySolution solution = solve_quadratic_memory(problem);
  const QuadraticTwoTime& f = *solution.two_time;
  const std::size_t n = problem.steps + 1;
  Matrix shifted(n, n), covariance(n, n);
  for (std::size_t t = 0; t < n; ++t)
    for (std::size_t s = 0; s < n; ++s) {
      const double q = f.overlap(t, s);
      shifted(t, s) = (t == s ? 1 : 0) + (s < t ? .25 * f.response(t, s) * (1 + 3 * q) : 0);
      covariance(t, s) = 1 + q + 1.5 * q * q;
    }
  const Matrix back = product(product(shifted, f.residual), shifted, Transposed::no, Transposed::yes);
  CHECK(largest_difference(back, covariance) < 1e-12);
  Matrix identity = product(shifted, f.residual_response);
  for (std::size_t t = 0; t < n; ++t) identity(t, t) -= 1;
  CHECK(largest_difference(identity, Matrix(n, n)) < 1e-12);
  CHECK(largest_difference(f.masked_residual, f.residual) < 1e-15);
}

TEST_CASE("invariants of the recursion over its parameters") {
  CHECK(rc::check("symmetry, causality, positivity, scaling", [] {
    const double b = *rc::gen::inRange(1, 21) / 20.0, delta = *rc::gen::inRange(1, 31) / 10.0,
                 kappa = *rc::gen::inRange(0, 41) / 10.0;
    QuadraticMemoryProblem problem = problem_of(1, delta, kappa, b, 30);
    problem.learning_rate = {*rc::gen::inRange(1, 10) / 20.0 / quadratic_bulk_edge(problem.ensemble, 0)};
    problem.two_time = true;
    const QuadraticMemorySolution solution = solve_quadratic_memory(problem);
    RC_ASSERT(!solution.diverged_at);
    const QuadraticTwoTime& f = *solution.two_time;
    for (std::size_t t = 0; t <= 30; ++t) {
      RC_ASSERT(solution.loss[t] >= 0);
      RC_ASSERT(solution.q[t] >= 0);
      RC_ASSERT(std::abs(2 * solution.loss[t] - f.residual(t, t)) < 1e-13);
      RC_ASSERT(std::abs(f.masked_residual(t, t) - b * f.residual(t, t)) < 1e-13);
      for (std::size_t s = 0; s < t; ++s) {
        RC_ASSERT(f.overlap(t, s) == f.overlap(s, t));
        RC_ASSERT(f.masked_residual(t, s) == f.masked_residual(s, t));
        RC_ASSERT(f.response(s, t) == 0);
        RC_ASSERT(f.overlap(t, s) * f.overlap(t, s) <= f.overlap(t, t) * f.overlap(s, s) * (1 + 1e-12));
        RC_ASSERT(f.residual(t, s) * f.residual(t, s) <= f.residual(t, t) * f.residual(s, s) * (1 + 1e-9) + 1e-20);
      }
      if (t > 0) RC_ASSERT(std::abs(f.response(t, t - 1) - 1) < 1e-15);
    }
    // z = c z~, theta = a theta~: sz2 -> c^2 sz2, q -> a^2 q, and eta J^2 is kept when sJ2 is, so c = a.
    QuadraticMemoryProblem scaled = problem;
    const double c2 = 2.5;
    scaled.ensemble.residual_variance *= c2;
    scaled.ensemble.kappa /= c2;
    const QuadraticMemorySolution other = solve_quadratic_memory(scaled);
    for (std::size_t t = 0; t <= 30; ++t) {
      RC_ASSERT(std::abs(other.loss[t] - c2 * solution.loss[t]) < 1e-12);
      RC_ASSERT(std::abs(other.q[t] - c2 * solution.q[t]) < 1e-12);
    }
  }));
}

TEST_CASE("without curvature the recursion is the linear model's integral, at any batch fraction and schedule") {
  for (const double delta : {.05, .5, 1.0, 2.0, 7.0})
    for (const double b : {.1, .6, 1.0}) {
      QuadraticMemoryProblem problem = problem_of(.9, delta, 0, b, 60);
      problem.learning_rate.clear();
      problem.ensemble.residual_variance = 1.3;
      problem.ensemble.jacobian_variance = .8;
      const double edge = quadratic_bulk_edge(problem.ensemble, 0);
      for (std::size_t t = 0; t < 60; ++t) problem.learning_rate.push_back((t % 3 == 0 ? 1.2 : .4) / edge);
      const QuadraticMemorySolution solution = solve_quadratic_memory(problem);
      const std::vector<double> linear = quadratic_linear_loss(problem);
      CAPTURE(delta);
      CAPTURE(b);
      for (std::size_t t = 0; t <= 60; ++t) {
        CAPTURE(t);
        CHECK(std::abs(solution.loss[t] - linear[t]) < 1e-11);
      }
    }
}

TEST_CASE("the recursion predicts simulated gradient descent with a schedule, curvature and mini-batches") {
  // The schedule has no reference values: D = 60, P = 40, 5 steps, 500 runs, against the limit. Finite-size terms are 3
  // / D relative (docs/theory/quadratic-regression.md, section 3); five standard errors make a false alarm of p < 2e-6,
  // were the seed not fixed.
  const std::size_t D = 60, P = 40, steps = 5, runs = 500;
  QuadraticMemoryProblem problem = problem_of(0, 1.5, 2, .5, steps);
  problem.learning_rate = {.3, .05, .25, .1, .2};
  const QuadraticMemorySolution theory = solve_quadratic_memory(problem);
  std::mt19937_64 engine(7);
  std::normal_distribution<double> normal;
  std::vector<double> loss, q, theta(P), z(D), g(P), w(P), z0(D), J0(D * P), Q(D * P * P), J(D * P);
  std::vector<std::size_t> rows(D);
  const double p = static_cast<double>(P), d = static_cast<double>(D);
  for (std::size_t run = 0; run < runs; ++run) {
    double norm = 0;
    for (double& x : z0) norm += std::pow(x = normal(engine), 2);
    for (double& x : z0) x *= std::sqrt(d / norm);
    for (double& x : J0) x = normal(engine) / std::sqrt(p);
    for (std::size_t a = 0; a < D; ++a)
      for (std::size_t i = 0; i < P; ++i)
        for (std::size_t j = 0; j <= i; ++j)
          Q[(a * P + i) * P + j] = Q[(a * P + j) * P + i] = normal(engine) * std::sqrt(i == j ? 4.0 : 2.0) / p;
    std::fill(theta.begin(), theta.end(), 0.0);
    const auto evaluate = [&] {
      for (std::size_t a = 0; a < D; ++a) {
        z[a] = z0[a];
        for (std::size_t i = 0; i < P; ++i) {
          double slope = J0[a * P + i];
          for (std::size_t j = 0; j < P; ++j) slope += Q[(a * P + i) * P + j] * theta[j];
          J[a * P + i] = slope;
          z[a] += (J0[a * P + i] + slope) / 2 * theta[i];
        }
      }
    };
    evaluate();
    for (std::size_t t = 0; t < steps; ++t) {
      for (std::size_t a = 0; a < D; ++a) rows[a] = a;
      std::fill(g.begin(), g.end(), 0.0);
      for (std::size_t k = 0; k < D / 2; ++k) {
        std::swap(rows[k], rows[k + engine() % (D - k)]);
        for (std::size_t i = 0; i < P; ++i) g[i] += J[rows[k] * P + i] * z[rows[k]];
      }
      for (std::size_t i = 0; i < P; ++i) theta[i] -= problem.learning_rate[t] * g[i];
      evaluate();
    }
    double square = 0, length = 0;
    for (const double x : z) square += x * x;
    for (const double x : theta) length += x * x;
    loss.push_back(square / (2 * d));
    q.push_back(length / p);
  }
  const auto agree = [&](const std::vector<double>& x, double expected, double finite_size) {
    double mean = 0, variance = 0;
    for (const double v : x) mean += v / static_cast<double>(runs);
    for (const double v : x) variance += std::pow(v - mean, 2) / static_cast<double>(runs * (runs - 1));
    CAPTURE(mean);
    CAPTURE(expected);
    CHECK(std::abs(mean - expected) < 5 * std::sqrt(variance) + finite_size / d * expected);
    CHECK(5 * std::sqrt(variance) + finite_size / d * expected < .11 * expected);  // the check could have failed
  };
  agree(loss, theory.loss.back(), 3);
  agree(q, theory.q.back(), 3);
}

TEST_CASE("the edge of stability is flagged at full batch only") {
  const QuadraticMemorySolution stable = solve_quadratic_memory(problem_of(.2, .5, 4, 1, 100));
  CHECK(!stable.post_eos);
  const QuadraticMemorySolution edge = solve_quadratic_memory(problem_of(.3, .5, 4, 1, 100));
  REQUIRE(edge.post_eos);
  CHECK(.3 * edge.bulk_edge[*edge.post_eos] > 2);
  CHECK(.3 * edge.bulk_edge[*edge.post_eos - 1] <= 2);
  // The plateau of docs/theory/quadratic-regression.md, section 3: 2.30 at step 30, 2.15 at 100.
  CHECK(.3 * edge.bulk_edge[30] == Approx(2.30).epsilon(.003));
  CHECK(.3 * edge.bulk_edge[100] == Approx(2.15).epsilon(.003));
  const QuadraticMemorySolution batches = solve_quadratic_memory(problem_of(.3, .5, 4, .5, 100));
  CHECK(.3 * batches.bulk_edge.back() > 2);
  CHECK(!batches.post_eos);
}

TEST_CASE("divergence ends the run and names its step") {
  QuadraticMemoryProblem problem = problem_of(1.2, .5, 4, 1, 200);
  problem.two_time = true;
  const QuadraticMemorySolution solution = solve_quadratic_memory(problem);
  REQUIRE(solution.diverged_at);
  const std::size_t n = *solution.diverged_at;
  CHECK(n < 30);
  CHECK(solution.loss.size() == n);
  CHECK(solution.bulk_edge.size() == n);
  CHECK(solution.two_time->overlap.rows() == n);
  for (const double loss : solution.loss) CHECK(loss <= 1e6);
  problem.steps = n - 1;
  CHECK(!solve_quadratic_memory(problem).diverged_at);
}

TEST_CASE("threshold of divergence") {
  QuadraticEnsemble e;
  for (const double kappa : {0.0, 1.0, 4.0}) {
    e.kappa = kappa;
    const double threshold = quadratic_divergence_threshold(e);
    QuadraticMemoryProblem problem = problem_of(threshold * (1 - 1e-5), e.delta, kappa, 1, 60);
    problem.largest_loss = 50;
    CHECK(!solve_quadratic_memory(problem).diverged_at);
    problem.learning_rate[0] = threshold * (1 + 1e-5);
    CHECK(solve_quadratic_memory(problem).diverged_at);
    // Curvature makes the loss diverge below the linear edge, the linear model only above it.
    if (kappa == 0)
      CHECK(threshold * quadratic_bulk_edge(e, 0) > 2);
    else
      CHECK(threshold * quadratic_bulk_edge(e, 0) < 2);
  }
}

TEST_CASE("gradient flow: the linear model's integral, the energy that is left, and the error it states") {
  QuadraticEnsemble linear;
  linear.kappa = 0;
  const std::vector<double> time = {0, .3, 1, 1, 2.5};
  const QuadraticFlow flow = solve_quadratic_flow(linear, time, {.tolerance = 1e-9});
  CHECK(flow.loss_error < 1e-9);
  CHECK(flow.loss[0] == Approx(.5).epsilon(1e-15));
  CHECK(flow.q[0] == 0);
  CHECK(flow.loss[2] == flow.loss[3]);
  for (std::size_t k = 0; k < time.size(); ++k) {
    // int MP exp(-2 l tau), by the same Gauss rule that is exact for polynomials and converges fast for entire
    // functions.
    const int n = 400;
    double square = 1;
    for (int i = 1; i <= n; ++i) {
      const double phi = std::acos(-1.0) * i / (n + 1), l = 1.5 + 2 * std::sqrt(.5) * std::cos(phi);
      square += 2.0 / (n + 1) * std::pow(std::sin(phi), 2) / l * std::expm1(-2 * l * time[k]);
    }
    CAPTURE(time[k]);
    CHECK(std::abs(flow.loss[k] - square / 2) < 1e-9);
  }
  // However late, with its digits: 1e-12, where the error that is asked for is 1e-8.
  QuadraticEnsemble narrow;
  narrow.kappa = 0;
  narrow.delta = .05;
  const std::vector<double> late = {1, 20};
  const QuadraticFlow small = solve_quadratic_flow(narrow, late, {.tolerance = 1e-9});
  double square = 0;
  for (int i = 1; i <= 400; ++i) {
    const double phi = std::acos(-1.0) * i / 401, l = 1.05 + 2 * std::sqrt(.05) * std::cos(phi);
    square += 2.0 / 401 * std::pow(std::sin(phi), 2) / l * std::exp(-2 * l * 20);
  }
  CHECK(square < 1e-10);
  CHECK(small.loss[1] == Approx(square / 2).epsilon(1e-4));
  QuadraticEnsemble curved;
  curved.kappa = 3;
  const std::vector<double> later = {.5, 2, 6};
  const QuadraticFlow coarse = solve_quadratic_flow(curved, later, {.tolerance = 1e-5});
  const QuadraticFlow fine = solve_quadratic_flow(curved, later, {.tolerance = 1e-10, .most_steps = 900});
  CHECK(coarse.loss_error < 1e-5 / 2);
  for (std::size_t k = 0; k < later.size(); ++k) {
    CHECK(std::abs(coarse.loss[k] - fine.loss[k]) <= coarse.loss_error);
    CHECK(std::abs(coarse.q[k] - fine.q[k]) <= coarse.q_error);
  }
  // Where it is looked at changes the steps, not the flow.
  const std::vector<double> uneven = {.05, .5, .52, 2};
  const QuadraticFlow other = solve_quadratic_flow(curved, uneven, {.tolerance = 1e-10, .most_steps = 900});
  CHECK(std::abs(other.loss[1] - fine.loss[0]) < 1e-7);
  CHECK(std::abs(other.q[1] - fine.q[0]) < 1e-7);
  CHECK(std::abs(other.loss[3] - fine.loss[1]) < 1e-7);
  CHECK(std::abs(other.q[3] - fine.q[1]) < 1e-7);
  // Small steps approach it at first order.
  const auto gap = [&](std::size_t steps) {
    const QuadraticMemorySolution s =
        solve_quadratic_memory(problem_of(2.0 / static_cast<double>(steps), .5, 3, 1, steps));
    return s.loss.back() - fine.loss[1];
  };
  CHECK(gap(200) / gap(400) == Approx(2).epsilon(.02));
}

TEST_CASE("memory is stated, and refused before it is taken") {
  CHECK(quadratic_memory_bytes(99, false) == 8 * 4 * 5050);
  CHECK(quadratic_memory_bytes(99, true) == 8 * (4 * 5050 + 8 * 10000));
  QuadraticMemoryProblem problem = problem_of(.1, .5, 1, 1, 1'000'000);
  CHECK_THROWS_WITH_AS(solve_quadratic_memory(problem),
                       "time.steps: a memory of 1000000 steps needs 1.49e+04 GiB, more than the limit of 4 GiB",
                       std::invalid_argument);
  problem.steps = std::size_t{1} << 62;
  CHECK_THROWS_AS(solve_quadratic_memory(problem), std::invalid_argument);
  problem.steps = 10;
  problem.memory_limit = quadratic_memory_bytes(10, false);
  CHECK_NOTHROW(solve_quadratic_memory(problem));
  problem.two_time = true;
  CHECK_THROWS_AS(solve_quadratic_memory(problem), std::invalid_argument);
}

TEST_CASE("bad input is named") {
  const auto refuses = [](auto change, const std::string& message) {
    QuadraticMemoryProblem problem = problem_of(.1, .5, 1, 1, 10);
    change(problem);
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(solve_quadratic_memory(problem), message.c_str(), std::invalid_argument);
  };
  using Problem = QuadraticMemoryProblem;
  refuses([](Problem& p) { p.learning_rate = {0}; },
          "optimizer.learning_rate: must be positive and finite at every step, not 0");
  refuses([](Problem& p) { p.learning_rate = {.1, .1}; }, "one learning rate, or one for each of the 10 steps, not 2");
  refuses([](Problem& p) { p.learning_rate.clear(); }, "one learning rate, or one for each of the 10 steps, not 0");
  refuses([](Problem& p) { p.batch_fraction = 0; }, "the batch fraction must lie in (0, 1], not 0");
  refuses([](Problem& p) { p.batch_fraction = 1.5; }, "the batch fraction must lie in (0, 1], not 1.5");
  refuses([](Problem& p) { p.momentum = 1; }, "the momentum must lie in [0, 1), not 1");
  refuses([](Problem& p) { p.ensemble.kappa = -1; }, "kappa must be finite and not negative, not -1");
  refuses([](Problem& p) { p.ensemble.delta = 0; }, "delta (outputs per parameter) must be positive and finite, not 0");
  refuses([](Problem& p) { p.ensemble.residual_variance = NAN; },
          "the variance of the initial residuals must be positive and finite, not nan");
  CHECK_THROWS_AS(quadratic_linear_loss(problem_of(.1, .5, 1, 1, 3)), std::invalid_argument);
  CHECK_THROWS_AS(solve_quadratic_flow({}, std::vector<double>{2, 1}), std::invalid_argument);
  CHECK_THROWS_AS(solve_quadratic_flow({}, std::vector<double>{1e4}), std::invalid_argument);
  CHECK_THROWS_AS(quadratic_divergence_threshold({}, {.growth = .5}), std::invalid_argument);
}
