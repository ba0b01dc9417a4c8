#pragma once
/// \file
/// Balanced deep linear nets f = W_L ... W_1 x on whitened inputs, loss |W_L ... W_1 - T|^2/2
/// (docs/theory/networks-and-kernels.md, section 2.4). Every layer has the singular values w_i, s_i = w_i^L, and each
/// moves by itself:
///
///     gradient descent  w' = w + eta (sigma - s) w^(L-1);     flow  ds/dt = L eta s^(2 - 2/L) (sigma - s)
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::feature_alignment {

struct DeepLinear {
  std::size_t layers = 2, width = 0;  ///< width: of every layer, inputs and outputs, in the simulation
  std::vector<double> target, start;  ///< sigma_i >= 0 and s_i(0) > 0
  double learning_rate = 0.01;
  bool flow = false;  ///< the theory's
  double rtol = 1e-10;
};

/// loss, rho_c_1 .. rho_c_L, rho_u_1 .. rho_u_L, s_1, s_2, ..., and of two layers or more imbalance
std::vector<Observable> deep_linear_observables(const DeepLinear& net);
/// w_i at increasing times, by gradient descent or the flow (of which the first must be 0); shorter where it diverges.
std::vector<std::vector<double>> layer_values(const DeepLinear& net, const std::vector<std::uint64_t>& at);
/// The correlations of layer l (from 1) where its singular values are w: with k = w^(2 (L - l)), the gradients' covariance,
/// uncentred that of w^2 and w^2 k, (2.5), and centred that of (w - w_0)^2 and (w - w_0)^2 k; where nothing has moved yet,
/// of their speeds instead. \throws std::domain_error where no singular value moves.
double deep_uncentred(const DeepLinear& net, std::size_t l, const std::vector<double>& w);
double deep_centred(const DeepLinear& net, std::size_t l, const std::vector<double>& w);

/// The observables at the recorded steps, the first of which is 0 for a flow; shorter where it diverges.
Trajectory solve_deep_linear(const DeepLinear& net, const std::vector<std::uint64_t>& at);
/// Gradient descent on the matrices themselves, in random bases. It must not outlive `net`.
std::unique_ptr<Simulation> simulate_deep_linear(const DeepLinear& net);

}  // namespace edgewise::models::feature_alignment
