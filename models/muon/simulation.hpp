#pragma once
/// \file
/// Matrix least squares as it is run (docs/theory/muon-phases.md, section 1).
#include <memory>
#include <vector>

#include "models/framework/model.hpp"
#include "models/muon/dynamics.hpp"
#include "models/muon/problem.hpp"

namespace edgewise::models::muon {

/// \param dynamics  only where the learning rate follows the coefficients; may be null else
/// \param powers    1-based columns whose |Delta u_j|^2 is an observable
/// \throws std::invalid_argument where the problem cannot be simulated.
std::unique_ptr<Simulation> simulate_matrix(std::shared_ptr<const MatrixLeastSquares> problem,
                                            std::shared_ptr<const MatrixDynamics> dynamics,
                                            const std::vector<std::size_t>& powers);

}  // namespace edgewise::models::muon
