#include "models/self_stabilization/tuners.hpp"

#include <algorithm>
#include <cmath>
#include <complex>

#include "models/self_stabilization/normal_form.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::self_stabilization {

namespace {

/// By how much x^2 and all it has added up to has died out after t steps of eta lambda = `product`.
double died_out(double product, double t) {
  return 1 - std::pow(std::abs(1 - product), 2 * t);
}

}  // namespace

double unchecked_sharpness(const Landscape& land, const State& start, double sigma, double t, double largest_rate) {
  State from = start;
  if (const double product = largest_rate * start.sharpness; product < sigma) {
    from.sharpness -=
        land.stabilization * start.x * start.x / (2 * start.sharpness * (2 - product)) * died_out(product, t);
    if (!(from.sharpness > 0)) return std::numeric_limits<double>::quiet_NaN();
    from.x = 0;
    const double growth = largest_rate * land.sharpening, until = (sigma / largest_rate - from.sharpness) / growth;
    if (t <= until) return from.sharpness + growth * t;
    from.sharpness = sigma / largest_rate;
    t -= until;
  }
  const double driven = 2 * sigma * land.sharpening * t, square = from.sharpness * from.sharpness;
  return std::sqrt(square + driven - land.stabilization * from.x * from.x / (2 - sigma) * died_out(sigma, t) +
                   0.5 * sigma * land.sharpening * std::log1p(driven / square));
}

double p_at_edge(const Landscape& land, const State& start, double rate) {
  const double eps = rate * rate * land.sharpening;
  return smallest_p(eps, energy(eps, start.p(land), rate * start.sharpness - 2));
}

double restored_sharpness(const Landscape& land, const State& start, double mean_delay, double largest_rate) {
  const double edge = 2 / largest_rate, power = 4 * mean_delay, p = start.p(land);
  const double end = start.sharpness * std::pow(p, -1 / power);
  if (std::min(start.sharpness, end) >= edge) return end;
  State below = start;
  if (start.sharpness > edge) {
    below.x *= std::pow(edge / start.sharpness, power / 2);  // p/lambda^(4 m) is conserved down to it
    below.sharpness = edge;
  }
  return edge * std::pow(p_at_edge(land, below, largest_rate), -1 / power);
}

double late_threshold(std::uint64_t delay, double tau) {
  const auto D = static_cast<double>(delay);
  if (delay == 0) return (1 - tau) / (2 * tau);
  if (tau == 0) {
    const double phi = pi / (2 * D + 4);
    return std::sin(phi) * std::sin(phi) / std::sin(D * phi);
  }
  // Minus twice eps on the circle, where it is to be real: from z = 1 on its imaginary part is above 0 until then.
  const auto at = [&](double angle) {
    const std::complex<double> z = std::polar(1.0, angle);
    std::complex<double> late = 0;
    for (std::uint64_t j = 1; j < delay; ++j) late = (late + 1.0) / z;
    return (z - 1.0) * (z - tau) / (1.0 + (1 - tau) * late);
  };
  constexpr double finer = 1.02;
  double high = 1e-3 * (1 - tau) / (D + 1);
  while (at(high).imag() > 0) high *= finer;
  const double angle = numerics::root([&](double a) { return at(a).imag(); }, high / finer, high);
  return -0.5 * at(angle).real();
}

double RatioPoint::modulus() const {
  if (memory == 0) return std::abs(multiplier);
  const double half = memory + 0.5 * (1 - memory) * multiplier, square = half * half - memory;
  return square > 0 ? std::abs(half) + std::sqrt(square) : std::sqrt(memory);
}

RatioPoint split_point(double sigma, double kappa, double ema, bool bulk_moves) {
  // What the bulk's squared gradient keeps a step, and with it what averages of before are worth today.
  const double spread = bulk_moves ? 1 + kappa : 1, kept = bulk_moves ? std::pow((1 - kappa) / (1 + kappa), 2) : 1;
  const double above = sigma * spread - 2 * kappa, below = 2 - sigma * spread;
  if (below == 0 || !(ema < kept)) return {};
  const double slope = bulk_moves ? sigma * (1 - kappa) * (1 - kappa) : sigma * (1 - kappa);
  return {2 / spread, above / below, 1 - 2 * above * below / slope, ema / kept};
}

RatioPoint polyak_point(double s, double phi) {
  if (s == 4) return {};
  const double r = (s * phi - 2) / (2 - s / 2);
  return {2, r, std::isinf(r) ? s - 3 : 1 + 2 * s * r * (0.5 - phi) / ((r + 1) * (r + 1))};
}

double snowball_sharpness(const Landscape& land, double bulk, double sigma) {
  if (sigma >= 2) return infinity;
  // The largest root of lambda^3 - 3 third lambda + 2 slope h.
  const double slope = land.stabilization * bulk / (2 * land.sharpening * (2 - sigma)), third = slope * sigma / 3;
  const double cosine = slope * land.bulk_curvature / (third * std::sqrt(third));
  return cosine <= 1 ? 2 * std::sqrt(third) * std::cos(std::acos(-cosine) / 3) : 0;
}

}  // namespace edgewise::models::self_stabilization
