#include "linear_algebra/largest_eigenvalues.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace edgewise::linear_algebra {

namespace {

using Vector = Eigen::VectorXd;
using Columns = Eigen::MatrixXd;
using Eigen::Index;

constexpr double noise_in_start = 1e-3;
/// Residuals below this times |A| are rounding.
constexpr double rounding = 64 * std::numeric_limits<double>::epsilon();
/// What is left of a vector beside a basis, relative to the vector, when nothing is left.
constexpr double nothing = 1e-13;
/// A further Ritz value is below all that are wanted when its residual is this much smaller than the distance.
constexpr double certainly_below = 1e-6;

/// Without overflow or underflow on the way; no number for 0 and for what is not finite.
double norm(const Vector& x) {
  const double size = x.lpNorm<Eigen::Infinity>();
  return size * (x / size).norm();
}

void apply_to(const SymmetricOperator& apply, std::span<const double> x, std::span<double> y) {
  apply(x, y);
  if (!std::ranges::all_of(y, [](double v) { return std::isfinite(v); }))
    throw std::runtime_error("largest eigenvalues: the operator returned a number that is not finite");
}

/// The operator divided by a power of 2 near the size of the first image, so that squares of its entries neither
/// overflow nor vanish.
class Products {
 public:
  Products(std::size_t n, const SymmetricOperator& apply) : n_(n), apply_(apply) {}
  Index size() const { return static_cast<Index>(n_); }
  void operator()(const double* x, double* y) {
    apply_to(apply_, {x, n_}, {y, n_});
    Eigen::Map<Vector> image(y, size());
    const double first = count++ == 0 ? norm(image) : 0;
    // The reciprocal of the least numbers overflows.
    if (first > 0) scale = std::exp2(std::clamp(std::ilogb(first), -1000, 1000));
    if (scale != 1) image /= scale;
  }
  std::size_t count = 0;
  double scale = 1;

 private:
  std::size_t n_;
  const SymmetricOperator& apply_;
};

LargestEigen decomposed(std::size_t n, std::size_t k, const SymmetricOperator& apply) {
  Matrix a(n, n);
  const Matrix unit = Matrix::identity(n, n);
  for (std::size_t j = 0; j < n; ++j) apply_to(apply, unit.column(j), a.column(j));
  const SymmetricEigen all = symmetric_eigen(a);
  LargestEigen out{{}, Matrix(n, k), {}, n};
  for (std::size_t j = 0; j < k; ++j) {
    out.values.push_back(all.values[n - 1 - j]);
    std::ranges::copy(all.vectors.column(n - 1 - j), out.vectors.column(j).begin());
  }
  out.next_start = out.vectors;
  return out;
}

/// \throws std::invalid_argument when x has no direction.
Vector unit(std::span<const double> x) {
  const Vector out = Eigen::Map<const Vector>(x.data(), static_cast<Index>(x.size()));
  const double length = norm(out);
  if (!(length > 0)) throw std::invalid_argument("largest eigenvalues: the start must be finite and not 0");
  return out / length;
}

/// Vectors of numbers in [-1/2, 1/2), by a linear congruential generator: all that matters is that no eigenvector is
/// orthogonal.
class Noise {
 public:
  explicit Noise(std::size_t n) : n_(n) {}
  Vector operator()() {
    Vector out(static_cast<Index>(n_));
    for (double& x : out) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      x = static_cast<double>(state_ >> 11) * 0x1p-53 - 0.5;
    }
    return out;
  }

 private:
  std::size_t n_;
  std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

/// An orthonormal basis with its images under the operator, and the best approximations of eigenvectors in its span.
class RitzSpace {
 public:
  RitzSpace(Products& products, std::size_t max_columns)
      : products_(products),
        basis_(products.size(), static_cast<Index>(max_columns)),
        images_(basis_.rows(), basis_.cols()),
        projected_(basis_.cols(), basis_.cols()) {}

  Index size() const { return size_; }
  bool full() const { return size_ == basis_.cols(); }

