#include "models/muon/polar.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

namespace {

Matrix normals(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  random::Stream stream(seed, 0);
  Matrix a(rows, columns);
  stream.normals({a.data(), a.size()});
  return a;
}

void scale_columns(Matrix& a, double exponent) {
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (double& x : a.column(j)) x *= std::pow(static_cast<double>(j + 1), -exponent);
}

// U diag(map(sigma)) V' from Eigen's decomposition.
template <class Map>
Matrix by_svd(const Matrix& g, const Map& map) {
  linear_algebra::Svd svd = linear_algebra::thin_svd(g);
  for (std::size_t j = 0; j < svd.values.size(); ++j)
    for (double& x : svd.u.column(j)) x *= svd.values[j] > rank_tolerance * svd.values[0] ? map(svd.values[j]) : 0.0;
  return linear_algebra::product(svd.u, svd.v, Transposed::no, Transposed::yes);
}

Matrix polar_by_svd(const Matrix& g) {
  return by_svd(g, [](double) { return 1.0; });
}

double distance(const Matrix& a, const Matrix& b) {
  REQUIRE(a.rows() == b.rows());
  REQUIRE(a.columns() == b.columns());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

}  // namespace

TEST_CASE("the polar factor is that of a singular value decomposition") {
  struct Case {
    std::size_t m, n;
    double exponent, tolerance;
  };
  Matrix s;
  for (const Case& c : {Case{40, 40, 0, 1e-12}, Case{40, 40, 0.75, 1e-11}, Case{40, 25, 1, 1e-12},
                        Case{25, 40, 1, 1e-12}, Case{1, 30, 0, 1e-14}, Case{30, 1, 0, 1e-14}, Case{24, 30, 3, 1e-9}}) {
    CAPTURE(c.m);
    CAPTURE(c.n);
    CAPTURE(c.exponent);
    Matrix g = normals(c.m, c.n, 7);
    scale_columns(g, c.exponent);
    polar_factor(g, s);
    CHECK(distance(s, polar_by_svd(g)) < c.tolerance);
  }
}

TEST_CASE("nearly singular and graded matrices keep an accurate polar factor") {
  // Condition numbers up to 1e9: the Gram matrix alone would leave an error of order one.
  for (const double smallest : {1e-3, 1e-6, 1e-9}) {
    CAPTURE(smallest);
    const Matrix u = linear_algebra::orthonormal_columns(normals(20, 20, 1));
    const Matrix v = linear_algebra::orthonormal_columns(normals(20, 20, 2));
    Matrix scaled = u;
    for (std::size_t j = 0; j < 20; ++j)
      for (double& x : scaled.column(j)) x *= std::pow(smallest, static_cast<double>(j) / 19);
    const Matrix g = linear_algebra::product(scaled, v, Transposed::no, Transposed::yes);
    Matrix s;
    polar_factor(g, s);
    CHECK(distance(s, linear_algebra::product(u, v, Transposed::no, Transposed::yes)) < 1e-14 / smallest);
  }
}

TEST_CASE("rank-deficient gradients: the compact polar factor") {
  for (const std::size_t rank : {1u, 3u, 12u}) {
    CAPTURE(rank);
    MaybeFactored g;
    g.left = normals(30, rank, 3);
    g.right = normals(20, rank, 4);
    scale_columns(g.left, 1);
    g.factored = true;
    const Matrix product = linear_algebra::product(g.left, g.right, Transposed::no, Transposed::yes);
    const Matrix expected = polar_by_svd(product);
    Matrix whole, core;
    polar_factor(product, whole);
    through_core(g, polar_factor, core);
    CHECK(distance(whole, expected) < 1e-11);
    CHECK(distance(core, expected) < 1e-11);
    double square = 0;
    for (std::size_t i = 0; i < core.size(); ++i) square += core.data()[i] * core.data()[i];
    CHECK(square == Approx(static_cast<double>(rank)).epsilon(1e-12));
  }
}

TEST_CASE("a vanishing gradient moves nothing") {
  Matrix s(1, 1);
  const Matrix zero(5, 4);
  polar_factor(zero, s);
  CHECK(s.rows() == 5);
  CHECK(distance(s, zero) == 0);
  newton_schulz5(zero, s);
  CHECK(distance(s, zero) == 0);
  spectral_map(
      zero, [](double) { return 1.0; }, s);
  CHECK(distance(s, zero) == 0);
  CHECK(singular_triples(zero).values.empty());
}

TEST_CASE("Newton-Schulz is a map of the singular values, in both orientations and on a core") {
  for (const auto& [m, n] : {std::pair<std::size_t, std::size_t>{20, 12}, {12, 20}, {15, 15}}) {
    Matrix g = normals(m, n, 5);
    scale_columns(g, 0.5);
    double norm = 0;
    for (std::size_t i = 0; i < g.size(); ++i) norm += g.data()[i] * g.data()[i];
    norm = std::sqrt(norm);
    Matrix s;
    newton_schulz5(g, s);
    CHECK(distance(s, by_svd(g, [&](double sigma) { return newton_schulz5_map(sigma / norm); })) < 1e-12);
  }
  MaybeFactored g;
  g.left = normals(16, 3, 8);
  g.right = normals(14, 3, 9);
  g.factored = true;
  Matrix whole, core;
  newton_schulz5(linear_algebra::product(g.left, g.right, Transposed::no, Transposed::yes), whole);
  through_core(g, newton_schulz5, core);
  CHECK(distance(whole, core) < 1e-12);
}

TEST_CASE("general spectral maps") {
  Matrix g = normals(18, 11, 6);
  scale_columns(g, 0.5);
  Matrix s;
  const auto map = [](double sigma) { return sigma / (0.5 + sigma); };
  spectral_map(g, map, s);
  CHECK(distance(s, by_svd(g, map)) < 1e-12);
  spectral_map(
      g, [](double sigma) { return sigma; }, s);
  CHECK(distance(s, g) < 1e-13);
}

TEST_CASE("singular triples rebuild the matrix") {
  for (const auto& [m, n] : {std::pair<std::size_t, std::size_t>{20, 12}, {12, 20}}) {
    const Matrix g = normals(m, n, 11);
    SingularTriples t = singular_triples(g);
    REQUIRE(t.values.size() == 12);
    for (std::size_t j = 0; j < t.values.size(); ++j)
      for (double& x : t.left.column(j)) x *= t.values[j];
    CHECK(distance(linear_algebra::product(t.left, t.right, Transposed::no, Transposed::yes), g) < 1e-12);
  }
  // Of rank 3 to rounding, there are three.
  const Matrix low = linear_algebra::product(normals(20, 3, 12), normals(3, 12, 13));
  CHECK(singular_triples(low).values.size() == 3);
}
