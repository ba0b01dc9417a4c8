#include "validation/sweeps/exponent_fit.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

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
  CHECK_THROWS_AS(local_exponents(x, {}), std::invalid_argument);
}
