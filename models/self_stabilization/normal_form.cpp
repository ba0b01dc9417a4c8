#include "models/self_stabilization/normal_form.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/constants.hpp"

namespace edgewise::models::self_stabilization {

namespace {

/// q = log p with e^q - 1 - q = e on the side of `sign`. Newton from where a convex function's steps go one way.
double log_end(double e, double sign) {
  double q = sign > 0 ? std::log1p(e + std::sqrt(2 * e)) : -e - std::sqrt(2 * e);
  for (int k = 0; k < 100; ++k) {
    const double slope = std::expm1(q), step = slope != 0 ? (slope - q - e) / slope : 0;
    q -= step;
    if (std::abs(step) <= 1e-15 * std::abs(q)) break;
  }
  return q;
}

/// u = log(1 + Y) of the sign with (1 + Y) log(1 + Y) - Y = v, 0 <= v (< 1 below 0).
double log_offset(double v, double sign) {
  if (v <= 0) return 0;
  const double s = sign * std::sqrt(2 * v);
  double u = sign > 0 ? std::log1p(s) : v < 0.5 ? s - s * s / 3 : std::log1p(-v) - 1;
  for (int k = 0; k < 100; ++k) {
    const double step = (u * std::exp(u) - std::expm1(u) - v) / (u * std::exp(u));
    u -= sign > 0 ? std::min(step, 0.5 * u) : std::clamp(step, 0.5 * u, 1.0);  // towards 0 by half at most
    if (std::abs(step) <= 1e-14 * std::abs(u)) break;
  }
  return u;
}

}  // namespace

double energy(double eps, double p, double Y) {
  return 2 * ((1 + Y) * std::log1p(Y) - Y) + eps * (p - 1 - std::log(p));
}

double smallest_p(double eps, double E) {
  return std::exp(log_end(E / eps, -1));
}

std::optional<ClosedOrbit> closed_orbit(double eps, double E) {
  ClosedOrbit out;
  out.period = 2 * pi / std::sqrt(2 * eps);
  if (E == 0) return out;
  if (!(E > 0 && E < 2)) return std::nullopt;
  const double e = E / eps, low = log_end(e, -1), high = log_end(e, 1);
  out.p_min = std::exp(low);
  out.p_max = std::exp(high);
  out.Y_min = std::expm1(log_offset(E / 2, -1));
  out.Y_max = std::expm1(log_offset(E / 2, 1));
  // q = c - r cos t: what is integrated is smooth and even in t, so that midpoints converge exponentially.
  const int nodes = 2000;
  double period = 0, gain = 0;
  for (int k = 0; k < nodes; ++k) {
    const double t = pi * (k + 0.5) / nodes, r = 0.5 * (high - low);
    const double q = 0.5 * (high + low) - r * std::cos(t), dq = r * std::sin(t) * pi / nodes;
    const double left = e - (std::expm1(q) - q);
    if (!(left > 0)) continue;
    period += 0.5 * dq * (1 / log_offset(eps * left / 2, 1) - 1 / log_offset(eps * left / 2, -1));
    gain += 4 * std::pow(eps, 1.5) * std::sqrt(left) * dq;  // a factor e^q = 1 - d left/dq integrates to the same
  }
  out.period = period;
  out.energy_gain = gain;
  return out;
}

FixedPoint fixed_point(double eps, double n, bool x_first) {
  const double root = std::sqrt(1 - n), product = 1 - n + (x_first ? 0 : 2 * eps * root);
  const double below_one = n / 2 + (x_first ? eps * root : 0), square = below_one * below_one - 2 * eps * root;
  FixedPoint out;
  out.Y = 0 - n / (1 + root);
  const std::complex<double> apart = std::sqrt(std::complex<double>(square));
  out.multiplier = 1 - below_one + (below_one > 1 ? -apart : apart);
  out.modulus = square < 0 ? std::sqrt(product) : std::abs(out.multiplier);
  return out;
}

double left_of_deviation(double eps, double n, double steps) {
  const FixedPoint point = fixed_point(eps, n);
  const std::complex<double> other = 2 - n - point.multiplier;
  const double m = point.modulus, apart = std::abs(point.multiplier - other);
  const double frobenius = (1 - n) * (1 - n) + 1 + 2 * eps * (1 - n) + 2 * eps;
  const double departure = std::sqrt(std::max(0.0, frobenius - m * m - std::norm(other)));
  return std::pow(m, steps) * (1 + departure * std::min(steps / m, 2 / apart));
}

double noise_threshold(double eps) {
  return 2 * eps / (std::sqrt(1 + eps * eps) + eps);
}

double mean_offset(double eps, double n, bool x_first) {
  return -(n + (x_first ? -eps : 3 * eps) + n * n / 4) / 2;
}

}  // namespace edgewise::models::self_stabilization
