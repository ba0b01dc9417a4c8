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
  for (const double before : {-1.0, 0.0, 2.0})
    for (const double next : {INFINITY * 1.0, -INFINITY * 1.0}) {
      const std::vector<double> two{1, 2}, ends{before, next};
      CHECK(value_at({two, ends}, 1.5) == next);
    }
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

TEST_CASE("values and passages of a curve of both signs, written out between every two records") {
  const Sampled s{{0, 2, 5, 11, 12, 30, 31}, {4, 0.5, -1, -3, 2, 7, 7}};
  const auto log_between = [](double a, double b, double share) {
    return std::exp((1 - share) * std::log(a) + share * std::log(b));
  };
  // From step 0: linear in the step. The values are both positive from 0 to 2, from 12 to 30 and from 30 to 31.
  CHECK(value_at(s.curve(), 0.6) == Approx(log_between(4, 0.5, 0.3)).epsilon(1e-13));
  const auto on_log = [](double a, double b, double x) {
    return (std::log(x) - std::log(a)) / (std::log(b) - std::log(a));
  };
  CHECK(value_at(s.curve(), 3) == Approx(0.5 - 1.5 * on_log(2, 5, 3)).epsilon(1e-13));
  CHECK(value_at(s.curve(), 7) == Approx(-1 - 2 * on_log(5, 11, 7)).epsilon(1e-13));
  CHECK(value_at(s.curve(), 11.2) == Approx(-3 + 5 * on_log(11, 12, 11.2)).epsilon(1e-12));
  CHECK(value_at(s.curve(), 20) == Approx(log_between(2, 7, on_log(12, 30, 20))).epsilon(1e-13));
  CHECK(value_at(s.curve(), 30.5) == Approx(7).epsilon(1e-14));
  for (std::size_t i = 0; i < s.steps.size(); ++i) CHECK(value_at(s.curve(), s.steps[i]) == s.values[i]);
  // Down through a level: where both values and the level are positive by a power law, else by a straight line.
  CHECK(first_passage(s.curve(), 1) == Approx(2 * (std::log(1 / 4.0) / std::log(0.5 / 4))).epsilon(1e-13));
  CHECK(first_passage(s.curve(), 0) == Approx(log_between(2, 5, 1 / 3.0)).epsilon(1e-13));
  CHECK(first_passage(s.curve(), 0.2) == Approx(log_between(2, 5, 0.2)).epsilon(1e-13));
  CHECK(first_passage(s.curve(), -2) == Approx(log_between(5, 11, 0.5)).epsilon(1e-13));
  CHECK(first_passage(s.curve(), -3) == 11);
  CHECK(std::isnan(first_passage(s.curve(), -3.1)));
  CHECK(first_passage(s.curve(), 5, false) ==
        Approx(log_between(12, 30, std::log(5 / 2.0) / std::log(7 / 2.0))).epsilon(1e-13));
  CHECK(first_passage(s.curve(), 4, false) == 0);
  CHECK(first_passage(s.curve(), 7, false) == 30);
  const Sampled rising{{1, 4}, {-1, 3}};
  CHECK(first_passage(rising.curve(), 1, false) == Approx(2).epsilon(1e-13));
  CHECK(first_passage(rising.curve(), -1, false) == 1);
  const Sampled gone{{1, 4, 9}, {NAN, 3, 1}};
  CHECK(first_passage(gone.curve(), 3) == 4);

  // A step may lie a billionth outside of the record, no more.
  const Sampled edge{{10, 20}, {3, 5}};
  CHECK(value_at(edge.curve(), 10 * (1 - 0.9e-9)) == 3);
  CHECK(std::isnan(value_at(edge.curve(), 10 * (1 - 1.1e-9))));
  CHECK(value_at(edge.curve(), 20 * (1 + 0.9e-9)) == 5);
  CHECK(std::isnan(value_at(edge.curve(), 20 * (1 + 1.1e-9))));
  const Sampled negative{{-20, -10}, {3, 5}};
  CHECK(value_at(negative.curve(), -20 * (1 + 0.9e-9)) == 3);
  CHECK(value_at(negative.curve(), -15) == Approx(std::sqrt(15.0)).epsilon(1e-13));
  const Sampled infinite{{1, 2, 3}, {infinity, -infinity, 1}};
  CHECK(value_at(infinite.curve(), 1.5) == -infinity);
  CHECK(value_at(infinite.curve(), 2.5) == -infinity);
}

TEST_CASE("a window's points, its mean by trapezoids and its median by the time below, written out") {
  const Sampled s{{1, 2, 4, 7, 8, 16}, {5, -1, 3, 2, 2, -4}};
  const CurveWindow window = window_of(s.curve(), 1.5, 10);
  CHECK(window.steps == std::vector<double>{1.5, 2, 4, 7, 8, 10});
  const double first = value_at(s.curve(), 1.5), last = value_at(s.curve(), 10);
  CHECK(window.values == std::vector<double>{first, -1, 3, 2, 2, last});
  const double area = 0.5 * (first - 1) / 2 + 2 * (-1 + 3) / 2. + 3 * (3 + 2) / 2. + 1 * 2 + 2 * (2 + last) / 2;
  CHECK(mean_over(window) == Approx(area / 8.5).epsilon(1e-13));
  // Of 8.5 steps 1, .25 and 1.25 stand for the end, the start and -1, 3.5 for 2: half of them is passed there.
  CHECK(median_over(window) == 2);
  // Window ends that are records, and one that is a single step.
  const CurveWindow exact = window_of(s.curve(), 2, 8);
  CHECK(exact.steps == std::vector<double>{2, 4, 7, 8});
  CHECK(exact.values == std::vector<double>{-1, 3, 2, 2});
  const CurveWindow one = window_of(s.curve(), 3, 3);
  CHECK(one.steps == std::vector<double>{3});
  CHECK(one.values == std::vector<double>{value_at(s.curve(), 3)});
  CHECK(mean_over(one) == one.values[0]);
  CHECK(median_over(one) == one.values[0]);
  CHECK(window_of(s.curve(), 0.9, 8).empty());
  CHECK(window_of(s.curve(), 1, 16.1).empty());
  CHECK(window_of(s.curve(), 1 - 1e-12, 16 + 1e-11).steps.front() == 1);
  CHECK(window_of(s.curve(), 1 - 1e-12, 16 + 1e-11).steps.back() == 16);
  // A hole outside of the window does no harm.
  const Sampled hole{{1, 2, 3, 4}, {1, 2, 3, NAN}};
  CHECK(window_of(hole.curve(), 1, 3).steps.size() == 3);
  // Half of the time on either side: the middle of both neighbours; a little more of one, and it is that one.
  CHECK(median_over({{0, 2, 4}, {9, 4, 1}}) == 4);          // 1 for 1, 4 for 2, 9 for 1
  CHECK(median_over({{0, 1, 2, 3}, {1, 2, 5, 9}}) == 3.5);  // 1 for .5 and 2 for 1 of 3
  CHECK(median_over({{0, 1}, {7, 3}}) == 5);                // each for a half
  CHECK(median_over({{0, 1, 4}, {7, 3, 2}}) == 3);          // 2 for 1.5, 3 for 2, 7 for .5
  CHECK(median_over({{0, 3, 4}, {7, 3, 2}}) == 3);          // 2 for .5, 3 for 2, 7 for 1.5: passed at 3
}
