#include "validation/collapse/frontier.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

/// L = floor + t^-mu + p^-nu at logarithmically spaced t.
LossCurve sum_of_powers(double p, double floor, double mu, double nu, double unit = 1) {
  LossCurve out;
  out.size = p;
  for (int k = 0; k <= 120; ++k) {
    const double t = std::pow(10.0, 5.0 * k / 120);
    out.step.push_back(t);
    out.compute.push_back(6 * p * t);
    out.loss.push_back(unit * (floor + std::pow(t, -mu) + std::pow(p, -nu)));
  }
  return out;
}

}  // namespace

TEST_CASE("a power law with a floor comes back in every unit, through outliers too") {
  for (const double unit : {1e-60, 1.0, 1e60})
    for (const double c_unit : {1e-30, 1.0, 1e40}) {
      std::vector<double> c, loss;
      for (int k = 0; k < 25; ++k) {
        c.push_back(c_unit * std::pow(10.0, 0.2 * k));
        loss.push_back(unit * (3.1 + 2 * std::pow(10.0, -0.2 * k * 0.15)));
      }
      const FloorFit fit = fit_floor(c, loss);
      CHECK(fit.floor == Approx(3.1 * unit).epsilon(1e-6));
      CHECK(fit.exponent == Approx(0.15).epsilon(1e-5));
      CHECK(fit.prefactor == Approx(2 * unit * std::pow(c_unit, 0.15)).epsilon(1e-5));
      CHECK(fit.rms < 1e-8);
      loss[7] *= 1.3;  // Huber's loss lets one point pull with the strength of delta alone
      CHECK(fit_floor(c, loss).floor == Approx(3.1 * unit).epsilon(2e-3));
      loss[7] /= 1.3;
      const double given = 3.1 * unit;
      const FloorFit fixed = fit_floor(c, loss, &given);
      CHECK(fixed.floor == given);
      CHECK(fixed.exponent == Approx(0.15).epsilon(1e-8));
    }
}

TEST_CASE("the objective is the mean Huber loss of the log residuals") {
  const std::vector<double> c = {1, 10, 100, 1000}, loss = {4, 3, 2.6, 2.2};
  const FloorFit fit = fit_floor(c, loss);
  double mean = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double r = std::abs(std::log(loss[i]) - std::log(fit.floor + fit.prefactor * std::pow(c[i], -fit.exponent)));
    mean += (r <= 1e-3 ? r * r / 2 : 1e-3 * (r - 5e-4)) / 4;
  }
  CHECK(fit.objective == Approx(mean).epsilon(1e-9));
  // No neighbour is better.
  for (const double step : {1e-4, -1e-4}) {
    const double floor = fit.floor * (1 + step);
    CHECK(fit_floor(c, loss, &floor).objective >= fit.objective * (1 - 1e-9));
  }
  const double above = 2.3;
  CHECK_THROWS_AS(fit_floor(c, loss, &above), std::invalid_argument);
  CHECK_THROWS_AS(fit_floor(std::vector{1.0, 2.0}, std::vector{2.0, 1.0}), std::invalid_argument);
}

TEST_CASE("the envelope of sums of powers: horizon, exponent and floor of the formula") {
  // mu t^-mu = nu p^-nu at the optimum: t* = r^(-1/mu) p^(nu/mu); L - L0 = c^-d with d = mu nu/(mu + nu).
  const double mu = 0.5, nu = 0.4, floor = 0.7, r = nu / mu;
  std::vector<LossCurve> curves;
  for (const double p : {50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0})
    curves.push_back(sum_of_powers(p, floor, mu, nu));
  const auto points = envelope(curves);
  REQUIRE(points.size() > 15);
  std::vector<double> c, loss, p, t;
  for (const FrontierPoint& point : points) {
    c.push_back(point.compute);
    loss.push_back(point.loss);
    p.push_back(point.size);
    t.push_back(point.step);
    CHECK(point.compute == Approx(6 * point.size * point.step).epsilon(1e-9));
    // The parabola through sizes a factor 2 apart.
    CHECK(point.size == Approx(std::pow(std::pow(r, 1 / mu) * point.compute / 6, mu / (mu + nu))).epsilon(0.02));
  }
  const FloorFit fit = fit_floor(c, loss);
  CHECK(fit.floor == Approx(floor).epsilon(1e-3));
  CHECK(fit.exponent == Approx(mu * nu / (mu + nu)).epsilon(5e-3));
  CHECK(fit_power(p, t).exponent == Approx(nu / mu).epsilon(0.01));
  CHECK(fit_power(p, t).prefactor == Approx(std::pow(r, -1 / mu)).epsilon(0.05));
}

TEST_CASE("a power law by least squares, and its standard error") {
  const std::vector<double> x = {1, 2, 4, 8}, y = {3, 6, 12, 24};
  CHECK(fit_power(x, y).exponent == Approx(1));
  CHECK(fit_power(x, y).prefactor == Approx(3));
  CHECK(fit_power(x, y).error < 1e-12);
  // Residuals e, -e, -e, e are orthogonal to the line: se = sqrt(4 e^2/2/(5 log^2 2)).
  const double e = 0.1;
  const std::vector<double> z = {3 * std::exp(e), 6 * std::exp(-e), 12 * std::exp(-e), 24 * std::exp(e)};
  CHECK(fit_power(x, z).exponent == Approx(1));
  CHECK(fit_power(x, z).error == Approx(e * std::sqrt(2 / 5.0) / std::log(2.0)));
  CHECK(std::isnan(fit_power(std::vector{1.0, 2.0}, std::vector{1.0, 2.0}).error));
  CHECK_THROWS_AS(fit_power(std::vector{2.0, 2.0}, std::vector{1.0, 3.0}), std::invalid_argument);
}

TEST_CASE("losses between recorded steps") {
  LossCurve curve;
  curve.step = {0, 10, 30};
  curve.compute = {0, 60, 180};
  curve.loss = {4, 2, 1};
  CHECK(loss_at(curve, 0) == 4);
  CHECK(loss_at(curve, 5) == 3);
  CHECK(loss_at(curve, 10) == 2);
  CHECK(loss_at(curve, 25) == 1.25);
  CHECK(loss_at(curve, 30) == 1);
  CHECK(std::isnan(loss_at(curve, 31)));
  CHECK(compute_at(curve, 20) == 120);
}
