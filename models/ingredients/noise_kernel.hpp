#pragma once
/// \file
/// How the noise of batches from fixed samples feeds on itself (docs/theory/least-squares-sgd.md, section 9;
/// docs/theory/quadratic-regression.md, section 4), on a kernel of eigenvalues mu_a and eigenvectors V_a: a batch's
/// projector P has E[P A P] proportional to c2 A + c1 diag(A).
#include <functional>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::ingredients {

/// An N x N symmetric matrix with entries >= 0, applied without being formed:
///
///     M d = diag( V ( w o (V' diag(d) V) ) V' ),      M_ij = sum_ab V_ia V_ib V_ja V_jb w_ab
///
/// with entrywise products o and the weights w_ab = weight(mu_a, mu_b) >= 0; null modes make no noise.
class NoiseKernel {
 public:
  /// `vectors`: N rows, in its first columns the modes of `eigenvalues`.
  NoiseKernel(const linear_algebra::Matrix& vectors, std::span<const double> eigenvalues,
              const std::function<double(double, double)>& weight);
  std::vector<double> operator()(std::span<const double> d) const;
  /// Its largest eigenvalue, to 1e-13.
  double perron() const;
  /// (1 - M)^{-1} d by conjugate gradients, for a kernel of norm below 1.
  std::vector<double> renewed(std::span<const double> d) const;

 private:
  linear_algebra::Matrix vectors_;  // N x modes
  linear_algebra::Matrix weights_;  // modes x modes
};

/// That of SGD at a learning rate where every mode alone is stable: weights eta c1 mu_a mu_b/(mu_a + mu_b - eta c2 mu_a
/// mu_b).
NoiseKernel noise_kernel_at(const linear_algebra::Matrix& vectors, std::span<const double> eigenvalues,
                            double learning_rate, double c1, double c2);

/// Its largest eigenvalue. Infinite where a mode alone is unstable, eta c2 mu >= 2.
double exact_kernel_norm(const linear_algebra::Matrix& vectors, std::span<const double> eigenvalues,
                         double learning_rate, double c1, double c2);
/// The same with eigenvectors that are spread evenly over the samples, V_ia^2 = 1/N: a lower bound.
double mean_field_kernel_norm(std::span<const double> eigenvalues, double samples, double learning_rate, double c1,
                              double c2);

}  // namespace edgewise::models::ingredients
