#pragma once
/// \file
/// The figure of a validation that was recorded at one step: there is no curve to draw, but many observables.
#include <string>

#include "cli/results/results.hpp"

namespace edgewise::cli {

/// Whether `result` compares theory and simulation of several observables at one step, and no more.
bool is_one_step(const Result& result);

/// gnuplot's commands for the plot: of every observable the simulation's mean over the theory, minus 1, with two
/// standard errors. Observables whose theory is 0 have no place. \throws settings::Error when none is left.
std::string step_panel(const Result& result);

}  // namespace edgewise::cli
