#pragma once
/// \file
/// Equilibria of drawn networks: every replica draws W and h, iterates, and solves for the fixed point.
#include <memory>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/equilibrium_network/problem.hpp"
#include "models/framework/model.hpp"

namespace edgewise::models::equilibrium_network {

/// \throws std::invalid_argument for weights that are too wide to be drawn.
void require_drawable(const EquilibriumProblem& problem);

/// u <- (1 - a) u + a (W phi(u) + h) from u = h.
struct SolvedState {
  std::vector<double> u;
  std::uint64_t iterations = 0;  ///< of all attempts
  double damping = 1;            ///< a of the last attempt
  bool solved = false;
};
SolvedState solve_state(const EquilibriumProblem& problem, const linear_algebra::Matrix& w, std::span<const double> h);

/// In this order: length, residual, (overlap), equilibrium_length, (equilibrium_overlap), solver_iterations,
/// (smallest_singular_value, near_singular), failed_draws.
std::vector<Observable> equilibrium_observables(const EquilibriumProblem& problem);
/// Draws of W and h, their iteration from z = 0 at the recorded depths, and the fixed point, averaged over the draws of
/// a replica; one without a fixed point is left out and counted, and where all are, further ones are drawn.
std::unique_ptr<Simulation> simulate_equilibria(std::shared_ptr<const EquilibriumProblem> problem);

}  // namespace edgewise::models::equilibrium_network
