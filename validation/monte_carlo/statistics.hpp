#pragma once
/// \file
/// Plain statistics of samples, and the tests that the suite and the verdicts stand on.
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

namespace edgewise::validation {

/// Mean, spread and shape of a sample.
struct Moments {
  double mean = 0;
  double std = 0;       ///< unbiased variance's root (divisor n - 1); NaN for n < 2
  double skewness = 0;  ///< m3 / m2^(3/2), central moments with divisor n; 0 when nothing varies
  double sem = 0;       ///< std / sqrt n
};

/// Moments by two passes, summed in order, of the values that are not absent (models::absent); NaN of none.
Moments moments(std::span<const double> values);

/// Quantile at `level` in [0, 1] of increasing values, linear between order statistics (R's type 7, NumPy's default).
/// NaN when empty.
double quantile(std::span<const double> sorted, double level);

/// Upper tail P(N(0,1) > z).
double normal_tail(double z);
/// z with P(N(0,1) <= z) = p; accurate in the lower tail.
double normal_quantile(double p);
/// P(chi^2 with `degrees` > x).
double chi_square_tail(double x, double degrees);

/// Normal score of z = sqrt(n) (mean - mu)/sigma, sigma known, when one observation has the given skewness: the mean of
/// n gamma variates is again one, and the Wilson-Hilferty cube root makes it normal. Increasing in z.
double normal_score(double z, double skewness, double n);
/// The same for Student's t = sqrt(n) (mean - mu)/s with the sample's own s, when the skewness is known to lie from `low` to
/// `high`: Hall's cubic transformation (1992) at that which leaves least of t, then Student's law with n - 1 degrees of
/// freedom to the normal one. Never decreasing in t, 0 where the range leaves its sign open. The least that Hall leaves is a quarter, at t skewness = -4.5 sqrt n.
double normal_score_studentized(double t, double low, double high, double n);
/// The t with that score.
double studentized(double score, double low, double high, double n);

/// The normal quantile of Student's law: the score z with the same tail as t has at `degrees`.
double normal_from_student(double t, double degrees);
/// The same the other way: the t with the same tail as the score.
double student_from_normal(double z, double degrees);

/// P-value of the one-sample Kolmogorov-Smirnov test against a continuous `cdf`, with Stephens' correction for finite
/// n. `sorted` increasing.
double ks_p_value(std::span<const double> sorted, const std::function<double(double)>& cdf);
/// P-value of the two-sample Kolmogorov-Smirnov test; both samples increasing.
double ks_p_value(std::span<const double> first, std::span<const double> second);

/// Exact (Clopper-Pearson) two-sided confidence interval of a probability. \throws std::invalid_argument.
std::pair<double, double> binomial_interval(std::uint64_t successes, std::uint64_t trials, double confidence);

}  // namespace edgewise::validation
