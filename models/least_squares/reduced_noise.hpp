#pragma once
/// \file
/// Reduced models of SGD's noise across schedules (docs/theory/schedules-and-collapse.md, section 5): gradient flow F in
/// the intrinsic time tau_k = sum_{l<k} eta_l, and a kernel K(s) = sum n lambda^2 e^(-2 lambda s) that is kept whole or
/// replaced by something simpler.
#include <cstddef>
#include <span>
#include <vector>

#include "models/least_squares/sgd_modes.hpp"

namespace edgewise::models::least_squares {

/// K(s) as few exponentials, sum weight e^(-rate s), weights >= 0.
struct ExponentialKernel {
  std::vector<double> weight, rate;
  double at(double s) const;
};
/// `count` rates, logarithmically spaced over what the kernel has between s = 0 and `horizon`, and the non-negative
/// weights of the least relative squares on a grid of s there. 1 <= count <= 8.
ExponentialKernel fitted_kernel(const SgdModes& modes, double horizon, std::size_t count);

/// The models of (5.1): volterra (A, the whole kernel), oneexp (B), adiabatic (C), gflow (D), and exponentials, of B's
/// form with the fitted kernel.
enum class NoiseKernel { volterra, exponentials, oneexp, adiabatic, gflow };

struct ReducedNoise {
  NoiseKernel kernel = NoiseKernel::volterra;
  std::size_t exponentials = 4;
  double feedback = 1;  ///< factor on the noise
};

/// P at steps 0 .. rates.size(). \param power  n E v^2 of every mode at the start
std::vector<double> reduced_excess(const SgdModes& modes, std::span<const double> power, double noise_variance,
                                   std::span<const double> rates, const ReducedNoise& how);

}  // namespace edgewise::models::least_squares
