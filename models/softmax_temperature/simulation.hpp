#pragma once
/// \file
/// Gradient descent of the softmax loss as it is run: points of a population, features of a kernel, networks of finite width.
#include <memory>
#include <vector>

#include "models/framework/model.hpp"
#include "models/softmax_temperature/problem.hpp"

namespace edgewise::models::softmax_temperature {

/// Logits shown one by one, z_1, z_2, ...: of at most so many.
constexpr std::size_t most_logits_shown = 16;

/// loss and accuracy, mean over points; of kernel and network the least margin and up to 16 logits (point after point,
/// class after class); of a network kernel_change, |K - K_0|/|K_0|, and linearisation_error, |z - z of the network
/// linearised at its own start|/|the latter|.
std::vector<Observable> temperature_observables(const TemperatureProblem& problem);
/// The observables of logits, those that only a network has left out.
std::vector<double> observe_logits(const LogitProblem& problem, const linear_algebra::Matrix& logits);

std::unique_ptr<Simulation> simulate_temperature(std::shared_ptr<const TemperatureProblem> problem);

}  // namespace edgewise::models::softmax_temperature
