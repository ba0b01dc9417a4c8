#include "models/feature_alignment/correlation.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::feature_alignment;
using edgewise::linear_algebra::Matrix;
using edgewise::linear_algebra::product;
using edgewise::linear_algebra::Transposed;
using edgewise::tests::Approx;

namespace {

Matrix filled(std::size_t rows, std::size_t columns, double phase, double size = 1) {
  Matrix out(rows, columns);
  for (std::size_t k = 0; k < out.size(); ++k)
    out.data()[k] = size * std::sin(phase + 1.7 * static_cast<double>(k * k + k));
  return out;
}

}  // namespace

TEST_CASE("cosine and Pearson correlation of two matrices by their sums") {
  const Matrix p = filled(3, 4, 0.3), q = filled(3, 4, 1.1);
  double pp = 0, qq = 0, pq = 0, sum_p = 0, sum_q = 0;
  for (std::size_t k = 0; k < 12; ++k) {
    pp += p.data()[k] * p.data()[k];
    qq += q.data()[k] * q.data()[k];
    pq += p.data()[k] * q.data()[k];
    sum_p += p.data()[k];
    sum_q += q.data()[k];
  }
  CHECK(*correlation(Correlation::cosine, p, q) == Approx(pq / std::sqrt(pp * qq)).epsilon(1e-14));
  CHECK(*correlation(Correlation::pearson, p, q) ==
        Approx((pq - sum_p * sum_q / 12) / std::sqrt((pp - sum_p * sum_p / 12) * (qq - sum_q * sum_q / 12)))
            .epsilon(1e-13));
}

TEST_CASE("neither depends on the sizes of the matrices, Pearson's nor on their means") {
  const Matrix p = filled(3, 3, 0.3), q = filled(3, 3, 1.1);
  for (const Correlation kind : {Correlation::cosine, Correlation::pearson}) {
    const double plain = *correlation(kind, p, q);
    for (const double size : {1e-300, 1e-200, 1e200, 1e307}) {
      CHECK(*correlation(kind, filled(3, 3, 0.3, size), q) == Approx(plain).epsilon(1e-13));
      CHECK(*correlation(kind, p, filled(3, 3, 1.1, -size)) == Approx(-plain).epsilon(1e-13));
    }
    CHECK(*correlation(kind, p, p) == Approx(1).epsilon(1e-15));
  }
  Matrix raised = p;
  for (double& x : raised.entries()) x += 3;
  CHECK(*correlation(Correlation::pearson, raised, q) ==
        Approx(*correlation(Correlation::pearson, p, q)).epsilon(1e-13));
}

TEST_CASE("there is none where one is 0, or constant for Pearson, rounding aside") {
  const Matrix p = filled(2, 2, 0.3), zero(2, 2), same(2, 2, 0.1);
  for (const Correlation kind : {Correlation::cosine, Correlation::pearson}) {
    CHECK_FALSE(correlation(kind, p, zero));
    CHECK_FALSE(correlation(kind, zero, p));
  }
  CHECK(correlation(Correlation::cosine, p, same));
  CHECK_FALSE(correlation(Correlation::pearson, p, same));
  Matrix nearly = same;
  nearly(1, 1) *= 1 + 2e-16;
  CHECK_FALSE(correlation(Correlation::pearson, nearly, p));
  nearly(1, 1) = 0.1 * (1 + 1e-10);
  CHECK(correlation(Correlation::pearson, nearly, p));
  CHECK_THROWS_AS(correlation(Correlation::cosine, p, Matrix(2, 3, 1.0)), std::invalid_argument);
}

TEST_CASE("features A'A and A'KA, each but for one factor") {
  const Matrix a = filled(5, 3, 0.2, 1e-180);
  const std::vector<Matrix> gradients{filled(5, 4, 0.7, 1e170), filled(5, 4, 2.0, 3e169)};
  const FeatureMatrices found = feature_matrices(a, gradients);
  const Matrix plain = filled(5, 3, 0.2);
  const Matrix features = product(plain, plain, Transposed::yes);
  Matrix k(5, 5);
  for (const auto& [phase, size] : {std::pair{0.7, 1.0}, {2.0, 0.3}}) {
    const Matrix g = filled(5, 4, phase, size);
    const Matrix squares = product(g, g, Transposed::no, Transposed::yes);
    for (std::size_t i = 0; i < k.size(); ++i) k.data()[i] += squares.data()[i];
  }
  const Matrix products = product(plain, product(k, plain), Transposed::yes);
  const double first = found.features(0, 0) / features(0, 0), second = found.gradient_products(0, 0) / products(0, 0);
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(found.features.data()[i] / first == Approx(features.data()[i]).epsilon(1e-12));
    CHECK(found.gradient_products.data()[i] / second == Approx(products.data()[i]).epsilon(1e-12));
  }
  CHECK(correlation_of(Correlation::cosine, found, 1, false) ==
        Approx(*correlation(Correlation::cosine, features, products)).epsilon(1e-12));
}

TEST_CASE("what is not defined names its layer and the cause") {
  const std::vector<Matrix> none{Matrix(2, 2)};
  const FeatureMatrices still = feature_matrices(Matrix(2, 2), none);
  const std::string hint =
      "; a gradient may be 0 as that of saturated units is: take a smaller optimizer.learning_rate or smaller weights";
  CHECK_THROWS_WITH_AS(correlation_of(Correlation::cosine, still, 3, true),
                       ("rho_c of layer 3 is not defined: the layer has not moved, its gradient is 0" + hint).c_str(),
                       std::domain_error);
  CHECK_THROWS_WITH_AS(
      correlation_of(Correlation::pearson, still, 2, false),
      ("rho_u of layer 2 is not defined: its weights or its gradients are 0, or the matrices are constant" + hint)
          .c_str(),
      std::domain_error);
}
