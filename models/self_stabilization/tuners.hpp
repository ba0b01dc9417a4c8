#pragma once
/// \file
/// What tuners do to the reduced model (docs/theory/curvature-dynamics.md, section 2): fixed points, thresholds, growth.
#include <cstdint>

#include "models/self_stabilization/dynamics.hpp"

namespace edgewise::models::self_stabilization {

/// lambda after t steps at eta = sigma/lambda, 0 < sigma < 2, where nothing stabilises (2.1):
///     lambda^2 = lambda_0^2 + 2 sigma alpha t - beta x_0^2/(2 - sigma) + (sigma alpha/2) log(1 + 2 sigma alpha t/lambda_0^2)
double unchecked_sharpness(const Landscape& land, const State& start, double sigma, double t);
/// Late by m steps on average, sigma = 2: p/lambda^{4 m} is conserved, so that lambda ends at lambda_0 p_0^{-1/(4 m)} (2.2).
double restored_sharpness(const Landscape& land, const State& start, double mean_delay);
/// eps = 4 alpha/lambda^2 below which that end is stable: (1 - tau)/(2 tau) of an average over tau, and
/// sin(phi)^2/sin(D phi), phi = pi/(2 D + 4), of a delay D, where z - 1 = -2 eps (z^-1 + ... + z^-D) leaves the circle.
double average_threshold(double tau);
double delay_threshold(std::uint64_t delay);

/// A fixed point eta lambda = 2 of the ratio r of squared gradients, top over bulk, lambda held.
struct RatioPoint {
  double ratio = 0, multiplier = 0;
  bool exists() const { return ratio > 0; }
  bool stable() const { return exists() && -1 < multiplier && multiplier < 1; }
};
/// Of eta = sigma g.g/g.Hg, kappa = h/lambda (2.3).
RatioPoint split_point(double sigma, double kappa);
/// Of eta = s L/|g|^2, phi = lambda F/G2 (2.4).
RatioPoint polyak_point(double s, double phi);
/// The sharpness at which split_point's x holds it, at h = 0: it grows above, falls below. Infinite at sigma = 2.
double snowball_sharpness(const Landscape& land, double bulk, double sigma);

}  // namespace edgewise::models::self_stabilization
