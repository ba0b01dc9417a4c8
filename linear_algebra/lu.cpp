#include "linear_algebra/lu.hpp"

#include <Eigen/LU>
#include <cmath>
#include <stdexcept>

namespace edgewise::linear_algebra {

template <class Scalar>
struct Lu<Scalar>::Impl {
  Eigen::PartialPivLU<Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>> factors;
};

template <class Scalar>
Lu<Scalar>::Lu() : impl_(std::make_unique<Impl>()) {}
template <class Scalar>
Lu<Scalar>::Lu(std::size_t n, std::span<const Scalar> entries) : Lu() {
  factor(n, entries);
}
template <class Scalar>
Lu<Scalar>::~Lu() = default;
template <class Scalar>
Lu<Scalar>::Lu(const Lu& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
template <class Scalar>
Lu<Scalar>& Lu<Scalar>::operator=(const Lu& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}
template <class Scalar>
Lu<Scalar>::Lu(Lu&&) noexcept = default;
template <class Scalar>
Lu<Scalar>& Lu<Scalar>::operator=(Lu&&) noexcept = default;

template <class Scalar>
void Lu<Scalar>::factor(std::size_t n, std::span<const Scalar> entries) {
  if (n == 0 || entries.size() != n * n) throw std::invalid_argument("LU factors need the entries of a square matrix");
  const auto size = static_cast<Eigen::Index>(n);
  impl_->factors.compute(
      Eigen::Map<const Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>>(entries.data(), size, size));
}

template <class Scalar>
std::size_t Lu<Scalar>::size() const {
  return static_cast<std::size_t>(impl_->factors.rows());
}

template <class Scalar>
void Lu<Scalar>::solve(std::span<Scalar> b) const {
  if (size() == 0 || b.size() != size()) throw std::invalid_argument("the shapes of the system do not fit");
  const auto& lu = impl_->factors;
  Eigen::Map<Eigen::Matrix<Scalar, Eigen::Dynamic, 1>> x(b.data(), lu.rows());
  x = lu.permutationP() * x;
  lu.matrixLU().template triangularView<Eigen::UnitLower>().solveInPlace(x);
  lu.matrixLU().template triangularView<Eigen::Upper>().solveInPlace(x);
}

template <class Scalar>
Scalar Lu<Scalar>::determinant() const {
  if (size() == 0) throw std::invalid_argument("no matrix has been factored");
  return impl_->factors.determinant();
}

template <class Scalar>
typename Lu<Scalar>::LogDeterminant Lu<Scalar>::log_determinant() const {
  if (size() == 0) throw std::invalid_argument("no matrix has been factored");
  const auto pivots = impl_->factors.matrixLU().diagonal();
  LogDeterminant out{static_cast<Scalar>(static_cast<double>(impl_->factors.permutationP().determinant())), 0};
  for (Eigen::Index i = 0; i < pivots.size(); ++i) {
    const double magnitude = std::abs(pivots[i]);
    if (magnitude > 0) out.phase *= pivots[i] / magnitude;
    out.log_magnitude += std::log(magnitude);
  }
  return out;
}

template class Lu<double>;
template class Lu<std::complex<double>>;

}  // namespace edgewise::linear_algebra
