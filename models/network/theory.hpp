#pragma once
/// \file
/// What is said of a network's training before it is run: the tangent kernel at the start, and the edges there.
#include <vector>

#include "models/framework/model.hpp"
#include "models/network/problem.hpp"

namespace edgewise::models::network {

/// The loss of gradient descent on the network linearised at the start of replica 0 (the frozen tangent kernel K, n C x
/// n C): z(k) = (1 - eta K/n)^k z(0), exact as long as the kernel is what it was. \throws std::invalid_argument but for
/// gradient descent with the squared loss on all examples, and where n C is above 2000.
Trajectory solve_linearised(const NetworkProblem& problem);

/// Of the start of replica 0.
std::vector<Finding> network_stability(const NetworkProblem& problem);

}  // namespace edgewise::models::network
