#pragma once
/// \file
/// One-sample quadratic regression as an experiment file gives it: sections [data] and [initial].
#include <vector>

#include "models/quadratic_map/regression.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::quadratic_map {

/// Keys of section [data]: the curvatures.
const std::vector<settings::Parameter>& quadratic_data_parameters();
/// Keys of section [initial]: z_0, and J_0 or what it follows from.
const std::vector<settings::Parameter>& quadratic_initial_parameters();

/// Curvatures, z_0 and J_0 in raw variables. \throws settings::Error.
QuadraticRegression read_regression(const settings::Table& experiment);

}  // namespace edgewise::models::quadratic_map
