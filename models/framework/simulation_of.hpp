#pragma once
/// \file
/// A simulation known by how one of its replicas is made.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

struct SimulationParts {
  std::vector<Observable> observables;
  std::string sampler;  ///< how a step is drawn, in words
  /// Replica `index` of `seed`. It keeps alive what the replicas share.
  std::function<std::unique_ptr<Replica>(std::uint64_t seed, std::uint64_t index)> replica;
  std::string announcement = {};  ///< as Simulation's
  std::vector<std::string> warnings = {};
};

std::unique_ptr<Simulation> simulation_of(SimulationParts parts);

}  // namespace edgewise::models
