#pragma once
/// \file
/// Tests of a sample against a law or another sample. Every test of the suite that uses them compares with
/// `false_alarm`, the probability that a right program fails it; seeds are fixed, so a pass repeats.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace edgewise::tests {

constexpr double false_alarm = 1e-6;
/// |z| of a two-sided normal test at that rate.
constexpr double z_limit = 4.9;

/// P(K > x) of Kolmogorov's law.
inline double kolmogorov_tail(double x) {
  if (x < 0.2) return 1;
  double sum = 0;
  for (int k = 1; k <= 100; ++k) sum += (k % 2 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  return std::clamp(sum, 0.0, 1.0);
}

/// p-value of the Kolmogorov-Smirnov distance `distance` at effective sample size n (Stephens 1970).
inline double ks_p_value(double distance, double n) {
  return kolmogorov_tail(distance * (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)));
}

/// One sample against a continuous cumulative distribution function.
template <class Cdf>
double ks_test(std::vector<double> sample, Cdf cdf) {
  std::ranges::sort(sample);
  const double n = static_cast<double>(sample.size());
  double distance = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double p = cdf(sample[i]), below = static_cast<double>(i) / n;
    distance = std::max({distance, p - below, below + 1 / n - p});
  }
  return ks_p_value(distance, n);
}

/// Two samples against each other; ties are allowed.
inline double ks_test(std::vector<double> a, std::vector<double> b) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  const double m = static_cast<double>(a.size()), n = static_cast<double>(b.size());
  double distance = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const double x = std::min(a[i], b[j]);
    while (i < a.size() && a[i] == x) ++i;
    while (j < b.size() && b[j] == x) ++j;
    distance = std::max(distance, std::abs(static_cast<double>(i) / m - static_cast<double>(j) / n));
  }
  return ks_p_value(distance, m * n / (m + n));
}

inline double mean(const std::vector<double>& sample) {
  double sum = 0;
  for (const double x : sample) sum += x;
  return sum / static_cast<double>(sample.size());
}

/// Central moment of order k.
inline double central_moment(const std::vector<double>& sample, int k) {
  const double m = mean(sample);
  double sum = 0;
  for (const double x : sample) sum += std::pow(x - m, k);
  return sum / static_cast<double>(sample.size());
}

/// Correlation coefficient times sqrt(n): a standard normal when the samples are independent.
inline double correlation_z(const std::vector<double>& a, const std::vector<double>& b) {
  const double ma = mean(a), mb = mean(b);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb) * std::sqrt(static_cast<double>(a.size()));
}

}  // namespace edgewise::tests
