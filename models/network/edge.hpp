#pragma once
/// \file
/// Edges of stability of curvature-aware steps (docs/theory/curvature-dynamics.md, sections 5.2 and 6): near a point
/// with Hessian H an ascent or penalty by the part A makes theta' - theta = -eta (I + r A) H (theta - theta_0), which
/// along the leading eigenvector u of H, of eigenvalue lambda, turns over where
///
///     eta lambda (1 + r u'A u) = 2 (1 + momentum);        A = H: lambda + r lambda^2 = 2/eta
#include "models/ingredients/curved_objective.hpp"

namespace edgewise::models::network {

/// What stands on the left of that, over 1 + momentum: 2 at the edge.
/// \param along  u'A u
double edge_ratio(double learning_rate, double lambda, double r, double along, double momentum);

/// The lambda at which eta lambda (1 + r lambda) = 2 (1 + momentum). \throws std::invalid_argument for eta <= 0, r < 0.
double edge_sharpness(double learning_rate, double r, double momentum);

}  // namespace edgewise::models::network
