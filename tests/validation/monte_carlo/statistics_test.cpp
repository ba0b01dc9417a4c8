#include "validation/monte_carlo/statistics.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "models/framework/absent.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

/// Mean of n Gamma(shape) variates, standardised: exactly Gamma(n shape).
std::vector<double> standardised_gamma_means(double shape, double n, std::size_t count) {
  random::Stream stream(5, 0);
  std::vector<double> z;
  for (std::size_t i = 0; i < count; ++i) z.push_back((stream.gamma(n * shape) - n * shape) / std::sqrt(n * shape));
  return z;
}

}  // namespace

TEST_CASE("moments") {
  const std::vector<double> values{1, 2, 4, 9};
  const Moments m = moments(values);
  CHECK(m.mean == 4);
  CHECK(m.std == Approx(std::sqrt(38.0 / 3)).epsilon(1e-15));
  CHECK(m.sem == Approx(std::sqrt(38.0 / 12)).epsilon(1e-15));
  CHECK(m.skewness == Approx((-27 - 8 + 0 + 125) / 4.0 / std::pow(9.5, 1.5)).epsilon(1e-14));
  const std::vector<double> offset{1e9 + 1, 1e9 + 2, 1e9 + 3};
  CHECK(moments(offset).std == 1);
  const std::vector<double> constant(7, 0.1);
  CHECK(moments(constant).std < 1e-16);
  CHECK(moments(constant).skewness == 0);
  CHECK(std::isnan(moments(std::vector<double>{3}).std));
  CHECK(std::isnan(moments({}).mean));
}

TEST_CASE("quantiles are NumPy's default") {
  const std::vector<double> sorted{1, 2, 4, 9};
  CHECK(quantile(sorted, 0) == 1);
  CHECK(quantile(sorted, 1) == 9);
  CHECK(quantile(sorted, 0.5) == 3);
  CHECK(quantile(sorted, 0.05) == Approx(1.15).epsilon(1e-15));
  CHECK(quantile(sorted, 0.95) == Approx(8.25).epsilon(1e-15));
  CHECK(std::isnan(quantile({}, 0.5)));
}

TEST_CASE("tails") {
  CHECK(normal_tail(0) == 0.5);
  CHECK(normal_tail(1.959963984540054) == Approx(0.025).epsilon(1e-13));
  CHECK(normal_quantile(0.025) == Approx(-1.959963984540054).epsilon(1e-13));
  CHECK(normal_quantile(normal_tail(10)) == Approx(-10).epsilon(1e-12));
  CHECK(chi_square_tail(3.841458820694124, 1) == Approx(0.05).epsilon(1e-12));
  CHECK(normal_from_student(2.045229642132703, 29) == Approx(1.959963984540054).epsilon(1e-12));
  CHECK(normal_from_student(-2.045229642132703, 29) == Approx(-1.959963984540054).epsilon(1e-12));
  CHECK(normal_from_student(1e200, 50) == 37);
}

TEST_CASE("Kolmogorov-Smirnov") {
  // One sample of 100 against U(0,1); Stephens puts the limit law at D (10 + 0.12 + 0.011).
  std::vector<double> sorted;
  for (int i = 0; i < 100; ++i) sorted.push_back(0.8 * (i + 0.5) / 100);
  const double distance = 1 - 0.8 * 99.5 / 100;
  const double at = distance * (10 + 0.12 + 0.011);
  CHECK(ks_p_value(sorted, [](double u) { return u; }) ==
        Approx(2 * (std::exp(-2 * at * at) - std::exp(-8 * at * at))).epsilon(1e-10));

  // Uniformity of its p-values over many right samples, and rejection of a wrong law.
  random::Stream stream(3, 0);
  std::vector<double> p_one, p_two;
  for (int trial = 0; trial < 1000; ++trial) {
    std::vector<double> first(200), second(150);
    stream.uniforms(first);
    stream.uniforms(second);
    std::sort(first.begin(), first.end());
    std::sort(second.begin(), second.end());
    p_one.push_back(ks_p_value(first, [](double u) { return u; }));
    p_two.push_back(ks_p_value(first, second));
  }
  for (auto* p : {&p_one, &p_two}) {
    const auto small =
        static_cast<std::uint64_t>(std::count_if(p->begin(), p->end(), [](double q) { return q < 0.1; }));
    const auto [low, high] = binomial_interval(small, 1000, 0.999999);
    CHECK(low < 0.1);
    CHECK(high > 0.1);
  }
  std::vector<double> skewed(500);
  stream.uniforms(skewed);
  for (double& u : skewed) u *= u;
  std::sort(skewed.begin(), skewed.end());
  CHECK(ks_p_value(skewed, [](double u) { return u; }) < 1e-10);
  // Small distances: hardly any sample is closer.
  const std::vector<double> exact{0.125, 0.375, 0.625, 0.875};
  CHECK(ks_p_value(exact, [](double u) { return u; }) == Approx(1).epsilon(1e-6));
}

