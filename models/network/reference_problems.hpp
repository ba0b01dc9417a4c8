#pragma once
/// \file
/// Small losses that reference values of docs/theory/curvature-dynamics.md stand for.
#include <memory>
#include <vector>

#include "models/ingredients/curvature_tensor/instance.hpp"
#include "models/ingredients/networks/network_objective.hpp"

namespace edgewise::models::network {

using QuadraticInstance = std::shared_ptr<const ingredients::QuadraticInstance>;

/// Of the portable generator of section 3.3: seed 2, D = 8, P = 16.
QuadraticInstance portable_quadratic();

/// L = (t^2/2 - 1)^2/2 of section 5.2: minima at +-sqrt 2, its worst point at 0.
QuadraticInstance scalar_saddle();

/// The sharpening toy of section 3.2, kappa = 1, h = .03, y1 = y2 = 1: theta = (x, m1, m2), z = (x (1 + kappa m1) - y1,
/// h (m1 + m2) - y2). m1 raises the sharpness, m2 does not.
QuadraticInstance sharpening_toy();

/// The two models of section 6 on their six examples, and where they start.
struct FunctionalSamToy {
  explicit FunctionalSamToy(bool deep);
  ingredients::networks::NetworkObjective objective;
  std::vector<double> theta;
};

}  // namespace edgewise::models::network
