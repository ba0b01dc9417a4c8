#pragma once
/// \file
/// Linear methods as they are run: every worker with its own parameters, buffers and fresh samples.
#include <cstdint>
#include <memory>

#include "models/least_squares/linear_methods/linear_theory.hpp"

namespace edgewise::models::least_squares {

/// Observables are those of linear_observables(). `asked`: automatic, exact (Gaussian data and noise, O(d) a step and
/// worker, docs/theory/least-squares-sgd.md (2.1)), batch (Gaussian data, any noise), naive (B x d samples, any data
/// law). A custom method runs by its own matrices and must have one block.
/// \param replicas  that will be run, whose workers must have random numbers and memory
/// \throws std::invalid_argument.
std::unique_ptr<Simulation> simulate_linear(const LinearProblem& problem, Sampler asked, std::uint64_t replicas = 1);

}  // namespace edgewise::models::least_squares
