#include "models/ingredients/networks/losses.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

using namespace edgewise::models::ingredients::networks;
using doctest::Approx;
using edgewise::linear_algebra::Matrix;

namespace {

struct Case {
  Loss loss;
  Matrix outputs, targets;
};

std::vector<Case> cases() {
  const Matrix three(3, 2, std::vector<double>{0.3, -1.2, 0.8, 2.1, 0.1, -0.7}),
      soft(3, 2, std::vector<double>{0.2, 0.5, 0.3, 0, 1, 0}), one(1, 3, std::vector<double>{0.4, -1.1, 2.2}),
      signs(1, 3, std::vector<double>{1, 1, -1});
  return {{{LossKind::squared, 1}, three, soft},
          {{LossKind::cross_entropy, 1}, three, soft},
          {{LossKind::cross_entropy, 2.5}, three, soft},
          {{LossKind::cross_entropy, 0.7}, one, signs}};
}

/// The loss as its page writes it.
double literal(const Case& c) {
  double sum = 0;
  const double beta = c.loss.inverse_temperature;
  for (std::size_t i = 0; i < c.outputs.columns(); ++i) {
    double all = 0;
    for (std::size_t k = 0; k < c.outputs.rows(); ++k) all += std::exp(beta * c.outputs(k, i));
    for (std::size_t k = 0; k < c.outputs.rows(); ++k) {
      const double f = c.outputs(k, i), y = c.targets(k, i);
      if (c.loss.kind == LossKind::squared)
        sum += (f - y) * (f - y) / 2;
      else if (c.outputs.rows() == 1)
        sum += std::log(1 + std::exp(-beta * y * f));
      else
        sum -= y * std::log(std::exp(beta * f) / all);
    }
  }
  return sum / static_cast<double>(c.outputs.columns());
}

}  // namespace

TEST_CASE("values are those of the formulas, cotangents their slopes, curvatures the slopes of these") {
  for (const Case& c : cases()) {
    CAPTURE(static_cast<int>(c.loss.kind));
    CAPTURE(c.loss.inverse_temperature);
    CHECK(c.loss.value(c.outputs, c.targets) == Approx(literal(c)).epsilon(1e-14));
    const Matrix slope = c.loss.cotangent(c.outputs, c.targets);
    constexpr double h = 1e-5;
    for (std::size_t k = 0; k < c.outputs.size(); ++k) {
      Case up = c, down = c;
      up.outputs.data()[k] += h;
      down.outputs.data()[k] -= h;
      CHECK(slope.data()[k] == Approx((literal(up) - literal(down)) / (2 * h)).epsilon(1e-8).scale(0.1));
      const Matrix above = c.loss.cotangent(up.outputs, c.targets), below = c.loss.cotangent(down.outputs, c.targets);
      Matrix v(c.outputs.rows(), c.outputs.columns());
      v.data()[k] = 3;
      const Matrix moved = c.loss.curvature(c.outputs, c.targets, v);
      for (std::size_t j = 0; j < v.size(); ++j)
        CHECK(moved.data()[j] == Approx(3 * (above.data()[j] - below.data()[j]) / (2 * h)).epsilon(1e-8).scale(0.1));
    }
  }
}

TEST_CASE("the roots of the curvature: their squares add up to it, example by example") {
  for (const Case& c : cases()) {
    const std::size_t rows = c.outputs.rows();
    for (std::size_t i = 0; i < c.outputs.columns(); ++i)
      for (std::size_t a = 0; a < rows; ++a) {
        Matrix unit(rows, c.outputs.columns());
        unit(a, i) = 1;
        const Matrix column = c.loss.curvature(c.outputs, c.targets, unit);
        for (std::size_t b = 0; b < rows; ++b) {
          double sum = 0;
          for (std::size_t k = 0; k < rows; ++k) {
            const Matrix root = c.loss.curvature_root(c.outputs, c.targets, k);
            sum += root(a, i) * root(b, i);
          }
          CHECK(sum == Approx(column(b, i)).epsilon(1e-13).scale(1e-3));
        }
      }
  }
}

TEST_CASE("shapes must be alike") {
  const Loss loss;
  CHECK_THROWS_AS(loss.value(Matrix(2, 3), Matrix(3, 2)), std::invalid_argument);
  CHECK_THROWS_AS(loss.cotangent(Matrix(2, 3), Matrix(2, 2)), std::invalid_argument);
  CHECK_THROWS_AS(loss.curvature(Matrix(2, 3), Matrix(2, 3), Matrix(2, 2)), std::invalid_argument);
  CHECK_THROWS_AS(Loss::accuracy(Matrix(1, 3), Matrix(2, 3)), std::invalid_argument);
}
