// Instances of quadratic regression: their law, the tensor's contraction in both storages, bad input.
#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/ingredients/curvature_tensor/instance.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using linear_algebra::Matrix;
using models::ingredients::CurvatureTensor;
using Storage = models::ingredients::CurvatureTensor::Storage;
using edgewise::tests::Approx;

namespace {

models::ingredients::QuadraticLaw law_of(std::size_t outputs, std::size_t parameters, double curvature) {
  models::ingredients::QuadraticLaw law;
  law.outputs = outputs;
  law.parameters = parameters;
  law.curvature = curvature;
  return law;
}

std::string error_of(std::size_t outputs, std::size_t parameters, const Matrix& rows) {
  try {
    CurvatureTensor tensor(outputs, parameters, rows);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

/// Standard score of the mean square of n normals of variance 1.
double score(double sum_of_squares, double n) {
  return (sum_of_squares / n - 1) * std::sqrt(n / 2);
}

}  // namespace

TEST_CASE("the contraction is that of the entries, stored and streamed to the same bits") {
  for (const std::size_t p : {1u, 3u, 7u, 8u, 9u, 16u, 29u}) {
    const std::size_t d = 5;
    const models::ingredients::QuadraticLaw law = law_of(d, p, 2.5);
    const CurvatureTensor stored(law, 3, 11, Storage::stored), streamed(law, 3, 11, Storage::streamed);
    std::vector<double> v(p), scratch;
    for (std::size_t i = 0; i < p; ++i) v[i] = std::sin(1.0 + static_cast<double>(i));
    Matrix w, again;
    stored.contract(v, w, scratch);
    streamed.contract(v, again, scratch);
    for (std::size_t a = 0; a < d; ++a)
      for (std::size_t i = 0; i < p; ++i) {
        double sum = 0, size = 0;
        for (std::size_t j = 0; j < p; ++j) {
          CHECK(stored.at(a, i, j) == stored.at(a, j, i));
          sum += stored.at(a, i, j) * v[j];
          size += std::abs(stored.at(a, i, j) * v[j]);
        }
        CHECK(std::abs(w(a, i) - sum) <= 1e-15 * (1 + size));
        CHECK(w(a, i) == again(a, i));
      }
  }
}

TEST_CASE("a tensor larger than the cache, and outputs that fill vectors and leave some over: the same bits") {
  const std::size_t d = 19, p = 170;  // 2.3 MB, of which a streamed one draws a block at a time
  const models::ingredients::QuadraticLaw law = law_of(d, p, 2.5);
  const CurvatureTensor stored(law, 3, 11, Storage::stored), streamed(law, 3, 11, Storage::streamed);
  CHECK(CurvatureTensor::bytes(d, p, Storage::stored) > 2e6);
  std::vector<double> v(p), u(p), z(d), scratch;
  for (std::size_t i = 0; i < p; ++i) {
    v[i] = std::sin(1.0 + static_cast<double>(i));
    u[i] = std::cos(2.0 * static_cast<double>(i));
  }
  for (std::size_t a = 0; a < d; ++a) z[a] = std::cos(1.0 + static_cast<double>(a));
  Matrix w(d, p), again(d, p), first(d, p), second(d, p), h, other;
  stored.contract(v, w, scratch);
  streamed.contract(v, again, scratch);
  const double* both[] = {u.data(), v.data()};
  double* to[] = {first.data(), second.data()};
  stored.contract(both, to, scratch);
  stored.weigh(z, h, scratch);
  streamed.weigh(z, other, scratch);
  for (std::size_t i = 0; i < p; ++i) {
    for (std::size_t a = 0; a < d; ++a) {
      double sum = 0;
      for (std::size_t j = 0; j < p; ++j) sum += stored.at(a, i, j) * v[j];
      CHECK(std::abs(w(a, i) - sum) < 1e-14);
      CHECK(w(a, i) == again(a, i));
      CHECK(w(a, i) == second(a, i));
    }
    for (const std::size_t j : {std::size_t{0}, i, p - 1 - i}) {
      double sum = 0;
      for (std::size_t a = 0; a < d; ++a) sum += z[a] * stored.at(a, i, j);
      CHECK(std::abs(h(i, j) - sum) < 1e-14);
      CHECK(h(i, j) == other(i, j));
    }
  }
  CHECK_THROWS_AS(stored.weigh(v, h, scratch), std::invalid_argument);
}

TEST_CASE("entries have the variances of the law (each score a chi-square, thresholds at p < 1e-6)") {
  const std::size_t d = 30, p = 40;
  models::ingredients::QuadraticLaw law = law_of(d, p, 3.0);
  law.residual_variance = 4;
  law.jacobian_variance = 0.5;
  law.fix_residual_norm = false;
  const models::ingredients::QuadraticInstance x = models::ingredients::draw_instance(law, 7, 2, Storage::stored);
  const auto size = static_cast<double>(p);
  double off = 0, diagonal = 0, neighbours = 0;
  for (std::size_t a = 0; a < d; ++a)
    for (std::size_t i = 0; i < p; ++i) {
      const double q = x.curvature.at(a, i, i);
      diagonal += q * q * size * size / 6;
      for (std::size_t j = 0; j < i; ++j) {
        off += std::pow(x.curvature.at(a, i, j), 2) * size * size / 3;
        neighbours += x.curvature.at(a, i, j) * x.curvature.at((a + 1) % d, i, j) * size * size / 3;
      }
    }
  const double pairs = static_cast<double>(d * p * (p - 1)) / 2;
  CHECK(std::abs(score(off, pairs)) < 5);
  CHECK(std::abs(score(diagonal, static_cast<double>(d * p))) < 5);
  CHECK(std::abs(neighbours / std::sqrt(pairs)) < 5);
  double j0 = 0, z0 = 0;
  for (std::size_t i = 0; i < x.j0.size(); ++i) j0 += x.j0.data()[i] * x.j0.data()[i] * size / 0.5;
  for (const double z : x.z0) z0 += z * z / 4;
  CHECK(std::abs(score(j0, static_cast<double>(d * p))) < 5);
  CHECK(std::abs(score(z0, static_cast<double>(d))) < 5);
}

TEST_CASE("a fixed residual norm, other replicas, the same replica") {
  const models::ingredients::QuadraticLaw law = law_of(20, 10, 1);
  const models::ingredients::QuadraticInstance x = models::ingredients::draw_instance(law, 5, 0, Storage::stored);
  double square = 0;
  for (const double z : x.z0) square += z * z;
  CHECK(square == Approx(20).epsilon(1e-14));
  const models::ingredients::QuadraticInstance same = models::ingredients::draw_instance(law, 5, 0, Storage::stored);
  const models::ingredients::QuadraticInstance other = models::ingredients::draw_instance(law, 5, 1, Storage::stored);
  CHECK(x.z0 == same.z0);
  CHECK(x.z0 != other.z0);
  CHECK(x.curvature.at(1, 2, 3) == same.curvature.at(1, 2, 3));
  CHECK(x.curvature.at(1, 2, 3) != other.curvature.at(1, 2, 3));
  CHECK(x.j0(3, 4) != other.j0(3, 4));
}

TEST_CASE("no curvature is the linear model and holds nothing") {
  const CurvatureTensor tensor(law_of(3, 4, 0), 1, 0, Storage::stored);
  Matrix w(3, 4, 1.0);
  std::vector<double> scratch;
  tensor.contract(std::vector<double>(4, 1.0), w, scratch);
  for (std::size_t i = 0; i < w.size(); ++i) CHECK(w.data()[i] == 0);
  CHECK(tensor.at(1, 2, 3) == 0);
}

TEST_CASE("half of the tensor is held") {
  CHECK(CurvatureTensor::bytes(40, 80, Storage::stored) == 8.0 * 40 * 80 * 88 / 2);
  CHECK(CurvatureTensor::bytes(40, 80, Storage::streamed) == 8.0 * 40 * 80 * 8);
  CHECK(CurvatureTensor::bytes(1e6, 1e6, Storage::stored) == Approx(4e18).epsilon(1e-4));
}

TEST_CASE("bad tensors are refused") {
  Matrix rows(4, 2);
  rows(0, 1) = rows(1, 0) = 1;
  CHECK(error_of(2, 2, rows) == "no error");
  CHECK(error_of(2, 2, Matrix(4, 3)).find("4 rows of 2 numbers") != std::string::npos);
  CHECK(error_of(3, 2, rows).find("6 rows of 2 numbers") != std::string::npos);
  CHECK(error_of(0, 2, Matrix(0, 2)).find("outputs and parameters") != std::string::npos);
  rows(1, 0) = 1 + 1e-11;
  CHECK(error_of(2, 2, rows).find("output 1 is not symmetric: entries (2, 1) and (1, 2)") != std::string::npos);
  rows(1, 0) = 1 + 1e-13;
  CHECK(error_of(2, 2, rows) == "no error");
  rows(1, 1) = std::nan("");
  CHECK(error_of(2, 2, rows).find("not finite") != std::string::npos);
  const CurvatureTensor streamed(law_of(2, 2, 1), 1, 0, Storage::streamed);
  CHECK_THROWS_AS(streamed.at(0, 0, 0), std::logic_error);
  Matrix w;
  std::vector<double> scratch;
  CHECK_THROWS_AS(streamed.contract(std::vector<double>(3), w, scratch), std::invalid_argument);
}
