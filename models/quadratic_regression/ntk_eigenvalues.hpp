#pragma once
/// \file
/// The largest eigenvalues of the kernel K = J J' along a run.
#include <cstddef>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::quadratic_regression {

/// Finds them from the eigenvectors that they had last, by Lanczos' method; small kernels are decomposed.
class LargestNtkEigenvalues {
 public:
  /// \param count  how many, at least 1 and at most the rows of J
  explicit LargestNtkEigenvalues(std::size_t count = 1) : values_(count) {}
  /// The largest eigenvalues of J J', descending; valid until the next call.
  std::span<const double> operator()(const linear_algebra::Matrix& j);

 private:
  std::vector<double> values_, inner_;
  linear_algebra::Matrix start_;
};

}  // namespace edgewise::models::quadratic_regression
