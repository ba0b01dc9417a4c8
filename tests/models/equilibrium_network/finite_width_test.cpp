#include "models/equilibrium_network/finite_width.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/equilibrium_network/linear_iteration.hpp"
#include "models/equilibrium_network/linear_theory.hpp"
#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/named_families.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::models::equilibrium_network::testing::elliptic;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

/// (1/n) E tr W^i W'^j at scale 1 by Wick's theorem: over all pairings of the letters, and both ways to identify the indices of
/// a pair, n to the number of free indices.
class Pairings {
 public:
  Pairings(std::size_t i, std::size_t j, double tau, double n) : transposed_(i, false), tau_(tau), n_(n) {
    transposed_.resize(i + j, true);
    used_.assign(i + j, false);
    std::vector<std::size_t> same(i + j);
    std::iota(same.begin(), same.end(), std::size_t{0});
    add(same, 1);
  }
  double value() const { return sum_ / n_; }

 private:
  static std::size_t root(const std::vector<std::size_t>& same, std::size_t x) {
    while (same[x] != x) x = same[x];
    return x;
  }
  std::size_t row(std::size_t letter) const { return transposed_[letter] ? (letter + 1) % used_.size() : letter; }
  std::size_t column(std::size_t letter) const { return transposed_[letter] ? letter : (letter + 1) % used_.size(); }
  static void join(std::vector<std::size_t>& same, std::size_t a, std::size_t b) {
    same[root(same, a)] = root(same, b);
  }

  void add(const std::vector<std::size_t>& same, double weight) {
    std::size_t first = 0;
    while (first < used_.size() && used_[first]) ++first;
    if (first == used_.size()) {
      double loops = 1;
      for (std::size_t x = 0; x < same.size(); ++x)
        if (same[x] == x) loops *= n_;
      sum_ += weight * loops;
      return;
    }
    used_[first] = true;
    for (std::size_t other = first + 1; other < used_.size(); ++other) {
      if (used_[other]) continue;
      used_[other] = true;
      std::vector<std::size_t> equal = same, crossed = same;
      join(equal, row(first), row(other));
      join(equal, column(first), column(other));
      join(crossed, row(first), column(other));
      join(crossed, column(first), row(other));
      add(equal, weight / n_);
      if (tau_ != 0) add(crossed, weight * tau_ / n_);
      used_[other] = false;
    }
    used_[first] = false;
  }

  std::vector<bool> transposed_, used_;
  double tau_, n_, sum_ = 0;
};

double literal_length(double tau, double g, double n, std::size_t k) {
  double sum = 0;
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j)
      if ((i + j) % 2 == 0)
        sum += std::pow(g, static_cast<double>(i + j)) * (i + j == 0 ? 1 : Pairings(i, j, tau, n).value());
  return sum;
}

}  // namespace

TEST_CASE("Gaussian weights of any width: lengths and residuals by counting pairings") {
  for (const double tau : {0.0, 0.4, 1.0, -1.0, -0.3})
    for (const double n : {1.0, 2.0, 5.0, 30.0}) {
      CAPTURE(tau);
      CAPTURE(n);
      const double g = 0.7;
      const WidthCurves curves = curves_at_width(elliptic(tau), g, n, 4);
      for (std::size_t k = 1; k <= 3; ++k) {
        CHECK(curves.residual[k] ==
              Approx(std::pow(g, 2.0 * static_cast<double>(k)) * Pairings(k, k, tau, n).value()).epsilon(1e-12));
        CHECK(curves.length[k] == Approx(literal_length(tau, g, n, k)).epsilon(1e-12));
      }
      CHECK(curves.length[4] == Approx(literal_length(tau, g, n, 4)).epsilon(1e-12));
      // The first word with a third cumulant.
      const double fourth = std::pow(g, 8) * Pairings(4, 4, tau, n).value();
      CHECK(std::abs(curves.residual[4] - fourth) <= 3e-4 * std::pow(16 / n, 4) * fourth);
    }
}

TEST_CASE("wide networks have the limit, and the corrections of length and fixed point agree") {
  for (const Family& family :
       {elliptic(0), elliptic(0.5), elliptic(-0.5), family_of(FamilyKind::goe, 0, 2), family_of(FamilyKind::anti, 0, 2),
        family_of(FamilyKind::haar, 0, 2), family_of(FamilyKind::bi_invariant, 0, 3)}) {
    CAPTURE(family.tau);
    CAPTURE(family.kurtosis);
    const double g = 0.25, n = 1e7;
    const std::uint64_t k = 30;
    const WidthCurves curves = curves_at_width(family, g, n, k);
    const double limit = iteration_lengths(family, g, std::array{k}).front();
    CHECK(curves.residual[k] == Approx(iteration_residual(family, g, k)).epsilon(1e-4));
    // The limit has converged: what is left is the fixed point's term in 1/n.
    CHECK(n * (curves.length[k] - limit) ==
          Approx(n * (finite_width_m1(family, g, n) - linear_moments(family, g).m1)).epsilon(1e-4));
  }
}

