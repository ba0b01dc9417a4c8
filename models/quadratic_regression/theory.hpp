#pragma once
/// \file
/// Theory of second-order regression in the model's observables: the recursion with memory in the limit of many outputs
/// and parameters, its gradient flow, and the early-time expansion (docs/theory/quadratic-regression.md, sections 2 and
/// 3).
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

/// Section [theory].
struct QuadraticTheory {
  std::string method = "memory";  ///< memory, flow, early-time, linear-mean, central-flow, none
  double memory_limit = 0;        ///< bytes that the recursion may take
  unsigned order = 3;             ///< of the early-time expansion in eta: 2 or 3
};

std::vector<settings::Parameter> quadratic_theory_parameters();
QuadraticTheory read_quadratic_theory(const settings::Values& values);

/// Columns loss, parameter_power, ntk_mean; of a rule of [rate], which the recursion with memory steps by what the limit
/// shows it, learning_rate; ntk_max and eta_lambda_max, which take the edge of the kernel's bulk for
/// its largest eigenvalue (a conjecture, said in their docs); kernel_norm, for mini-batches. Label `post_eos`: the step
/// from which a full-batch run is beyond the edge of stability, where a finite system departs from the limit. \throws
/// std::invalid_argument where there is no theory: a given instance, SAM; settings::Error from the recursion.
Trajectory solve_quadratic(const QuadraticProblem& problem, const QuadraticTheory& theory);

/// Leaves what a simulation can be judged by: no conjectured column.
void keep_comparable(Trajectory& trajectory);

}  // namespace edgewise::models::quadratic_regression
