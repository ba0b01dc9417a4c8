#pragma once
/// \file
/// A loss by its learning rates, in other units of them.
#include <memory>

#include "models/framework/rate_objective.hpp"

namespace edgewise::models::ingredients {

/// The objective whose rates are those of `inner` over `unit`, an eigenvalue: for problems that are kept with eigenvalues of
/// size 1, so that no square of a rate leaves the range of numbers. Predictions and paths hold no rates.
std::unique_ptr<RateObjective> in_units(std::unique_ptr<RateObjective> inner, double unit);

}  // namespace edgewise::models::ingredients
