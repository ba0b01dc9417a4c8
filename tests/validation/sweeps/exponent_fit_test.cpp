#include "validation/sweeps/exponent_fit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

std::vector<double> log_spaced(double from, double to, std::size_t count) {
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(from * std::pow(to / from, static_cast<double>(i) / static_cast<double>(count - 1)));
  return out;
}

template <class Function>
std::vector<double> of(const std::vector<double>& x, Function f) {
  std::vector<double> out;
  for (const double at : x) out.push_back(f(at));
  return out;
}

}  // namespace

TEST_CASE("an exact power law") {
  const auto x = log_spaced(10, 1e6, 37);
  const ExponentFit fit = fit_exponent(x, of(x, [](double t) { return 3e-5 * std::pow(t, -1.25); }));
  CHECK(fit.exponent == Approx(-1.25).epsilon(1e-13));
  CHECK(fit.prefactor == Approx(3e-5).epsilon(1e-12));
  CHECK(fit.standard_error < 1e-13);
  CHECK(std::abs(fit.curvature) < 1e-12);
  CHECK_FALSE(fit.curved);
  CHECK(fit.points == 37);
}

TEST_CASE("the window decides") {
  const auto x = log_spaced(1, 1e8, 161);
  const auto y = of(x, [](double t) { return t < 1e4 ? std::pow(t, -0.5) : 1e2 * std::pow(t, -1.0); });
  CHECK(fit_exponent(x, y, {1, 1e4}).exponent == Approx(-0.5).epsilon(1e-12));
  CHECK(fit_exponent(x, y, {1e4, 1e8}).exponent == Approx(-1).epsilon(1e-12));
  const ExponentFit both = fit_exponent(x, y);
  CHECK(both.curved);
  // From -1/2 to -1: a parabola through a corner overshoots by 15/8 * 1/2.
  CHECK(both.curvature == Approx(-0.5 * 15 / 8).epsilon(0.02));
  CHECK(both.exponent == Approx(-0.75).epsilon(0.01));
}

TEST_CASE("a correction to the power law: small ones pass, large ones are told") {
  const auto x = log_spaced(1e3, 1e5, 60);
  const auto with = [&](double size) {
    return fit_exponent(x, of(x, [&](double t) { return (1 + size * std::pow(t / 1e3, -0.5)) / t; }));
  };
  const ExponentFit small = with(0.02), large = with(0.5);
  CHECK_FALSE(small.curved);
  // The error of the exponent is told by the standard error to its order.
  CHECK(std::abs(small.exponent + 1) < 10 * small.standard_error);
  CHECK(small.standard_error < 0.01);
  CHECK(large.curved);
  // Local exponents -1 - (s/2)/(1 + s) at the start, near -1 at the end.
  // A guard: what is fitted is no parabola; those that are come out to their digits below.
  CHECK(large.curvature == Approx(0.25 / 1.5).epsilon(0.4));
  // The correction is smooth: sixty points tell little more than a handful.
  CHECK(large.effective_points < 10);
  CHECK(large.effective_points >= 3);
}

TEST_CASE("exponentials and other curves are told") {
  const auto x = log_spaced(1, 100, 40);
  CHECK(fit_exponent(x, of(x, [](double t) { return std::exp(-t / 30); })).curved);
  CHECK(fit_exponent(x, of(x, [](double t) { return 1 / t + 0.1; })).curved);
  CHECK(fit_exponent(x, of(x, [](double t) { return std::pow(t, -1 - 0.1 * std::log(t)); })).curved);
}

TEST_CASE("a parabola in logarithms: curvature is the change of the local exponent") {
  const auto x = log_spaced(1, std::exp(2.0), 21);
  const ExponentFit fit = fit_exponent(x, of(x, [](double t) {
                                         const double u = std::log(t);
                                         return std::exp(1 - 2 * u + 0.3 * u * u);
                                       }));
  CHECK(fit.curvature == Approx(0.6 * 2).epsilon(1e-11));
  CHECK(fit.exponent == Approx(-2 + 0.6).epsilon(1e-11));
  CHECK(fit.curvature_error < 1e-12);
  CHECK(fit.curved);
}

