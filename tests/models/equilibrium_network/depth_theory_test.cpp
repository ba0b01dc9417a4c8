#include "models/equilibrium_network/depth_theory.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "models/equilibrium_network/linear_iteration.hpp"
#include "models/equilibrium_network/linear_theory.hpp"
#include "models/equilibrium_network/nonlinear_theory.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/named_families.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::models::equilibrium_network::testing::elliptic;
using edgewise::tests::Approx;

namespace {

DepthLimit limit_of(const StateFunction& phi, double q_h, double g, double rho_h) {
  const Equilibrium at = equilibrium(elliptic(0), phi, q_h, g);
  return {at.length, pair_equilibrium(phi, q_h, rho_h, at).overlap};
}

double arc1(double rho) {
  return (std::sqrt(1 - rho * rho) + rho * (pi - std::acos(rho))) / pi;
}

}  // namespace

TEST_CASE("without memory: lengths, residuals and overlaps of ReLU by its own kernel") {
  const double q_h = 0.7, g = 1.1, rho_h = 0.4, g2 = g * g;
  const StateFunction phi = state_function("relu");
  const DepthCurves curves = depth_curves(phi, q_h, g, rho_h, limit_of(phi, q_h, g, rho_h), {0, 1, 2, 3, 4, 5, 6});
  // z_k and z_{k+1}: E z z' = sqrt(q q') k1/2, E u_{k+1} u_{k+2} = q_h + g^2 E z_k z_{k+1}.
  double length = 0, across = 0, overlap = 0;
  for (std::size_t k = 0; k < curves.length.size(); ++k) {
    CAPTURE(k);
    CHECK(curves.length[k] == Approx(length).epsilon(1e-12));
    CHECK(curves.overlap[k] == Approx(overlap).epsilon(1e-9));
    const double q = q_h + g2 * length, next = q / 2;
    // `across` is E z_{k-1} z_k; u_k and u_{k+1} have covariance q_h + g^2 across.
    const double before = k == 0 ? 0 : 2 * length;  // variance of u_k
    const double product = k == 0 ? 0 : std::sqrt(before * q) / 2 * arc1((q_h + g2 * across) / std::sqrt(before * q));
    CHECK(curves.residual[k] == Approx(next + length - 2 * product).epsilon(1e-8));
    overlap = q / 2 * arc1((q_h * rho_h + g2 * overlap) / q);
    across = product;
    length = next;
  }
}

TEST_CASE("without memory: any depth, near the edge too") {
  const StateFunction phi = state_function("erf");
  const Equilibrium at = equilibrium(elliptic(0), phi, 0.7, 1.1);
  const DepthCurves curves = depth_curves(phi, 0.7, 1.1, {}, {at.length, 0}, {0, 1, 2, 30, 1000000000});
  CHECK(curves.overlap.empty());
  CHECK_FALSE(curves.extrapolated);
  // E erf(u/sqrt 2)^2 = (2/pi) asin(q/(1 + q)).
  const double first = 2 / pi * std::asin(0.7 / 1.7), q = 0.7 + 1.21 * first;
  CHECK(curves.length[1] == Approx(first).epsilon(1e-12));
  CHECK(curves.length[2] == Approx(2 / pi * std::asin(q / (1 + q))).epsilon(1e-12));
  CHECK(curves.length[4] == Approx(at.length).epsilon(1e-12));
  CHECK(curves.residual[0] == Approx(first).epsilon(1e-12));
  CHECK(curves.residual[4] == 0);
  // The residual falls as S^k.
  const DepthCurves late = depth_curves(phi, 0.7, 1.1, {}, {at.length, 0}, {40, 41, 90, 91});
  CHECK(late.residual[1] / late.residual[0] == Approx(at.stability).epsilon(1e-6));
  CHECK(late.residual[3] / late.residual[2] == Approx(at.stability).epsilon(1e-11));
  // ReLU's lengths l' = (q_h + g^2 l)/2 are a geometric sum.
  const double slow = 1.99999 / 2;
  const DepthCurves near =
      depth_curves(state_function("relu"), 1, std::sqrt(2 * slow), {}, {0.5 / (1 - slow), 0}, {10, 100000, 1000000000});
  CHECK(near.extrapolated);
  CHECK(near.length[0] == Approx(0.5 * (1 - std::pow(slow, 10)) / (1 - slow)).epsilon(1e-9));
  CHECK(near.length[1] == Approx(0.5 * (1 - std::pow(slow, 100000)) / (1 - slow)).epsilon(1e-6));
  CHECK(near.length[2] == Approx(0.5 / (1 - slow)).epsilon(1e-6));
}

