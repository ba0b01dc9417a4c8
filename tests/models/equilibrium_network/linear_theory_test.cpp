#include "models/equilibrium_network/linear_theory.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "numerics/constants.hpp"
#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/named_families.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::models::equilibrium_network::testing::elliptic;
using edgewise::models::equilibrium_network::testing::named;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

Matrix resolvent(const Matrix& w) {
  Matrix a = Matrix::identity(w.rows(), w.rows());
  for (std::size_t i = 0; i < w.size(); ++i) a.data()[i] -= w.data()[i];
  return linear_algebra::solve(a, Matrix::identity(w.rows(), w.rows()));
}

std::vector<double> singular_values(const Matrix& a) {
  return linear_algebra::thin_svd(a, linear_algebra::SingularVectors::left).values;
}

}  // namespace

// Eight draws at n = 200, fixed seeds: means of m1 lie within .012 of the limit and those of m2 within .037, of which
// standard errors are up to .006 and .018 and the rest is O(1/n). The smallest singular value is that of a spectral edge,
// .034 above by O(n^(-2/3)), where it is not the end of the law itself.
TEST_CASE("drawn matrices have the moments and the smallest singular value" * doctest::test_suite("slow")) {
  struct Case {
    Family family;
    double g;
  };
  const Case cases[] = {{named(FamilyKind::iid), 0.5},
                        {named(FamilyKind::haar), 0.6},
                        {named(FamilyKind::goe), 0.3},
                        {named(FamilyKind::anti), 0.9},
                        {elliptic(0.5), 0.4},
                        {elliptic(-0.5), 0.9},
                        {family_of(FamilyKind::bi_invariant, 0, 1.5), 0.6}};
  constexpr std::size_t n = 200;
  constexpr int draws = 8;
  for (const Case& c : cases) {
    CAPTURE(family_names()[static_cast<std::size_t>(c.family.kind)]);
    double square = 0, loop = 0, fourth = 0, m1 = 0, m2 = 0, smallest = 0;
    for (int r = 0; r < draws; ++r) {
      const Matrix w = draw(c.family, n, c.g, 5, static_cast<std::uint64_t>(r));
      const Matrix ww = linear_algebra::product(w, w, linear_algebra::Transposed::no, linear_algebra::Transposed::yes);
      square += linear_algebra::trace(ww) / n / draws;
      loop += linear_algebra::trace(linear_algebra::product(w, w)) / n / draws;
      for (const double x : ww.entries()) fourth += x * x / n / draws;
      const std::vector<double> values = singular_values(resolvent(w));
      smallest += 1 / values.front() / draws;
      for (const double s : values) {
        m1 += s * s / n / draws;
        m2 += s * s * s * s / n / draws;
      }
    }
    const auto off = [](double value, double expected) { return std::abs(value / expected - 1); };
    CHECK(off(square, c.g * c.g) < 0.01);
    CHECK(std::abs(loop - c.family.tau * c.g * c.g) < 0.01 * c.g * c.g);
    if (c.family.tau == 0) CHECK(off(fourth, c.family.kurtosis * std::pow(c.g, 4)) < 0.005);
    const LinearMoments theory = linear_moments(c.family, c.g);
    CHECK(off(m1, theory.m1) < 0.015);
    CHECK(off(m2, theory.m2) < 0.05);
    const bool of_the_law = c.family.kind == FamilyKind::haar || c.family.kind == FamilyKind::anti;
    if (c.family.kind != FamilyKind::bi_invariant)
      CHECK(off(smallest, std::sqrt(smallest_singular_value_squared(c.family, c.g))) < (of_the_law ? 2e-4 : 0.045));
  }
}

TEST_CASE("the spread of the singular values does not cancel, nor do antisymmetric weights of any size") {
  for (const double tau : {-1.0, -0.4, 0.0, 0.6, 1.0}) {
    const LinearMoments m = linear_moments(elliptic(tau), 0.8 / (1 + std::abs(tau)));
    CHECK(m.spread == Approx(m.m2 - m.m1 * m.m1).epsilon(1e-12));
    // Of small matrices m2 - m1^2 = g^2 |W + W'|^2/(n g^2) + ..., of antisymmetric ones the next order.
    const double g = 1e-5, small = linear_moments(elliptic(tau), g).spread;
    CHECK(small == Approx(tau == -1 ? std::pow(g, 4) : 2 * (1 + tau) * g * g).epsilon(1e-6));
  }
  const LinearMoments haar = linear_moments(named(FamilyKind::haar), 0.5);
  CHECK(haar.spread == Approx(haar.m2 - haar.m1 * haar.m1).epsilon(1e-12));
  for (const double g : {1e12, 1e20, 1e60}) {
    const LinearMoments m = linear_moments(elliptic(-1), g);
    CHECK(m.m1 * g == Approx(1).epsilon(1e-9));
    CHECK(m.m2 * g == Approx(0.5).epsilon(1e-9));
    CHECK(smallest_singular_value_squared(elliptic(-1), g) == 1);
  }
}