TEST_CASE("independent errors: the standard error is right and curvature rarely cried") {
  const auto x = log_spaced(10, 1e4, 40);
  random::Stream stream(7, 0);
  constexpr int trials = 2000;
  double squares = 0, stated = 0;
  int significant = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto y = of(x, [&](double t) { return std::exp(0.05 * stream.normal()) / t; });
    const ExponentFit fit = fit_exponent(x, y);
    squares += (fit.exponent + 1) * (fit.exponent + 1);
    stated += fit.standard_error * fit.standard_error;
    significant += fit.curvature_p < 0.01 ? 1 : 0;
  }
  // The correlation of residuals is estimated too: it may only make the error larger, by some 10%.
  CHECK(std::sqrt(stated / squares) > 0.93);
  CHECK(std::sqrt(stated / squares) < 1.25);
  // 1% nominal; 2000 trials: more than 45 has a probability below 1e-5 at 1.2%.
  CHECK(significant < 45);
}

TEST_CASE("points weigh by their errors") {
  const auto x = log_spaced(1, 1e4, 21);
  auto y = of(x, [](double t) { return std::pow(t, -0.8); });
  std::vector<double> errors(x.size(), 0.01);
  y[5] *= 3;
  errors[5] = 1e4;
  CHECK(fit_exponent(x, y, {}, errors).exponent == Approx(-0.8).epsilon(1e-10));
  errors[5] = 0;  // a point without an error cannot be weighed and is left out
  CHECK(fit_exponent(x, y, {}, errors).exponent == Approx(-0.8).epsilon(1e-12));
  CHECK(fit_exponent(x, y, {}, errors).points == 20);
}

TEST_CASE("how many points the residuals are worth: their weighted correlation with the neighbour, written out") {
  const std::vector<double> x = {1, 2, 5, 9, 20, 44, 70}, error = {0.1, 0.3, 0.2, 0.1, 0.25, 0.15, 0.2};
  const std::vector<double> y = {1.3, 1.2, 0.9, 0.5, 0.3, 0.22, 0.2};
  double w = 0, u = 0, v = 0, uu = 0, uv = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double weight = 1 / error[i] / error[i], a = std::log(x[i]), b = std::log(y[i]);
    w += weight;
    u += weight * a;
    v += weight * b;
    uu += weight * a * a;
    uv += weight * a * b;
  }
  const double slope = (w * uv - u * v) / (w * uu - u * u), height = (v - slope * u) / w;
  double neighbours = 0, squares = 0, before = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double r = (std::log(y[i]) - height - slope * std::log(x[i])) / error[i];
    squares += r * r;
    neighbours += r * before;
    before = r;
  }
  const double c = neighbours / squares, effective = 7 * (1 - c) / (1 + c);
  REQUIRE(effective > 3);
  REQUIRE(effective < 7);
  const ExponentFit fit = fit_exponent(x, y, {}, error);
  CHECK(fit.exponent == Approx(slope).epsilon(1e-12));
  CHECK(fit.prefactor == Approx(std::exp(height)).epsilon(1e-12));
  CHECK(fit.effective_points == Approx(effective).epsilon(1e-11));
  CHECK(fit.standard_error == Approx(std::sqrt(squares / 5 / (uu - u * u / w) * 7 / effective)).epsilon(1e-11));
}

TEST_CASE("too few points, and points that have no logarithm") {
  const std::vector<double> x = {1, 10, 100, 1000}, y = {1, 0.1, 0.01, 0.001};
  CHECK(std::isnan(fit_exponent({}, {}).exponent));
  CHECK(std::isnan(fit_exponent(x, y, {5, 200}).exponent));
  const ExponentFit three = fit_exponent(x, y, {5, 2000});
  CHECK(three.exponent == Approx(-1));
  CHECK(std::isnan(three.curvature_p));
  CHECK_FALSE(three.curved);
  const std::vector<double> holes = {NAN, 0.1, -1, 0};
  CHECK(std::isnan(fit_exponent(x, holes).exponent));
  CHECK(fit_exponent(x, holes).points == 1);
  const std::vector<double> same = {2, 2, 2};
  CHECK(std::isnan(fit_exponent(same, same).exponent));
  CHECK_THROWS_AS(fit_exponent(x, same), std::invalid_argument);
  CHECK_THROWS_AS(fit_exponent(x, y, {}, same), std::invalid_argument);
}

