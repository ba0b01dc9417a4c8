#pragma once
/// \file
/// Runs of an experiment at given learning rates: the simulation beside what a search over schedules promises.
#include <cstdint>
#include <string>
#include <vector>

#include "cli/context.hpp"

namespace edgewise::cli {

/// What the observable is after the last step, over the replicas.
struct EndOfRuns {
  double mean = 0, sem = 0, median = 0;
  std::uint64_t replicas = 0, diverged = 0;
};

/// The experiment with these rates instead of its schedule and its learning rate; other hyperparameters keep theirs.
models::Experiment at_rates(const models::Experiment& experiment, const std::vector<double>& rates);

/// \throws settings::Error for an interruption, or where the simulation has no such observable.
EndOfRuns run_at_rates(const Context& context, const std::string& path, const models::Experiment& experiment,
                       const std::vector<double>& rates, const std::string& observable, std::uint64_t replicas,
                       const std::string& where);

}  // namespace edgewise::cli
