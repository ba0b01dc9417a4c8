#pragma once
/// \file
/// A simulation that also averages observables over the steps between recorded ones.
#include <memory>
#include <string>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// The observable mean_NAME of NAME.
Observable window_mean_of(const Observable& observable);

/// The same simulation with further observables mean_NAME, the mean of NAME over the steps after the last recorded one
/// of `time`, up to this; at step 0 its value. Every step is then observed. \throws std::invalid_argument for a name it has not.
std::unique_ptr<Simulation> with_window_means(std::unique_ptr<Simulation> simulation,
                                              const std::vector<std::string>& names, const Time& time);

}  // namespace edgewise::models