TEST_CASE("binomial interval") {
  const auto [low, high] = binomial_interval(10, 100, 0.95);  // Clopper-Pearson, by bisection
  CHECK(low == Approx(0.04900468922).epsilon(1e-9));
  CHECK(high == Approx(0.17622259774).epsilon(1e-9));
  CHECK(binomial_interval(0, 10, 0.95).first == 0);
  CHECK(binomial_interval(0, 10, 0.95).second == Approx(1 - std::pow(0.025, 0.1)).epsilon(1e-9));
  CHECK(binomial_interval(10, 10, 0.95).second == 1);
  CHECK_THROWS_AS(binomial_interval(1, 0, 0.95), std::invalid_argument);
  CHECK_THROWS_AS(binomial_interval(3, 2, 0.95), std::invalid_argument);
  CHECK_THROWS_AS(binomial_interval(1, 2, 1), std::invalid_argument);
}

TEST_CASE("the score of a skewed mean is normal") {
  // Means of 16 exponentials (skewness 2): KS against the normal law, 40000 draws; the uncorrected z is rejected.
  const auto normal_law = [](double z) { return normal_tail(-z); };
  auto z = standardised_gamma_means(1, 16, 40000);
  std::vector<double> scores;
  for (const double value : z) scores.push_back(normal_score(value, 2, 16));
  std::sort(scores.begin(), scores.end());
  std::sort(z.begin(), z.end());
  CHECK(ks_p_value(scores, normal_law) > 1e-4);
  CHECK(ks_p_value(z, normal_law) < 1e-10);
  // Far tails too: P(z > 4) of the gamma law with shape 16 is 5.41e-4, a normal score of 3.27.
  CHECK(normal_score(1.3, 0, 64) == 1.3);
  CHECK(normal_score(-1.3, -1.5, 64) == -normal_score(1.3, 1.5, 64));
  for (double at = -30; at < 30; at += 0.1) CHECK(normal_score(at + 0.1, 2, 16) > normal_score(at, 2, 16));
}

TEST_CASE("the score of a skewed Student's t") {
  // Share of scores beyond +-2.5758 (1%) for 40 exponentials with their own standard deviation, 40000 samples.
  random::Stream stream(6, 0);
  std::uint64_t corrected = 0, plain = 0;
  const std::size_t n = 40, trials = 40000;
  std::vector<double> values(n);
  for (std::size_t i = 0; i < trials; ++i) {
    for (double& x : values) x = stream.exponential();
    const Moments m = moments(values);
    const double t = std::sqrt(static_cast<double>(n)) * (m.mean - 1) / m.std;
    corrected += std::abs(normal_score_studentized(t, 2, 2, n)) > 2.5758 ? 1 : 0;
    plain += std::abs(normal_from_student(t, n - 1)) > 2.5758 ? 1 : 0;
  }
  CHECK(corrected < plain / 2);
  CHECK(static_cast<double>(corrected) / trials < 0.02);
  CHECK(normal_score_studentized(1e3, 2, 2, 40) > normal_score_studentized(1e2, 2, 2, 40));
}

