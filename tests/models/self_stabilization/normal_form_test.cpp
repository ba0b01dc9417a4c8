#include "models/self_stabilization/normal_form.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <array>
#include <cmath>
#include <numbers>

#include "tests/approx.hpp"

using namespace edgewise::models::self_stabilization;
using edgewise::tests::Approx;

namespace {

using Point = std::array<double, 2>;  // log p, Y

/// d log p/dt = 2 log(1 + Y), dY/dt = eps (1 - p): the flow that conserves the energy.
Point flow(double eps, const Point& at) {
  return {2 * std::log1p(at[1]), eps * -std::expm1(at[0])};
}

Point runge_kutta(double eps, Point at, double h) {
  const auto moved = [&](const Point& slope, double part) {
    return Point{at[0] + part * slope[0], at[1] + part * slope[1]};
  };
  const Point a = flow(eps, at), b = flow(eps, moved(a, h / 2)), c = flow(eps, moved(b, h / 2)),
              d = flow(eps, moved(c, h));
  for (std::size_t k = 0; k < 2; ++k) at[k] += h / 6 * (a[k] + 2 * b[k] + 2 * c[k] + d[k]);
  return at;
}

/// The period and the extremes of an orbit from its right end, Y = 0 falling, by small steps.
ClosedOrbit integrated(double eps, double p_max) {
  ClosedOrbit out;
  Point at{std::log(p_max), 0};
  const double h = 0.002 / std::sqrt(eps);
  out.p_min = out.p_max = p_max;
  for (double t = 0;;) {
    const Point next = runge_kutta(eps, at, h);
    out.p_min = std::min(out.p_min, std::exp(next[0]));
    out.Y_min = std::min(out.Y_min, next[1]);
    out.Y_max = std::max(out.Y_max, next[1]);
    if (at[1] > 0 && next[1] <= 0) {
      out.period = t + h * at[1] / (at[1] - next[1]);
      return out;
    }
    at = next;
    t += h;
  }
}

Eigen::Matrix2d jacobian(double eps, double Y) {
  // p' = (1 + Y)^2 p + n, Y' = Y + eps (1 - p) at p = 1.
  Eigen::Matrix2d out;
  out << (1 + Y) * (1 + Y), 2 * (1 + Y), -eps, 1;
  return out;
}

}  // namespace

TEST_CASE("the energy is 0 at the fixed point, is kept by the flow, and grows like eps dp^2/2 + dY^2 around it") {
  CHECK(energy(0.1, 1, 0) == 0);
  const double h = 1e-4;
  CHECK(energy(0.3, 1 + h, 0) == Approx(0.3 * h * h / 2).epsilon(2e-4));
  CHECK(energy(0.3, 1, h) == Approx(h * h).epsilon(2e-4));
  Point at{std::log(4.0), 0.2};
  const double start = energy(0.05, 4, 0.2);
  for (int k = 0; k < 5000; ++k) at = runge_kutta(0.05, at, 0.02);
  CHECK(energy(0.05, std::exp(at[0]), at[1]) == Approx(start).epsilon(1e-9));
}

TEST_CASE("closed orbits: their ends have their energy, their period and extremes are those of the flow") {
  for (const auto& given : {std::pair{0.01, 0.02}, {0.1, 0.3}, {0.02, 1.2}}) {
    const double eps = given.first, E = given.second;
    CAPTURE(eps);
    CAPTURE(E);
    const auto orbit = closed_orbit(eps, E);
    REQUIRE(orbit);
    CHECK(orbit->p_min < 1);
    CHECK(orbit->p_max > 1);
    CHECK(orbit->Y_min < 0);
    CHECK(orbit->Y_max > 0);
    for (const double p : {orbit->p_min, orbit->p_max}) CHECK(energy(eps, p, 0) == Approx(E).epsilon(1e-11));
    for (const double Y : {orbit->Y_min, orbit->Y_max}) CHECK(energy(eps, 1, Y) == Approx(E).epsilon(1e-11));
    const ClosedOrbit found = integrated(eps, orbit->p_max);
    CHECK(orbit->period == Approx(found.period).epsilon(1e-5));
    CHECK(orbit->p_min == Approx(found.p_min).epsilon(1e-5));
    CHECK(orbit->Y_min == Approx(found.Y_min).epsilon(1e-5));
    CHECK(orbit->Y_max == Approx(found.Y_max).epsilon(1e-5));
  }
  // Small ones are harmonic.
  CHECK(closed_orbit(0.1, 0)->period == Approx(2 * std::numbers::pi / std::sqrt(0.2)).epsilon(1e-14));
  CHECK(closed_orbit(0.1, 1e-8)->period == Approx(2 * std::numbers::pi / std::sqrt(0.2)).epsilon(1e-6));
  CHECK_FALSE(closed_orbit(0.1, 2));
  CHECK_FALSE(closed_orbit(0.1, -0.1));
}

