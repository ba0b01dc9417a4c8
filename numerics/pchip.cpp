#include "numerics/pchip.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace edgewise::numerics {

namespace {

/// The slope at an end, from the first interval (h, secant) and the next.
double end_slope(double h, double next_h, double secant, double next_secant) {
  const double slope = ((2 * h + next_h) * secant - h * next_secant) / (h + next_h);
  if (slope * secant <= 0) return 0;
  return std::abs(slope) > 3 * std::abs(secant) ? 3 * secant : slope;
}

}  // namespace

Pchip::Pchip(std::vector<double> x, std::vector<double> y) : x_(std::move(x)), y_(std::move(y)) {
  const std::size_t n = x_.size();
  if (n == 0 || y_.size() != n) throw std::invalid_argument("a curve needs one value for each of its knots");
  std::vector<double> h(n - 1), secant(n - 1);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    h[i] = x_[i + 1] - x_[i];
    if (!(h[i] > 0)) throw std::invalid_argument("the knots of a curve must increase");
    secant[i] = (y_[i + 1] - y_[i]) / h[i];
  }
  slope_.assign(n, n == 2 ? secant[0] : 0.0);
  if (n < 3) return;
  for (std::size_t i = 1; i + 1 < n; ++i) {
    if (secant[i - 1] * secant[i] <= 0) continue;
    const double before = 2 * h[i] + h[i - 1], after = h[i] + 2 * h[i - 1];
    slope_[i] = (before + after) / (before / secant[i - 1] + after / secant[i]);
  }
  slope_.front() = end_slope(h[0], h[1], secant[0], secant[1]);
  slope_.back() = end_slope(h[n - 2], h[n - 3], secant[n - 2], secant[n - 3]);
}

double Pchip::operator()(double x) const {
  if (x <= x_.front()) return y_.front();
  if (x >= x_.back()) return y_.back();
  const auto i = static_cast<std::size_t>(std::ranges::upper_bound(x_, x) - x_.begin()) - 1;
  const double h = x_[i + 1] - x_[i], t = (x - x_[i]) / h, s = 1 - t;
  return s * s * (1 + 2 * t) * y_[i] + t * t * (3 - 2 * t) * y_[i + 1] +
         h * t * s * (s * slope_[i] - t * slope_[i + 1]);
}

}  // namespace edgewise::numerics
