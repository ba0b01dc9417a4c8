#include "models/least_squares/risk_variance.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::least_squares;
using edgewise::tests::Approx;

namespace {

VarianceProblem power_law(std::size_t d, double batch, double sigma2) {
  VarianceProblem p;
  for (std::size_t j = 1; j <= d; ++j) {
    p.eigenvalue.push_back(std::pow(static_cast<double>(j), -1.2));
    p.multiplicity.push_back(1);
    p.initial_power.push_back(1.0 / static_cast<double>(j));
  }
  p.batch = batch;
  p.noise_variance = sigma2;
  return p;
}

}  // namespace

TEST_CASE("blocks give the same variance as their coordinates one by one") {
  VarianceProblem blocks{{1, 0.3}, {3, 4}, {2, 1.2}, 2, 0.2}, apart;
  apart.batch = 2;
  apart.noise_variance = 0.2;
  apart.eigenvalue = {1, 1, 1, 0.3, 0.3, 0.3, 0.3};
  apart.multiplicity.assign(7, 1);
  apart.initial_power = {0.5, 1.5, 0, 0.3, 0.3, 0.3, 0.3};
  VarianceRecursion a(blocks), b(apart);
  for (int k = 0; k < 40; ++k) {
    a.step(0.1);
    b.step(0.1);
  }
  CHECK(a.excess_mse_variance() == Approx(b.excess_mse_variance()).epsilon(1e-11));
  CHECK(a.parameter_error_variance() == Approx(b.parameter_error_variance()).epsilon(1e-11));
  CHECK(a.excess_mse() == Approx(b.excess_mse()).epsilon(1e-13));
}

TEST_CASE("the contour reaches any step of the recursion") {
  for (const double sigma2 : {0.0, 0.04}) {
    const VarianceProblem problem = power_law(60, 4, sigma2);
    VarianceRecursion recursion(problem);
    const VarianceContour contour(problem, 0.4, 1e-12);
    CHECK(contour.converges());
    int k = 0;
    for (const int target : {40, 200, 1500}) {
      for (; k < target; ++k) recursion.step(0.4);
      const auto v = contour.at(target);
      CHECK(std::sqrt(v.excess_mse) == Approx(std::sqrt(recursion.excess_mse_variance())).epsilon(1e-6));
      CHECK(std::sqrt(v.parameter_error) == Approx(std::sqrt(recursion.parameter_error_variance())).epsilon(1e-6));
    }
  }
}

