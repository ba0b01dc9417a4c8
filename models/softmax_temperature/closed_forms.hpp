#pragma once
/// \file
/// Closed forms and reference values of the softmax temperature.
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::softmax_temperature {

std::vector<ClosedForm> temperature_closed_forms();

}  // namespace edgewise::models::softmax_temperature
