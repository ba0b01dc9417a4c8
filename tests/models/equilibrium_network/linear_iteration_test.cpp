#include "models/equilibrium_network/linear_iteration.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/equilibrium_network/linear_theory.hpp"
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

double length(double tau, double g, std::uint64_t k) {
  return iteration_lengths(elliptic(tau), g, std::array{k}).front();
}

/// c_ij, 0 <= i, j < size, from F = G(x)G(y) + xy g^2 G(x)G(y) F as power series.
std::vector<std::vector<double>> literal_correlations(double tau, double g, std::size_t size) {
  std::vector<double> G(size, 0.0);
  double term = 1;
  for (std::size_t m = 0; 2 * m < size; ++m) {
    const auto at = static_cast<double>(m);
    G[2 * m] = term;
    term *= tau * g * g * 2 * (2 * at + 1) / (at + 2);
  }
  std::vector<std::vector<double>> c(size, std::vector<double>(size, 0.0));
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j < size; ++j) {
      c[i][j] = G[i] * G[j];
      for (std::size_t a = 1; a <= i; ++a)
        for (std::size_t b = 1; b <= j; ++b) c[i][j] += g * g * G[i - a] * G[j - b] * c[a - 1][b - 1];
    }
  return c;
}

/// int (1 - x^k)^2/(1 - x)^2 over the semicircle of radius 2g, by panels that double from either end.
double symmetric_length(double g, double k) {
  const double gap = 1 - 2 * g;
  const auto at = [&](double angle, bool right) {
    const double off = gap + 4 * g * std::pow(std::sin(angle / 2), 2), power = std::exp(k * std::log1p(-off));
    const double ratio = right ? -std::expm1(k * std::log1p(-off)) / off : (1 - power) / (2 - off);  // k even
    return std::pow(std::sin(angle) * ratio, 2);
  };
  constexpr int steps = 400;  // of Simpson's rule
  double sum = 0;
  for (const bool right : {true, false})
    for (double high = pi / 2; high > 1e-9; high /= 2) {
      const double low = high > 2e-9 ? high / 2 : 0, h = (high - low) / steps;
      for (int i = 0; i <= steps; ++i)
        sum += 2 / pi * h / 3 * (i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2) * at(low + h * i, right);
    }
  return sum;
}

}  // namespace

TEST_CASE("lengths and residuals of the iteration are those of the generating function") {
  for (const auto& point :
       {std::pair{0.0, 0.8}, {1.0, 0.4}, {-1.0, 0.45}, {-1.0, 1.3}, {0.5, 0.6}, {-0.7, 0.9}, {1e-9, 0.5}}) {
    const double tau = point.first, g = point.second;
    INFO("tau ", tau, " g ", g);
    const std::size_t size = 24;
    const auto c = literal_correlations(tau, g, size);
    std::vector<std::uint64_t> depths;
    for (std::uint64_t k = 0; k <= size; ++k) depths.push_back(k);
    const std::vector<double> lengths = iteration_lengths(elliptic(tau), g, depths);
    for (std::size_t k = 0; k <= size; ++k) {
      double sum = 0;
      for (std::size_t i = 0; i < k; ++i)
        for (std::size_t j = 0; j < k; ++j) sum += c[i][j];
      CHECK(lengths[k] == Approx(sum).epsilon(1e-11));
      if (k < size) CHECK(iteration_residual(elliptic(tau), g, k) == Approx(c[k][k]).epsilon(1e-11));
    }
  }
}

TEST_CASE("traces of words are those of the generating function, of either order") {
  for (const auto& point : {std::pair{0.0, 0.8}, {1.0, 0.4}, {-1.0, 1.3}, {0.5, 0.6}, {-0.7, 0.9}}) {
    const double tau = point.first, g = point.second;
    INFO("tau ", tau, " g ", g);
    const std::size_t size = 40;
    const auto c = literal_correlations(tau, g, size);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = 0; j < size; ++j)
        CHECK(iteration_word(elliptic(tau), g, i, j) == Approx(c[i][j]).epsilon(1e-11));
  }
  CHECK(iteration_word(elliptic(0.5), 0, 0, 0) == 1);
  CHECK(iteration_word(elliptic(0.5), 0, 2, 2) == 0);
  CHECK(iteration_word(elliptic(0.5), 1e-100, 4, 6) == 0);
  CHECK(std::isinf(iteration_word(elliptic(-1), 1e100, 4, 4)));
}

