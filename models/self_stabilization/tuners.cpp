#include "models/self_stabilization/tuners.hpp"

#include <cmath>

#include "numerics/constants.hpp"

namespace edgewise::models::self_stabilization {

double unchecked_sharpness(const Landscape& land, const State& start, double sigma, double t) {
  const double driven = 2 * sigma * land.sharpening * t, square = start.sharpness * start.sharpness;
  return std::sqrt(square + driven - land.stabilization * start.x * start.x / (2 - sigma) +
                   0.5 * sigma * land.sharpening * std::log1p(driven / square));
}

double restored_sharpness(const Landscape& land, const State& start, double mean_delay) {
  return start.sharpness * std::pow(start.p(land), -1 / (4 * mean_delay));
}

double average_threshold(double tau) {
  return (1 - tau) / (2 * tau);
}

double delay_threshold(std::uint64_t delay) {
  const auto D = static_cast<double>(delay);
  const double phi = pi / (2 * D + 4);
  return std::sin(phi) * std::sin(phi) / std::sin(D * phi);
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
