#include "numerics/power_series.hpp"

#include <cmath>
#include <stdexcept>

#include "numerics/whole.hpp"

namespace edgewise::numerics {

PowerSeries product(const PowerSeries& a, const PowerSeries& b) {
  PowerSeries out(a.size(), 0.0);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != 0)
      for (std::size_t j = 0; i + j < a.size(); ++j) out[i + j] += a[i] * b[j];
  return out;
}

PowerSeries integral(const PowerSeries& derivative, double start) {
  PowerSeries out(derivative.size(), 0.0);
  if (!out.empty()) out[0] = start;
  for (std::size_t k = 1; k < out.size(); ++k) out[k] = derivative[k - 1] / static_cast<double>(k);
  return out;
}

PowerSeries derivative(const PowerSeries& a) {
  PowerSeries out(a.size(), 0.0);
  for (std::size_t k = 1; k < a.size(); ++k) out[k - 1] = static_cast<double>(k) * a[k];
  return out;
}

PowerSeries power(const PowerSeries& a, double p) {
  PowerSeries out(a.size(), 0.0);
  if (a.empty()) return out;
  if (p >= 0 && is_whole(p) && a[0] == 0) {
    out[0] = 1;
    PowerSeries square = a;
    for (double rest = p; rest > 0; rest = std::floor(rest / 2)) {
      if (std::fmod(rest, 2) == 1) out = product(out, square);
      square = product(square, square);
    }
    return out;
  }
  if (a[0] == 0 || (a[0] < 0 && !is_whole(p)))
    throw std::domain_error("no such power of a series that begins with 0 or below");
  // f = a^p from k a_0 f_k = sum_i (p i - k + i) a_i f_{k-i}.
  out[0] = std::pow(a[0], p);
  for (std::size_t k = 1; k < a.size(); ++k) {
    double sum = 0;
    for (std::size_t i = 1; i <= k; ++i)
      if (a[i] != 0) sum += (p * static_cast<double>(i) - static_cast<double>(k - i)) * a[i] * out[k - i];
    out[k] = sum / (static_cast<double>(k) * a[0]);
  }
  return out;
}

PowerSeries logarithm(const PowerSeries& a) {
  if (a.empty()) return {};
  if (!(a[0] > 0)) throw std::domain_error("no logarithm of a series that begins with 0 or below");
  return integral(product(derivative(a), power(a, -1)), std::log(a[0]));
}

std::pair<PowerSeries, PowerSeries> rotated(const PowerSeries& a, double s0, double c0, double sign) {
  PowerSeries s(a.size(), 0.0), c(a.size(), 0.0);
  if (a.empty()) return {};
  s[0] = s0;
  c[0] = c0;
  for (std::size_t k = 1; k < a.size(); ++k)
    for (std::size_t i = 1; i <= k; ++i) {
      const double slope = static_cast<double>(i) * a[i] / static_cast<double>(k);
      s[k] += slope * c[k - i];
      c[k] += sign * slope * s[k - i];
    }
  return {std::move(s), std::move(c)};
}

}  // namespace edgewise::numerics
