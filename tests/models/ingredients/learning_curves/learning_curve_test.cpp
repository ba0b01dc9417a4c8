// The learning curve against its equations written out, and in its limits.
#include "models/ingredients/learning_curves/learning_curve.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learning_curves;
using edgewise::tests::Approx;

namespace {

Levels three() {
  return {{0.5, 0.1, 0}, {2, 7, 20}, {0.6, 0.3, 0.1}, {}, 0.05, 0.02};
}

}  // namespace

TEST_CASE("the curve solves its equations") {
  const double ridge = 0.03, noise = 0.2;
  const LearningCurve curve(three(), ridge, noise);
  for (const double n : {0.3, 3.0, 20.0, 1e3, 1e9}) {
    CAPTURE(n);
    const CurvePoint p = curve.at(n);
    double sum = (ridge + 0.05) / p.kappa, squares = 0, left = 0.02, being_learned = 0;
    const Levels l = three();
    for (std::size_t i = 0; i < 3; ++i) {
      const double learned = l.eigenvalue[i] / (l.eigenvalue[i] + p.kappa);
      sum += l.multiplicity[i] * learned;
      squares += l.multiplicity[i] * learned * learned;
      left += (1 - learned) * (1 - learned) * l.power[i];
      being_learned += learned * std::pow(p.kappa / (l.eigenvalue[i] + p.kappa), 2) * l.power[i];
    }
    CHECK(sum == Approx(n).epsilon(1e-11));
    const double overfitting = n / (n - squares);
    CHECK(p.overfitting == Approx(overfitting).epsilon(1e-9));
    CHECK(p.excess == Approx(overfitting * (left + noise) - noise).epsilon(1e-8));
    CHECK(p.learned / being_learned == Approx(overfitting / p.excess).epsilon(1e-8));
    CHECK(p.train == Approx(std::pow(ridge / (n * p.kappa), 2) * (p.excess + noise)).epsilon(1e-12));
    const auto parts = curve.remaining(p.kappa);
    CHECK(parts[0] + parts[1] + parts[2] + 0.02 == Approx(left).epsilon(1e-12));
  }
  CHECK(curve.at(0).excess == Approx(1.02));
  CHECK(Levels{{0.5, 0.1, 0}, {2, 7, 20}, {0.6, 0.3, 0.1}, {}}.rank() == 9);
  // Far out the power that no level learns is left.
  CHECK(curve.at(1e12).excess == Approx(0.12).epsilon(1e-6));
  CHECK(std::isinf(curve.samples_for(0.11)));
  const double n = curve.samples_for(0.9);  // where the tail is a ridge: at .3 it would be learned
  CHECK(curve.at(n).excess == Approx(0.9).epsilon(1e-10));
  CHECK(curve.at(0.99 * n).excess > 0.9);
}

TEST_CASE("samples for an error, however many") {
  // One level of multiplicity m and eigenvalue lambda, ridge delta >> m lambda: kappa = delta/n, E0 = 1.
  for (const double lambda : {1e-3, 1e-20, 1e-80}) {
    const LearningCurve rare({{lambda}, {2}, {1}, {0}}, 1e6, 0);
    CHECK(rare.samples_for(0.25) == Approx(1e6 / lambda).epsilon(1e-5));
    CHECK(rare.at(rare.samples_for(1e-3)).excess == Approx(1e-3).epsilon(1e-9));
  }
  // What is never learned is asked for exactly, to rounding: there is no such number.
  const LearningCurve floor({{1, 0}, {2, 3}, {0.7, 0.1}, {}}, 1e-3, 0);
  CHECK(std::isinf(floor.samples_for(0.1)));
  CHECK(std::isinf(floor.samples_for(0.1 + 1e-15)));
  CHECK(std::isfinite(floor.samples_for(0.1001)));
}

TEST_CASE("samples for an error: the first of several, over levels far apart, and beyond the rank") {
  // Between the levels 10 samples are learned and the noise of more falls; at 1000 it rises again.
  const LearningCurve twice({{1, 1e-9}, {10, 1000}, {1, 0.01}, {}}, 1e-12, 0.5);
  for (const double excess : {0.9, 0.5, 0.3, 0.1}) {
    CAPTURE(excess);
    double first = 1e-3;
    while (twice.at(first).excess > excess) first *= 1.001;
    CHECK(twice.samples_for(excess) == Approx(first).epsilon(1.1e-3));
    CHECK(twice.at(twice.samples_for(excess)).excess == Approx(excess).epsilon(1e-9));
  }
  CHECK(twice.at(1050).excess > 0.9);
  // sigma^2 p/(n - p), without a ridge; kappa is 0 there.
  const LearningCurve squares({{3, 1}, {4, 6}, {1, 1}, {}}, 0, 0.5);
  CHECK(squares.samples_for(0.01) == Approx(510).epsilon(1e-9));
}

