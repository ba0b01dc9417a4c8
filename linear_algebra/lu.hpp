#pragma once
/// \file
/// LU factorisation of small and medium square matrices, to be used again and again.
#include <complex>
#include <cstddef>
#include <memory>
#include <span>

namespace edgewise::linear_algebra {

/// Factors P a = L U with partial pivoting, of a matrix of doubles or of complex numbers. Factoring another matrix of
/// the same size allocates nothing.
template <class Scalar>
class Lu {
 public:
  Lu();
  Lu(std::size_t n, std::span<const Scalar> entries);
  ~Lu();
  Lu(const Lu&);
  Lu& operator=(const Lu&);
  Lu(Lu&&) noexcept;
  Lu& operator=(Lu&&) noexcept;

  /// The n x n matrix with these entries, column by column. \throws std::invalid_argument unless there are n * n.
  void factor(std::size_t n, std::span<const Scalar> entries);
  std::size_t size() const;
  /// b <- a^(-1) b. Not finite where the matrix is singular. \throws std::invalid_argument for another length.
  void solve(std::span<Scalar> b) const;

  Scalar determinant() const;
  /// The determinant as phase * exp(log_magnitude), |phase| = 1, which cannot overflow; log_magnitude is -infinity for
  /// a singular matrix.
  struct LogDeterminant {
    Scalar phase;
    double log_magnitude;
  };
  LogDeterminant log_determinant() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

extern template class Lu<double>;
extern template class Lu<std::complex<double>>;

}  // namespace edgewise::linear_algebra
