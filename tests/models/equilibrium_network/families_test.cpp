#include "models/equilibrium_network/families.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>

#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/named_families.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::models::equilibrium_network::testing::elliptic;
using edgewise::models::equilibrium_network::testing::named;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

TEST_CASE("families are what their names say") {
  CHECK(family_names()[static_cast<std::size_t>(FamilyKind::bi_invariant)] == "bi-invariant");
  for (const FamilyKind kind : {FamilyKind::iid, FamilyKind::haar, FamilyKind::bi_invariant})
    CHECK(named(kind).bi_invariant());
  CHECK(!named(FamilyKind::goe).bi_invariant());
  CHECK(named(FamilyKind::haar).orthogonal());
  CHECK(!named(FamilyKind::iid).orthogonal());
  CHECK(family_of(FamilyKind::bi_invariant, 0, 1).orthogonal());
  CHECK(!named(FamilyKind::haar).gaussian());
  CHECK(elliptic(0).gaussian());
  CHECK(spectral_radius(named(FamilyKind::anti)) == 2);
  CHECK(spectral_radius(elliptic(-0.25)) == 1.25);
}

TEST_CASE("symmetries are exact, and a draw is a function of its numbers") {
  const Matrix s = draw(named(FamilyKind::goe), 7, 0.4, 1, 2), a = draw(named(FamilyKind::anti), 7, 0.4, 1, 2),
               o = draw(named(FamilyKind::haar), 7, 0.4, 1, 2);
  const Matrix oo = linear_algebra::product(o, o, linear_algebra::Transposed::yes);
  for (std::size_t i = 0; i < 7; ++i)
    for (std::size_t j = 0; j < 7; ++j) {
      CHECK(s(i, j) == s(j, i));
      CHECK(a(i, j) == -a(j, i));
      CHECK(oo(i, j) == Approx(i == j ? 0.16 : 0).epsilon(1e-14).scale(0.16));
    }
  CHECK(draw(elliptic(0.2), 5, 1, 3, 4)(1, 2) == draw(elliptic(0.2), 5, 1, 3, 4)(1, 2));
  CHECK(draw(elliptic(0.2), 5, 1, 3, 4)(1, 2) != draw(elliptic(0.2), 5, 1, 3, 5)(1, 2));
  CHECK(std::abs(draw(named(FamilyKind::haar), 1, 0.4, 1, 2)(0, 0)) == 0.4);
}

TEST_CASE("bi-invariant draws have one singular value, or 0, in the share that gives their moments") {
  // (1/n) tr WW' = g^2 and (1/n) tr (WW')^2 = kurtosis g^4, whether n/kurtosis is whole or not.
  for (const double kurtosis : {1.0, 1.5, 3.0, 12.0, 1.1, 1.7, 2.9, 7.5, 11.0}) {
    CAPTURE(kurtosis);
    const Matrix w = draw(family_of(FamilyKind::bi_invariant, 0, kurtosis), 12, 0.7, 1, 0),
                 ww = linear_algebra::product(w, w, Transposed::no, Transposed::yes);
    double fourth = 0;
    for (const double x : ww.entries()) fourth += x * x / 12;
    CHECK(linear_algebra::trace(ww) / 12 == Approx(0.49).epsilon(1e-13));
    CHECK(fourth == Approx(kurtosis * std::pow(0.7, 4)).epsilon(1e-13));
  }
  // Several draws of one replica differ.
  CHECK(draw(named(FamilyKind::haar), 4, 1, 1, 0, 0)(0, 0) != draw(named(FamilyKind::haar), 4, 1, 1, 0, 1)(0, 0));
  CHECK(draw(elliptic(0.5), 4, 1, 1, 0, 0)(0, 1) != draw(elliptic(0.5), 4, 1, 1, 0, 1)(0, 1));
}

TEST_CASE("a width of one") {
  CHECK(draw(named(FamilyKind::anti), 1, 0.4, 1, 2)(0, 0) == 0);
  CHECK(std::abs(draw(family_of(FamilyKind::bi_invariant, 0, 1), 1, 0.4, 1, 2)(0, 0)) == 0.4);
}