TEST_CASE("without ridge and tail it is least squares: beyond the rank p the excess is sigma^2 p/(n - p)") {
  const LearningCurve curve({{3, 1}, {4, 6}, {1, 1}, {}}, 0, 0.5);
  for (const double n : {11.0, 40.0, 1e6}) {
    CHECK(curve.at(n).excess == Approx(0.5 * 10 / (n - 10)).epsilon(1e-10));
    CHECK(curve.at(n).train == Approx(0.5 * (1 - 10 / n)).epsilon(1e-10));
  }
  CHECK(std::isinf(curve.at(10).excess));
  // Isotropic, n < p, no noise: (1 - n/p) of the power is left.
  const LearningCurve plain({{2}, {50}, {1}, {}}, 0, 0);
  CHECK(plain.at(20).excess == Approx(0.6).epsilon(1e-10));
  CHECK(plain.at(20).train == 0);
  CHECK(plain.at(60).excess == Approx(0));
}

TEST_CASE("a tail at the end of what a double holds is no truncation") {
  const CurvePoint p = LearningCurve({{1}, {1}, {1}, {0}, 5e-324}, 0, 0.5).at(1000);
  CHECK(p.kappa == 0);
  CHECK(p.truncation == 0);
}

TEST_CASE("below the listed levels a curve is one of the truncation, and says so") {
  // lambda_i = i^-5/4 without a ridge: the excess of noise alone tends to 1/4 of it, (E0 - 1) = a - 1, and never falls.
  const auto power_law = [](std::size_t listed) {
    Levels out;
    const std::size_t all = 400000;
    for (std::size_t i = 1; i <= all; ++i) {
      const double lambda = std::pow(static_cast<double>(i), -1.25);
      if (i > listed) {
        out.tail += lambda;
        continue;
      }
      out.eigenvalue.push_back(lambda);
      out.multiplicity.push_back(1);
      out.power.push_back(i == 1 ? 1 : 0);
      out.degree.push_back(static_cast<double>(i));
    }
    if (listed == all)
      out.tail = 4 * std::pow(static_cast<double>(all) + 0.5, -0.25);  // of the integral
    else
      out.tail += 4 * std::pow(static_cast<double>(all) + 0.5, -0.25);
    return out;
  };
  const LearningCurve few(power_law(300), 0, 1), many(power_law(400000), 0, 1);
  for (const double n : {10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0}) {
    CAPTURE(n);
    const CurvePoint p = few.at(n);
    const double change = std::abs(many.at(n).excess / p.excess - 1);
    CHECK(many.at(n).truncation < 0.02);
    CHECK(p.truncation > change);  // a bound,
    CHECK(p.truncation < 100 * change + 0.01);
    CHECK((change > 0.2 ? p.truncation > most_truncation : true));  // and one that tells
  }
  CHECK(few.at(3000).excess < 0.15);  // of the true .25
  CHECK(many.at(3000).excess == Approx(0.25).epsilon(0.01));
  CHECK(std::isnan(few.samples_for(0.2)));
  CHECK(few.samples_for(0.5) == Approx(many.samples_for(0.5)).epsilon(0.02));
}

TEST_CASE("it does not depend on units, over 120 powers of ten") {
  const LearningCurve curve(three(), 0.03, 0.2);
  for (const double c : {1e-60, 1e60})
    for (const double a : {1e-60, 1e60}) {
      Levels l = three();
      for (double& x : l.eigenvalue) x *= c;
      for (double& x : l.power) x *= a;
      l.tail *= c;
      l.power_beyond *= a;
      const LearningCurve other(l, 0.03 * c, 0.2 * a);
      CHECK(other.at(17).excess / a == Approx(curve.at(17).excess).epsilon(1e-11));
      CHECK(other.at(17).kappa / c == Approx(curve.at(17).kappa).epsilon(1e-11));
      CHECK(other.samples_for(0.9 * a) == Approx(curve.samples_for(0.9)).epsilon(1e-10));
    }
  CHECK_THROWS_AS(LearningCurve({{1}, {1}, {-1}, {}}, 0, 0), std::invalid_argument);
  CHECK_THROWS_AS(LearningCurve({{}, {}, {}, {}}, 0, 0), std::invalid_argument);
  CHECK_THROWS_AS(LearningCurve({{1}, {1}, {1}, {}}, -1, 0), std::invalid_argument);
}

TEST_CASE("between levels far apart kappa is that of both sides' remainders") {
  // 2 kappa/1e60 = .55/kappa, for n = 2 of two levels at 1e60.
  const LearningCurve curve({{1e60, 1e-60, 0.45}, {2, 1, 1}, {1, 0, 0}, {}, 0, 0}, 0.1, 0);
  CHECK(curve.at(2).kappa == Approx(std::sqrt(0.55e60 / 2)).epsilon(1e-12));
}
