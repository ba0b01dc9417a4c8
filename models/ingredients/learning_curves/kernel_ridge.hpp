#pragma once
/// \file
/// Kernel ridge regression as it is run: one Cholesky factor for each number of samples.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "random/random.hpp"

namespace edgewise::models::ingredients::learning_curves {

/// Samples in their order, of which a regression takes the first n, and test points.
struct RidgeData {
  linear_algebra::Matrix gram;   ///< kernel between samples; lower triangle
  linear_algebra::Matrix cross;  ///< samples x test points
  std::vector<double> labels;    ///< with noise
  std::vector<double> truth;     ///< noiseless, at the test points
};

struct RidgeErrors {
  double excess = 0;  ///< mean squared error over the test points
  double train = 0;   ///< over the n samples, with their noise; 0 without samples
};

/// The predictor k(x)'(K + ridge I)^-1 y of the first n samples. Where that matrix is not positive definite to rounding,
/// 1e-13 of its mean eigenvalue is added, and ten times more until it is.
RidgeErrors ridge_errors(const RidgeData& data, std::size_t n, double ridge);

/// Entries <a_i, b_j> of unit vectors replaced by the kernel's; of a square matrix `symmetric`, the lower triangle alone
/// (a vector of zeros may be among them).
void apply_kernel(const DotKernel& kernel, bool symmetric, linear_algebra::Matrix& products);

/// Columns uniform on the unit sphere.
linear_algebra::Matrix uniform_points(random::Stream& stream, std::size_t dimension, std::size_t count);

/// Above this a regression's matrices do not fit: 3 times 8 n^2 bytes.
inline constexpr std::size_t most_regression_samples = 20000;

}  // namespace edgewise::models::ingredients::learning_curves
