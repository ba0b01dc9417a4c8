#pragma once
/// \file
/// The learning rate of an optimizer, as every model reads it.
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

/// eta, from the keys learning_rate and gamma = eta tr K, of which exactly one must be given.
/// \throws settings::Error when both are or none is.
double read_learning_rate(const settings::Values& values, double trace);

}  // namespace edgewise::models::ingredients
