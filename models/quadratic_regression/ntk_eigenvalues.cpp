#include "models/quadratic_regression/ntk_eigenvalues.hpp"

#include <algorithm>
#include <utility>

#include "linear_algebra/largest_eigenvalues.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Outputs up to which a full decomposition costs less.
constexpr std::size_t largest_decomposed = 24;

}  // namespace

std::span<const double> LargestNtkEigenvalues::operator()(const Matrix& j) {
  if (j.rows() <= largest_decomposed) {
    const std::vector<double> all =
        linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
    std::copy_n(all.rbegin(), values_.size(), values_.begin());
    return values_;
  }
  inner_.resize(j.columns());
  const auto apply = [&](std::span<const double> x, std::span<double> y) {
    linear_algebra::multiply(j.columns(), 1, j.rows(), 1, j.data(), j.rows(), Transposed::yes, x.data(), x.size(),
                             Transposed::no, 0, inner_.data(), inner_.size());
    linear_algebra::multiply(j.rows(), 1, j.columns(), 1, j.data(), j.rows(), Transposed::no, inner_.data(),
                             inner_.size(), Transposed::no, 0, y.data(), y.size());
  };
  linear_algebra::LargestOptions options;
  options.tolerance = 1e-7;  // of the residual; the eigenvalue is good to its square where it is isolated
  linear_algebra::LargestEigen top =
      linear_algebra::largest_eigenvalues(j.rows(), values_.size(), apply, start_, options);
  start_ = std::move(top.next_start);
  std::ranges::copy(top.values, values_.begin());
  return values_;
}

}  // namespace edgewise::models::quadratic_regression
