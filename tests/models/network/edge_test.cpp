#include "models/network/edge.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::models::network;
using edgewise::tests::Approx;

TEST_CASE("the edge of an ascent along the leading eigenvector") {
  // eta lambda (1 + r u'A u)/(1 + momentum).
  CHECK(edge_ratio(0.1, 5, 0.3, 2, 0.6) == Approx(0.1 * 5 * 1.6 / 1.6).epsilon(1e-15));
  for (const double r : {0.0, 1e-12, 0.02, 3.0})
    for (const double momentum : {0.0, 0.9}) {
      const double lambda = edge_sharpness(0.05, r, momentum);
      CHECK(edge_ratio(0.05, lambda, r, lambda, momentum) == Approx(2).epsilon(1e-14));
    }
  CHECK(edge_sharpness(0.05, 0, 0) == Approx(40).epsilon(1e-15));
  CHECK(edge_sharpness(0.05, 1e-300, 0) == Approx(40).epsilon(1e-15));
  CHECK_THROWS_AS(edge_sharpness(0, 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(edge_sharpness(0.1, -1, 0), std::invalid_argument);
}

TEST_CASE("at the edge gradient descent with momentum along one coordinate turns over in two steps") {
  // v' = b v - eta (lambda + r lambda^2) x, x' = x + v': -1 is a multiplier where eta (..) = 2 (1 + b).
  const double eta = 0.05, r = 0.02, b = 0.7, lambda = edge_sharpness(eta, r, b);
  double x = 1, v = 2;  // from -1
  for (int k = 0; k < 4; ++k) {
    v = b * v - eta * (lambda + r * lambda * lambda) * x;
    x += v;
    CHECK(x == Approx(k % 2 == 0 ? -1 : 1).epsilon(1e-12));
  }
}
