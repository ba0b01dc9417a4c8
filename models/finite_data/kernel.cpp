#include <algorithm>
#include <cmath>

#include "models/finite_data/finite_data.hpp"

#include "numerics/sums.hpp"

namespace edgewise::models::finite_data {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Eigenvalues of X X' below this, relative to the largest, have lost too many digits.
constexpr double resolved = 1e-6;
/// Singular values of X below this, relative to its size, are rounding of 0: what an eigenvector of X X' at `resolved`
/// is off by, times its singular value, and a margin.
constexpr double null_share = 2e-12;

double length(std::span<const double> entries) {
  return std::sqrt(numerics::squared_norm_in_order(entries));
}

}  // namespace

std::vector<double> Kernel::along(std::span<const double> z) const {
  std::vector<double> out(vectors.columns());
  for (std::size_t a = 0; a < out.size(); ++a) {
    const auto v = vectors.column(a);
    out[a] = numerics::dot_in_order(v, z);
  }
  return out;
}

// The squares X X' resolve singular values of X down to 1e-3 of the largest; what is smaller is found again from X
// without the directions that are known, level by level, until rounding is left.
Kernel kernel_of(const FiniteData& data) {
  const std::size_t N = data.samples(), p = data.parameters();
  Kernel out;
  out.vectors = Matrix::identity(N, N);
  out.eigenvalue.assign(N, 0.0);
  double size = 0;
  for (const double x : data.inputs.entries()) size = std::max(size, std::abs(x));
  if (size == 0) return out;
  Matrix rest = data.inputs;  // p x (N - rank): in the basis of the directions that are left
  for (double& x : rest.entries()) x /= size;
  const double null = null_share * length(rest.entries());
  while (out.rank < N && length(rest.entries()) > null) {
    const std::size_t left = N - out.rank;
    const linear_algebra::SymmetricEigen eigen =
        linear_algebra::symmetric_eigen(linear_algebra::product(rest, rest, Transposed::yes));
    Matrix turn(left, left);  // the largest first
    for (std::size_t a = 0; a < left; ++a)
      std::ranges::copy(eigen.vectors.column(left - 1 - a), turn.column(a).begin());
    Matrix basis(N, left);
    std::copy_n(out.vectors.column(out.rank).data(), basis.size(), basis.data());
    basis = linear_algebra::product(basis, turn);
    std::copy_n(basis.data(), basis.size(), out.vectors.column(out.rank).data());
    std::size_t known = 0;
    for (; known < left && eigen.values[left - 1 - known] > std::max(resolved * eigen.values.back(), null * null);
         ++known)
      out.eigenvalue[out.rank + known] = eigen.values[left - 1 - known] * size / static_cast<double>(N) * size;
    if (known == 0) break;
    Matrix turned(p, left - known);
    linear_algebra::multiply(p, left - known, left, 1, rest.data(), p, Transposed::no, turn.column(known).data(), left,
                             Transposed::no, 0, turned.data(), p);
    rest = std::move(turned);
    out.rank += known;
  }
  return out;
}

double null_power(const FiniteData& data, const Kernel& kernel) {
  const std::vector<double> start = kernel.along(data.residual);
  double sum = 0, all = 0;
  for (std::size_t a = 0; a < start.size(); ++a) {
    all += start[a] * start[a];
    if (a >= kernel.rank) sum += start[a] * start[a];
  }
  // What parameters fit exactly leaves rounding there.
  const double rounding = static_cast<double>(start.size()) * std::numeric_limits<double>::epsilon();
  return sum > rounding * rounding * all ? sum : 0;
}

}  // namespace edgewise::models::finite_data
