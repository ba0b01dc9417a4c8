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
  /// |A v - lambda v| <= tolerance |lambda|, or 64 roundings of |A| where that is more; the error of lambda itself is
  /// quadratic in this where lambda is isolated.
  double tolerance = 1e-10;
  /// Vectors between restarts; 0: max(2k + 1, 20). More vectors need fewer products where eigenvalues are crowded.
  std::size_t subspace = 0;
  std::size_t max_restarts = 1000;
};

/// Eigenvalues, descending (the largest in the algebraic sense, each as often as it is repeated), and orthonormal
/// eigenvectors in the columns of `vectors`.
struct LargestEigen {
  std::vector<double> values;
  Matrix vectors;
  Matrix next_start;         ///< where to start on a similar operator: `vectors`, and one more direction
  std::size_t products = 0;  ///< how often the operator was applied
};

/// The k largest eigenvalues of a symmetric n x n operator: Rayleigh-Ritz on a Krylov space with full
/// orthogonalisation and thick restarts (Wu and Simon 2000), judged by true residuals. Where the space is exhausted
/// (few distinct eigenvalues) or, for k > 1, holds all that was asked, a fresh vector joins it, which brings the copies
/// of repeated eigenvalues that one starting vector cannot see. The same input gives the same output, bit for bit, and
/// a scaled operator the same vectors, whatever its scale. Operators no larger than the subspace are written out and
/// decomposed.
///
/// `start`, a matrix of n rows whose columns are where the method starts, may be empty; `next_start` of a similar
/// operator saves most of the products. A thousandth of a fixed noise vector is mixed into its first column, so that an
/// eigenvector that is not among the k largest any more does no harm.
/// \throws std::invalid_argument unless 1 <= k <= n and `start` is empty or has n rows and finite columns that are not
/// 0; std::runtime_error when the restarts do not suffice or the operator returns a number that is not finite.
LargestEigen largest_eigenvalues(std::size_t n, std::size_t k, const SymmetricOperator& apply, const Matrix& start = {},
                                 const LargestOptions& options = {});

}  // namespace edgewise::linear_algebra
