#pragma once
/// \file
/// Volterra equations of the second kind with a convolution kernel (docs/theory/least-squares-sgd.md, section 1.3):
///
///     P(t) = F(t) + int_0^t H(t - s) (P(s) + shift) ds,
///
/// and their discrete counterpart P_k = F_k + sum_{j<k} H_{k-1-j} (P_j + shift). `shift` is the label noise sigma^2.
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "solvers/coupled_modes.hpp"

namespace edgewise::solvers {

/// A sum of exponentials, sum_i weight_i e^{-rate_i t}; both arrays of one length, rates >= 0.
struct ExponentialSum {
  std::vector<double> rate, weight;
  double operator()(double t) const;
};

struct VolterraOptions {
  double rtol = 1e-8;
  std::size_t stages = 4;  ///< of the collocation: 2, 3 or 4
  std::size_t max_steps = 1'000'000;
};

struct VolterraSolution {
  std::vector<double> values;  ///< P at each of the times asked for
  Statistics statistics;
};

/// P at `times` (increasing, >= 0) for a kernel that is a sum of exponentials and any smooth F: Radau collocation of P
/// on an adaptively graded mesh, each exponential's memory carried from step to step, O(kernel terms) a step. Horizons
/// of 1e8 over kernels of many decades are what it is for. Throws std::invalid_argument for bad input and
/// std::runtime_error if the solution does not reach the last time.
VolterraSolution volterra(const std::function<double(double)>& F, const ExponentialSum& H, double shift,
                          std::span<const double> times, const VolterraOptions& options = {});

/// P at 0, step, ..., intervals * step for any smooth kernel on a uniform mesh: Gregory's quadrature of order 6 with
/// collocated starting values; O(intervals^2). `intervals` >= 5.
std::vector<double> volterra_uniform(const std::function<double(double)>& F, const std::function<double(double)>& H,
                                     double shift, double step, std::size_t intervals);

/// P_0..P_K from F_0..F_K and H_0..H_{K-1} (longer spans are allowed for H), exact; O(K^2).
std::vector<double> volterra_discrete(std::span<const double> F, std::span<const double> H, double shift);

}  // namespace edgewise::solvers
