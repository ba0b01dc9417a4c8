#include "models/equilibrium_network/depth_at_width.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/named_families.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::models::equilibrium_network::testing::elliptic;
using edgewise::tests::Approx;

namespace {

Family bi_invariant(double kurtosis) {
  return family_of(FamilyKind::bi_invariant, 0, kurtosis);
}

}  // namespace

TEST_CASE("a linear network's lengths: the words of its weights") {
  // n (c_ij - limit) = g^(i+j) (1 + (kurtosis - 1) min(i, j)) for even i - j, not 0 (docs/theory/networks-and-kernels.md, 1.2).
  const StateFunction phi = state_function("linear");
  const double g = 0.7, q_h = 2;
  for (const double kurtosis : {1.0, 2.0, 3.5}) {
    CAPTURE(kurtosis);
    const Family family = bi_invariant(kurtosis);
    const DepthAtWidth at = depth_at_width(family, phi, q_h, false, equilibrium(family, phi, q_h, g), 7);
    REQUIRE(at.bias.size() == 8);
    for (int k = 1; k <= 7; ++k) {
      CAPTURE(k);
      double sum = 0;
      for (int i = 0; i < k; ++i)
        for (int j = 0; j < k; ++j)
          if (i != j && (i - j) % 2 == 0) sum += std::pow(g, i + j) * (1 + (kurtosis - 1) * std::min(i, j));
      CHECK(std::abs(at.bias[static_cast<std::size_t>(k)] - q_h * sum) < 0.04 * q_h * sum + 0.06);  // sampled paths
    }
  }
}

TEST_CASE("a tanh network's length at depth 2 by double integrals, and its variance") {
  const StateFunction phi = state_function("tanh");
  const double g = 1.3, q_h = 0.4, G = g * g;
  const auto f = [](double u) { return std::pow(std::tanh(u), 2); };
  const auto bend = [f](double u) { return 2 * (1 - 3 * f(u)) * (1 - f(u)); };  // of tanh^2
  double A = 0, square = 0, rise = 0, curve = 0, joint = 0, both = 0;
  constexpr double h = 0.1;
  const auto weight = [](double x) { return h * std::exp(-x * x / 2) / std::sqrt(2 * pi); };
  for (double x = -8; x < 8.01; x += h) {
    A += weight(x) * f(std::sqrt(q_h) * x);
    square += weight(x) * std::pow(f(std::sqrt(q_h) * x), 2);
  }
  const double q = q_h + G * A, s = std::sqrt(q);
  double length = 0, fourth = 0;
  for (double x = -8; x < 8.01; x += h) {
    rise += weight(x) * f(s * x) * (x * x - 1) / (2 * q);
    curve += weight(x) * f(s * x) * (x * x * (x * x - 6) + 3) / (4 * q * q);
    length += weight(x) * f(s * x);
    fourth += weight(x) * std::pow(f(s * x), 2);
    for (double y = -8; y < 8.01; y += h) {
      const double first = std::sqrt(q_h) * x, second = first + std::sqrt(G * A) * y;
      joint += weight(x) * weight(y) * bend(second) * (f(first) - A);
      both += weight(x) * weight(y) * f(second) * (f(first) - A);
    }
  }
  const double B = square - A * A;
  const double bias = G * G * curve * B / 2 + G * joint / 2;
  const double variance = fourth - length * length + 2 * G * rise * both + std::pow(G * rise, 2) * B;
  const Family iid = elliptic(0);
  const DepthAtWidth at = depth_at_width(iid, phi, q_h, true, equilibrium(iid, phi, q_h, g), 3);
  CHECK(at.bias[0] == 0);
  CHECK(std::abs(at.bias[1]) < 1e-15);
  CHECK(at.variance[1] == Approx(B).epsilon(0.02));
  CHECK(at.bias[2] == Approx(bias).epsilon(0.04));
  CHECK(at.variance[2] == Approx(variance).epsilon(0.03));
}

TEST_CASE("a tanh network's lengths as drawn") {
  // n (E Q_k - Q_k) of drawn matrices, their first-order change subtracted: n = 60, 10000 draws, standard errors .0016 and .0032.
  const StateFunction phi = state_function("tanh");
  const Family iid = elliptic(0);
  const DepthAtWidth at = depth_at_width(iid, phi, 0.4, true, equilibrium(iid, phi, 0.4, 1.3), 3);
  CHECK(std::abs(at.bias[2] + 0.0773) < 0.0064);
  CHECK(std::abs(at.bias[3] + 0.0734) < 0.0128);
}

TEST_CASE("beyond the followed depth the term falls to that of the fixed point") {
  const StateFunction phi = state_function("tanh");
  const Family haar = bi_invariant(1);
  const Equilibrium rest = equilibrium(haar, phi, 0.5, 0.3);
  const DepthAtWidth at = depth_at_width(haar, phi, 0.5, false, rest, 1000);
  CHECK(at.bias.size() <= longest_at_width + 1);  // at rest before
  CHECK(at.bias_at(100000) == width_moments(haar, phi, 0.5, false, rest).bias);
  CHECK(at.bias.back() == Approx(at.bias_at_rest).epsilon(0.1));
  CHECK(at.variance_at(100000) == width_moments(haar, phi, 0.5, false, rest).variance);
  CHECK(at.variance.back() == Approx(at.variance_at_rest).epsilon(0.1));
  const DepthAtWidth start = depth_at_width(haar, phi, 0.5, false, rest, 0);  // z_0 = 0
  CHECK(start.bias_at(0) == 0);
  CHECK(start.variance_at(0) == 0);
  DepthAtWidth made;
  made.bias = {0, 1, 3};
  made.variance = {0, 4, 5};
  made.rate = 0.5;
  made.bias_at_rest = 2;
  made.variance_at_rest = 9;
  CHECK(made.variance_at(2) == 5);
  CHECK(made.variance_at(4) == 8);
  CHECK(made.bias_at(1) == 1);
  CHECK(made.bias_at(4) == 2.25);
  CHECK_THROWS_WITH_AS(depth_at_width(elliptic(0.5), phi, 0.5, true, rest, 3), doctest::Contains("not bi-invariant"),
                       std::invalid_argument);
}