TEST_CASE("the least score over a range of skewnesses, and the t that has it") {
  // By search over the range; beyond t skewness = -4.5 sqrt n Hall's transformation would turn back.
  constexpr double n = 25;
  for (const auto& range : {std::pair{-1.0, 3.0}, {0.5, 9.0}, {-8.0, -1.0}, {2.0, 2.0}})
    for (const double t : {-12.0, -3.0, -1.5, 1.5, 3.0, 12.0}) {
      const double low = range.first, high = range.second;
      CAPTURE(low);
      CAPTURE(t);
      double least = 1e9;
      for (int i = 0; i <= 4000; ++i) {
        const double g = (low + (high - low) * i / 4000) / 5;
        const double hall = g == 0 ? t : (std::pow(1 + g * t / 3, 3) - 1) / g;
        if (std::abs(hall) < std::abs(least) - 1e-12) least = hall + 0;
      }
      const double g = std::clamp(-4.5 * 5 / t, low, high) / 5;
      const double score = normal_score_studentized(t, low, high, n);
      CHECK(score == Approx(normal_from_student(least + g / 6, n - 1)).epsilon(1e-5));
      if (std::abs(score) > 1) CHECK(studentized(score, low, high, n) == Approx(t).epsilon(1e-8));
    }
  for (double t = -30; t < 30; t += 0.1)
    CHECK(normal_score_studentized(t + 0.1, -2, 6, n) >= normal_score_studentized(t, -2, 6, n));
  for (const double z : {-4.0, 0.5, 3.0})
    CHECK(normal_from_student(student_from_normal(z, 7), 7) == Approx(z).epsilon(1e-9));
}

TEST_CASE("moments at any scale: nothing overflows or vanishes in squares and cubes") {
  const std::vector<double> base{1, 2, 4, 9};
  const Moments plain = moments(base);
  for (const double scale : {0x1p-1000, 0x1p-600, 0x1p600, 0x1p1015}) {
    std::vector<double> values = base;
    for (double& x : values) x *= scale;
    const Moments m = moments(values);
    CHECK(m.mean == plain.mean * scale);
    CHECK(m.std == plain.std * scale);
    CHECK(m.sem == plain.sem * scale);
    CHECK(m.skewness == plain.skewness);
  }
  // The sum of these is no double.
  const std::vector<double> huge(4, 1e308);
  CHECK(moments(huge).mean == 1e308);
  CHECK(moments(huge).std == 0);
  CHECK_FALSE(std::isfinite(moments(std::vector<double>{1, INFINITY}).mean));
}

TEST_CASE("the score of a skewed Student's t: the law of t is off centre by g/6") {
  // P(t <= 0) = 1/2 + g/6 phi(0) + O(1/n) of the mean of n variates of skewness g sqrt n (Hall 1992): the score of
  // t = 0 is that quantile, to which its transformation adds nothing but g/6.
  const double g = 2 / std::sqrt(40.0);
  CHECK(normal_score_studentized(0, 2, 2, 40) == Approx(normal_from_student(g / 6, 39)).epsilon(1e-14));
  CHECK(normal_score_studentized(0, -2, -2, 40) == -normal_score_studentized(0, 2, 2, 40));
  // A range leaves its sign open.
  CHECK(normal_score_studentized(0, 1, 2, 40) == 0);
  CHECK(normal_score_studentized(-0.05, 1, 2, 40) == 0);
  // Measured: half of the scores of 40 exponentials lie below 0, of t itself 2.1% more. 40000 samples, 5 standard errors.
  random::Stream stream(8, 0);
  const std::size_t n = 40, trials = 40000;
  std::size_t scores = 0, plain = 0;
  std::vector<double> values(n);
  for (std::size_t i = 0; i < trials; ++i) {
    for (double& x : values) x = stream.exponential();
    const Moments m = moments(values);
    const double t = std::sqrt(static_cast<double>(n)) * (m.mean - 1) / m.std;
    scores += normal_score_studentized(t, 2, 2, n) <= 0 ? 1 : 0;
    plain += t <= 0 ? 1 : 0;
  }
  const double half = trials / 2, error = std::sqrt(trials) / 2;
  CHECK(std::abs(static_cast<double>(scores) - half) < 5 * error);
  CHECK(static_cast<double>(plain) - half > 5 * error);
}

TEST_CASE("moments are of the values that are there") {
  const double values[] = {models::absent, 1, 2, models::absent, 6};
  const Moments m = moments(values);
  CHECK(m.mean == 3);
  CHECK(m.std == Approx(std::sqrt(7.0)));
  CHECK(m.sem == Approx(std::sqrt(7.0 / 3)));
  const double none[] = {models::absent, models::absent};
  CHECK(std::isnan(moments(none).mean));
  CHECK(std::isnan(moments(none).std));
}

