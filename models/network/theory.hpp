#pragma once
/// \file
/// What is said of a network's training before it is run: the tangent kernel at the start, the edges there, and the mean path
/// beyond them.
#include <vector>

#include "models/framework/model.hpp"
#include "models/network/problem.hpp"

namespace edgewise::models::network {

/// The loss of gradient descent on the network linearised at the start of replica 0 (the frozen tangent kernel K, n C x
/// n C): z(k) = (1 - eta K/n)^k z(0), exact as long as the kernel is what it was. \throws std::invalid_argument but for
/// gradient descent with the squared loss on all examples, and where n C is above 2000.
Trajectory solve_linearised(const NetworkProblem& problem);

/// The central flow of gradient descent from the start of replica 0: columns of ingredients::follow_central_flow for the
/// loss. \throws std::invalid_argument but for gradient descent on all examples at a constant rate, and where the start is
/// beyond the edge.
Trajectory solve_central_flow(const NetworkProblem& problem);

/// Of the start of replica 0.
std::vector<Finding> network_stability(const NetworkProblem& problem);

}  // namespace edgewise::models::network
