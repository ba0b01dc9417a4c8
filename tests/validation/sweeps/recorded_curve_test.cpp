#include "validation/sweeps/recorded_curve.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Sampled {
  std::vector<double> steps, values;
  RecordedCurve curve() const { return {steps, values}; }
};

/// c * step^p at a few steps, with its value at 0.
Sampled power(double c, double p) {
  Sampled out{{0}, {2 * c}};
  for (const double step : {1.0, 3.0, 10.0, 100.0, 1000.0}) {
    out.steps.push_back(step);
    out.values.push_back(c * std::pow(step, p));
  }
  return out;
}

}  // namespace

TEST_CASE("between a value and infinity, and between infinities, a curve is infinite") {
  const std::vector<double> steps{1, 10, 100, 1000}, values{1, 2, INFINITY, INFINITY};
  CHECK(value_at({steps, values}, 5) == Approx(std::pow(2.0, std::log10(5.0))));
  CHECK(value_at({steps, values}, 20) == INFINITY);
  CHECK(value_at({steps, values}, 500) == INFINITY);
}

TEST_CASE("between recorded steps a power law is read exactly") {
  const Sampled s = power(5, -0.7);
  for (const double step : {1.0, 1.5, 3.0, 47.0, 1000.0})
    CHECK(value_at(s.curve(), step) == Approx(5 * std::pow(step, -0.7)).epsilon(1e-13));
  CHECK(value_at(s.curve(), 0) == 10);
  // From step 0 on: linear in the step, geometric in the value.
  CHECK(value_at(s.curve(), 0.5) == Approx(std::sqrt(10.0 * 5.0)).epsilon(1e-13));
}

TEST_CASE("nothing is extrapolated") {
  const Sampled s = power(1, -1);
  CHECK(std::isnan(value_at(s.curve(), -1)));
  CHECK(std::isnan(value_at(s.curve(), 1001)));
  CHECK(std::isnan(value_at(s.curve(), NAN)));
  CHECK(std::isnan(value_at({}, 1)));
  CHECK(value_at(s.curve(), 1000 * (1 + 1e-12)) == Approx(1e-3));
}

TEST_CASE("values of either sign are read linearly") {
  const Sampled s{{1, 3}, {-1, 1}};
  CHECK(value_at(s.curve(), std::sqrt(3.0)) == Approx(0).epsilon(1e-13).scale(1));
}

TEST_CASE("first passages of a power law are exact") {
  const Sampled s = power(5, -0.5);
  for (const double level : {4.9, 1.0, 0.3})
    CHECK(first_passage(s.curve(), level) == Approx(std::pow(level / 5, -2)).epsilon(1e-12));
  CHECK(first_passage(s.curve(), 20) == 0);
  CHECK(std::isnan(first_passage(s.curve(), 1e-9)));
  CHECK(std::isnan(first_passage(s.curve(), NAN)));
}

TEST_CASE("the first of several passages counts, upwards too") {
  const Sampled s{{1, 2, 3, 4}, {4, 1, 3, 0.5}};
  CHECK(first_passage(s.curve(), 1) == 2);
  CHECK(first_passage(s.curve(), 2) == Approx(std::sqrt(2.0)));
  CHECK(first_passage(s.curve(), 3.5, false) == 1);
  const Sampled rising{{0, 1, 2}, {1, 2, 8}};
  CHECK(first_passage(rising.curve(), 4, false) == Approx(std::sqrt(2.0)));
}

TEST_CASE("a passage out of infinity is at the recorded step") {
  const Sampled s{{1, 2, 3}, {infinity, 5, 1}};
  CHECK(first_passage(s.curve(), 6) == 2);
  const Sampled up{{1, 2}, {1, infinity}};
  CHECK(first_passage(up.curve(), 6, false) == 2);
}

TEST_CASE("windows: ends are interpolated, mean and median weigh by steps") {
  const Sampled line{{10, 20, 40, 80}, {1, 1, 1, 1}};
  CHECK(mean_over(window_of(line.curve(), 15, 60)) == Approx(1));
  // A linear stretch from -1 to 3 (signs differ: linear), mean 1, median 1.
  const Sampled ramp{{0, 4}, {-1, 3}};
  CHECK(mean_over(window_of(ramp.curve(), 0, 4)) == Approx(1));
  CHECK(median_over(window_of(ramp.curve(), 0, 4)) == Approx(1));
  // Low for a hundred steps, high at two recorded ones.
  const Sampled spike{{0, 1, 2, 100}, {9, 9, 1, 1}};
  CHECK(median_over(window_of(spike.curve(), 0, 100)) == 1);
  CHECK(mean_over(window_of(spike.curve(), 0, 100)) == Approx((9 + 5 + 98.0) / 100));
  CHECK(mean_over(window_of(spike.curve(), 2, 2)) == 1);
}

TEST_CASE("a window that the record does not cover is empty") {
  const Sampled s = power(1, -1);
  CHECK(window_of(s.curve(), 10, 2000).empty());
  CHECK(window_of(s.curve(), 10, 5).empty());
  CHECK(window_of(s.curve(), NAN, 5).empty());
  const Sampled hole{{1, 2, 3}, {1, NAN, 1}};
  CHECK(window_of(hole.curve(), 1, 3).empty());
  CHECK(std::isnan(mean_over(window_of(hole.curve(), 1, 3))));
  CHECK(std::isnan(median_over({})));
}
