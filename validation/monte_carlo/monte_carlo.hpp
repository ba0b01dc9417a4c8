#pragma once
/// \file
/// The Monte Carlo engine: replicas in parallel, observables reduced as they come.
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::validation {

/// Statistics of every observable at every recorded step, over the replicas.
/// Arrays are indexed [observable * times + time].
struct Sample {
  const models::Axis* axis = &models::step_axis();  ///< what `steps` counts
  std::vector<std::uint64_t> steps;
  std::vector<models::Observable> observables;
  std::uint64_t replicas = 0;  ///< replicas that finished
  /// Of the replicas that have a value there (models::absent); NaN where none has.
  std::vector<double> mean, sem, std, skewness, q05, q50, q95;
  /// All observations, [observable * times + time][replica]; float64, kept for quantiles and the verdict.
  std::vector<std::vector<double>> values;
  /// What was recorded from the first divergence on, where all of the above ends: [observable * later + time][replica].
  std::vector<std::uint64_t> later_steps;
  std::vector<std::vector<double>> later_values;
  std::string sampler;
  std::vector<std::string> warnings;
  std::uint64_t diverged = 0;  ///< replicas with a non-finite observation
  bool interrupted = false;    ///< stopped early; what is here is complete replicas
  double seconds = 0;
};

/// What was recorded of one replica, to its own end, whatever became of the others.
/// \param names  of the observables, which the record refers to
models::RecordedReplica record_of(const Sample& sample, std::span<const std::string> names, std::size_t replica);

struct RunOptions {
  unsigned threads = 0;  ///< 0: all cores
  /// Called now and then with the fraction done; may be empty.
  std::function<void(double)> progress = {};
  /// When it becomes true, running replicas finish or are dropped and the run ends.
  const std::atomic<bool>* stop = nullptr;
};

/// Runs `experiment.monte_carlo.replicas` replicas. The result's bits do not depend on the number of threads.
Sample run(const models::Simulation& simulation, const models::Experiment& experiment, const RunOptions& options);

}  // namespace edgewise::validation
