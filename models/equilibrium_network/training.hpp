#pragma once
/// \file
/// A tied network of k iterations trained by gradient descent on a small regression, from weights of any family
/// (docs/theory/networks-and-kernels.md, sections 1.1 and 1.2).
///
///     z_0 = 0,  z_{j+1} = phi(W z_j + h),  f = v.z_k/sqrt n,  loss = mean (f - y)^2/2,  W = g What/sqrt n
///
/// h = sqrt(q_h/d) U x, U ~ N(0, 1) as drawn; What and v ~ N(0, 1) are trained.
#include <memory>
#include <span>
#include <vector>

#include "models/equilibrium_network/problem.hpp"
#include "models/framework/model.hpp"

namespace edgewise::models::equilibrium_network {

struct TrainingProblem {
  EquilibriumProblem network;     ///< family, g, phi, width, q_h; its steps are those of training
  std::uint64_t iterations = 30;  ///< k
  linear_algebra::Matrix inputs;  ///< d x N, |x|^2 = d
  std::vector<double> targets;    ///< y
  double learning_rate = 0;       ///< eta

  std::size_t examples() const { return targets.size(); }
};

/// The weights of one replica.
struct TiedWeights {
  linear_algebra::Matrix w, h;  ///< W, n x n, and the drives, n x N
  std::vector<double> readout;  ///< v
};
TiedWeights draw_weights(const TrainingProblem& problem, std::uint64_t seed, std::uint64_t replica);

struct TiedPass {
  double loss = 0;
  double length = 0;            ///< mean |z_k|^2/n
  double unconverged = 0;       ///< mean |z_k - z_{k-1}|^2/mean |z_k|^2
  linear_algebra::Matrix w;     ///< dL/dW
  std::vector<double> readout;  ///< dL/dv
};
/// Loss and exact gradient through all iterations.
TiedPass tied_pass(const TrainingProblem& problem, const TiedWeights& weights);

/// What is recorded at every step of training, in the order of the simulation's readings.
std::vector<Observable> training_observables();
/// Gradient descent on What and v, from weights drawn anew for every replica, on the problem's examples.
std::unique_ptr<Simulation> simulate_training(std::shared_ptr<const TrainingProblem> problem);

/// The mean loss at the recorded steps as n tends to infinity: lazy, with the tangent kernel after the iterations asked (of more
/// than longest_kernel: of the fixed point). Of linear networks of any family, else of bi-invariant ones. \throws std::domain_error outside the phase,
/// std::invalid_argument for others.
std::vector<double> lazy_losses(const TrainingProblem& problem);
/// Learning rate beyond which the lazy network's loss grows. \throws as lazy_losses.
double lazy_edge(const TrainingProblem& problem);

}  // namespace edgewise::models::equilibrium_network
