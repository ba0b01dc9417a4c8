#pragma once
/// \file
/// Kernel machines on sampled tasks.
#include <cstdint>
#include <memory>

#include "models/framework/model.hpp"
#include "models/modular_tasks/task_levels.hpp"

namespace edgewise::models::modular_tasks {

/// What the replicas of a problem share.
struct TaskSetting {
  TaskFamily family;
  std::unique_ptr<ingredients::learning_curves::DotKernel> kernel;
  double ridge = 0, noise = 0;
  Time time;
  std::size_t tests = 0;
};

/// Directions of the functions, samples and test points afresh; observes the errors of the one machine and, averaged
/// over tasks, of separate machines.
std::unique_ptr<Replica> task_replica(std::shared_ptr<const TaskSetting> setting, std::uint64_t seed,
                                      std::uint64_t index);

}  // namespace edgewise::models::modular_tasks
