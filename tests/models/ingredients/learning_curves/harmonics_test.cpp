#include "models/ingredients/learning_curves/harmonics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learning_curves;
using edgewise::tests::Approx;

TEST_CASE("numbers of harmonics: 2 in the plane, 2k + 1 in space, (k + 1)^2 in four dimensions, and their ratios") {
  const std::vector<double> plane = multiplicities(2, 9), space = multiplicities(3, 9), four = multiplicities(4, 9);
  for (std::size_t k = 1; k < 10; ++k) {
    const auto degree = static_cast<double>(k);
    CHECK(plane[k] == 2);
    CHECK(space[k] == 2 * degree + 1);
    CHECK(four[k] == (degree + 1) * (degree + 1));
    const auto [first, second] = multiplicity_ratio(4, degree);
    CHECK(first * second == Approx((degree + 2) * (degree + 2) / (degree + 1) / (degree + 1)).epsilon(1e-15));
    // All polynomials of degree k, of one parity.
    double of_parity = 0;
    for (std::size_t j = k % 2; j <= k; j += 2) of_parity += space[j];
    CHECK(multiplicity_up_to(3, degree) == Approx(of_parity).epsilon(1e-14));
    CHECK(multiplicity_up_to(3, degree) == Approx((degree + 1) * (degree + 2) / 2).epsilon(1e-14));
  }
  CHECK(multiplicity_up_to(1e9, 2) == Approx(1e9 * (1e9 + 1) / 2).epsilon(1e-14));
  // The lists end before numbers that are too large for their use.
  CHECK(multiplicities(1e6, 300).size() < 300);
  CHECK(multiplicities(1e6, 300).back() <= 1e280);
  const std::vector<double> resolved = resolved_multiplicities(1000, 30);
  CHECK(resolved.back() <= 1e18);
  CHECK(multiplicities(1000, 30)[resolved.size()] > 1e18);
}

TEST_CASE("Gegenbauer polynomials: cosines in the plane, Legendre's in space, sines over sines in four dimensions") {
  for (const double angle : {0.2, 1.1, 2.9}) {
    const double t = std::cos(angle);
    std::vector<double> two(8), three(8), four(8);
    gegenbauer(2, t, two);
    gegenbauer(3, t, three);
    gegenbauer(4, t, four);
    for (std::size_t k = 0; k < 8; ++k) {
      const auto degree = static_cast<double>(k);
      CHECK(two[k] == Approx(std::cos(degree * angle)).epsilon(1e-13).scale(1));
      CHECK(three[k] == Approx(std::legendre(static_cast<unsigned>(k), t)).epsilon(1e-13).scale(1));
      CHECK(four[k] ==
            Approx(std::sin((degree + 1) * angle) / ((degree + 1) * std::sin(angle))).epsilon(1e-13).scale(1));
    }
  }
  std::vector<double> ends(6);
  gegenbauer(7.5, 1, ends);
  for (const double value : ends) CHECK(value == Approx(1).epsilon(1e-14));
  gegenbauer(7.5, -1, ends);
  for (std::size_t k = 0; k < 6; ++k) CHECK(ends[k] == Approx(k % 2 == 0 ? 1 : -1).epsilon(1e-14));
}

TEST_CASE("Gauss' rule: powers of a coordinate, orthogonality with 1/m_k, and what is rounding is 0") {
  for (const double d : {2.0, 3.0, 5.0, 40.0}) {
    CAPTURE(d);
    const ZonalQuadrature rule(d, 10);
    // E t^(2n) = prod_(j <= n) (2j - 1)/(d + 2j - 2).
    double even = 1;
    for (int n = 1; n <= 4; ++n) {
      even *= (2 * n - 1) / (d + 2 * n - 2);
      CHECK(rule.mean_square([n](double t) { return std::pow(t, n); }) == Approx(even).epsilon(1e-12));
      CHECK(power_moment(d, 2 * n, 0) == Approx(even).epsilon(1e-13));
    }
    for (const std::size_t degree : {std::size_t{1}, std::size_t{4}}) {
      const std::vector<double> c = rule.coefficients([&](double t) {
        std::vector<double> p(degree + 1);
        gegenbauer(d, t, p);
        return p.back();
      });
      for (std::size_t k = 0; k < c.size(); ++k) {
        if (k == degree)
          CHECK(c[k] == Approx(1 / rule.multiplicity()[k]).epsilon(1e-11));
        else
          CHECK(c[k] == 0);
      }
    }
    double all = 0;
    rule.for_nodes([&](double t, double weight, std::span<const double> p) {
      all += weight;
      CHECK(p[1] == Approx(t).epsilon(1e-15));
      CHECK(std::abs(t) < 1);
    });
    CHECK(all == Approx(1).epsilon(2e-14));
  }
  std::vector<double> c{0.99e-14, 1.01e-14, -0.49e-14, -0.51e-14};
  drop_rounding(c, 1, std::vector<double>{1, 1, 4, 4});
  CHECK(c == std::vector<double>{0, 1.01e-14, 0, -0.51e-14});
}

TEST_CASE("beyond the last latitude the weight is below e^-100") {
  CHECK(last_latitude(2) == Approx(std::numbers::pi / 2).epsilon(1e-15));
  for (const double d : {10.0, 30.0, 1e6})
    CHECK((d - 2) * std::log(std::cos(last_latitude(d))) == Approx(-100).epsilon(1e-9));
}