TEST_CASE("one step by hand: the variance of P after a step of one mode, at any batch") {
  // One coordinate without noise: v' = v (1 - x u), u = mean of z_b^2, so Var P' = P^2 Var (1 - x u)^2.
  for (const double B : {1.0, 7.0, 1e10}) {
    VarianceRecursion recursion(VarianceProblem{{0.5}, {1}, {3}, B, 0});
    recursion.step(0.4);
    const double x = 0.2, P = 1.5, m2 = 1 + 2 / B;
    const double var_u = 2 / B, cov = m2 * 4 / B, var_u2 = m2 * (8 / B + 24 / B / B);
    const double expected = P * P * (4 * x * x * var_u - 4 * x * x * x * cov + x * x * x * x * var_u2);
    CHECK(recursion.excess_mse_variance() == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("a spread far below the mean keeps its digits: it falls as 1/sqrt(batch)") {
  double previous = 0;
  for (const double batch : {1e8, 1e14, 1e20}) {
    VarianceRecursion recursion(power_law(8, batch, 0.3));
    for (int k = 0; k < 30; ++k) recursion.step(0.3);
    const double scaled = batch * recursion.excess_mse_variance();
    if (previous > 0) CHECK(scaled == Approx(previous).epsilon(1e-6));
    previous = scaled;
  }
  CHECK(previous > 0);
}

TEST_CASE("the contour at late steps of large batches: the recursion's spread, or none") {
  for (const double batch : {1e3, 1e6, 1e10}) {
    const VarianceProblem problem = power_law(12, batch, 0.04);
    VarianceRecursion recursion(problem);
    const VarianceContour contour(problem, 0.4, 1e-12);
    int k = 0, known = 0;
    for (const int target : {60, 300, 1000, 3000}) {
      for (; k < target; ++k) recursion.step(0.4);
      const auto v = contour.at(target);
      if (std::isnan(v.excess_mse)) continue;
      ++known;
      CHECK(std::sqrt(v.excess_mse) == Approx(std::sqrt(recursion.excess_mse_variance())).epsilon(0.01));
      CHECK(std::sqrt(v.parameter_error) == Approx(std::sqrt(recursion.parameter_error_variance())).epsilon(0.01));
    }
    CAPTURE(batch);
    CHECK(known >= 2);  // the steady state at least, where the spread is of the size of the mean
  }
}

TEST_CASE("below the variance threshold the variance settles, above it grows") {
  const VarianceProblem problem = power_law(30, 1, 0.1);
  const double threshold = variance_threshold(problem, 0.5), below = 0.985 * threshold, above = 1.015 * threshold;
  CHECK(threshold < 0.5);
  CHECK(VarianceContour(problem, below).converges());
  CHECK_FALSE(VarianceContour(problem, above).converges());
  const auto late_growth = [&](double eta) {
    VarianceRecursion recursion(problem);
    for (int k = 0; k < 6000; ++k) recursion.step(eta);
    const double early = recursion.excess_mse_variance();
    for (int k = 0; k < 3000; ++k) recursion.step(eta);
    return recursion.excess_mse_variance() / early;
  };
  CHECK(late_growth(below) == Approx(1).epsilon(0.01));
  CHECK(late_growth(above) > 3);
}

TEST_CASE("gradient descent has no variance threshold of its own") {
  VarianceProblem problem = power_law(10, std::numeric_limits<double>::infinity(), 0);
  CHECK(variance_threshold(problem, 1.7) == 1.7);
}

TEST_CASE("the large-dimension form approaches the exact variance as 1/d") {
  double previous = 1;
  for (const double d : {50.0, 200.0, 800.0}) {
    const VarianceProblem problem{{1}, {d}, {1}, 1, 0.25};
    VarianceRecursion exact(problem);
    for (int k = 0; k < static_cast<int>(d); ++k) exact.step(1 / d);
    const double times[] = {0, d};
    const auto v = linear_noise_variance(problem, 1 / d, times);
    CHECK(v[0] == 0);
    const double gap = std::abs(std::sqrt(v[1] / exact.excess_mse_variance()) - 1);
    CHECK(gap < 0.5 * previous);
    CHECK(gap * d < 1.5);
    previous = gap;
  }
}

TEST_CASE("eigenspaces of several dimensions: the contour reaches the recursion, and both know one threshold") {
  for (const double sigma2 : {0.0, 0.3}) {
    const VarianceProblem problem{{1, 0.3, 0.08}, {3, 7, 20}, {2, 1.5, 4}, 2, sigma2};
    VarianceRecursion recursion(problem);
    const VarianceContour contour(problem, 0.12, 1e-12);
    REQUIRE(contour.converges());
    int k = 0;
    for (const int target : {60, 250, 900}) {
      REQUIRE(target >= contour.earliest());
      for (; k < target; ++k) recursion.step(0.12);
      const auto v = contour.at(target);
      CAPTURE(sigma2);
      CAPTURE(target);
      CHECK(v.excess_mse == Approx(recursion.excess_mse_variance()).epsilon(1e-6));
      CHECK(v.parameter_error == Approx(recursion.parameter_error_variance()).epsilon(1e-6));
    }
  }
  // Where the variance neither grows nor falls: by the recursion's own growth.
  const VarianceProblem silent{{1, 0.3, 0.08}, {3, 7, 20}, {2, 1.5, 4}, 2, 0};
  const double threshold = variance_threshold(silent, 1);
  const auto growth = [&](double eta) {
    VarianceRecursion recursion(silent);
    for (int k = 0; k < 1500; ++k) recursion.step(eta);
    const double early = recursion.excess_mse_variance();
    for (int k = 0; k < 100; ++k) recursion.step(eta);
    return recursion.excess_mse_variance() / early;
  };
  CHECK(growth(0.999 * threshold) < 1);
  CHECK(growth(1.001 * threshold) > 1);
}

// docs/theory/least-squares-sgd.md, (4.3) as it stands: a matrix that small steps of fourth order move.
TEST_CASE("linear noise: the Lyapunov equation written out, modes of several dimensions and label noise") {
  constexpr std::size_t m = 3;
  const VarianceProblem problem{{1, 0.4, 0.1}, {2, 5, 9}, {1.5, 2, 4}, 3, 0.4};
  const double eta = 0.15, B = 3;
  using State = std::vector<double>;  // q, then Sigma
  const auto slope = [&](const State& y) {
    State out(m + m * m);
    double Q = 0.4;
    for (std::size_t a = 0; a < m; ++a) Q += y[a];
    std::vector<double> b(m), g(m);
    for (std::size_t a = 0; a < m; ++a) {
      const double l = problem.eigenvalue[a];
      b[a] = eta * eta / B * problem.multiplicity[a] * l * l;
      g[a] = out[a] = -2 * eta * l * y[a] + b[a] * Q;
    }
    const auto Sigma = [&](std::size_t i, std::size_t j) { return y[m + i * m + j]; };
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < m; ++j) {
        const double li = problem.eigenvalue[i], lj = problem.eigenvalue[j];
        double column = 0, row = 0;  // 1'Sigma
        for (std::size_t k = 0; k < m; ++k) {
          column += Sigma(k, j);
          row += Sigma(i, k);
        }
        out[m + i * m + j] = -2 * eta * (li + lj) * Sigma(i, j) + b[i] * column + b[j] * row +
                             4 * eta * eta / B * ((i == j ? li * li * y[i] * Q : 0) - li * y[i] * lj * y[j]) +
                             2 / B * g[i] * g[j];
      }
    return out;
  };
  State y(m + m * m);
  for (std::size_t a = 0; a < m; ++a) y[a] = problem.eigenvalue[a] * problem.initial_power[a];
  const double times[] = {0.3, 5, 60};
  const auto found = linear_noise_variance(problem, eta, times);
  double t = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const int steps = 400;
    const double h = (times[i] - t) / steps;
    for (int k = 0; k < steps; ++k) {
      const auto moved = [&](const State& by, double share) {
        State out = y;
        for (std::size_t p = 0; p < out.size(); ++p) out[p] += share * h * by[p];
        return out;
      };
      const State k1 = slope(y), k2 = slope(moved(k1, 0.5)), k3 = slope(moved(k2, 0.5)), k4 = slope(moved(k3, 1));
      for (std::size_t p = 0; p < y.size(); ++p) y[p] += h / 6 * (k1[p] + 2 * k2[p] + 2 * k3[p] + k4[p]);
    }
    t = times[i];
    double variance = 0;
    for (std::size_t p = m; p < y.size(); ++p) variance += y[p];
    CHECK(found[i] == Approx(variance).epsilon(1e-6));
  }
}

TEST_CASE("inconsistent problems are refused") {
  CHECK_THROWS(VarianceRecursion(VarianceProblem{}));
  CHECK_THROWS(VarianceRecursion(VarianceProblem{{1, 2}, {1}, {1, 1}, 1, 0}));
}