TEST_CASE("local exponents") {
  const std::vector<double> x = {0, 1, 10, 100, 1000}, y = {5, 1, 0.1, NAN, 1e-7};
  const auto local = local_exponents(x, y);
  REQUIRE(local.size() == 2);
  CHECK(local[0].x == Approx(std::sqrt(10.0)));
  CHECK(local[0].exponent == Approx(-1));
  CHECK(local[1].x == Approx(100));
  CHECK(local[1].exponent == Approx(-3));
  CHECK(local_exponents(std::vector<double>{2, 8}, std::vector<double>{3, 6})[0].exponent == Approx(0.5));
  CHECK_THROWS_AS(local_exponents(x, {}), std::invalid_argument);
}

TEST_CASE("curvature, its error and its significance by the normal equations of a weighted parabola") {
  // In no order, with points that are outside of the window or of no use in between.
  const std::vector<double> x = {70, 1, 5, 0.1, 20, 2, 44, 9, 30, 1000, 15, 3};
  const std::vector<double> y = {0.11, 1.3, 0.85, 7, 0.33, 1.15, NAN, 0.52, 0.3, 1e-3, 0.36, 1.02};
  const std::vector<double> error = {0.2, 0.1, 0.2, 0.1, 0.25, 0.3, 0.1, 0.1, 0.15, 0.1, -1, 0.2};
  std::vector<double> u, v, w;
  for (const std::size_t i : {0U, 1U, 2U, 4U, 5U, 7U, 8U, 11U}) {
    u.push_back(std::log(x[i]));
    v.push_back(std::log(y[i]));
    w.push_back(1 / (error[i] * error[i]));
  }
  const std::size_t n = u.size();
  // Coefficients of 1, u, u^2 and their covariance but for the variance of the residuals.
  linear_algebra::Matrix normal(3, 3), right(3, 1), unit(3, 1);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t a = 0; a < 3; ++a) {
      right(a, 0) += w[i] * std::pow(u[i], static_cast<double>(a)) * v[i];
      for (std::size_t b = 0; b < 3; ++b) normal(a, b) += w[i] * std::pow(u[i], static_cast<double>(a + b));
    }
  unit(2, 0) = 1;
  const auto parabola = linear_algebra::solve(normal, right), inverse = linear_algebra::solve(normal, unit);
  double neighbours = 0, squares = 0, before = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double r = std::sqrt(w[i]) * (v[i] - parabola(0, 0) - parabola(1, 0) * u[i] - parabola(2, 0) * u[i] * u[i]);
    squares += r * r;
    neighbours += r * before;
    before = r;
  }
  const double r = neighbours / squares, effective = std::clamp(8 * (1 - r) / (1 + r), 3.0, 8.0);
  const double change = 2 * (std::log(70.0) - std::log(1.0));
  const double curvature = parabola(2, 0) * change;
  const double curvature_error = change * std::sqrt(squares / 5 * inverse(2, 0) * 8 / effective);
  CHECK(r < 0);  // all eight count
  const double t = std::abs(curvature) / curvature_error;
  // Student's law of five degrees in closed form.
  const double angle = std::atan(t / std::sqrt(5.0));
  const double p = 1 - 2 / std::numbers::pi *
                           (angle + std::sin(angle) * std::cos(angle) * (1 + 2 / 3.0 * std::pow(std::cos(angle), 2)));
  ExponentOptions options{0.5, 100};
  const auto fit = [&] { return fit_exponent(x, y, options, error); };
  CHECK(fit().points == 8);
  CHECK(fit().curvature == Approx(curvature).epsilon(1e-9));
  CHECK(fit().curvature_error == Approx(curvature_error).epsilon(1e-9));
  CHECK(fit().curvature_p == Approx(p).epsilon(1e-8));
  CHECK(p > 1e-4);
  CHECK(p < 0.3);
  for (const double by : {0.99, 1.01})
    for (const double level : {0.99, 1.01}) {
      options.tolerance = by * std::abs(curvature);
      options.significance = level * p;
      CHECK(fit().curved == (by < 1 && level > 1));
    }
  CHECK(ExponentOptions().tolerance == 0.05);
  CHECK(ExponentOptions().significance == 0.01);
  // Ends of the window belong to it.
  options = {2, 70};
  CHECK(fit().points == 7);
  options = {1, 30};
  CHECK(fit().points == 7);
}

