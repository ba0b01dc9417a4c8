#pragma once
/// \file
/// Truncated power series in one variable: coefficients a_0 .. a_{size-1}, all series of one size. O(size^2).
#include <utility>
#include <vector>

namespace edgewise::numerics {

using PowerSeries = std::vector<double>;

/// a b, cut after as many terms.
PowerSeries product(const PowerSeries& a, const PowerSeries& b);
/// The series with this derivative, and its value at 0.
PowerSeries integral(const PowerSeries& derivative, double start);
/// a', whose last coefficient is 0: the one that is cut off.
PowerSeries derivative(const PowerSeries& a);
/// a^p. \throws std::domain_error where a_0 = 0, or a_0 < 0 and p is no whole number; whole p >= 0 need nothing.
PowerSeries power(const PowerSeries& a, double p);
/// log a. \throws std::domain_error unless a_0 > 0.
PowerSeries logarithm(const PowerSeries& a);
/// The pair with s' = a' c and c' = sign a' s that begins with (s, c): sine and cosine of a (sign -1), hyperbolic ones (1),
/// exp a as both.
std::pair<PowerSeries, PowerSeries> rotated(const PowerSeries& a, double s, double c, double sign);

}  // namespace edgewise::numerics
