#pragma once
/// \file
/// The largest eigenvalues of a symmetric operator that is known by its products only.
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::linear_algebra {

/// y = A x, for a symmetric A; x and y are different vectors of n numbers.
using SymmetricOperator = std::function<void(std::span<const double> x, std::span<double> y)>;

struct LargestOptions {
  /// |A v - lambda v| <= tolerance |lambda|; the error of lambda itself is quadratic in this where lambda is isolated.
  double tolerance = 1e-10;
  /// Lanczos vectors between restarts; 0: max(2k + 1, 20), or max(2k + 2, 8) when a start is given. More vectors need
  /// fewer products where eigenvalues are crowded; as few as k + 2 serve a start that is nearly right.
  std::size_t subspace = 0;
  std::size_t most_restarts = 1000;
};

/// Eigenvalues, descending (the largest in the algebraic sense), and orthonormal eigenvectors in the columns of
/// `vectors`.
struct LargestEigen {
  std::vector<double> values;
  Matrix vectors;
  std::size_t products = 0;  ///< how often the operator was applied
};

/// The k largest eigenvalues of a symmetric n x n operator, by the implicitly restarted Lanczos method (Spectra). The
/// same input gives the same output, bit for bit. Operators no larger than the subspace are written out and decomposed.
///
/// `start`, where the method starts, may be empty; eigenvectors of a similar operator (for k > 1 their sum) save most
/// of the products. A thousandth of a fixed noise vector is mixed into it, so that an eigenvector that is not among the
/// k largest any more does no harm.
/// \throws std::invalid_argument unless 1 <= k <= n and `start` is empty or n finite numbers that are not all 0;
/// std::runtime_error when the restarts do not suffice or the operator returns a number that is not finite.
LargestEigen largest_eigenvalues(std::size_t n, std::size_t k, const SymmetricOperator& apply,
                                 std::span<const double> start = {}, const LargestOptions& options = {});

}  // namespace edgewise::linear_algebra
