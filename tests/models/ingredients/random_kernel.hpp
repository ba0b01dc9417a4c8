#pragma once
/// Kernels of random Jacobians.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::testing {

/// J J' of a D x P matrix J with entries of variance 1/P.
inline linear_algebra::Matrix wishart(std::size_t outputs, std::size_t parameters, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal(0, 1 / std::sqrt(static_cast<double>(parameters)));
  linear_algebra::Matrix j(outputs, parameters);
  for (double& x : j.entries()) x = normal(engine);
  return linear_algebra::product(j, j, linear_algebra::Transposed::no, linear_algebra::Transposed::yes);
}

}  // namespace edgewise::models::testing
