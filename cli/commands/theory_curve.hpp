#pragma once
/// \file
/// The theory of a result on a grid of its own, so that a figure draws it as a smooth line.
#include <optional>

#include "cli/results/results.hpp"

namespace edgewise::cli {

/// Solves the experiment that `result` carries again, at its own steps and at many between them.
///
/// Nothing where that cannot be: a simulation, the experiment of several dimensions, one whose data are no longer there,
/// an average over random paths; or where the theory at the recorded steps is not what was recorded (another version).
/// An observable that turns back and forth between the grid's points, as the orbits of maps do, is left out of it.
std::optional<TheoryCurve> theory_curve(const Result& result);

}  // namespace edgewise::cli
