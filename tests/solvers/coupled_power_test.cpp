#include "solvers/coupled_power.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

/// Momentum of the second moments of modes j^-1.4, fed by the risk that they share.
struct Coupled {
  std::size_t n, q;
  ModeBlocks W;
  std::vector<double> c, r;

  Coupled(std::size_t modes, std::size_t moments, double coupling) : n(modes), q(moments), W(modes, moments) {
    constexpr double rate = 0.05, momentum = 0.8;
    for (std::size_t i = 0; i < n; ++i) {
      const double x = std::pow(static_cast<double>(i + 1), -1.4);
      if (q == 1) {
        W(i, 0, 0) = (1 - rate * x) * (1 - rate * x);
        c.push_back(rate * rate * x);
        r.push_back(coupling * x);
        continue;
      }
      const double T[2][2] = {{1 - rate * x, -rate * momentum}, {x, momentum}}, n_of[2] = {-rate, 1};
      constexpr std::size_t place[3][2] = {{0, 0}, {0, 1}, {1, 1}};
      for (std::size_t a = 0; a < 3; ++a) {
        const auto [k, l] = place[a];
        for (std::size_t b = 0; b < 3; ++b) {
          const auto [s, t] = place[b];
          W(i, a, b) = T[k][s] * T[l][t] + (s == t ? 0 : T[k][t] * T[l][s]);
        }
        c.push_back(x * n_of[k] * n_of[l]);
        r.push_back(a == 0 ? coupling * x : 0);
      }
    }
  }
  using Column = std::vector<long double>;
  /// One application of the map, with or without c r'.
  Column move(const Column& y, bool coupled) const {
    Column out(y.size(), 0.0L);
    long double p = 0;
    for (std::size_t k = 0; k < y.size(); ++k) p += static_cast<long double>(r[k]) * y[k];
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t a = 0; a < q; ++a) {
        if (coupled) out[i * q + a] = c[i * q + a] * p;
        for (std::size_t b = 0; b < q; ++b) out[i * q + a] += static_cast<long double>(W(i, a, b)) * y[i * q + b];
      }
    return out;
  }
  /// Every entry of X, and the sum of the powers on c, against step by step in extended precision. Errors are in units of the norms
  /// of the entry's row and column.
  void check(std::uint64_t count, double tolerance) const {
    CAPTURE(n);
    CAPTURE(q);
    CAPTURE(count);
    const CoupledPower power(W, c, r, count);
    REQUIRE(power.finite());
    const std::size_t N = n * q;
    std::vector<Column> expected;
    std::vector<long double> row(N, 0.0L), column(N, 0.0L);
    long double all = 0;
    for (std::size_t j = 0; j < N; ++j) {
      Column with(N, 0.0L), without(N, 0.0L);
      with[j] = without[j] = 1;
      for (std::uint64_t k = 0; k < count; ++k) {
        with = move(with, true);
        without = move(without, false);
      }
      for (std::size_t i = 0; i < N; ++i) {
        with[i] -= without[i];
        row[i] += with[i] * with[i];
        column[j] += with[i] * with[i];
      }
      all += column[j];
      expected.push_back(with);
    }
    double worst = 0;
    for (std::size_t j = 0; j < N; ++j) {
      std::vector<double> unit(N, 0.0), found(N, 0.0);
      unit[j] = 1;
      power.add(unit, found);
      for (std::size_t i = 0; i < N; ++i)
        worst = std::max(
            worst, static_cast<double>(std::abs(found[i] - expected[j][i]) / std::sqrt(row[i] * column[j] / all)));
    }
    CHECK(worst < tolerance);
    Column sum(N, 0.0L), term(c.begin(), c.end());
    for (std::uint64_t k = 0; k < count; ++k) {
      for (std::size_t i = 0; i < N; ++i) sum[i] += term[i];
      term = move(term, true);
    }
    long double largest = 0;
    for (const long double value : sum) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < N; ++i)
      CHECK(power.driven()[i] ==
            Approx(static_cast<double>(sum[i])).epsilon(tolerance).scale(static_cast<double>(1e-3L * largest)));
  }
};

}  // namespace

TEST_CASE("powers of coupled modes are those of every phase, one by one") {
  for (const double coupling : {0.5, 3.0}) {
    CAPTURE(coupling);
    for (const std::uint64_t count : {1U, 2U, 3U, 7U, 32U, 1000U, 1023U}) {
      Coupled(1, 1, coupling).check(count, 1e-12);
      Coupled(30, 1, coupling).check(count, 1e-12);
      Coupled(7, 3, coupling).check(count, 1e-11);
    }
  }
  Coupled(40, 3, 3).check(600, 1e-11);
}

TEST_CASE("the difference of powers has few columns, however many the modes and the phases") {
  for (const std::uint64_t count : {1000ULL, 1000000ULL, 1ULL << 62}) {
    const Coupled at(300, 1, 1);
    const CoupledPower power(at.W, at.c, at.r, count);
    CHECK(power.finite());
    CHECK(power.rank() < 30);
  }
}

TEST_CASE("the sum of powers goes to the rest of the map in the end") {
  // s = c + (W + c r') s:  s = (1 - W)^-1 c / (1 - r' (1 - W)^-1 c).
  const Coupled at(20, 1, 3);
  std::vector<double> alone;
  double feedback = 0;
  for (std::size_t i = 0; i < at.n; ++i) {
    alone.push_back(at.c[i] / (1 - at.W(i, 0, 0)));
    feedback += at.r[i] * alone[i];
  }
  REQUIRE(feedback < 1);
  const CoupledPower power(at.W, at.c, at.r, 10000000);
  for (std::size_t i = 0; i < at.n; ++i) CHECK(power.driven()[i] == Approx(alone[i] / (1 - feedback)).epsilon(1e-9));
}

TEST_CASE("powers of coupled modes that leave the range of doubles, above and below") {
  Coupled at(3, 1, 1);
  at.W(0, 0, 0) = 4;
  CHECK_FALSE(CoupledPower(at.W, at.c, at.r, 1000).finite());
  // What no double holds any more is 0.
  at.W(0, 0, 0) = at.W(1, 0, 0) = at.W(2, 0, 0) = 1e-3;
  at.r = {1e-6, 1e-6, 1e-6};
  const CoupledPower gone(at.W, at.c, at.r, 4096);
  REQUIRE(gone.finite());
  const std::vector<double> ones(3, 1.0);
  std::vector<double> out(3, 0.0);
  gone.add(ones, out);
  for (const double value : out) CHECK(value == 0);
  // Nothing that couples, nothing that is driven.
  const CoupledPower apart(at.W, {0, 0, 0}, {0, 0, 0}, 77);
  REQUIRE(apart.finite());
  apart.add(ones, out);
  for (const double value : out) CHECK(value == 0);
  for (const double value : apart.driven()) CHECK(value == 0);
}
