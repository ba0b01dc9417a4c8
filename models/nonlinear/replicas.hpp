#pragma once
/// \file
/// One run of a nonlinear gradient, by each of the samplers (docs/theory/sign-and-clip.md, sections 1, 3 and 5, and
/// docs/theory/least-squares-sgd.md, section 2).
#include <cstdint>
#include <memory>

#include "models/framework/model.hpp"
#include "models/nonlinear/data_coordinates.hpp"
#include "models/nonlinear/step_rule.hpp"

namespace edgewise::models::nonlinear {

/// The mini-batch gradient in its B weights and one N(0, I_d), for methods that need nothing else of an example. All
/// references must outlive the replica.
std::unique_ptr<Replica> batch_replica(const NonlinearProblem& problem, const DataCoordinates& coordinates,
                                       std::uint64_t seed, std::uint64_t index);

/// B explicit examples a step: Gaussian data, or rows where `rows` is not null.
std::unique_ptr<Replica> example_replica(const NonlinearProblem& problem, const DataCoordinates& coordinates,
                                         const DataRows* rows, std::uint64_t seed, std::uint64_t index);

/// Variance of what no linear function of the data explains of a label, noise included; may be infinite.
double label_variance(const NonlinearProblem& problem);

}  // namespace edgewise::models::nonlinear
