#pragma once
/// \file
/// Monotone cubic interpolation: between its knots the curve never leaves the values of its neighbours.
#include <cstddef>
#include <span>
#include <vector>

namespace edgewise::numerics {

/// Piecewise cubic Hermite polynomial through (x_i, y_i) with the slopes of Fritsch and Butland: the weighted harmonic
/// mean of the neighbouring secants where these agree in sign, else 0; three-point slopes at the ends, kept monotone.
class Pchip {
 public:
  /// \param x  strictly increasing, at least one. \throws std::invalid_argument.
  Pchip(std::vector<double> x, std::vector<double> y);
  /// Before the first knot and after the last the end's value.
  double operator()(double x) const;

 private:
  std::vector<double> x_, y_, slope_;
};

}  // namespace edgewise::numerics