TEST_CASE("orthogonal weights of any width and depth") {
  for (const double g : {0.0, 0.3, 0.9, 1.0, 1.3}) {
    CAPTURE(g);
    // In one dimension the weight is g or -g.
    const auto sum = [](double x, int k) { return x == 1 ? k : (1 - std::pow(x, k)) / (1 - x); };
    for (const int k : {0, 1, 2, 7})
      CHECK(orthogonal_length(g, 1, static_cast<std::uint64_t>(k)) ==
            Approx((std::pow(sum(g, k), 2) + std::pow(sum(-g, k), 2)) / 2).epsilon(1e-12));
    const WidthCurves curves = curves_at_width(family_of(FamilyKind::haar, 0, 2), g, 7, 20);
    for (std::uint64_t k = 0; k <= 20; ++k)
      CHECK(orthogonal_length(g, 7, k) == Approx(curves.length[k]).epsilon(1e-12));
  }
  CHECK(orthogonal_length(0.9, 12, 1000000000) ==
        Approx(finite_width_m1(family_of(FamilyKind::haar, 0, 2), 0.9, 12)).epsilon(1e-12));
}

// 1500 draws of each; 4.5 standard errors (7e-6 false alarms each) and, of the bi-invariant family, 1/n^2.
TEST_CASE("drawn weights have these lengths and residuals") {
  struct Drawn {
    Family family;
    std::size_t n;
    std::uint64_t depth;
    double allowed;
  };
  for (const Drawn& c :
       {Drawn{family_of(FamilyKind::iid, 0, 2), 20, 4, 0}, Drawn{family_of(FamilyKind::goe, 0, 2), 20, 4, 0},
        Drawn{family_of(FamilyKind::anti, 0, 2), 9, 3, 0}, Drawn{elliptic(0.5), 16, 4, 0},
        Drawn{family_of(FamilyKind::bi_invariant, 0, 2), 30, 4, 0.01}}) {
    CAPTURE(family_names()[static_cast<std::size_t>(c.family.kind)]);
    constexpr std::size_t draws = 1500;
    const double g = 0.8;
    const auto width = static_cast<double>(c.n);
    const WidthCurves theory = curves_at_width(c.family, g, width, c.depth);
    std::array<double, 2> mean{}, square{};
    for (std::size_t r = 0; r < draws; ++r) {
      const Matrix w = draw(c.family, c.n, g, 11, r);
      Matrix power = Matrix::identity(c.n, c.n), sum = power;
      for (std::uint64_t k = 1; k <= c.depth; ++k) {
        power = linear_algebra::product(w, power);
        if (k == c.depth) break;
        for (std::size_t i = 0; i < sum.size(); ++i) sum.data()[i] += power.data()[i];
      }
      std::array<double, 2> found{};
      for (const double x : sum.entries()) found[0] += x * x / width;
      for (const double x : power.entries()) found[1] += x * x / width;
      for (std::size_t o = 0; o < 2; ++o) {
        mean[o] += found[o] / draws;
        square[o] += found[o] * found[o] / draws;
      }
    }
    const std::array<double, 2> expected{theory.length[c.depth], theory.residual[c.depth]};
    for (std::size_t o = 0; o < 2; ++o) {
      const double error = std::sqrt((square[o] - mean[o] * mean[o]) / draws);
      CHECK(std::abs(mean[o] - expected[o]) < 4.5 * error + c.allowed * expected[o]);
    }
  }
}

TEST_CASE("curves are known to the square root of the width, of broad singular values less deep") {
  CHECK(known_depth(family_of(FamilyKind::iid, 0, 2), 49) == 7);
  CHECK(known_depth(family_of(FamilyKind::goe, 0, 2), 1e9) == deepest_at_width);
  CHECK(known_depth(family_of(FamilyKind::iid, 0, 2), 1) == 1);
  CHECK(known_depth(family_of(FamilyKind::bi_invariant, 0, 1), 49) == 7);
  const std::uint64_t broad = known_depth(family_of(FamilyKind::bi_invariant, 0, 4), 300);
  CHECK(broad > 1);
  CHECK(broad < known_depth(family_of(FamilyKind::bi_invariant, 0, 1.5), 300));
}
