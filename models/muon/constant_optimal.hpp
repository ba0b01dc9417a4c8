#pragma once
/// \file
/// Protocol B of matrix least squares (docs/theory/muon-phases.md, section 7.B): the constant learning rate that is best
/// for a horizon.
#include <cstddef>
#include <span>
#include <vector>

#include "models/muon/dynamics.hpp"
#include "models/muon/problem.hpp"
#include "models/muon/theory.hpp"

namespace edgewise::models::muon {

/// The best rate found for a horizon, and the excess that the ODE has with just this rate.
struct BestConstantRate {
  double learning_rate = 0, excess = 0;
};

struct BestConstantRates {
  std::vector<BestConstantRate> of;  ///< of every horizon
  std::size_t rates = 0;             ///< integrated
  std::size_t solver_steps = 0;
};

/// For every horizon times[1..] (times[0] is the start): from a geometric grid of rates, refined by golden sections
/// until the excess of the bracket's rates differs by less than 1e-5 or the rates by less than 1e-7, relative. The
/// minimum often is a kink, between not yet converged and at the floor.
BestConstantRates best_constant_rates(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                                      const MatrixTheory& theory, std::span<const double> times);

}  // namespace edgewise::models::muon
