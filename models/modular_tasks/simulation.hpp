#pragma once
/// \file
/// Kernel machines on sampled tasks.
#include <cstdint>
#include <memory>

#include "models/framework/model.hpp"
#include "models/ingredients/learning_curves/regression_keys.hpp"
#include "models/modular_tasks/task_levels.hpp"

namespace edgewise::models::modular_tasks {

/// What the replicas of a problem share.
struct TaskSetting : ingredients::learning_curves::RegressionSetting {
  TaskFamily family;
  std::unique_ptr<ingredients::learning_curves::DotKernel> kernel;
};

/// Directions of the functions, samples and test points afresh; observes the errors of the one machine and, averaged
/// over tasks, of separate machines.
std::unique_ptr<Replica> task_replica(std::shared_ptr<const TaskSetting> setting, std::uint64_t seed,
                                      std::uint64_t index);

}  // namespace edgewise::models::modular_tasks
