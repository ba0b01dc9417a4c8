#pragma once
/// \file
/// A simulation that also tells how far a second run, from a start a little off, has come away: where that is of order 1 a
/// chaotic run can be compared with another no more.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// What the key `perturbation` of section [monte_carlo] does.
inline constexpr const char* perturbation_doc =
    "a second run of every replica starts so far off, in a random direction; how far its loss has come away is "
    "observed as loss_change, 1 where nothing is left in common. 0: none";
/// A vector of n numbers of that length, in a random direction of the seed alone.
std::vector<double> perturbation(std::size_t n, double length, std::uint64_t seed);

/// The observable NAME_change of NAME.
Observable change_of(const Observable& observable);
/// The same simulation with the further observable NAME_change, |a - b|/max(a, b) of what is >= 0: a its own NAME, b that of the
/// same replica of `perturbed`, 1 where that has diverged. \throws std::invalid_argument for a name it has not.
std::unique_ptr<Simulation> with_change(std::unique_ptr<Simulation> simulation, std::unique_ptr<Simulation> perturbed,
                                        const std::string& name);

}  // namespace edgewise::models
