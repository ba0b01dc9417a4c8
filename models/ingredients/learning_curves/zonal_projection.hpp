#pragma once
/// \file
/// A function of one coordinate of the sphere in harmonics, poles and all (docs/theory/networks-and-kernels.md,
/// section 4.3).
#include <cstddef>
#include <functional>
#include <vector>

namespace edgewise::models::ingredients::learning_curves {

/// Of g(t), t the first coordinate of a uniform point.
struct ZonalProjection {
  std::vector<double> coefficient;  ///< E g P_k, k = 0 .. up to 1e18 harmonics; what is rounding is 0
  double mean_square = 0;           ///< E g^2
  /// Where E g^2 comes from: probabilities and shares of E g^2, from where g^2 is largest on.
  std::vector<double> probability, share;

  /// Share of E g^2 that the inputs of largest g^2 carry which together have this probability.
  double rare_share(double of_probability) const;
};

/// By Gauss' rule in panels of the latitude, halved until E g^2 settles to 1e-7. Near a pole g^2 is C |t - a|^-q times an
/// analytic factor; those are fitted where doubles still tell t from a, and taken into the weight. \throws
/// std::invalid_argument, with the place, where g is no number, its square overflows, E g^2 is infinite, or g is too
/// irregular near a pole for that.
ZonalProjection zonal_projection(double dimension, std::size_t max_degree, const std::function<double(double)>& g);

}  // namespace edgewise::models::ingredients::learning_curves
