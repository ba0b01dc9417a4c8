#include "models/ingredients/networks/losses.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::networks;
using edgewise::linear_algebra::Matrix;
using edgewise::tests::Approx;

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

Matrix column(std::initializer_list<double> values) {
  Matrix out(values.size(), 1);
  std::size_t c = 0;
  for (const double x : values) out(c++, 0) = x;
  return out;
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

TEST_CASE("cross-entropy of outputs that are sure of themselves keeps its digits") {
  // p_2 = e^-60, p_3 = e^-80 of the sum: far below the rounding of p_1 = 1 - p_2 - p_3.
  const Loss loss{LossKind::cross_entropy, 2};
  const Matrix f = column({40, 10, 0}), right = column({1, 0, 0}), wrong = column({0, 0, 1});
  const double e2 = std::exp(-60.0), e3 = std::exp(-80.0), others = e2 + e3;
  CHECK(loss.value(f, right) == Approx(others).epsilon(1e-13));
  CHECK(loss.value(f, wrong) == Approx(80).epsilon(1e-14));
  const Matrix c = loss.cotangent(f, right);
  CHECK(c(0, 0) == Approx(-2 * others).epsilon(1e-13));
  CHECK(c(1, 0) == Approx(2 * e2).epsilon(1e-13));
  CHECK(c(2, 0) == Approx(2 * e3).epsilon(1e-13));
  CHECK(c(0, 0) + c(1, 0) + c(2, 0) == Approx(0).scale(1e-26));
  // beta^2 (diag p - p p') is symmetric to its own size, its columns sum to 0, and it is the sum over its roots.
  Matrix H(3, 3), sum(3, 3);
  for (std::size_t k = 0; k < 3; ++k) {
    Matrix v(3, 1);
    v(k, 0) = 1;
    const Matrix out = loss.curvature(f, right, v), root = loss.curvature_root(f, right, k);
    for (std::size_t r = 0; r < 3; ++r) {
      H(r, k) = out(r, 0);
      for (std::size_t s = 0; s < 3; ++s) sum(r, s) += root(r, 0) * root(s, 0);
    }
  }
  CHECK(H(0, 0) == Approx(4 * others).epsilon(1e-13));
  CHECK(H(1, 1) == Approx(4 * e2).epsilon(1e-13));
  CHECK(H(0, 1) == Approx(-4 * e2).epsilon(1e-13));
  CHECK(H(0, 2) == Approx(-4 * e3).epsilon(1e-13));
  CHECK(H(1, 2) == Approx(-4 * e2 * e3).epsilon(1e-13));
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t s = 0; s < 3; ++s) {
      CHECK(H(r, s) == Approx(H(s, r)).epsilon(1e-14));
      CHECK(sum(r, s) == Approx(H(r, s)).epsilon(1e-13));
    }
}

TEST_CASE("a single output keeps its digits on either side") {
  const Loss loss{LossKind::cross_entropy, 3};
  for (const double sign : {1.0, -1.0}) {
    const Matrix f = column({30 * sign}), y = column({sign}), v = column({1});
    const double p = std::exp(-90.0);
    CHECK(loss.value(f, y) == Approx(p).epsilon(1e-13));
    CHECK(loss.cotangent(f, y)(0, 0) == Approx(-3 * sign * p).epsilon(1e-13));
    CHECK(loss.curvature(f, y, v)(0, 0) == Approx(9 * p).epsilon(1e-13));
    CHECK(loss.curvature_root(f, y, 0)(0, 0) == Approx(3 * std::sqrt(p)).epsilon(1e-13));
  }
}

TEST_CASE("cross-entropy of even outputs, soft targets, and two outputs that are one") {
  const Loss loss{LossKind::cross_entropy, 0.5};
  const Matrix even = column({2, 2, 2, 2}), soft = column({0.4, 0.3, 0.2, 0.1});
  CHECK(loss.value(even, soft) == Approx(std::log(4.0)).epsilon(1e-14));
  CHECK(loss.cotangent(even, soft)(0, 0) == Approx(0.5 * (0.25 - 0.4)).epsilon(1e-14));
  // Two outputs f, 0 of the class: the single output f.
  const Matrix two = column({1.3, 0}), one = column({1.3});
  for (const bool first : {true, false}) {
    const Matrix y2 = first ? column({1, 0}) : column({0, 1}), y1 = column({first ? 1.0 : -1.0});
    CHECK(loss.value(two, y2) == Approx(loss.value(one, y1)).epsilon(1e-14));
    CHECK(loss.cotangent(two, y2)(0, 0) == Approx(loss.cotangent(one, y1)(0, 0)).epsilon(1e-14));
    CHECK(loss.curvature(two, y2, column({1, 0}))(0, 0) ==
          Approx(loss.curvature(one, y1, column({1}))(0, 0)).epsilon(1e-14));
  }
}