TEST_CASE("residuals that follow each other tell less, down to three points; those that alternate no more than all") {
  // log y = s_i beside a flat line, symmetric so that the slope is 0.
  const auto fit = [](const std::vector<double>& s) {
    std::vector<double> x, y;
    for (std::size_t i = 0; i < s.size(); ++i) {
      x.push_back(std::exp(static_cast<double>(i)));
      y.push_back(std::exp(s[i]));
    }
    return fit_exponent(x, y);
  };
  // -1 1 1 -1 about its mean: neighbours -1, squares 4.
  const ExponentFit four = fit({0, 2, 2, 0});
  CHECK(four.exponent == Approx(0).scale(1));
  CHECK(four.effective_points == 4);  // 4 (1 + 1/4)/(1 - 1/4) is more
  CHECK(four.standard_error == Approx(std::sqrt(4 / 2.0 / 5)).epsilon(1e-12));
  // -2 -2 1 3 3 1 -2 -2 ... : sums of products of neighbours 4 -2 3 9 3 -2 4 = 19 of 36.
  const ExponentFit eight = fit({-2, -2, 1, 3, 3, 1, -2, -2});
  const double r = 19 / 36.0;
  CHECK(8 * (1 - r) / (1 + r) < 3);
  CHECK(eight.effective_points == 3);
  CHECK(eight.standard_error == Approx(std::sqrt(36 / 6.0 / 42 * 8 / 3)).epsilon(1e-12));
  // Exact: all count, and there is no curvature of any significance.
  const ExponentFit exact = fit({1, 1, 1, 1, 1});
  CHECK(exact.effective_points == 5);
  CHECK(exact.curvature_p == 1);
  CHECK_FALSE(exact.curved);
}

TEST_CASE(
    "three points have a curvature without an error; points on two places none; local exponents skip what stands "
    "still") {
  const std::vector<double> x = {1, std::exp(1.0), std::exp(3.0)}, y = {1, std::exp(2.0), std::exp(3.0)};
  // Slopes 2 and 1/2 at u = 1/2 and 2: second derivative -1, over u from 0 to 3.
  const ExponentFit three = fit_exponent(x, y);
  CHECK(three.curvature == Approx(-3).epsilon(1e-12));
  CHECK(std::isnan(three.curvature_error));
  CHECK_FALSE(three.curved);
  const std::vector<double> two = {2, 2, 5, 5, 5}, values = {3, 4, 1, 2, 3};
  const ExponentFit places = fit_exponent(two, values);
  CHECK(std::isfinite(places.exponent));
  CHECK(std::isnan(places.curvature));
  const std::vector<double> still = {0, 1, 1, 4, 4, 9, -1, 16}, at = {1, 2, 3, 6, 7, -1, 5, 14};
  const auto local = local_exponents(still, at);
  REQUIRE(local.size() == 2);
  CHECK(local[0].x == Approx(2));
  CHECK(local[0].exponent == Approx(std::log(2.0) / std::log(4.0)));
  CHECK(local[1].x == Approx(8));
  CHECK(local[1].exponent == Approx(0.5));
  const std::vector<double> good = {1, 10, 100}, infinite = {1, INFINITY, 3};
  CHECK(fit_exponent(good, infinite).points == 2);
  CHECK(fit_exponent(infinite, good).points == 2);
  CHECK(fit_exponent(good, good, {}, std::vector<double>{0.1, INFINITY, 0.1}).points == 2);
}

TEST_CASE("a curvature without any scatter is as significant as can be") {
  // A parabola at u = -1, 0, 0, 1: its residuals are 0 to the last bit.
  const double e = std::exp(1.0);
  const std::vector<double> x = {1 / e, 1, 1, e}, y = {e, 1, 1, e};
  const ExponentFit fit = fit_exponent(x, y);
  CHECK(fit.curvature == Approx(4).epsilon(1e-12));
  CHECK(fit.curvature_p < 1e-9);
  CHECK(fit.curved);
}
