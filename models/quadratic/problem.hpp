#pragma once
/// \file
/// What an experiment of model quadratic-regression asks for, after reading.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "models/experiment.hpp"
#include "models/quadratic/instance.hpp"
#include "models/quadratic/steps.hpp"
#include "models/schedules.hpp"

namespace edgewise::models {

enum class KernelNorms { none, annealed, exact };

struct QuadraticProblem {
  QuadraticLaw law;                                ///< of a given instance: its D and P
  std::shared_ptr<const QuadraticInstance> given;  ///< the file's own instance, or null: drawn from the law
  bool shared_instance = false;                    ///< all replicas run on the instance of replica 0
  std::string optimizer = "gd";
  QuadraticRule rule;
  std::shared_ptr<const Schedule> schedule;  ///< of the learning rate; null: constant
  std::size_t batch = 1;                     ///< B of D rows per step
  Time time;
  std::uint64_t replicas = 1;
  std::uint64_t seed = 1;

  std::string tensor = "auto";  ///< auto, stored, streamed
  double memory_limit = 0;      ///< bytes for the tensors of replicas that run at a time; 0: 80% of what is available
  unsigned threads = 0;         ///< that run replicas at a time; 0: all cores
  KernelNorms kernel_norms = KernelNorms::none;

  double batch_fraction() const { return static_cast<double>(batch) / static_cast<double>(law.outputs); }
  double learning_rate(double step) const { return rule.learning_rate * (schedule ? schedule->at(step) : 1.0); }
};

}  // namespace edgewise::models