TEST_CASE("a mean of equal values is that value, whatever their sum rounds to") {
  // A tenth, which no double is: the sum of 100001 of them is off by more than its last digits.
  const std::vector<double> tenths(100001, 0.1);
  const Moments m = moments(tenths);
  CHECK(m.mean == 0.1);
  CHECK(m.std < 1e-20);
  // The same beside one other value: 1 - 1/n of the square of the difference over n - 1, with a skewness of sqrt n.
  std::vector<double> other = tenths;
  other[7] = 0.1 + 1e-9;
  const double n = 100001, apart = other[7] - 0.1;
  CHECK(moments(other).std == Approx(apart / std::sqrt(n)).epsilon(1e-9));
  CHECK(moments(other).mean - 0.1 == Approx(apart / n).epsilon(1e-2));
  const std::vector<double> small{-3e-320, 1e-320, 5e-320};
  CHECK(moments(small).mean == 1e-320);
  CHECK(moments(std::vector<double>{0, 0, 0}).mean == 0);
  CHECK(moments(std::vector<double>{0, 0, 0}).std == 0);
}

TEST_CASE("quantiles at their levels are order statistics, infinite neighbours or not, and levels end at 0 and 1") {
  const double infinity = INFINITY;
  const std::vector<double> sorted{-infinity, 1, 3, 7, infinity};
  CHECK(quantile(sorted, 0.25) == 1);
  CHECK(quantile(sorted, 0.75) == 7);
  CHECK(quantile(sorted, 0.625) == 5);
  CHECK(quantile(sorted, 1.5) == infinity);
  CHECK(quantile(sorted, -1) == -infinity);
  CHECK(quantile(std::vector<double>{4}, 0.3) == 4);
}

TEST_CASE("two samples: the same, one wholly before the other, and with ties") {
  const auto tail = [](double distance, double n, double m) {
    const double root = std::sqrt(n * m / (n + m)), x = distance * (root + 0.12 + 0.11 / root);
    // The law's other series, that of a theta function.
    double sum = 0;
    for (int k = 1; k < 400; k += 2) sum += std::exp(-k * k * std::numbers::pi * std::numbers::pi / (8 * x * x));
    return 1 - std::sqrt(2 * std::numbers::pi) / x * sum;
  };
  const std::vector<double> low{1, 2, 3, 4}, high{5, 6, 7}, mixed{1, 1, 2, 9, 9, 9};
  CHECK(ks_p_value(low, low) == 1);
  CHECK(ks_p_value(low, high) == Approx(tail(1, 4, 3)).epsilon(1e-9));
  CHECK(ks_p_value(high, low) == Approx(tail(1, 3, 4)).epsilon(1e-9));
  // At 4 all of the one and half of the other.
  CHECK(ks_p_value(low, mixed) == Approx(tail(0.5, 4, 6)).epsilon(1e-9));
  CHECK(ks_p_value(mixed, low) == Approx(tail(0.5, 6, 4)).epsilon(1e-9));
  // At 1 a third of the one and a quarter of the other, at 2 and 3 at most a quarter apart.
  CHECK(ks_p_value(low, std::vector<double>{1, 1, 2, 4, 4, 4}) == Approx(tail(0.25, 4, 6)).epsilon(1e-9));
}

TEST_CASE("chi-square tails of two and four degrees in closed form, none below 0") {
  for (const double x : {0.3, 2.0, 40.0}) {
    CHECK(chi_square_tail(x, 2) == Approx(std::exp(-x / 2)).epsilon(1e-12));
    CHECK(chi_square_tail(x, 4) == Approx((1 + x / 2) * std::exp(-x / 2)).epsilon(1e-12));
  }
  CHECK(chi_square_tail(-1, 2) == 1);
}

TEST_CASE("the t of a score is the least that has it, to its last digits") {
  for (const auto& range : {std::pair{0.0, 0.0}, {-1.0, 3.0}, {0.5, 9.0}, {-8.0, -1.0}})
    for (const double score : {-30.0, -2.5, 0.7, 2.0, 5.0}) {
      const double low = range.first, high = range.second, t = studentized(score, low, high, 25);
      const double beyond = t + std::copysign(1e-9, t), before = t - std::copysign(1e-9, t);
      CHECK(std::abs(normal_score_studentized(beyond, low, high, 25)) >= std::abs(score) * (1 - 1e-12));
      CHECK(std::abs(normal_score_studentized(before, low, high, 25)) < std::abs(score));
      if (low == 0 && high == 0) CHECK(t == Approx(student_from_normal(score, 24)).epsilon(1e-13));
    }
}
