#include "numerics/chebyshev.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <array>
#include <cmath>

#include "tests/approx.hpp"

using namespace edgewise::numerics;
using edgewise::tests::Approx;

TEST_CASE("nodes are the roots of T_n, from the right") {
  const auto& x = chebyshev_nodes<5>();
  for (std::size_t j = 0; j < 5; ++j) {
    CHECK(std::cos(5 * std::acos(x[j])) == Approx(0).epsilon(1e-14).scale(1));
    if (j > 0) CHECK(x[j] < x[j - 1]);
  }
}

TEST_CASE("a polynomial is its own series") {
  // T_3 = 4 x^3 - 3 x, T_1 = x, T_0 = 1.
  std::array<double, 6> sample{};
  for (std::size_t j = 0; j < 6; ++j) {
    const double x = chebyshev_nodes<6>()[j];
    sample[j] = 2 - 0.5 * x + 3 * (4 * x * x * x - 3 * x);
  }
  const std::array<double, 6> expected{2, -0.5, 0, 3, 0, 0}, c = chebyshev_series(sample);
  for (std::size_t k = 0; k < 6; ++k) CHECK(std::abs(c[k] - expected[k]) < 1e-14);
}

TEST_CASE("the sum of a series is a sum of cosines, and its slope one of sines") {
  CHECK(rc::check("at any angle", [] {
    std::array<double, 7> c{};
    for (double& v : c) v = *rc::gen::inRange(-1000, 1000) / 250.0;
    const double angle = *rc::gen::inRange(1, 3141) / 1000.0;
    double value = 0, slope = 0;
    for (std::size_t k = 0; k < c.size(); ++k) {
      const double order = static_cast<double>(k);
      value += c[k] * std::cos(order * angle);
      slope += c[k] * order * std::sin(order * angle) / std::sin(angle);
    }
    const auto [sum, derivative] = chebyshev_sum(c, std::cos(angle));
    RC_ASSERT(std::abs(sum - value) < 1e-12);
    RC_ASSERT(std::abs(derivative - slope) < 1e-9 * (1 + std::abs(slope)));
  }));
}

TEST_CASE("the series of an analytic function ends as fast as its ellipse says") {
  // 1/(1 + x^2/4) has poles at +-2i: coefficients fall by 1/(2 + sqrt 5) each.
  std::array<double, 24> sample{};
  for (std::size_t j = 0; j < 24; ++j) {
    const double x = chebyshev_nodes<24>()[j];
    sample[j] = 1 / (1 + x * x / 4);
  }
  const auto c = chebyshev_series(sample);
  CHECK(c[10] / c[8] == Approx(-std::pow(2 + std::sqrt(5.0), -2)).epsilon(1e-6));
  for (const double x : {-1.0, -0.3, 0.0, 0.77, 1.0}) {
    const auto [value, slope] = chebyshev_sum(c, x);
    CHECK(value == Approx(1 / (1 + x * x / 4)).epsilon(1e-13));
    CHECK(slope == Approx(-x / 2 / std::pow(1 + x * x / 4, 2)).epsilon(1e-11).scale(1));
  }
}
