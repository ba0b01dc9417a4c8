#pragma once
/// \file
/// Results hold numbers: what no model's own criterion of divergence caught ends here.
#include <memory>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// The trajectory up to the step at which a column that held numbers holds none (NaN, or infinity: an overflow), which
/// is where it diverged. A standard deviation that is NaN is infinite. \throws std::runtime_error where the first row
/// holds a NaN, or nothing that is finite: the parameters are out of range.
Trajectory up_to_overflow(Trajectory trajectory);

/// The same problem, whose trajectories went through `up_to_overflow`.
/// \param experiment  which its errors name
std::unique_ptr<Problem> checked(std::unique_ptr<Problem> problem, const settings::Table& experiment);

}  // namespace edgewise::models