TEST_CASE("without memory: inputs so small that the square of their power is no number") {
  // phi is linear there: lengths are the geometric series, residuals its terms.
  const double q_h = 1e-200, g = 0.9;
  for (const std::string name : {"tanh", "hard-tanh"}) {
    CAPTURE(name);
    const DepthCurves curves = depth_curves(state_function(name), q_h, g, {}, {q_h / (1 - g * g), 0}, {1, 2, 3, 6});
    CHECK(curves.length[1] / q_h == Approx(1 + g * g).epsilon(1e-12));
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(curves.residual[i] / q_h == Approx(std::pow(g, 2 * std::array{1, 2, 3, 6}[i])).epsilon(1e-10));
  }
}

TEST_CASE("with memory: a linear network's iteration in closed form") {
  const std::vector<std::uint64_t> depths{0, 1, 2, 3, 4, 7, 12};
  StateFunction phi = state_function("linear");
  for (const auto& point : {std::pair{1.0, 0.4}, {-1.0, 0.45}, {0.5, 0.6}}) {
    const double tau = point.first, g = point.second;
    CAPTURE(tau);
    const DepthCurves curves = depth_curves_with_memory(tau, phi, 2, g, 0.3, depths);
    const std::vector<double> exact = iteration_lengths(elliptic(tau), g, depths);
    for (std::size_t i = 0; i < depths.size(); ++i) {
      CAPTURE(depths[i]);
      CHECK(std::abs(curves.length[i] - 2 * exact[i]) < 1e-11);
      CHECK(std::abs(curves.overlap[i] - 0.6 * exact[i]) < 1e-11);
      CHECK(std::abs(curves.residual[i] / iteration_residual(elliptic(tau), g, depths[i]) / 2 - 1) < 1e-6);
    }
    CHECK(curves.sampling_error < 1e-10);
  }
}

TEST_CASE("with memory: tanh at depth 3 by a double integral, in the end the fixed point, and no memory at tau = 0" *
          doctest::test_suite("slow")) {
  const double g = 0.6, q_h = 0.5, g2 = g * g;
  const StateFunction phi = state_function("tanh");
  const DepthCurves curves = depth_curves_with_memory(1, phi, q_h, g, 0.4, {1, 2, 3, 20, 40});
  // u_3 = v_3 + g^2 E phi'(u_2) z_1, where u_2 = v_2 is Gaussian and v_3 has covariance q_h + g^2 E z_1 z_2 with v_2 and q_h
  // with u_1 = h.
  const auto variance = [&](double length) { return q_h + g2 * length; };
  const auto mean = [](double q, const auto& f) {
    double sum = 0, weight = 0;
    for (double x = -8; x <= 8; x += 0.05) {
      sum += std::exp(-x * x / 2) * f(std::sqrt(q) * x);
      weight += std::exp(-x * x / 2);
    }
    return sum / weight;
  };
  const auto square = [](double u) { return std::pow(std::tanh(u), 2); };
  const double first = mean(q_h, square), second = mean(variance(first), square);
  const double response = mean(variance(first), [&](double u) { return 1 - square(u); });
  CHECK(curves.length[0] == Approx(first).epsilon(1e-10));
  CHECK(curves.length[1] == Approx(second).epsilon(1e-10));
  // v_3 given h: mean h, variance g^2 second.
  const double third = mean(q_h, [&](double h) {
    return mean(g2 * second, [&](double noise) { return square(h + noise + g2 * response * std::tanh(h)); });
  });
  CHECK(std::abs(curves.length[2] / third - 1) < 5e-4);
  CHECK(std::abs(curves.length[2] / mean(variance(second), square) - 1) > 0.1);  // the memory is seen
  const Equilibrium at = equilibrium(elliptic(1), phi, q_h, g);
  CHECK(std::abs(curves.length[4] / at.length - 1) < 1e-3);
  CHECK(std::abs(curves.overlap[4] / pair_equilibrium(phi, q_h, 0.4, at).overlap - 1) < 5e-3);
  CHECK(std::pow(curves.residual[4] / curves.residual[3], 1.0 / 40) == Approx(at.rate).epsilon(0.05));
  CHECK(curves.sampling_error < 2e-3);

  // What does not move, or at once no more.
  for (const auto& [scale, power] : {std::pair{0.0, 0.5}, {1e-60, 0.5}, {0.6, 1e60}, {0.3, 1e-60}}) {
    const DepthCurves still = depth_curves_with_memory(1, phi, power, scale, 0.4, {0, 1, 2, 20, 48});
    for (const auto* values : {&still.length, &still.residual, &still.overlap})
      for (const double value : *values) CHECK(std::isfinite(value));
    const Equilibrium end = equilibrium(elliptic(1), phi, power, scale);
    CHECK(std::abs(still.length[4] / end.length - 1) < 1e-3);
    CHECK(still.residual[4] <= 1e-10 * still.length[4]);
  }

  const DepthCurves none = depth_curves_with_memory(0, phi, q_h, g, 0.4, {1, 2, 5, 9}),
                    exact = depth_curves(phi, q_h, g, 0.4, limit_of(phi, q_h, g, 0.4), {1, 2, 5, 9});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(none.length[i] == Approx(exact.length[i]).epsilon(1e-10));
    CHECK(none.overlap[i] == Approx(exact.overlap[i]).epsilon(1e-6));
    CHECK(none.residual[i] == Approx(exact.residual[i]).epsilon(0.05));
  }
}

