#pragma once
/// \file
/// Mean-square stability of SGD on a fixed data set (docs/theory/least-squares-sgd.md, section 9): how the noise of the
/// batches feeds on itself, at three levels of the theory.
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/finite_data/finite_data.hpp"

namespace edgewise::models::finite_data {

/// The noise kernel of (9.1), an N x N symmetric matrix with entries >= 0, applied without being formed:
///
///     M d = diag( V ( w o (V' diag(d) V) ) V' )
///
/// with the eigenvectors of Theta in the columns of V, entrywise products o, and weights w_ab given for the modes that
/// are not null.
class NoiseKernel {
 public:
  NoiseKernel(const Kernel& kernel, const std::function<double(double, double)>& weight);
  std::vector<double> operator()(std::span<const double> d) const;
  /// Its largest eigenvalue, to 1e-13.
  double perron() const;
  /// (1 - M)^{-1} d by conjugate gradients, for a kernel of norm below 1.
  std::vector<double> renewed(std::span<const double> d) const;

 private:
  linear_algebra::Matrix vectors_;  // N x rank
  linear_algebra::Matrix weights_;  // rank x rank
};

/// Levels of the kernel norm: exact; closure (doubly stochastic C_ab = sum_i V_ia^2 V_ib^2); mean-field (C = 1/N);
/// trace (eta tr Theta/(2B)).
enum class NormLevel { exact, closure, mean_field, trace };

/// The kernel norm at a learning rate; infinite where a mode alone is unstable.
double kernel_norm(const FiniteData& data, const Kernel& kernel, NormLevel level, double learning_rate);
/// The learning rate at which it reaches 1; 2/mu_max at full batch.
double threshold(const FiniteData& data, const Kernel& kernel, NormLevel level);
/// Growth per step of the second moments (9.1) on the modes that are not null: the largest r for which the noise kernel
/// of weights eta^2 c1 mu_a mu_b/(r - L_ab), L_ab = 1 - eta (mu_a + mu_b) + eta^2 c2 mu_a mu_b, has norm 1.
double growth_factor(const FiniteData& data, const Kernel& kernel);

/// C_ab = sum_i V_ia^2 V_ib^2 of all modes.
linear_algebra::Matrix overlaps(const Kernel& kernel);

}  // namespace edgewise::models::finite_data