TEST_CASE(
    "finite width: orthogonal matrices of one to three rows by their angles, symmetric ones by the law's own "
    "correction") {
  // tr (I - gO)^-1 (I - gO)^-T = sum over eigenvalues of 1/|1 - g lambda|^2.
  const auto at = [](double g, double angle) { return 1 / (1 + g * g - 2 * g * std::cos(angle)); };
  constexpr int points = 4000;
  for (const double g : {0.1, 0.5, 0.9, 0.99}) {
    CAPTURE(g);
    const double plus = at(g, 0), minus = at(g, pi);
    double rotation = 0, space = 0;  // a turn of the plane; one in space, whose angle has density 1 - cos
    for (int k = 0; k < points; ++k) {
      const double angle = 2 * pi * (k + 0.5) / points;
      rotation += at(g, angle) / points;
      // Of a rotation, and of minus one.
      space += (1 - std::cos(angle)) / points * (2 * at(g, angle) + plus + 2 * at(g, angle + pi) + minus) / 2;
    }
    const Family haar = named(FamilyKind::haar);
    CHECK(finite_width_m1(haar, g, 1) == Approx((plus + minus) / 2).epsilon(1e-12));
    CHECK(finite_width_m1(haar, g, 2) == Approx((rotation + (plus + minus) / 2) / 2).epsilon(1e-9));
    CHECK(finite_width_m1(haar, g, 3) == Approx(space / 3).epsilon(1e-9));
  }
  // To 1/n the density of symmetric Gaussian matrices is that of the semicircle, plus a quarter of a point at either end,
  // less half of an arcsine law.
  for (const double g : {0.1, 0.3, 0.45}) {
    double ends = 0.25 / std::pow(1 - 2 * g, 2) + 0.25 / std::pow(1 + 2 * g, 2), arcsine = 0;
    for (int k = 0; k < points; ++k) arcsine += std::pow(1 - 2 * g * std::cos(pi * (k + 0.5) / points), -2) / points;
    const Family goe = named(FamilyKind::goe);
    CHECK(1000 * (finite_width_m1(goe, g, 1000) - linear_moments(goe, g).m1) ==
          Approx(ends - arcsine / 2).epsilon(1e-9));
  }
}

TEST_CASE("outside the phase the edge is named, and nothing is continued analytically") {
  CHECK(linear_edge(elliptic(0.25)) == 0.8);
  CHECK(std::isinf(linear_edge(named(FamilyKind::anti))));
  for (const double g : {0.8, 0.9, 1e60})
    CHECK_THROWS_WITH_AS(linear_moments(elliptic(0.25), g), doctest::Contains("g = 1/(1 + tau) = 0.8"),
                         std::domain_error);
  CHECK_THROWS_AS(smallest_singular_value_squared(elliptic(0.25), 1), std::domain_error);
  CHECK(linear_moments(named(FamilyKind::anti), 1e60).m1 == Approx(1e-60));
  CHECK(linear_moments(elliptic(0.25), 1e-60).m2 == 1);
  CHECK(smallest_singular_value_squared(named(FamilyKind::iid), 1 - 1e-7) == Approx(32.0 / 27 * 1e-21).epsilon(1e-4));
  // Small weights: 1 - |W|, of symmetric ones 2g, of iid ones the norm of (W + W')/2, sqrt 2 g.
  for (const double g : {1e-3, 1e-6, 1e-9, 1e-12}) {
    const auto below = [g](FamilyKind kind) {
      return (1 - std::sqrt(smallest_singular_value_squared(named(kind), g))) / g;
    };
    CHECK(std::abs(below(FamilyKind::goe) - 2) < 1e-9 + 1e-15 / g);
    CHECK(std::abs(below(FamilyKind::iid) - std::sqrt(2.0)) < 2 * g + 1e-9 + 1e-15 / g);
  }
  CHECK(smallest_singular_value_squared(named(FamilyKind::goe), 1e-200) == Approx(1).epsilon(1e-13));
  CHECK(linear_moments(named(FamilyKind::anti), 1e300).kurtosis() == Approx(5e299));
}

