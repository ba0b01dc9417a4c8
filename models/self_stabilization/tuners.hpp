#pragma once
/// \file
/// What tuners do to the reduced model (docs/theory/curvature-dynamics.md, section 2): fixed points, thresholds, growth.
#include <cstdint>
#include <limits>

#include "models/self_stabilization/dynamics.hpp"

namespace edgewise::models::self_stabilization {

/// lambda after t steps at eta = sigma/lambda, 0 < sigma < 2, where nothing stabilises (2.1):
///     lambda^2 = lambda_0^2 + 2 sigma alpha t - beta x_0^2/(2 - sigma) + (sigma alpha/2) log(1 + 2 sigma alpha t/lambda_0^2)
/// and of x_0 the part 1 - (1 - sigma)^(2 t) by which it has died out.
/// From below sigma/`largest_rate` it first grows by largest_rate alpha a step, less the beta x_0^2/(2 lambda_0 (2 - largest_rate
/// lambda_0)) by which x lowers it while it dies out; no number where that is all of it.
double unchecked_sharpness(const Landscape& land, const State& start, double sigma, double t,
                           double largest_rate = std::numeric_limits<double>::infinity());
/// p when a constant rate, from below its edge 2/rate, has let the sharpness rise to that: the smallest on the flow's orbit. No
/// number from rate lambda <= 1 on, where x changes its sign no more.
double p_at_edge(const Landscape& land, const State& start, double rate);
/// Late by m steps on average, sigma = 2: p/lambda^{4 m} is conserved, so that lambda ends at lambda_0 p_0^{-1/(4 m)} (2.2).
/// Where that meets a largest rate it goes on from 2/largest_rate and p_at_edge.
double restored_sharpness(const Landscape& land, const State& start, double mean_delay,
                          double largest_rate = std::numeric_limits<double>::infinity());
/// eps = 4 alpha/lambda^2 below which that end is stable, of a delay D of an average over tau: what comes first to the unit circle
/// of the z with
///     (z - 1)(z - tau) = -2 eps (1 + (1 - tau)(z^-1 + ... + z^-(D-1))),   D = 0: -2 eps tau
/// D = 0: (1 - tau)/(2 tau);  D = 1: (1 - tau)/2;  tau = 0: sin(phi)^2/sin(D phi), phi = pi/(2 D + 4).
double late_threshold(std::uint64_t delay, double tau);

/// A fixed point of the ratio r of squared gradients, top over bulk, lambda held, where both fall alike: eta lambda = 2, or
/// 2/(1 + kappa) where the bulk moves, kappa = h/lambda.
struct RatioPoint {
  double product = 2;     ///< eta lambda
  double ratio = 0;       ///< r
  double multiplier = 0;  ///< of r, without a memory
  double memory = 0;  ///< tau of averages that remember the bulk as it is now: z^2 - (2 tau + (1 - tau) mu) z + tau = 0
  bool exists() const { return ratio > 0; }
  /// Of the largest root, |mu| without a memory.
  double modulus() const;
  bool stable() const { return exists() && modulus() < 1; }
};
/// Of eta = sigma nbar/dbar, n = g.g and d = g.Hg averaged over `ema` (2.5).
RatioPoint split_point(double sigma, double kappa, double ema = 0, bool bulk_moves = false);
/// Of eta = s (L - f_min)/|g|^2, phi = lambda (F - f_min)/G2, of a bulk that stays (2.7); phi = inf: of a loss alone, no G2.
RatioPoint polyak_point(double s, double phi);
/// The sharpness at which split_point's x holds it, the largest root of lambda^3 = beta G2 (sigma lambda - 2 h)/(2 alpha (2 -
/// sigma)): it grows above, falls below. 0 where there is none, infinite at sigma = 2.
double snowball_sharpness(const Landscape& land, double bulk, double sigma);

}  // namespace edgewise::models::self_stabilization
