#pragma once
/// \file
/// Monte Carlo of second-order regression: every replica an instance and a run of the algorithm on it.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"
#include "models/quadratic_regression/tensor_memory.hpp"
#include "random/random.hpp"

namespace edgewise::models::quadratic_regression {

/// A run counts as diverged when its loss exceeds this multiple of the initial one
/// (docs/theory/quadratic-regression.md, section 0).
constexpr double quadratic_divergence = 1e6;

/// The rows of SGD's batches: B of D, without replacement, independent from step to step; of (seed, replica, step)
/// alone.
class RowMasks {
 public:
  RowMasks(std::size_t outputs, std::size_t batch, std::uint64_t seed, std::uint64_t replica);
  /// The rows of a step, in no particular order; empty when the batch is all rows.
  std::span<const std::size_t> rows(std::uint64_t step);

 private:
  std::size_t batch_;
  std::vector<std::size_t> order_;
  random::Stream stream_;
};

/// What a simulation of `problem` observes.
std::vector<Observable> quadratic_observables(const QuadraticProblem& problem);

/// Observables: loss, parameter_power, ntk_mean, ntk_max, eta_lambda_max; sam_edge for unnormalised SAM; kernel_norm
/// and kernel_norm_exact as asked; residual_overlap; ntk_2, ..., sharpening_observables and edge_observables as asked;
/// tuned_observables under a rule. All at recorded
/// steps only, and infinite from divergence on, of antithetic pairs that of either run.
/// \throws std::invalid_argument when the tensors do not fit (plan_tensors).
std::unique_ptr<Simulation> simulate_quadratic(std::shared_ptr<const QuadraticProblem> problem);

}  // namespace edgewise::models::quadratic_regression
