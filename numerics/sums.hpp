#pragma once
/// \file
/// Sums whose order is in their name: the same bits on every machine. (Sums over modes in vector registers, whose order
/// is fixed too but another, are solvers::dot of solvers/mode_sums.hpp.)
#include <numeric>
#include <span>

namespace edgewise::numerics {

/// x'y, added from the first product to the last; y is at least as long as x.
inline double dot_in_order(std::span<const double> x, std::span<const double> y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

/// |x|^2, added from the first square to the last.
inline double squared_norm_in_order(std::span<const double> x) {
  return dot_in_order(x, x);
}

}  // namespace edgewise::numerics
