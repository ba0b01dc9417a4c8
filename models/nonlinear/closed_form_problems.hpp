#pragma once
/// \file
/// Problems on which closed forms of nonlinear gradients are known, and what the theory says of them.
#include <cstdint>
#include <limits>
#include <memory>

#include "models/nonlinear/problem.hpp"
#include "models/nonlinear/theory.hpp"

namespace edgewise::models::nonlinear {

/// At a constant learning rate eta.
NonlinearProblem problem_of(Covariance covariance, Method method, std::shared_ptr<const ingredients::Noise> noise,
                            double eta, double batch = 1, double threshold = std::numeric_limits<double>::infinity());

/// K = 1 in d dimensions, P_0 = 1, Gaussian noise of variance 1/4, one example a step.
NonlinearProblem isotropic_problem(Method method, double d, double eta);

/// The theory's excess_mse after `steps` steps, with its standard deviation where `theory` asks for bands.
struct ExcessAfter {
  double mean = 0, std = 0;
};
ExcessAfter excess_after(NonlinearProblem problem, std::uint64_t steps, const NonlinearTheory& theory = {});

}  // namespace edgewise::models::nonlinear
