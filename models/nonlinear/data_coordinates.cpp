#include "models/nonlinear/data_coordinates.hpp"

#include <Eigen/Core>
#include <cmath>

#include "models/ingredients/gradient_kernels.hpp"
#include "models/nonlinear/theory.hpp"

namespace edgewise::models::nonlinear {

namespace {

using linear_algebra::Matrix;

Eigen::Map<const Eigen::MatrixXd> map(const Matrix& m) {
  return {m.data(), static_cast<Eigen::Index>(m.rows()), static_cast<Eigen::Index>(m.columns())};
}
Eigen::Map<const Eigen::VectorXd> map(std::span<const double> v) {
  return {v.data(), static_cast<Eigen::Index>(v.size())};
}
Eigen::Map<Eigen::VectorXd> map(std::span<double> v) {
  return {v.data(), static_cast<Eigen::Index>(v.size())};
}

/// vectors diag(sqrt(values)), rounding below 0 cut off.
Matrix scaled(Matrix vectors, std::span<const double> values) {
  for (std::size_t j = 0; j < vectors.columns(); ++j)
    for (double& entry : vectors.column(j)) entry *= std::sqrt(std::max(values[j], 0.0));
  return vectors;
}

/// Any matrix with K = factor factor'.
Matrix root_of(const Covariance& k) {
  if (!k.eigenvectors.empty()) return scaled(Matrix(k.d, k.d, std::span<const double>(k.eigenvectors)), k.eigenvalue);
  const Matrix matrix(k.d, k.d, std::span<const double>(k.matrix));
  Matrix cholesky = linear_algebra::cholesky(matrix);
  if (cholesky.size() > 0) return cholesky;
  linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(matrix);
  return scaled(std::move(eigen.vectors), eigen.values);
}

}  // namespace

DataCoordinates::DataCoordinates(const NonlinearProblem& problem, bool rows) {
  const Covariance& k = problem.covariance;
  for (const double target : k.target) start_.push_back(-target);
  if (k.diagonal) {
    eigenvalue_ = k.eigenvalue;
  } else if (!problem.coordinatewise() && !rows) {
    const ModeSystem modes = class_one_modes(k);
    eigenvalue_ = modes.kappa;
    for (std::size_t i = 0; i < k.d; ++i) start_[i] = -std::sqrt(modes.initial[i]);
  } else {
    diagonal_ = false;
    factor_ = root_of(k);
  }
  for (const double lambda : eigenvalue_) root_.push_back(std::sqrt(lambda));
  std::vector<double> u(k.d);
  excess_ = whiten(start_, u);
  if (!problem.greedy) return;
  noise_trace_ = modes_of(problem).noise_trace();
  const std::vector<double> variance = k.diagonal_entries();
  for (std::size_t i = 0; i < k.d; ++i)
    preconditioner_.push_back(!problem.coordinatewise() ? 1 : variance[i] > 0 ? 1 / std::sqrt(variance[i]) : 0);
}

DriftPowers DataCoordinates::drift_powers(std::span<const double> u) const {
  std::vector<double> pull(u.size()), direction(u.size()), whitened(u.size());
  color(u, pull);
  for (std::size_t i = 0; i < u.size(); ++i) direction[i] = preconditioner_[i] * pull[i];
  return {.Q = ingredients::dot(std::span<const double>(pull), direction), .T = whiten(direction, whitened)};
}

double DataCoordinates::whiten(std::span<const double> v, std::span<double> u) const {
  if (diagonal_)
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = root_[i] * v[i];
  else
    map(u).noalias() = map(factor_).transpose() * map(v);
  return ingredients::dot(std::span<const double>(u), u);
}

void DataCoordinates::color(std::span<const double> z, std::span<double> x) const {
  if (diagonal_)
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = root_[i] * z[i];
  else
    map(x).noalias() = map(factor_) * map(z);
}

DataRows::DataRows(const NonlinearProblem& problem)
    : dataset(spectra::load(*problem.dataset)), misfit(dataset->targets) {
  for (std::size_t i = 0; i < dataset->rows; ++i)
    misfit[i] -= ingredients::dot(dataset->row(i), problem.covariance.target);
}

}  // namespace edgewise::models::nonlinear
