#include "validation/collapse/frontier.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

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

TEST_CASE("a fit to scattered losses is where the slopes of the mean Huber loss vanish") {
  // Residuals on both sides of delta.
  const std::vector<double> c = {2, 9, 30, 150, 700, 2500, 1e4, 6e4};
  const double off[] = {0.004, -0.03, 0.012, 0.05, -0.011, -0.006, 0.02, -0.003};
  std::vector<double> loss;
  for (std::size_t i = 0; i < c.size(); ++i) loss.push_back(5 * (0.8 + 2 * std::pow(c[i], -0.3)) * std::exp(off[i]));
  for (const double delta : {0.015, 1.0}) {
    CAPTURE(delta);
    const FloorFit free = fit_floor(c, loss, nullptr, delta), given = fit_floor(c, loss, &free.floor, delta);
    const double other = 0.9 * free.floor;
    const FloorFit fixed = fit_floor(c, loss, &other, delta);
    CHECK(given.exponent == Approx(free.exponent).epsilon(1e-5));
    CHECK(given.prefactor == Approx(free.prefactor).epsilon(1e-5));
    CHECK(fixed.floor == other);
    CHECK(fixed.exponent < 0.98 * free.exponent);
    for (const FloorFit& fit : {free, fixed}) {
      double slopes[3] = {}, sizes[3] = {}, mean = 0, squares = 0;
      std::size_t beyond = 0;
      for (std::size_t i = 0; i < c.size(); ++i) {
        const double power = fit.prefactor * std::pow(c[i], -fit.exponent), law = fit.floor + power;
        const double r = std::log(law / loss[i]), pull = std::clamp(r, -delta, delta);
        const double along[3] = {1 / law, power / law, power * std::log(c[i]) / law};
        for (int j = 0; j < 3; ++j) {
          slopes[j] += pull * along[j];
          sizes[j] += std::abs(pull * along[j]);
        }
        mean += (std::abs(r) > delta ? delta * (std::abs(r) - delta / 2) : r * r / 2) / static_cast<double>(c.size());
        squares += r * r;
        beyond += std::abs(r) > delta;
      }
      CHECK((delta > 0.1 ? beyond == 0 : beyond > 1 && beyond < 7));
      for (int j = fit.floor == other ? 1 : 0; j < 3; ++j) CHECK(std::abs(slopes[j]) < 1e-6 * sizes[j]);
      CHECK(fit.objective == Approx(mean).epsilon(1e-10));
      CHECK(fit.rms == Approx(std::sqrt(squares / static_cast<double>(c.size()))).epsilon(1e-10));
    }
  }
}

TEST_CASE("what no floor and no power law can be fitted to is refused") {
  const std::vector<double> c = {1, 10, 100}, loss = {4, 3, 2.5};
  const double floor = 1, least = 2.5;
  const auto refused = [&](std::vector<double> of_c, std::vector<double> of_loss, const double* given,
                           const char* text) {
    CHECK_THROWS_WITH_AS(fit_floor(of_c, of_loss, given), text, std::invalid_argument);
  };
  CHECK_NOTHROW(fit_floor(c, loss));
  CHECK_NOTHROW(fit_floor(std::vector{1.0, 2.0}, std::vector{3.0, 2.0}, &floor));
  const char* const few = "the frontier has too few points for a floor, a prefactor and an exponent";
  refused({1, 10}, {4, 3}, nullptr, few);
  refused({1}, {4}, &floor, few);
  refused({1, 10, 100}, {4, 3}, &floor, few);
  refused({0, 10, 100}, {4, 3, 2}, nullptr, "compute and loss must be positive");
  refused({1, 10, 100}, {4, 3, 0}, nullptr, "compute and loss must be positive");
  refused(c, loss, &least, "the floor is not below every loss");
  CHECK_THROWS_WITH_AS(fit_power(c, std::vector{1.0, 2.0}), "a power law needs a y for every x", std::invalid_argument);
  CHECK_THROWS_WITH_AS(fit_power(std::vector{3.0}, std::vector{2.0}), "a power law needs two different positive points",
                       std::invalid_argument);
  CHECK_THROWS_AS(fit_power(c, std::vector{1.0, -2.0, 1.0}), std::invalid_argument);
}

TEST_CASE("a power law through scattered points, by the normal equations of its logarithms") {
  const std::vector<double> x = {0.3, 1, 2.5, 7, 40}, y = {9, 4, 5, 1.5, 0.7};
  double s = 0, u = 0, v = 0, uu = 0, uv = 0, squares = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    const double a = std::log(x[i]), b = std::log(y[i]);
    s += 1, u += a, v += b, uu += a * a, uv += a * b;
  }
  const double slope = (s * uv - u * v) / (s * uu - u * u), height = (v - slope * u) / s;
  for (std::size_t i = 0; i < 5; ++i) squares += std::pow(std::log(y[i]) - height - slope * std::log(x[i]), 2);
  const PowerFit fit = fit_power(x, y);
  CHECK(fit.exponent == Approx(slope).epsilon(1e-12));
  CHECK(fit.prefactor == Approx(std::exp(height)).epsilon(1e-12));
  CHECK(fit.error == Approx(std::sqrt(squares / 3 / (uu - u * u / s))).epsilon(1e-12));
  const PowerFit three = fit_power(std::span(x).first(3), std::span(y).first(3));
  CHECK(three.error > 0);
}

