#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "linear_algebra/dense.hpp"

namespace edgewise::linear_algebra {

namespace {

using Dense = Eigen::MatrixXd;
using Solver = Eigen::SelfAdjointEigenSolver<Dense>;

Eigen::Map<const Dense> view(const Matrix& a) {
  return {a.data(), static_cast<Eigen::Index>(a.rows()), static_cast<Eigen::Index>(a.columns())};
}

Matrix copy(const Dense& a) {
  Matrix out(static_cast<std::size_t>(a.rows()), static_cast<std::size_t>(a.cols()));
  Eigen::Map<Dense>(out.data(), a.rows(), a.cols()) = a;
  return out;
}

std::vector<double> copy(const Eigen::VectorXd& v) {
  return {v.data(), v.data() + v.size()};
}

void expect_square(const Matrix& a) {
  if (a.rows() != a.columns()) throw std::invalid_argument("the matrix must be square");
}

/// What overflowed would end as iterations that do not converge.
void expect_finite(const Matrix& a) {
  if (!view(a).triangularView<Eigen::Lower>().toDenseMatrix().allFinite())
    throw std::runtime_error("a matrix to be decomposed has an entry that is not finite");
}

SymmetricEigen result(const Solver& solver) {
  if (solver.info() != Eigen::Success) throw std::runtime_error("the eigendecomposition did not converge");
  return {copy(solver.eigenvalues()), copy(solver.eigenvectors())};
}

}  // namespace

SymmetricEigen symmetric_eigen(const Matrix& a) {
  expect_square(a);
  expect_finite(a);
  return result(Solver(view(a)));
}

std::vector<double> symmetric_eigenvalues(const Matrix& a) {
  expect_square(a);
  expect_finite(a);
  const Solver solver(view(a), Eigen::EigenvaluesOnly);
  if (solver.info() != Eigen::Success) throw std::runtime_error("the eigendecomposition did not converge");
  return copy(solver.eigenvalues());
}

SymmetricEigen tridiagonal_eigen(std::span<const double> diagonal, std::span<const double> off_diagonal) {
  if (diagonal.empty() || off_diagonal.size() + 1 != diagonal.size())
    throw std::invalid_argument("a tridiagonal matrix has one off-diagonal entry less than diagonal ones");
  const auto vector = [](std::span<const double> v) {
    return Eigen::VectorXd(Eigen::Map<const Eigen::VectorXd>(v.data(), static_cast<Eigen::Index>(v.size())));
  };
  Solver solver;
  solver.computeFromTridiagonal(vector(diagonal), vector(off_diagonal));
  return result(solver);
}

Matrix cholesky(const Matrix& a) {
  expect_square(a);
  const Eigen::LLT<Dense> factor(view(a));
  if (factor.info() != Eigen::Success) return {};
  return copy(Dense(factor.matrixL()));
}

void cholesky_solve(const Matrix& factor, std::span<double> b) {
  expect_square(factor);
  if (b.size() != factor.rows()) throw std::invalid_argument("the shapes of the system do not fit");
  Eigen::Map<Eigen::VectorXd> x(b.data(), static_cast<Eigen::Index>(b.size()));
  const auto lower = view(factor);
  lower.triangularView<Eigen::Lower>().solveInPlace(x);
  lower.transpose().triangularView<Eigen::Upper>().solveInPlace(x);
}

Matrix orthonormal_columns(const Matrix& a) {
  if (a.rows() < a.columns()) throw std::invalid_argument("needs at least as many rows as columns");
  const Eigen::HouseholderQR<Dense> qr(view(a));
  Dense q = Dense::Identity(view(a).rows(), view(a).cols());
  q.applyOnTheLeft(qr.householderQ());
  return copy(q);
}

Qr truncated_qr(const Matrix& a, double rounding) {
  const Eigen::ColPivHouseholderQR<Dense> qr(view(a));
  const Dense& packed = qr.matrixQR();
  const Eigen::Index most = std::min(packed.rows(), packed.cols());
  Eigen::Index rank = 0;
  while (rank < most && std::abs(packed(rank, rank)) > rounding * std::abs(packed(0, 0))) ++rank;
  Dense q = Dense::Identity(packed.rows(), rank);
  if (rank > 0) q.applyOnTheLeft(qr.householderQ().setLength(rank));
  Dense r = Dense::Zero(rank, packed.cols());
  for (Eigen::Index j = 0; j < packed.cols(); ++j) {
    const Eigen::Index rows = std::min(rank, j + 1);
    r.col(qr.colsPermutation().indices()(j)).head(rows) = packed.col(j).head(rows);
  }
  return {copy(q), copy(r)};
}

Matrix solve(const Matrix& a, const Matrix& b) {
  expect_square(a);
  if (a.rows() != b.rows()) throw std::invalid_argument("the shapes of the system do not fit");
  return copy(Dense(Eigen::PartialPivLU<Dense>(view(a)).solve(view(b))));
}

std::vector<double> least_squares(const Matrix& a, std::span<const double> b) {
  if (b.size() != a.rows() || a.size() == 0) throw std::invalid_argument("the shapes of the system do not fit");
  const Eigen::ColPivHouseholderQR<Dense> qr(view(a));
  return copy(Eigen::VectorXd(qr.solve(Eigen::Map<const Eigen::VectorXd>(b.data(), view(a).rows()))));
}

std::vector<std::complex<double>> eigenvalues(const Matrix& a) {
  expect_square(a);
  const Eigen::EigenSolver<Dense> solver(view(a), false);
  if (solver.info() != Eigen::Success) throw std::runtime_error("the eigendecomposition did not converge");
  const auto& values = solver.eigenvalues();
  return {values.data(), values.data() + values.size()};
}

}  // namespace edgewise::linear_algebra
