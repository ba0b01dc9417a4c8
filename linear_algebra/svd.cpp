#include <Eigen/SVD>

#include "linear_algebra/dense.hpp"

namespace edgewise::linear_algebra {

Svd thin_svd(const Matrix& a, SingularVectors which) {
  using Dense = Eigen::MatrixXd;
  const Eigen::Map<const Dense> given(a.data(), static_cast<Eigen::Index>(a.rows()),
                                      static_cast<Eigen::Index>(a.columns()));
  const auto copy = [](const Dense& m) {
    Matrix out(static_cast<std::size_t>(m.rows()), static_cast<std::size_t>(m.cols()));
    Eigen::Map<Dense>(out.data(), m.rows(), m.cols()) = m;
    return out;
  };
  // Jacobi's method, behind a QR factorisation: accurate for graded matrices. Divide and conquer would be faster beyond
  // some 500 columns, and costs a minute of compilation.
  const bool both = which == SingularVectors::both;
  const Eigen::JacobiSVD<Dense, Eigen::HouseholderQRPreconditioner> svd(
      given, both ? Eigen::ComputeThinU | Eigen::ComputeThinV : Eigen::ComputeThinU);
  const Eigen::VectorXd& s = svd.singularValues();
  return {copy(svd.matrixU()), {s.data(), s.data() + s.size()}, both ? copy(svd.matrixV()) : Matrix()};
}

}  // namespace edgewise::linear_algebra
