#include <Eigen/SVD>

#include "linear_algebra/dense.hpp"

namespace edgewise::linear_algebra {

Svd thin_svd(const Matrix& a) {
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
  const Eigen::JacobiSVD<Dense, Eigen::HouseholderQRPreconditioner> svd(given,
                                                                        Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd& s = svd.singularValues();
  return {copy(svd.matrixU()), {s.data(), s.data() + s.size()}, copy(svd.matrixV())};
}

}  // namespace edgewise::linear_algebra
