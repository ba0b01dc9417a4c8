#pragma once
/// \file
/// The second moments of a linear method in continuous time, t in steps: C = E[z z'] of the coordinates of a mode, T the
/// matrix of a step, N its noise as the recursion has it, A = T - I,
///
///     dC/dt = A C + C A' + N              level homog, where a step changes little
///     dC/dt = A C + C A' + A C A' + N     level diff, which has the recursion's fixed point
///
/// (docs/theory/least-squares-sgd.md, section 5).
#include "models/framework/model.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"

namespace edgewise::models::least_squares {

/// Every observable at the recorded steps, to the relative tolerance `theory.rtol` a step of the integrator.
/// \throws std::invalid_argument, naming theory.method, where the method has rounds, averages from a step on, or
/// hyperparameters that change.
Trajectory follow_linear_flow(const LinearProblem& problem, const LeastSquaresTheory& theory);

}  // namespace edgewise::models::least_squares