TEST_CASE("the map gains energy as foretold, an orbit of small steps") {
  // From the right end until Y falls through 0 again; the gain is of first order in sqrt(eps).
  const double eps = 1e-6, E = 1e-6;
  const auto orbit = closed_orbit(eps, E);
  REQUIRE(orbit);
  double p = orbit->p_max, Y = 0;
  for (bool rose = false;;) {
    const double next_Y = Y + eps * (1 - p), next_p = (1 + Y) * (1 + Y) * p;
    rose = rose || next_Y > 0;
    p = next_p;
    Y = next_Y;
    if (rose && Y <= 0) break;
  }
  CHECK((energy(eps, p, Y) - E) / orbit->energy_gain == Approx(1).epsilon(0.01));
}

TEST_CASE("the fixed point with noise, and the multipliers of the map there") {
  for (const auto& given : {std::pair{0.05, 0.0}, {0.05, 0.02}, {0.01, 0.6}, {0.3, 0.9}}) {
    const double eps = given.first, n = given.second;
    CAPTURE(eps);
    CAPTURE(n);
    const FixedPoint found = fixed_point(eps, n);
    // p = (1 + Y)^2 p + n at p = 1.
    CHECK((1 + found.Y) * (1 + found.Y) + n == Approx(1).epsilon(1e-14));
    const Eigen::Matrix2d map = jacobian(eps, found.Y);
    const auto values = map.eigenvalues();
    const double largest = std::max(std::abs(values[0]), std::abs(values[1]));
    CHECK(found.modulus == Approx(largest).epsilon(1e-13));
    // A root of the characteristic polynomial.
    CHECK(std::abs(found.multiplier * found.multiplier - map.trace() * found.multiplier + map.determinant()) < 1e-14);
    CHECK(found.stable() == (largest < 1));
  }
  for (const double eps : {1e-3, 0.05, 0.7}) {
    const double n = noise_threshold(eps);
    CHECK(n == Approx(2 * eps * (std::sqrt(1 + eps * eps) - eps)).epsilon(1e-13));
    CHECK(fixed_point(eps, n).modulus == Approx(1).epsilon(1e-13));
    CHECK_FALSE(fixed_point(eps, 0.97 * n).stable());
    CHECK(fixed_point(eps, 1.03 * n).stable());
  }
}

TEST_CASE("what is left of a deviation bounds the linearised map's power, and not by much") {
  for (const auto& [eps, n] : {std::pair{0.01, 0.1}, {0.05, 0.3}, {0.01, 0.6}}) {
    const FixedPoint point = fixed_point(eps, n);
    const Eigen::Matrix2d J = jacobian(eps, point.Y);
    // In coordinates in which the norm is Euclidean.
    const Eigen::Vector2d unit(std::sqrt(eps / 2), 1);
    const Eigen::Matrix2d in_norm = unit.asDiagonal() * J * unit.cwiseInverse().asDiagonal();
    Eigen::Matrix2d power = Eigen::Matrix2d::Identity();
    for (int k = 1; k <= 200; ++k) {
      power = in_norm * power;
      const double size = Eigen::JacobiSVD<Eigen::Matrix2d>(power).singularValues()[0];
      const double bound = left_of_deviation(eps, n, k);
      CHECK(size <= bound * (1 + 1e-12));
      // 1 + nu 2/|m1 - m2| is all that it can exceed the modulus by.
      CHECK(bound <= std::pow(point.modulus, k) * left_of_deviation(eps, n, 1e-300) * 100);
    }
  }
}

TEST_CASE("the mean offset: half of minus n at small eps, three halves of minus eps without noise") {
  CHECK(mean_offset(0, 0.01) == Approx(-0.005 - 0.01 * 0.01 / 8).epsilon(1e-14));
  CHECK(mean_offset(0.01, 0) == Approx(-0.015).epsilon(1e-14));
}

TEST_CASE("the gain of a large orbit is 2 eps Y_m + (8/3) Y_m^3, however small eps") {
  for (const double eps : {1e-7, 1e-10, 1e-20}) {
    const double Ym = .07, E = Ym * Ym;
    CHECK(closed_orbit(eps, E)->energy_gain == Approx(2 * eps * Ym + 8. / 3 * Ym * Ym * Ym).epsilon(2e-3));
  }
}
