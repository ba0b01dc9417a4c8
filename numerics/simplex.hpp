#pragma once
/// \file
/// Minima of functions of a few variables whose slopes are not known, or have kinks.
#include <functional>
#include <span>
#include <vector>

namespace edgewise::numerics {

struct SimplexMinimum {
  std::vector<double> at;
  double value = 0;
  int evaluations = 0;
};

/// A local minimum of f(x) within 0 <= x_i <= 1 by Nelder and Mead's simplex (with the dimension's own coefficients, Gao and
/// Han 2012), begun again around its end with a smaller simplex until that lowers f by less than `tolerance` of its size.
/// \param start  within the bounds. \param width  of the first simplex, per variable; 0 holds a variable fixed.
/// \param f  inf, or no number, is taken as worse than any value.
SimplexMinimum simplex_minimum(const std::function<double(std::span<const double>)>& f, std::vector<double> start,
                               std::vector<double> width, double tolerance, int most_evaluations);

}  // namespace edgewise::numerics
