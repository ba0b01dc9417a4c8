#pragma once
/// \file
/// The problem on which several closed forms of nonlinear gradients are known.
#include <cstdint>
#include <string>

#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// K = 1 in d dimensions, P_0 = 1, Gaussian noise of variance 1/4, one example a step, a constant learning rate;
/// recorded at steps 0 and `steps`.
NonlinearProblem isotropic_problem(const std::string& method, double d, double learning_rate, std::uint64_t steps);

}  // namespace edgewise::models::nonlinear