TEST_CASE("recorded depths change nothing, and depth costs nothing once it has converged") {
  const std::array<std::uint64_t, 5> some{3, 4, 50, 1000, 1000000000};
  for (const double tau : {-1.0, -0.4, 0.0, 0.6, 1.0}) {
    const double g = 0.9 / (1 + std::abs(tau));
    const std::vector<double> together = iteration_lengths(elliptic(tau), g, some);
    for (std::size_t i = 0; i < some.size(); ++i)
      CHECK(together[i] == Approx(iteration_lengths(elliptic(tau), g, std::array{some[i]}).front()).epsilon(1e-14));
    CHECK(together.back() == Approx(linear_moments(elliptic(tau), g).m1).epsilon(1e-12));
    CHECK(std::isfinite(iteration_residual(elliptic(tau), g, 1000000000)));
    CHECK(iteration_residual(elliptic(tau), g, 1000000000000) == 0);
  }
  CHECK(iteration_lengths(elliptic(0.5), 0, some) == std::vector<double>(5, 1.0));
}

// By recursion of the coefficients, exact doubles to 60 digits.
TEST_CASE("lengths and residuals near the edges and beyond the plain iteration's") {
  struct Case {
    double tau, g;
    std::uint64_t k;
    double length, residual;
  };
  for (const Case& c : {Case{0.97, 0.5075, 1500, 8.9328816989917001e+01, 1.5231172650990376e-05},
                        {-0.3, 1.2, 300, 4.1652442575145720e+113, 1.4276517578838931e+114},
                        {0.999, 0.50024, 1500, 7.0417731236011477e+01, 9.5293986064212193e-06},
                        {0.5, 0.6666, 1500, 9.3931094235957619e+02, 2.8699466702416117e-03},
                        {-0.99, 0.503, 1000, 8.2988971732175565e-01, 1.7324960535086047e-04}}) {
    CAPTURE(c.tau);
    CHECK(length(c.tau, c.g, c.k) == Approx(c.length).epsilon(1e-13));
    CHECK(iteration_residual(elliptic(c.tau), c.g, c.k) == Approx(c.residual).epsilon(1e-13));
  }
  CHECK(std::isinf(length(-0.3, 1.2, 1000000000)));
  CHECK_THROWS_AS(length(0.3, 0.8, 5), std::domain_error);
}

TEST_CASE("a billion iterations as near to the edge as they feel it") {
  // Of symmetric weights by the semicircle.
  for (const double k : {1e3, 1e6, 1e9})
    CHECK(length(1, 0.4999999999, static_cast<std::uint64_t>(k)) ==
          Approx(symmetric_length(0.4999999999, k)).epsilon(1e-9));
  // Catalan's numbers by Stirling's series.
  CHECK(iteration_residual(elliptic(1), 0.4999999999, 1000000000) ==
        Approx(std::exp(2e9 * std::log1p(2 * (0.4999999999 - 0.5))) * std::pow(1e9, -1.5) / std::sqrt(pi) *
               (1 - 9.0 / 8e9))
            .epsilon(1e-12));
  // Of others W^k has degrees p* = k (1 - tau)/(1 + tau) up to a normal spread: L_k is that of the degrees below, less
  // spread/sqrt pi times the term there.
  const double tau = 0.5, g = 0.66666666666, k = 1e9;
  const Resolvent r = resolvent_of(elliptic(tau), g);
  const double below = -2 * (k / 3) * std::log1p(-r.below / r.x), spread = std::sqrt(8 * k / 9);
  const double expected = linear_moments(elliptic(tau), g).m1 * -std::expm1(-below) -
                          spread / std::sqrt(pi) * std::exp(-below) / (r.x * r.x);
  CHECK(length(tau, g, 1000000000) == Approx(expected).epsilon(1e-7));
}

TEST_CASE("the worst transient is the norm of a power of W") {
  const Matrix w = draw(named(FamilyKind::iid), 300, 0.8, 2, 0);
  Matrix power = w;
  for (std::uint64_t k = 1; k <= 2; ++k) {
    CHECK(std::pow(linear_algebra::thin_svd(power, linear_algebra::SingularVectors::left).values.front(), 2) ==
          Approx(worst_transient(named(FamilyKind::iid), 0.8, k)).epsilon(0.1));
    power = linear_algebra::product(w, power);
  }
  CHECK(worst_transient(named(FamilyKind::goe), 0.4, 3) == Approx(std::pow(0.8, 6)));
  CHECK_THROWS_AS(worst_transient(elliptic(0.3), 0.4, 3), std::domain_error);
}
