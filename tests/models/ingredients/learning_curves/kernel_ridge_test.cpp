// Kernel ridge regression against the normal equations written out.
#include "models/ingredients/learning_curves/kernel_ridge.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::learning_curves;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

TEST_CASE("the predictor is k(x)'(K + ridge I)^-1 y, whatever is asked before") {
  random::Stream stream(3, 0);
  const std::size_t d = 4, n = 7, tests = 5;
  const Matrix x = uniform_points(stream, d, n), z = uniform_points(stream, d, tests);
  const auto kernel = kernel_named("ntk", true);
  RidgeData data{
      linear_algebra::product(x, x, Transposed::yes), linear_algebra::product(x, z, Transposed::yes), {}, {}};
  apply_kernel(*kernel, true, data.gram);
  apply_kernel(*kernel, false, data.cross);
  for (std::size_t i = 0; i < n; ++i) data.labels.push_back(stream.normal());
  for (std::size_t i = 0; i < tests; ++i) data.truth.push_back(stream.normal());
  for (const double ridge : {0.0, 0.3})
    for (const std::size_t m : {std::size_t{1}, std::size_t{4}, n}) {
      Matrix k(m, m), y(m, 1);
      for (std::size_t i = 0; i < m; ++i) {
        y(i, 0) = data.labels[i];
        for (std::size_t j = 0; j < m; ++j) {
          double dot = 0;
          for (std::size_t a = 0; a < d; ++a) dot += x(a, i) * x(a, j);
          k(i, j) = i == j ? (*kernel)(1) + ridge : (*kernel)(dot);
        }
      }
      const Matrix alpha = linear_algebra::solve(k, y);
      double excess = 0, train = 0;
      for (std::size_t t = 0; t < tests; ++t) {
        double f = 0;
        for (std::size_t i = 0; i < m; ++i) {
          double dot = 0;
          for (std::size_t a = 0; a < d; ++a) dot += x(a, i) * z(a, t);
          f += alpha(i, 0) * (*kernel)(dot);
        }
        excess += std::pow(data.truth[t] - f, 2) / static_cast<double>(tests);
      }
      for (std::size_t i = 0; i < m; ++i) {
        double f = -ridge * alpha(i, 0);
        for (std::size_t j = 0; j < m; ++j) f += k(i, j) * alpha(j, 0);
        train += std::pow(data.labels[i] - f, 2) / static_cast<double>(m);
      }
      const RidgeErrors errors = ridge_errors(data, m, ridge);
      CHECK(errors.excess == Approx(excess).epsilon(1e-9));
      CHECK(errors.train == Approx(train).epsilon(1e-9).scale(1e-9));
    }
  double power = 0;
  for (const double f : data.truth) power += f * f / static_cast<double>(tests);
  CHECK(ridge_errors(data, 0, 0.1).excess == Approx(power));
  // Copies of one sample: singular without a ridge, and the mean label is learned.
  RidgeData copies{Matrix(2, 2, 1.0), Matrix(2, 1, 1.0), {1, 3}, {2}};
  CHECK(ridge_errors(copies, 2, 0).excess < 1e-10);
  for (std::size_t j = 0; j < n; ++j) CHECK(data.gram(j, j) == Approx(2).epsilon(1e-12));
}

TEST_CASE("a ridge that leaves nothing to be learned: the labels remain, at once and at any size") {
  // (K + r)^-1 y = y/r: f(x) = k(x)'y/r, r/(K + r) y = y.
  RidgeData data{Matrix(3, 3, 0.5), Matrix(3, 2, 0.5), {1, -2, 3}, {0.5, 4}};
  for (std::size_t i = 0; i < 3; ++i) data.gram(i, i) = 1;
  for (const double ridge : {1e140, 1e155, 1e300, 1e307, 1.7e308}) {
    CAPTURE(ridge);
    const RidgeErrors errors = ridge_errors(data, 3, ridge);
    CHECK(errors.excess == Approx((0.25 + 16) / 2).epsilon(1e-15));
    CHECK(errors.train == Approx(14.0 / 3).epsilon(1e-14));
  }
}
