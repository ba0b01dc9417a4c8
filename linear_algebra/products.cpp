#include <Eigen/Core>
#include <algorithm>
#include <stdexcept>

#include "linear_algebra/dense.hpp"

namespace edgewise::linear_algebra {

namespace {

using Strided = Eigen::Map<Eigen::MatrixXd, 0, Eigen::OuterStride<>>;
using ConstStrided = Eigen::Map<const Eigen::MatrixXd, 0, Eigen::OuterStride<>>;

ConstStrided operand(const double* data, std::size_t rows, std::size_t columns, std::size_t stride, Transposed op) {
  const auto r = static_cast<Eigen::Index>(op == Transposed::no ? rows : columns);
  const auto c = static_cast<Eigen::Index>(op == Transposed::no ? columns : rows);
  return {data, r, c, Eigen::OuterStride<>(static_cast<Eigen::Index>(stride))};
}

}  // namespace

Matrix::Matrix(std::size_t rows, std::size_t columns, std::span<const double> entries)
    : rows_(rows), columns_(columns), data_(entries.begin(), entries.end()) {
  if (entries.size() != rows * columns) throw std::invalid_argument("a matrix needs rows x columns entries");
}

Matrix Matrix::identity(std::size_t rows, std::size_t columns) {
  Matrix out(rows, columns);
  for (std::size_t i = 0; i < std::min(rows, columns); ++i) out(i, i) = 1;
  return out;
}

void multiply(std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a, std::size_t lda,
              Transposed op_a, const double* b, std::size_t ldb, Transposed op_b, double beta, double* c,
              std::size_t ldc) {
  Strided out(c, static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(n),
              Eigen::OuterStride<>(static_cast<Eigen::Index>(ldc)));
  if (beta == 0)
    out.setZero();
  else if (beta != 1)
    out *= beta;
  const ConstStrided x = operand(a, m, k, lda, op_a), y = operand(b, k, n, ldb, op_b);
  if (op_a == Transposed::no && op_b == Transposed::no)
    out.noalias() += alpha * x * y;
  else if (op_a == Transposed::yes && op_b == Transposed::no)
    out.noalias() += alpha * x.transpose() * y;
  else if (op_a == Transposed::no)
    out.noalias() += alpha * x * y.transpose();
  else
    out.noalias() += alpha * x.transpose() * y.transpose();
}

void multiply(double alpha, const Matrix& a, Transposed op_a, const Matrix& b, Transposed op_b, double beta,
              Matrix& c) {
  const std::size_t m = op_a == Transposed::no ? a.rows() : a.columns();
  const std::size_t k = op_a == Transposed::no ? a.columns() : a.rows();
  const std::size_t n = op_b == Transposed::no ? b.columns() : b.rows();
  if (k != (op_b == Transposed::no ? b.rows() : b.columns()))
    throw std::invalid_argument("the shapes of the matrices to multiply do not fit");
  if (c.rows() != m || c.columns() != n) {
    if (beta != 0) throw std::invalid_argument("the shape of the matrix to add to does not fit");
    c = Matrix(m, n);
  }
  multiply(m, n, k, alpha, a.data(), a.rows(), op_a, b.data(), b.rows(), op_b, beta, c.data(), m);
}

Matrix product(const Matrix& a, const Matrix& b, Transposed op_a, Transposed op_b) {
  Matrix c;
  multiply(1, a, op_a, b, op_b, 0, c);
  return c;
}

void rank_update(double alpha, const Matrix& a, Transposed op, Matrix& c) {
  const std::size_t n = op == Transposed::no ? a.rows() : a.columns();
  if (c.rows() != n || c.columns() != n) throw std::invalid_argument("the shape of the matrix to add to does not fit");
  const Eigen::Map<const Eigen::MatrixXd> x(a.data(), static_cast<Eigen::Index>(a.rows()),
                                            static_cast<Eigen::Index>(a.columns()));
  Eigen::Map<Eigen::MatrixXd> out(c.data(), static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
  if (op == Transposed::no)
    out.selfadjointView<Eigen::Lower>().rankUpdate(x, alpha);
  else
    out.selfadjointView<Eigen::Lower>().rankUpdate(x.transpose(), alpha);
}

void fill_upper(Matrix& c) {
  if (c.rows() != c.columns()) throw std::invalid_argument("the matrix must be square");
  for (std::size_t j = 0; j < c.columns(); ++j)
    for (std::size_t i = 0; i < j; ++i) c(i, j) = c(j, i);
}

}  // namespace edgewise::linear_algebra