  /// Adds what of x is outside of the span; false when nothing is.
  bool add(Vector x) {
    const double length = norm(x);
    if (!(length > 0)) return false;
    x /= length;
    const auto basis = basis_.leftCols(size_);
    // The second pass removes what the rounding of the first has left.
    for (int pass = 0; pass < 2 && size_ > 0; ++pass) {
      x -= basis * (basis.transpose() * x).eval();
      const double left = x.norm();
      if (!(left > nothing)) return false;
      x /= left;
    }
    basis_.col(size_) = x;
    products_(basis_.col(size_).data(), images_.col(size_).data());
    ++size_;
    projected_.col(size_ - 1).head(size_) = basis_.leftCols(size_).transpose() * images_.col(size_ - 1);
    projected_.row(size_ - 1).head(size_) = projected_.col(size_ - 1).head(size_).transpose();
    return true;
  }

  /// The image of the last vector that was added: where the Krylov space goes on.
  Vector last_image() const { return images_.col(size_ - 1); }

  void decompose() {
    const auto m = static_cast<std::size_t>(size_);
    Matrix small(m, m);
    Eigen::Map<Columns>(small.data(), size_, size_) = projected_.topLeftCorner(size_, size_);
    eigen_ = symmetric_eigen(small);
    largest_ = std::max({largest_, std::abs(eigen_.values.front()), std::abs(eigen_.values.back())});
  }
  /// Ritz value j, the largest first. Like all below, of the last decomposition.
  double value(Index j) const { return eigen_.values[static_cast<std::size_t>(size_ - 1 - j)]; }
  Vector vector(Index j) const { return basis_.leftCols(size_) * coordinates(j); }
  /// A v - theta v.
  Vector residual(Index j) const { return images_.leftCols(size_) * coordinates(j) - value(j) * vector(j); }
  /// The largest Ritz value met, in size.
  double largest() const { return largest_; }

  /// Leaves the leading `count` Ritz vectors alone.
  void restart(Index count) {
    Columns y(size_, count);
    for (Index j = 0; j < count; ++j) y.col(j) = coordinates(j);
    basis_.leftCols(count) = (basis_.leftCols(size_) * y).eval();
    images_.leftCols(count) = (images_.leftCols(size_) * y).eval();
    // What rounding takes from the orthonormality and from the diagonal form would add up from restart to restart.
    auto basis = basis_.leftCols(count), images = images_.leftCols(count);
    const Columns half = 0.5 * (basis.transpose() * basis - Columns::Identity(count, count));
    basis -= (basis * half).eval();
    images -= (images * half).eval();
    projected_.topLeftCorner(count, count) = basis.transpose() * images;
    size_ = count;
    decompose();
  }

 private:
  Eigen::Map<const Vector> coordinates(Index j) const {
    return {eigen_.vectors.column(static_cast<std::size_t>(size_ - 1 - j)).data(), size_};
  }

  Products& products_;
  Columns basis_, images_, projected_;
  Index size_ = 0;
  SymmetricEigen eigen_;
  double largest_ = 0;
};

/// Enlarges the space until it holds the k largest.
class Search {
 public:
  Search(Products& products, std::size_t k, std::size_t subspace, const LargestOptions& options)
      : products_(products),
        options_(options),
        k_(static_cast<Index>(k)),
        kept_(static_cast<Index>(k + (subspace - k) / 2)),
        chain_(std::max<Index>(1, static_cast<Index>(subspace) / 8 - 1)),
        noise_(static_cast<std::size_t>(products.size())),
        space_(products, subspace) {}

  void start_from(const Matrix& given) {
    Vector first = noise_();
    first *= (given.size() == 0 ? 1.0 : noise_in_start) / norm(first);
    if (given.columns() > 0) first += unit(given.column(0));
    space_.add(first);
    for (std::size_t c = 1; c < given.columns() && !space_.full(); ++c) space_.add(unit(given.column(c)));
    space_.decompose();
  }

  /// False when the search is over.
  bool step() {
    const Index present = std::min(k_, space_.size());
    for (Index j = 0; j < present; ++j) {
      Vector r = space_.residual(j);
      if (norm(r) > allowed(j)) return enlarge(r);
    }
    // All that the space can hold, but fewer than asked: it is invariant.
    if (present < k_) return enlarge(noise_());
    return k_ > 1 && look_for_copies();
  }

