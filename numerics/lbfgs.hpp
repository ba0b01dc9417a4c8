#pragma once
/// \file
/// Minima of smooth functions of many variables between bounds.
#include <functional>
#include <span>
#include <vector>

namespace edgewise::numerics {

/// f(x), with its gradient written to the second; inf, or no number, where x is out of f's range.
using FunctionOfMany = std::function<double(std::span<const double> x, std::span<double> gradient)>;

struct MinimumOfMany {
  std::vector<double> at;
  double value = 0;
  int iterations = 0;
  bool converged = false;  ///< the relative fall of the last step, or every free slope, is below the tolerance
};

/// A local minimum of f with low <= x_i <= high by limited-memory BFGS, projected on the bounds, with backtracking.
/// \param start  f must be finite there. \param tolerance  of the fall of f in a step, relative to max(|f|, 1).
/// \throws std::domain_error where f is not finite at the start.
MinimumOfMany lbfgs(const FunctionOfMany& f, std::vector<double> start, double low, double high, double tolerance,
                    int most_iterations = 2000);

}  // namespace edgewise::numerics
