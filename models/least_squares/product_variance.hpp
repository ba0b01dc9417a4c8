#pragma once
/// \file
/// The exact variance of the risk of streaming SGD on independent coordinates of any law
/// (docs/theory/least-squares-sgd.md, section 4c).
#include <vector>

#include "models/ingredients/data_draw.hpp"
#include "models/least_squares/risk_variance.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::models::least_squares {

/// Inputs z of independent coordinates, label noise with four moments; each mode's start is spread evenly over its
/// coordinates.
struct ProductVarianceProblem {
  VarianceProblem modes;
  ingredients::EvenMoments data;
  double noise_fourth = 0;  ///< E eps^4
};

/// E w_i^2 w_j^2 of two coordinates of two modes, E w_i^4 and E w_i^2, w = sqrt(lambda) v, by recursion (4.4). O(n^2) per step;
/// a spread below some 1e-7 of the mean is rounding.
class ProductVariance {
 public:
  explicit ProductVariance(const ProductVarianceProblem& problem);
  /// One SGD step with learning rate eta.
  void step(double eta);
  double excess_mse() const;                ///< P = E v'Kv
  double excess_mse_variance() const;       ///< Var v'Kv, clipped at 0, infinite where it overflows
  double parameter_error_variance() const;  ///< Var |v|^2, likewise

 private:
  double& pair(std::size_t a, std::size_t b) { return pairs_[a * second_.size() + b]; }
  double pair(std::size_t a, std::size_t b) const { return pairs_[a * second_.size() + b]; }
  /// Var sum_i weight_a(i) w_i^2, weights by mode.
  double variance(const std::vector<double>& weight) const;

  ProductVarianceProblem problem_;
  std::vector<double> second_, fourth_, pairs_;
};

/// By how much nodes miss sums of squares of the single coordinates' powers, by eigenvalue and plain, at most: beside the
/// smooth sums that nodes keep, those count where coordinates are not Gaussian. What nodes average over only lowers them.
double unlike_squares(const spectra::Spectrum& nodes, const spectra::Spectrum& start);
/// Accepted of that.
inline constexpr double alike_squares = 1e-3;
/// Pairs of modes times steps of bands that are taken as they are; beyond them nodes stand for the modes.
inline constexpr double most_pairs = 4e8;
/// The nodes that serve the variance in place of a spectrum with the powers of the start (error 1e-7 of the means); where none
/// do, the spectrum.
spectra::Spectrum modes_of_variance(spectra::Spectrum start, bool gaussian_inputs);

}  // namespace edgewise::models::least_squares
