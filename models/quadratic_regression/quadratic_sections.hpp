#pragma once
/// \file
/// The sections of an experiment of model quadratic-regression: their keys, and their reading.
#include <memory>
#include <span>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/quadratic_regression/problem.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::quadratic_regression {

/// Of section [data].
const std::vector<settings::Parameter>& data_parameters();
/// Of section [monte_carlo], beside those that every model reads.
const std::vector<settings::Parameter>& simulation_parameters();
/// gd, sgd, sam.
const std::vector<settings::Description>& quadratic_optimizers();

/// All sections but [theory]. \param optimizers  those above. \throws settings::Error for bad input.
std::shared_ptr<const QuadraticProblem> read_quadratic_problem(
    const Experiment& experiment, std::span<const settings::Description* const> optimizers);

}  // namespace edgewise::models::quadratic_regression
