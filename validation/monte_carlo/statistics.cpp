#include "validation/monte_carlo/statistics.hpp"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "models/framework/absent.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::validation {

namespace {

/// P(K > x) of Kolmogorov's limiting law.
double kolmogorov_tail(double x) {
  double sum = 0;
  // An odd number of terms, too many at small x, where the law is 1 to rounding.
  for (int k = 1; k < 100; ++k) sum += (k % 2 == 1 ? 2.0 : -2.0) * std::exp(-2.0 * k * k * x * x);
  return std::clamp(sum, 0.0, 1.0);
}

/// Stephens (1970): the statistic at n corresponds to Kolmogorov's law at D (sqrt n + 0.12 + 0.11/sqrt n).
double ks_tail(double distance, double n) {
  const double root = std::sqrt(n);
  return kolmogorov_tail(distance * (root + 0.12 + 0.11 / root));
}

}  // namespace

Moments moments(std::span<const double> values) {
  Moments result;
  if (std::ranges::any_of(values, models::is_absent)) {
    std::vector<double> present(values.begin(), values.end());
    std::erase_if(present, models::is_absent);
    return moments(present);
  }
  const auto n = static_cast<double>(values.size());
  if (values.empty()) return {nan, nan, nan, nan};
  // In units of a power of two near the largest, which changes no digit, so that squares and cubes stay within range.
  double largest = 0;
  for (const double x : values) largest = std::max(largest, std::abs(x));
  const int exponent = std::clamp(std::ilogb(largest), -1000, 1000);
  const double unit = std::ldexp(1.0, -exponent);
  const auto scaled = [unit](double x) { return unit * x; };
  double sum = 0;
  for (const double x : values) sum += scaled(x);
  const double rough = sum / n;
  double first = 0, second = 0, third = 0;
  for (const double x : values) {
    const double deviation = scaled(x) - rough;
    first += deviation;
    second += deviation * deviation;
    third += deviation * deviation * deviation;
  }
  // `first` is the rounding error of the rough mean.
  result.mean = std::ldexp(rough + first / n, exponent);
  const double m2 = std::max(0.0, second / n - (first / n) * (first / n));
  result.std = values.size() > 1 ? std::ldexp(std::sqrt(m2 * n / (n - 1)), exponent) : nan;
  const double cube = m2 * std::sqrt(m2);
  result.skewness = cube > 0 ? third / n / cube : 0.0;
  result.sem = result.std / std::sqrt(n);
  return result;
}

double quantile(std::span<const double> sorted, double level) {
  if (sorted.empty()) return nan;
  const double place = std::clamp(level, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return part == 0 ? sorted[below] : sorted[below] + part * (sorted[above] - sorted[below]);
}

double normal_tail(double z) {
  return 0.5 * std::erfc(z / std::numbers::sqrt2);
}

double normal_quantile(double p) {
  return boost::math::quantile(boost::math::normal(), p);
}

double chi_square_tail(double x, double degrees) {
  return boost::math::cdf(boost::math::complement(boost::math::chi_squared(degrees), std::max(0.0, x)));
}

double normal_score(double z, double skewness, double n) {
  const double of_mean = skewness / std::sqrt(n);
  if (std::abs(of_mean) < 1e-6) return z;  // the correction is below rounding
  if (of_mean < 0) return -normal_score(-z, -skewness, n);
  const double shape = 4 / (of_mean * of_mean);
  return (std::cbrt(1 + z / std::sqrt(shape)) - (1 - 1 / (9 * shape))) * 3 * std::sqrt(shape);
}

namespace {
/// Hall's transformation, at the skewness that leaves least of t.
double least_unskewed(double t, double low, double high, double n) {
  const double g = std::clamp(-4.5 * std::sqrt(n) / t, low, high) / std::sqrt(n);
  const double score = t + g * t * t / 3 + g * g * t * t * t / 27 + g / 6;
  return low < high && score * t <= 0 ? 0.0 : score;
}
}  // namespace

double normal_score_studentized(double t, double low, double high, double n) {
  return normal_from_student(least_unskewed(t, low, high, n), n - 1);
}

double studentized(double score, double low, double high, double n) {
  const double wanted = student_from_normal(std::abs(score), n - 1), side = score < 0 ? -1 : 1;
  const auto reached = [&](double t) { return side * least_unskewed(side * t, low, high, n) >= wanted; };
  double above = 1;
  while (!reached(above)) above *= 2;
  return side * numerics::threshold(reached, 0, above, std::numeric_limits<double>::epsilon());
}

double normal_from_student(double t, double degrees) {
  const boost::math::students_t law(degrees);
  const double tail = boost::math::cdf(boost::math::complement(law, std::abs(t)));
  // Beyond the smallest tail a double can hold, a large score is as good as any.
  const double score = tail > 1e-300 ? -normal_quantile(tail) : 37.0;
  return std::copysign(score, t);
}

double student_from_normal(double z, double degrees) {
  const boost::math::students_t law(degrees);
  return std::copysign(boost::math::quantile(boost::math::complement(law, normal_tail(std::abs(z)))), z);
}

double ks_p_value(std::span<const double> sorted, const std::function<double(double)>& cdf) {
  const auto n = static_cast<double>(sorted.size());
  double distance = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double value = cdf(sorted[i]);
    distance = std::max({distance, value - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - value});
  }
  return ks_tail(distance, n);
}

double ks_p_value(std::span<const double> first, std::span<const double> second) {
  const auto n = static_cast<double>(first.size()), m = static_cast<double>(second.size());
  double distance = 0;
  for (std::size_t i = 0, j = 0; i < first.size() && j < second.size();) {
    const double x = std::min(first[i], second[j]);
    while (i < first.size() && first[i] <= x) ++i;
    while (j < second.size() && second[j] <= x) ++j;
    distance = std::max(distance, std::abs(static_cast<double>(i) / n - static_cast<double>(j) / m));
  }
  return ks_tail(distance, n * m / (n + m));
}

std::pair<double, double> binomial_interval(std::uint64_t successes, std::uint64_t trials, double confidence) {
  if (trials == 0 || successes > trials) throw std::invalid_argument("binomial_interval: need successes <= trials > 0");
  if (!(confidence > 0 && confidence < 1))
    throw std::invalid_argument("binomial_interval: confidence must be in (0, 1)");
  using boost::math::binomial_distribution;
  const auto n = static_cast<double>(trials), k = static_cast<double>(successes);
  const double tail = (1 - confidence) / 2;
  return {successes == 0 ? 0.0 : binomial_distribution<>::find_lower_bound_on_p(n, k, tail),
          successes == trials ? 1.0 : binomial_distribution<>::find_upper_bound_on_p(n, k, tail)};
}

}  // namespace edgewise::validation
