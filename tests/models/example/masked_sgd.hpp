#pragma once
/// \file
/// The worked example of docs/developer.md.
#include "models/framework/model.hpp"

namespace edgewise::models::masked_sgd {

const Model& masked_sgd_model();

}  // namespace edgewise::models::masked_sgd