TEST_CASE("the envelope, written out: sizes that begin and end at computes of their own") {
  // Losses of no simple law at irregular steps, the first at no compute.
  std::vector<LossCurve> curves;
  const double sizes[] = {3, 10, 20, 70, 150, 400}, first[] = {0, 2, 0, 0, 1, 5}, last[] = {900, 700, 60, 400, 300, 90};
  for (std::size_t p = 0; p < 6; ++p) {
    LossCurve& curve = curves.emplace_back();
    curve.size = sizes[p];
    for (double step = first[p]; step <= last[p];
         step = step == 0 ? 1 : step * (1.3 + 0.1 * static_cast<double>(p % 3))) {
      curve.step.push_back(step);
      curve.compute.push_back(6 * sizes[p] * step * (1 + 0.01 * static_cast<double>(p)));
      curve.loss.push_back(0.4 + 3 * std::pow(sizes[p], -0.45) + 4 * std::pow(1 + step, -0.6));
    }
  }
  const auto at = [](const LossCurve& curve, const std::vector<double>& y, double compute) {
    for (std::size_t i = 1; i < y.size(); ++i)
      if (curve.compute[i - 1] > 0 && curve.compute[i - 1] < compute && compute <= curve.compute[i]) {
        const double a = std::log(curve.compute[i - 1]), b = std::log(curve.compute[i]), x = std::log(compute);
        return std::exp(((b - x) * std::log(y[i - 1]) + (x - a) * std::log(y[i])) / (b - a));
      }
    return std::numeric_limits<double>::quiet_NaN();
  };
  double low = INFINITY, high = 0;
  for (const LossCurve& curve : curves)
    for (const double c : curve.compute) {
      if (c > 0) low = std::min(low, c);
      high = std::max(high, c);
    }
  std::vector<FrontierPoint> expected;
  std::size_t with_gap = 0, at_an_end = 0, too_few = 0;
  for (int k = 0; k < 40; ++k) {
    const double c = std::exp(std::log(low) + (k + 0.5) / 40 * (std::log(high) - std::log(low)));
    std::size_t best = 6, there = 0, least = 6, most = 0;
    double lowest = INFINITY;
    for (std::size_t p = 0; p < 6; ++p) {
      const double loss = at(curves[p], curves[p].loss, c);
      if (std::isnan(loss)) continue;
      ++there;
      least = std::min(least, p);
      most = p;
      if (loss < lowest) lowest = loss, best = p;
    }
    if (there < 3) {
      ++too_few;
      continue;
    }
    if (best == least || best == most) {
      ++at_an_end;
      continue;
    }
    double y[3], x[3];
    for (std::size_t j = 0; j < 3; ++j) {
      y[j] = at(curves[best + j - 1], curves[best + j - 1].loss, c);
      x[j] = std::log(sizes[best + j - 1]);
    }
    if (std::isnan(y[0]) || std::isnan(y[2])) {
      ++with_gap;
      continue;
    }
    // Newton's divided differences; the minimum between the nodes.
    const double one = (y[1] - y[0]) / (x[1] - x[0]), other = (y[2] - y[1]) / (x[2] - x[1]);
    const double bend = (other - one) / (x[2] - x[0]), vertex = 0.5 * (x[0] + x[1]) - one / (2 * bend);
    const double loss = y[0] + one * (vertex - x[0]) + bend * (vertex - x[0]) * (vertex - x[1]);
    // Steps of the size: those of the best one by its compute, in proportion.
    const double step = at(curves[best], curves[best].step, c) * sizes[best] / std::exp(vertex);
    expected.push_back({c, loss, std::exp(vertex), step});
  }
  CHECK(with_gap > 0);
  CHECK(at_an_end > 0);
  CHECK(too_few > 0);
  REQUIRE(expected.size() > 8);
  const auto points = envelope(curves, 40);
  REQUIRE(points.size() == expected.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    CHECK(points[i].compute == Approx(expected[i].compute).epsilon(1e-12));
    CHECK(points[i].loss == Approx(expected[i].loss).epsilon(1e-11));
    CHECK(points[i].size == Approx(expected[i].size).epsilon(1e-9));
    CHECK(points[i].step == Approx(expected[i].step).epsilon(1e-9));
  }
  // Exactly three sizes are enough, of which the middle one is best; two are not.
  std::vector<LossCurve> three;
  for (const auto& [size, loss] : {std::pair{1.0, 3.0}, {2.0, 2.0}, {4.0, 2.5}})
    three.push_back({size, "", {1, 10 / size}, {1, 10}, {loss, loss}, ""});
  REQUIRE(envelope(three, 1).size() == 1);
  CHECK(envelope(three, 1)[0].compute == Approx(std::sqrt(10.0)).epsilon(1e-14));
  CHECK(envelope(std::span(three).first(2), 5).empty());
}

TEST_CASE("interpolation meets what is recorded, also where x stands still, and ends with it") {
  const std::vector<double> x = {1, 2, 2, 4}, y = {5, 7, 9, 1};
  CHECK(interpolated(x, y, 1) == 5);
  CHECK(interpolated(x, y, 1.75) == 6.5);
  CHECK(interpolated(x, y, 2) == 7);
  CHECK(interpolated(x, y, 3.5) == 3);
  CHECK(interpolated(x, y, 4) == 1);
  CHECK(std::isnan(interpolated(x, y, 0.99)));
  CHECK(std::isnan(interpolated(x, y, 4.01)));
  CHECK(std::isnan(interpolated({}, {}, 1)));
  CHECK(std::isnan(interpolated(x, y, NAN)));
}
