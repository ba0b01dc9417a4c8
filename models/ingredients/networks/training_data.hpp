#pragma once
/// \file
/// What a network is trained on: Gaussian inputs with a teacher or labels, or images.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/ingredients/networks/network_objective.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients::networks {

struct TrainingData {
  std::shared_ptr<const Examples> train, test;  ///< test: null without
  bool classes = false;                         ///< targets are labels: one-hot columns, or +-1 of one output
};

/// The keys of section [data].
const std::vector<settings::Parameter>& data_parameters();
/// \param keys  those that the model knows: data_parameters(), or without `test_examples`, and then none are held out
/// \throws settings::Error for bad input.
TrainingData read_training_data(const settings::Table& experiment,
                                std::span<const settings::Parameter> keys = data_parameters());

}  // namespace edgewise::models::ingredients::networks
