#pragma once
/// \file
/// What `edgewise stability` and `edgewise modes` say about matrix least squares.
#include <vector>

#include "models/framework/model.hpp"
#include "models/muon/dynamics.hpp"
#include "models/muon/problem.hpp"
#include "models/muon/theory.hpp"

namespace edgewise::models::muon {

std::vector<Finding> matrix_findings(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                                     const MatrixTheory& theory);

/// Drift and noise per mode with the local slope dln h/dln lambda. \param null_draws, regression_draws  > 0 adds
/// columns measured that way, with standard errors.
std::vector<ModeColumn> matrix_modes(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                                     std::uint64_t null_draws, std::uint64_t regression_draws, std::uint64_t seed);

/// dln y/dln x at each point, of the parabola through its neighbours; one-sided at the ends.
std::vector<double> local_slopes(std::span<const double> x, std::span<const double> y);

}  // namespace edgewise::models::muon
