#pragma once
/// \file
/// Results hold numbers: what no model's own criterion of divergence caught ends here.
#include <memory>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// What an experiment says that memory does not suffice for, with the largest whole numbers of its keys, of which one
/// asks for it: "needs more memory than there is; its largest numbers are network.width = 100000".
std::string out_of_memory(const settings::Table& experiment);

/// The trajectory up to the step at which a column that held numbers holds none (NaN, or infinity: an overflow), which
/// is where it diverged. A standard deviation that is NaN is infinite. \throws std::runtime_error where the first column
/// begins with a NaN, any with an infinity, or it diverged there: the parameters are out of range.
Trajectory up_to_overflow(Trajectory trajectory);

/// The same problem, whose trajectories went through `up_to_overflow` and whose errors name the file.
/// \param experiment  which its errors name
/// \param scaled      coefficients are scaled by the keys theory.scale_*, of which its trajectories warn
std::unique_ptr<Problem> checked(std::unique_ptr<Problem> problem, const settings::Table& experiment,
                                 bool scaled = false);

}  // namespace edgewise::models
