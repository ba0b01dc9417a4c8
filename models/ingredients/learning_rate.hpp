#pragma once
/// \file
/// The learning rate of an optimizer, as every model reads it.
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

/// eta, from the keys learning_rate and gamma = eta tr K, of which exactly one must be given.
/// \param max_gamma  largest eta tr K: its square multiplies moments, which must not overflow in a step
/// \throws settings::Error when both are or none is, and where eta tr K is above `max_gamma`.
double read_learning_rate(const settings::Values& values, double trace, double max_gamma = 1e140);

}  // namespace edgewise::models::ingredients
