#include "models/least_squares/risk_variance.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

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

TEST_CASE("inconsistent problems are refused") {
  CHECK_THROWS(VarianceRecursion(VarianceProblem{}));
  CHECK_THROWS(VarianceRecursion(VarianceProblem{{1, 2}, {1}, {1, 1}, 1, 0}));
}
