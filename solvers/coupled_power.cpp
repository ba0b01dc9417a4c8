#include "solvers/coupled_power.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

using linear_algebra::Matrix;
using linear_algebra::product;
using linear_algebra::Transposed;

void multiply(const double* a, const double* b, std::size_t n, double* out) {
  for (std::size_t i = 0; i < n; ++i) {
    std::fill_n(out + i * n, n, 0.0);
    for (std::size_t k = 0; k < n; ++k) {
      const double factor = a[i * n + k];
      if (factor == 0) continue;
      for (std::size_t j = 0; j < n; ++j) out[i * n + j] += factor * b[k * n + j];
    }
  }
}

// ---- blocks ---------------------------------------------------------------------------------------------------------

void ModeBlocks::add(const double* column, double* to) const {
  for (std::size_t i = 0; i < n_; ++i)
    for (std::size_t a = 0; a < q_; ++a)
      for (std::size_t b = 0; b < q_; ++b) to[i * q_ + a] += (*this)(i, a, b) * column[i * q_ + b];
}

void ModeBlocks::add_transposed(const double* column, double* to) const {
  for (std::size_t i = 0; i < n_; ++i)
    for (std::size_t a = 0; a < q_; ++a)
      for (std::size_t b = 0; b < q_; ++b) to[i * q_ + b] += (*this)(i, a, b) * column[i * q_ + a];
}

ModeBlocks ModeBlocks::product_with(const ModeBlocks& by) const {
  ModeBlocks out(n_, q_);
  const std::size_t size = q_ * q_;
  for (std::size_t i = 0; i < n_; ++i)
    multiply(by.entries_.data() + i * size, entries_.data() + i * size, q_, out.entries_.data() + i * size);
  return out;
}

ModeBlocks& ModeBlocks::operator+=(const ModeBlocks& other) {
  for (std::size_t k = 0; k < entries_.size(); ++k) entries_[k] += other.entries_[k];
  return *this;
}

// ---- powers ---------------------------------------------------------------------------------------------------------

namespace {

/// Divides `a` by its largest entry, which is returned; what has left the range of doubles becomes 0.
double normalise(Matrix& a) {
  constexpr double gone = 1e-280;
  double largest = 0;
  for (const double value : a.entries()) largest = std::max(largest, std::abs(value));
  for (double& value : a.entries()) value = largest < gone ? 0 : value / largest;
  return largest;
}

/// Divides the rows of a by the norms of those of a other', which are returned. Where these are sums that cancel, they are
/// right in size only, which is enough for a scale.
std::vector<double> level_rows(Matrix& a, const Matrix& other) {
  constexpr double gone = 1e-140, digits = 1e-8;
  const Matrix gram = product(other, other, Transposed::yes);
  const Matrix half = product(a, gram);
  std::vector<double> norm(a.rows(), 0.0), most(a.rows(), 0.0);
  for (std::size_t k = 0; k < a.columns(); ++k)
    for (std::size_t i = 0; i < a.rows(); ++i) {
      norm[i] += half(i, k) * a(i, k);
      most[i] += std::abs(a(i, k)) * std::sqrt(gram(k, k));
    }
  for (std::size_t i = 0; i < a.rows(); ++i) norm[i] = std::max(std::sqrt(std::max(norm[i], 0.0)), digits * most[i]);
  for (std::size_t k = 0; k < a.columns(); ++k)
    for (std::size_t i = 0; i < a.rows(); ++i) a(i, k) = norm[i] < gone ? 0 : a(i, k) / norm[i];
  return norm;
}

Matrix beside(const Matrix& a, const Matrix& b) {
  Matrix out(a.rows(), a.columns() + b.columns());
  std::ranges::copy(a.entries(), out.data());
  std::ranges::copy(b.entries(), out.data() + a.size());
  return out;
}

Matrix column_of(std::span<const double> v) {
  return Matrix(v.size(), 1, v);
}

Matrix moved(const ModeBlocks& by, const Matrix& columns, Transposed op = Transposed::no) {
  Matrix out(columns.rows(), columns.columns());
  for (std::size_t k = 0; k < columns.columns(); ++k) {
    if (op == Transposed::no)
      by.add(columns.column(k).data(), out.column(k).data());
    else
      by.add_transposed(columns.column(k).data(), out.column(k).data());
  }
  return out;
}

}  // namespace

CoupledPower::CoupledPower(ModeBlocks W, std::vector<double> c, std::vector<double> r, std::uint64_t count)
    : left_(column_of(c)), right_(column_of(r)), driven_(c) {
  const Matrix c_column = left_, r_column = right_;
  ModeBlocks power = W;
  // (columns' X)' + more
  const auto read = [&](const Matrix& columns, Matrix more) {
    multiply(1, right_, Transposed::no, product(left_, columns, Transposed::yes), Transposed::no, 1, more);
    return more;
  };
  for_bits(count, [&](bool one_more) {
    if (!finite_) return;
    std::vector<double> twice = driven_;
    power.add(driven_.data(), twice.data());
    add(driven_, twice);
    driven_ = std::move(twice);
    // W L R' + L (W' R + R (L' R))'
    Matrix right = beside(right_, read(right_, moved(power, right_, Transposed::yes)));
    Matrix left = beside(moved(power, left_), left_);
    power = power.product_with(power);
    if (one_more) {
      // The sum begins with c once more, and W X + c r' (power + X) is the next X.
      std::vector<double> next = c;
      W.add(driven_.data(), next.data());
      const double value = dot(r.data(), driven_.data(), r.size());
      for (std::size_t k = 0; k < c.size(); ++k) next[k] += c[k] * value;
      driven_ = std::move(next);
      left_ = std::move(left);
      right_ = std::move(right);
      right = beside(right_, read(r_column, moved(power, r_column, Transposed::yes)));
      left = beside(moved(W, left_), c_column);
      power = power.product_with(W);
    }
    compress(std::move(left), std::move(right));
  });
  finite_ = finite_ && all_finite(driven_) && all_finite(power.entries());
}

void CoupledPower::compress(Matrix left, Matrix right) {
  constexpr double rounding = 1e-15;
  finite_ = all_finite(left.entries()) && all_finite(right.entries());
  if (!finite_) return;
  const double of_left = normalise(left), of_right = normalise(right);
  const std::vector<double> row = level_rows(left, right), column = level_rows(right, left);
  // left right' = q (r right') = q s' p' of orthonormal columns q and p
  const linear_algebra::Qr outer = linear_algebra::truncated_qr(left, 0);
  linear_algebra::Qr inner;
  if (outer.q.columns() > 0)
    inner = linear_algebra::truncated_qr(product(right, outer.r, Transposed::no, Transposed::yes), rounding);
  if (inner.q.columns() == 0) {
    left_ = Matrix(left.rows(), 1);
    right_ = Matrix(right.rows(), 1);
    return;
  }
  left_ = product(outer.q, inner.r, Transposed::no, Transposed::yes);
  right_ = std::move(inner.q);
  for (std::size_t k = 0; k < rank(); ++k) {
    for (std::size_t i = 0; i < row.size(); ++i) left_(i, k) *= row[i] * of_left;
    for (std::size_t i = 0; i < column.size(); ++i) right_(i, k) *= column[i] * of_right;
  }
  finite_ = all_finite(left_.entries()) && all_finite(right_.entries());
}

void CoupledPower::add(std::span<const double> column, std::span<double> to) const {
  for (std::size_t k = 0; k < rank(); ++k) {
    const double factor = dot(right_.column(k).data(), column.data(), column.size());
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += left_(i, k) * factor;
  }
}

}  // namespace edgewise::solvers
