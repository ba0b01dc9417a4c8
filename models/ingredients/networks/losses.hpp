#pragma once
/// \file
/// Losses of a network's outputs: values, cotangents and second derivatives by the outputs.
#include <cstddef>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::ingredients::networks {

enum class LossKind { squared, cross_entropy };

/// Means over n examples, of outputs f and targets y, both C x n, a column per example:
///
///     squared         L = (1/2n) sum_i |f_i - y_i|^2
///     cross_entropy   L = -(1/n) sum_i y_i . log softmax(beta f_i),  y_i >= 0 of sum 1;
///                     where C = 1:  L = (1/n) sum_i log(1 + exp(-beta y_i f_i)),  y_i = +-1
///
/// beta is the inverse temperature (docs/theory/networks-and-kernels.md, section 3); squared losses have none.
struct Loss {
  LossKind kind = LossKind::squared;
  double inverse_temperature = 1;

  double value(const linear_algebra::Matrix& outputs, const linear_algebra::Matrix& targets) const;
  /// c = dL/df.
  linear_algebra::Matrix cotangent(const linear_algebra::Matrix& outputs, const linear_algebra::Matrix& targets) const;
  /// (d2L/df2) v, block diagonal over examples; v is C x n.
  linear_algebra::Matrix curvature(const linear_algebra::Matrix& outputs, const linear_algebra::Matrix& targets,
                                   const linear_algebra::Matrix& v) const;
  /// Column c of a root of d2L/df2: with the R_c, c = 0..C-1, which are C x n, sum_c R_c,i R_c,i' = d2L/df_i2.
  linear_algebra::Matrix curvature_root(const linear_algebra::Matrix& outputs, const linear_algebra::Matrix& targets,
                                        std::size_t c) const;
  /// Share of the examples whose largest output is that of the largest target (C = 1: whose sign is the target's; 0 is
  /// wrong).
  static double accuracy(const linear_algebra::Matrix& outputs, const linear_algebra::Matrix& targets);
};

}  // namespace edgewise::models::ingredients::networks