TEST_CASE("with memory: opposite inputs of an odd function have opposite states") {
  const DepthCurves curves = depth_curves_with_memory(1, state_function("tanh"), 0.5, 0.6, -1.0, {1, 2, 3, 4, 5});
  for (std::size_t k = 0; k < 5; ++k) CHECK(curves.overlap[k] == Approx(-curves.length[k]).epsilon(1e-9));
}

TEST_CASE("normal points: so many pairs of opposite ones, with a normal's second moments") {
  const linear_algebra::Matrix x = normal_points(32, 5, 3);
  REQUIRE(x.rows() == 64);
  REQUIRE(x.columns() == 5);
  for (std::size_t j = 0; j < 5; ++j) {
    for (std::size_t i = 0; i < 64; i += 2) CHECK(x(i, j) == Approx(-x(i + 1, j)).epsilon(1e-12));
    for (std::size_t l = 0; l <= j; ++l) {
      double sum = 0;
      for (std::size_t i = 0; i < 64; ++i) sum += x(i, j) * x(i, l) / 64;
      CHECK(sum == Approx(j == l ? 1 : 0).epsilon(1e-12).scale(1));
    }
  }
}

TEST_CASE("normal points: one of each pair, of which earlier columns do not depend on later ones") {
  const linear_algebra::Matrix both = normal_points(64, 5, 2), one = normal_points(64, 9, 2, false);
  REQUIRE(one.rows() == 64);
  for (std::size_t j = 0; j < 5; ++j)
    for (std::size_t i = 0; i < 64; ++i) CHECK(one(i, j) == Approx(both(2 * i, j)).epsilon(1e-13));
}

TEST_CASE("with memory: of odd functions one point of each pair says what both say") {
  const StateFunction odd = state_function("tanh");
  StateFunction other = odd;
  other.odd = false;
  const std::vector<std::uint64_t> depths{1, 4, 9};
  const DepthCurves half = depth_curves_with_memory(1, odd, 0.5, 0.6, 0.3, depths),
                    all = depth_curves_with_memory(1, other, 0.5, 0.6, 0.3, depths);
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(half.length[k] == Approx(all.length[k]).epsilon(1e-12));
    CHECK(half.overlap[k] == Approx(all.overlap[k]).epsilon(1e-12));
    CHECK(half.residual[k] == Approx(all.residual[k]).epsilon(1e-10));
  }
}

TEST_CASE("with memory: the mean of paths meets the fixed point, of lengths and overlaps") {
  // Symmetric tanh comes to rest by depth 16; the fixed point is an integral.
  const StateFunction phi = state_function("tanh");
  const Equilibrium at = equilibrium(elliptic(1), phi, 1, 0.3);
  const DepthCurves curves = depth_curves_with_memory(1, phi, 1, 0.3, 0.3, {16});
  CHECK(curves.length[0] == Approx(at.length).epsilon(3e-5));
  CHECK(curves.overlap[0] == Approx(pair_equilibrium(phi, 1, 0.3, at).overlap).epsilon(3e-4));
}

TEST_CASE("with memory: drawn matrices iterate as their law says") {
  // 12 draws at n = 300: the mean of |z|^2/n has a standard error of some 1%; 5% leaves a false alarm below 1e-5.
  constexpr std::size_t n = 300, draws = 12;
  const double q_h = 0.5;
  const StateFunction phi = state_function("tanh");
  const std::vector<std::uint64_t> depths{1, 2, 3, 4, 5};
  for (const auto& point : {std::pair{1.0, 0.6}, {-1.0, 0.9}}) {
    const double tau = point.first, g = point.second;
    CAPTURE(tau);
    std::vector<double> length(depths.size(), 0.0);
    for (std::uint64_t r = 0; r < draws; ++r) {
      const linear_algebra::Matrix w = draw(elliptic(tau), n, g, 5, r);
      std::vector<double> h(n), z(n, 0.0);
      random::Stream(6, r).normals(h);
      for (double& x : h) x *= std::sqrt(q_h);
      for (double& mean : length) {
        std::vector<double> u(h);
        for (std::size_t j = 0; j < n; ++j)
          for (std::size_t i = 0; i < n; ++i) u[i] += w(i, j) * z[j];
        for (std::size_t i = 0; i < n; ++i) z[i] = std::tanh(u[i]);
        for (const double x : z) mean += x * x / n / draws;
      }
    }
    const DepthCurves curves = depth_curves_with_memory(tau, phi, q_h, g, {}, depths);
    for (std::size_t k = 0; k < depths.size(); ++k) CHECK(std::abs(length[k] / curves.length[k] - 1) < 0.05);
  }
}
