#include "linear_algebra/largest_eigenvalues.hpp"

#include <Spectra/SymEigsSolver.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace edgewise::linear_algebra {

namespace {

constexpr double noise_in_start = 1e-3;

/// The operator in Spectra's form, which it applies divided by `scale`: Spectra's own thresholds are absolute.
class Products {
 public:
  using Scalar = double;
  Products(std::size_t n, const SymmetricOperator& apply) : n_(n), apply_(apply) {}
  Eigen::Index rows() const { return static_cast<Eigen::Index>(n_); }
  Eigen::Index cols() const { return rows(); }
  void perform_op(const double* x, double* y) const {
    ++count;
    apply_({x, n_}, {y, n_});
    if (!std::all_of(y, y + n_, [](double v) { return std::isfinite(v); }))
      throw std::runtime_error("largest eigenvalues: the operator returned a number that is not finite");
    if (scale != 1)
      for (std::size_t i = 0; i < n_; ++i) y[i] /= scale;
  }
  mutable std::size_t count = 0;
  double scale = 1;

 private:
  std::size_t n_;
  const SymmetricOperator& apply_;
};

LargestEigen decomposed(std::size_t n, std::size_t k, const Products& products) {
  Matrix a(n, n);
  const Matrix unit = Matrix::identity(n, n);
  for (std::size_t j = 0; j < n; ++j) products.perform_op(unit.column(j).data(), a.column(j).data());
  const SymmetricEigen all = symmetric_eigen(a);
  LargestEigen out{{}, Matrix(n, k), products.count};
  for (std::size_t j = 0; j < k; ++j) {
    out.values.push_back(all.values[n - 1 - j]);
    std::ranges::copy(all.vectors.column(n - 1 - j), out.vectors.column(j).begin());
  }
  return out;
}

/// Numbers in [-1/2, 1/2), by a linear congruential generator: all that matters is that no eigenvector is orthogonal.
std::vector<double> noise(std::size_t n) {
  std::vector<double> out(n);
  std::uint64_t state = 0x9e3779b97f4a7c15;
  for (double& x : out) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    x = static_cast<double>(state >> 11) * 0x1p-53 - 0.5;
  }
  return out;
}

double norm(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

}  // namespace

LargestEigen largest_eigenvalues(std::size_t n, std::size_t k, const SymmetricOperator& apply,
                                 std::span<const double> start, const LargestOptions& options) {
  if (k < 1 || k > n)
    throw std::invalid_argument("largest eigenvalues: asked for " + std::to_string(k) + " of " + std::to_string(n));
  if (!start.empty() && start.size() != n)
    throw std::invalid_argument("largest eigenvalues: the start has " + std::to_string(start.size()) +
                                " numbers, the operator " + std::to_string(n) + " rows");
  const double length = norm(start);
  if (!start.empty() && !(length > 0 && std::isfinite(length)))
    throw std::invalid_argument("largest eigenvalues: the start must be finite and not 0");

  Products products(n, apply);
  std::size_t subspace = options.subspace;
  if (subspace == 0)
    subspace = start.empty() ? std::max<std::size_t>(2 * k + 1, 20) : std::max<std::size_t>(2 * k + 2, 8);
  subspace = std::max(subspace, k + 2);
  if (n <= subspace) return decomposed(n, k, products);

  std::vector<double> first = noise(n);
  const double weight = (start.empty() ? 1.0 : noise_in_start) / norm(first);
  for (std::size_t i = 0; i < n; ++i) first[i] = weight * first[i] + (start.empty() ? 0.0 : start[i] / length);
  std::vector<double> moved(n);
  products.perform_op(first.data(), moved.data());
  const double size = norm(moved);
  // Only the zero operator takes noise to 0.
  if (size == 0) return {std::vector<double>(k, 0.0), Matrix::identity(n, k), products.count};
  products.scale = std::exp2(std::ilogb(size));

  Spectra::SymEigsSolver<Products> solver(products, static_cast<Eigen::Index>(k), static_cast<Eigen::Index>(subspace));
  solver.init(first.data());
  solver.compute(Spectra::SortRule::LargestAlge, static_cast<Eigen::Index>(options.most_restarts), options.tolerance);
  if (solver.info() != Spectra::CompInfo::Successful)
    throw std::runtime_error("largest eigenvalues: the " + std::to_string(k) + " largest of " + std::to_string(n) +
                             " did not converge within " + std::to_string(products.count) + " products");
  const Eigen::VectorXd values = solver.eigenvalues() * products.scale;
  const Eigen::MatrixXd vectors = solver.eigenvectors();
  return {{values.data(), values.data() + values.size()},
          Matrix(n, k, {vectors.data(), static_cast<std::size_t>(vectors.size())}),
          products.count};
}

}  // namespace edgewise::linear_algebra
