#pragma once
/// \file
/// One-sample quadratic regression as it is run: parameters, a gradient, a step; no residual-Jacobian space.
#include <cstdint>
#include <memory>
#include <vector>

#include "models/framework/model.hpp"
#include "models/quadratic_map/regression.hpp"

namespace edgewise::models::quadratic_map {

/// Observables of the model in this order, from the raw variables; `invariant` last, and only where it is defined.
std::vector<Observable> quadratic_map_observables(const QuadraticRegression& problem);

/// Writes the observables of raw variables: residual, |J|^2, J Q J', E, at the learning rate.
void observe_quadratic(double residual, double sharpness, double curvature, double invariant, double learning_rate,
                       std::span<double> out);

/// The algorithm in parameter space: theta starts at 0, z = z_0 + J_0 theta + theta' Q theta / 2, gradient J' z.
/// \param rotated  Q and J_0 stand in a random orthonormal basis of the parameters (drawn from the seed) instead of
///                 Q's eigenbasis; nothing may depend on it but rounding
std::unique_ptr<Simulation> simulate_quadratic(const QuadraticRegression& problem, double learning_rate, bool rotated);

}  // namespace edgewise::models::quadratic_map