TEST_CASE("antisymmetric weights of finite width: moments by counting, and drawn") {
  const Family anti = named(FamilyKind::anti);
  // (1/n) E tr WW' = g^2 (1 - 1/n), (1/n) E tr (WW')^2 = g^4 (n - 1)(2n - 1)/n^2; 1/(1 + x^2) = 1 - x^2 + x^4 ..
  for (const double g : {0.01, 0.03}) {
    const double n = 1e6, correction = n * (finite_width_m1(anti, g, n) - linear_moments(anti, g).m1) / (g * g);
    CHECK(std::abs(correction - (1 - 3 * g * g)) < 11 * std::pow(g, 4) + 1e-4);
    CHECK(finite_width_m1(elliptic(-1), g, 30) == finite_width_m1(anti, g, 30));
  }
  CHECK(finite_width_m1(elliptic(1), 0.3, 30) == finite_width_m1(named(FamilyKind::goe), 0.3, 30));
  // 3000 draws of width 7: 4 standard errors (6e-5 false alarms) and what is beyond 1/n; the correction is twenty of them.
  const std::size_t n = 7, draws = 3000;
  const double g = 0.5;
  double sum = 0, square = 0;
  for (std::size_t r = 0; r < draws; ++r) {
    double trace = 0;
    const Matrix G = resolvent(draw(anti, n, g, 3, r));
    for (const double x : G.entries()) trace += x * x / static_cast<double>(n);
    sum += trace / draws;
    square += trace * trace / draws;
  }
  const double error = std::sqrt((square - sum * sum) / draws);
  CHECK(std::abs(sum - finite_width_m1(anti, g, 7)) < 4 * error + 1e-3);
  CHECK(std::abs(sum - linear_moments(anti, g).m1) > 10 * error);
}

TEST_CASE("the scale of a length: families at one m1 differ by the kurtosis") {
  // networks-and-kernels.md, section 1.2.
  CHECK(linear_moments(named(FamilyKind::iid), scale_at_length(named(FamilyKind::iid), 4)).kurtosis() == Approx(16));
  CHECK(linear_moments(named(FamilyKind::haar), scale_at_length(named(FamilyKind::haar), 4)).kurtosis() == Approx(7));
  CHECK(linear_moments(named(FamilyKind::goe), scale_at_length(named(FamilyKind::goe), 4)).kurtosis() ==
        Approx(9.5131397208).epsilon(1e-10));
  for (const double tau : {-1.0, -0.8, -0.5, -0.2, 0.0, 0.3, 1.0})
    for (const double g : {1e-3, 0.2, 0.45}) {
      CAPTURE(tau);
      CAPTURE(g);
      // At tau = -.5 m1 = 1 + O(g^4).
      if (tau != -0.5 || g > 0.1)
        CHECK(scale_at_length(elliptic(tau), linear_moments(elliptic(tau), g).m1) == Approx(g).epsilon(1e-9));
    }
  // tau = -.7 has every m1 from .84 to 1 twice.
  const double least = 4 * .7 * .3;
  CHECK(linear_moments(elliptic(-.7), scale_at_length(elliptic(-.7), .9)).m1 == Approx(.9));
  CHECK(scale_at_length(elliptic(-.7), .9) < scale_at_length(elliptic(-.7), least));
  CHECK(linear_moments(elliptic(-.7), scale_at_length(elliptic(-.7), 3)).m1 == Approx(3));
  CHECK(scale_at_length(named(FamilyKind::iid), 1) == 0);
  CHECK_THROWS_WITH_AS(scale_at_length(elliptic(-.7), .8), doctest::Contains("at least 0.84"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(scale_at_length(elliptic(0), .99), doctest::Contains("at least 1"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(scale_at_length(elliptic(-1), 1.01), doctest::Contains("at most 1"), std::invalid_argument);
  CHECK(smallest_singular_value_squared(named(FamilyKind::iid), 0) == 1);
}
