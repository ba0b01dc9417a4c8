#pragma once
/// \file
/// Which sections of an experiment file a model has a use for.
#include <string_view>

namespace edgewise::models {

class Model;

/// Whether an experiment of the model may have the section: one of its own, one that every experiment may have, or one of
/// a command that can do something with this model.
bool reads_section(const Model& model, std::string_view section);

}  // namespace edgewise::models
