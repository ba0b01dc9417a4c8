#pragma once
/// \file
/// Sums over modes that the steppers take outside their innermost loops.
#include <cstddef>
#include <span>

namespace edgewise::solvers {

/// sum x_i y_i, in four partial sums.
double dot(const double* x, const double* y, std::size_t n);
/// sum |x_i y_i|, in four partial sums.
double absolute_dot(const double* x, const double* y, std::size_t n);
bool all_finite(std::span<const double> x);
/// Whether g = factor u up to rounding, and the factor.
bool proportional(std::span<const double> g, std::span<const double> u, double& factor);

}  // namespace edgewise::solvers
