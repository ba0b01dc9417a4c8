#pragma once
/// \file
/// Logits of a wide (linearised) network of kernel K under the softmax loss at inverse temperature beta
/// (docs/theory/networks-and-kernels.md, sections 3.1 to 3.3):
///
///     z' = z + eta beta (Y - softmax(beta z)) K,   binary (one logit, y = +-1): z' = z + eta beta [y/(1 + e^(beta y z))] K
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/networks/losses.hpp"

namespace edgewise::models::softmax_temperature {

struct LogitProblem {
  linear_algebra::Matrix kernel;   ///< K, N x N
  linear_algebra::Matrix targets;  ///< C x N one-hot, or 1 x N of +-1
  linear_algebra::Matrix start;    ///< z_0, C x N
  double inverse_temperature = 1;  ///< beta
  double learning_rate = 0;        ///< eta, of the loss summed over points

  std::size_t points() const { return kernel.rows(); }
  ingredients::networks::Loss loss() const {
    return {ingredients::networks::LossKind::cross_entropy, inverse_temperature};
  }
  /// -dL/dz of the loss summed over points, C x N.
  linear_algebra::Matrix force(const linear_algebra::Matrix& logits) const;
};

/// beta (z_y - the largest other logit), or beta y z, of every point.
std::vector<double> margins(const LogitProblem& problem, const linear_algebra::Matrix& logits);

/// Logits at the recorded steps, by gradient descent as it is run.
std::vector<linear_algebra::Matrix> descended_logits(const LogitProblem& problem, std::span<const std::uint64_t> steps);
/// The same by the flow in continuous steps; the first is 0, the start. \throws std::runtime_error where the integrator gives up.
std::vector<linear_algebra::Matrix> flown_logits(const LogitProblem& problem, std::span<const std::uint64_t> steps,
                                                 double rtol);

/// The stage of small logits, in closed form: the force to first order in z, in continuous steps. Less their mean over classes,
/// logits go to (C/beta)(Y - 1/C) (one logit: 2 y/beta) as exp(-eta beta^2 K t/C) (exp(-eta beta^2 K t/4)).
std::vector<linear_algebra::Matrix> small_logits(const LogitProblem& problem, std::span<const std::uint64_t> steps);

/// The tangent kernel of f = a.phi(W x)/sqrt m as m -> infinity at inputs of norm 1, a, W ~ N(0, 1), by its two parts
/// E phi(u) phi(u') + x.x' E phi'(u) phi'(u') over u = w.x, u' = w.x'. `erf` (of s/sqrt 2) in closed form, else tanh by the trapezoidal rule in the plane.
linear_algebra::Matrix wide_kernel(const linear_algebra::Matrix& inputs, bool erf);

}  // namespace edgewise::models::softmax_temperature
