#pragma once
/// \file
/// Dense matrices and the decompositions that the other folders need, compiled once: Eigen's decompositions are slow to
/// compile, so they are instantiated in this folder's source files and nowhere else.
#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace edgewise::linear_algebra {

/// A dense matrix of doubles, stored column by column.
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t columns, double value = 0)
      : rows_(rows), columns_(columns), data_(rows * columns, value) {}
  /// From entries that stand column by column. \throws std::invalid_argument unless there are rows * columns of them.
  Matrix(std::size_t rows, std::size_t columns, std::span<const double> entries);
  /// Ones on the diagonal, 0 elsewhere.
  static Matrix identity(std::size_t rows, std::size_t columns);

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  double& operator()(std::size_t i, std::size_t j) { return data_[i + j * rows_]; }
  double operator()(std::size_t i, std::size_t j) const { return data_[i + j * rows_]; }
  std::span<double> column(std::size_t j) { return {data_.data() + j * rows_, rows_}; }
  std::span<const double> column(std::size_t j) const { return {data_.data() + j * rows_, rows_}; }
  double* data() { return data_.data(); }
  const double* data() const { return data_.data(); }
  std::size_t size() const { return data_.size(); }
  /// All entries, column by column.
  std::span<double> entries() { return data_; }
  std::span<const double> entries() const { return data_; }

 private:
  std::size_t rows_ = 0, columns_ = 0;
  std::vector<double> data_;
};

enum class Transposed { no, yes };

/// c = alpha op(a) op(b) + beta c, by Eigen's blocked kernel, in one thread. `c` must not alias `a` or `b`.
/// With beta = 0, c is resized to fit and its old content is not read. \throws std::invalid_argument for shapes that do
/// not fit.
void multiply(double alpha, const Matrix& a, Transposed op_a, const Matrix& b, Transposed op_b, double beta, Matrix& c);
/// op(a) op(b).
Matrix product(const Matrix& a, const Matrix& b, Transposed op_a = Transposed::no, Transposed op_b = Transposed::no);
/// Raw form of `multiply` for matrices that live elsewhere, column by column: c (m x n) = alpha op(a) op(b) + beta c,
/// with leading dimensions lda, ldb, ldc and inner dimension k.
void multiply(std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a, std::size_t lda,
              Transposed op_a, const double* b, std::size_t ldb, Transposed op_b, double beta, double* c,
              std::size_t ldc);

/// Adds alpha op(a) op(a)' to the lower triangle of the square matrix c, the upper one stays. \throws
/// std::invalid_argument for shapes that do not fit.
void rank_update(double alpha, const Matrix& a, Transposed op, Matrix& c);
/// Sum of the diagonal of a square matrix, from its first entry on.
inline double trace(const Matrix& a) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rows(); ++i) sum += a(i, i);
  return sum;
}
/// Copies the lower triangle of the square matrix c into the upper one.
void fill_upper(Matrix& c);

/// Eigenvalues, ascending, and orthonormal eigenvectors in the columns of `vectors`.
struct SymmetricEigen {
  std::vector<double> values;
  Matrix vectors;
};
/// Of a symmetric matrix, of which only the lower triangle is read. \throws std::runtime_error when an entry is not
/// finite or it does not converge.
SymmetricEigen symmetric_eigen(const Matrix& a);
std::vector<double> symmetric_eigenvalues(const Matrix& a);
/// The same for a symmetric tridiagonal matrix.
SymmetricEigen tridiagonal_eigen(std::span<const double> diagonal, std::span<const double> off_diagonal);

/// The thin singular value decomposition a = u diag(values) v', with min(rows, columns) singular values, descending.
struct Svd {
  Matrix u;
  std::vector<double> values;
  Matrix v;
};
enum class SingularVectors { left, both };
/// With SingularVectors::left, v stays empty.
Svd thin_svd(const Matrix& a, SingularVectors which = SingularVectors::both);

/// Lower Cholesky factor of a symmetric positive definite matrix (lower triangle read); empty when it is not positive
/// definite to rounding.
Matrix cholesky(const Matrix& a);
/// b <- a^(-1) b, given the lower Cholesky factor of a. \throws std::invalid_argument for shapes that do not fit.
void cholesky_solve(const Matrix& factor, std::span<double> b);

/// Orthonormal basis of the columns of `a` (rows >= columns): the thin Q of its QR factorisation.
Matrix orthonormal_columns(const Matrix& a);

/// a = q r with orthonormal columns of q, by Householder's reflections.
struct Qr {
  Matrix q;
  Matrix r;
};
/// Those columns of q and rows of r that tell, by pivoting on the longest column left: the part that is left out, of columns no
/// longer than `rounding` times the longest of `a`, is of that size. r is not triangular, for its columns stand in the order of
/// those of `a`. No column is left of a matrix of zeros.
Qr truncated_qr(const Matrix& a, double rounding);

/// Solves a x = b by LU with partial pivoting. \throws std::invalid_argument for shapes that do not fit.
/// For one right-hand side, or many of one matrix one by one, see linear_algebra/lu.hpp.
Matrix solve(const Matrix& a, const Matrix& b);

/// The x that makes |a x - b| least, by QR factorisation with column pivoting; where the columns of `a` depend on each
/// other, some entries of x are 0. \throws std::invalid_argument for shapes that do not fit.
std::vector<double> least_squares(const Matrix& a, std::span<const double> b);

/// Eigenvalues of a general square matrix, in no particular order.
std::vector<std::complex<double>> eigenvalues(const Matrix& a);

}  // namespace edgewise::linear_algebra