  LargestEigen result() const {
    const auto n = static_cast<std::size_t>(products_.size()), k = static_cast<std::size_t>(k_);
    const Index further = std::min(k_ + 1, space_.size());
    LargestEigen out{{}, Matrix(n, k), Matrix(n, static_cast<std::size_t>(further)), products_.count};
    for (Index j = 0; j < further; ++j) {
      const Vector v = space_.vector(j);
      std::ranges::copy(v, out.next_start.column(static_cast<std::size_t>(j)).begin());
      if (j == k_) break;
      std::ranges::copy(v, out.vectors.column(static_cast<std::size_t>(j)).begin());
      out.values.push_back(space_.value(j) * products_.scale);
      if (!std::isfinite(out.values.back()))
        throw std::runtime_error("largest eigenvalues: one of them is too large for a number");
    }
    return out;
  }

 private:
  double allowed(Index j) const {
    return std::max(options_.tolerance * std::abs(space_.value(j)), rounding * space_.largest());
  }

  /// One starting vector sees one copy of every eigenvalue. Beside the k that are known alone, a fresh one grows
  /// towards the largest of all that is left: when that is below the k, none was missed. \return whether to go on
  bool look_for_copies() {
    std::vector<double> now;
    bool grown = known_.empty();
    for (Index j = 0; j < k_; ++j) {
      now.push_back(space_.value(j));
      grown = grown || now.back() > known_[static_cast<std::size_t>(j)] + 2 * allowed(j);
    }
    if (grown) {
      known_ = std::move(now);
      space_.restart(k_);
      return enlarge(noise_());
    }
    const Vector r = space_.residual(k_);
    const double distance = space_.value(k_ - 1) - space_.value(k_);
    return norm(r) > std::max(allowed(k_), certainly_below * distance) && enlarge(r);
  }

  /// By the direction of x and the Krylov space beyond it. \return true
  bool enlarge(const Vector& x) {
    if (space_.full()) {
      if (++restarts_ > options_.max_restarts)
        throw std::runtime_error("largest eigenvalues: the " + std::to_string(k_) + " largest of " +
                                 std::to_string(products_.size()) + " did not converge within " +
                                 std::to_string(products_.count) + " products");
      space_.restart(kept_);
    }
    if (!space_.add(x)) space_.add(noise_());
    for (Index c = 1; c < chain_ && !space_.full(); ++c)
      if (!space_.add(space_.last_image())) break;
    space_.decompose();
    return true;
  }

  Products& products_;
  LargestOptions options_;
  Index k_, kept_, chain_;  // chain_: vectors added from one decomposition of a large space to the next
  Noise noise_;
  RitzSpace space_;
  std::vector<double> known_;  // the values when the last fresh vector joined
  std::size_t restarts_ = 0;
};

}  // namespace

LargestEigen largest_eigenvalues(std::size_t n, std::size_t k, const SymmetricOperator& apply, const Matrix& start,
                                 const LargestOptions& options) {
  if (k < 1 || k > n)
    throw std::invalid_argument("largest eigenvalues: asked for " + std::to_string(k) + " of " + std::to_string(n));
  if (start.size() > 0 && start.rows() != n)
    throw std::invalid_argument("largest eigenvalues: the start has " + std::to_string(start.rows()) +
                                " numbers, the operator " + std::to_string(n) + " rows");
  const std::size_t subspace =
      std::max(options.subspace == 0 ? std::max<std::size_t>(2 * k + 1, 20) : options.subspace, k + 2);
  // Of many, Krylov spaces cost more than all.
  if (n <= std::max(subspace, 4 * k)) {
    for (std::size_t c = 0; c < start.columns(); ++c) unit(start.column(c));
    return decomposed(n, k, apply);
  }
  Products products(n, apply);
  Search search(products, k, subspace, options);
  search.start_from(start);
  while (search.step()) {
  }
  return search.result();
}

}  // namespace edgewise::linear_algebra
