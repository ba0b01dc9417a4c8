#pragma once
/// \file
/// What `simulate` and `validate` share: running the replicas, and the times that commands report.
#include <chrono>
#include <memory>
#include <string>

#include "cli/context.hpp"
#include "settings/settings.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"

namespace edgewise::cli {

class Watch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// "1.2 s", "2:05 min"
std::string seconds_text(double seconds);
/// ", written to a.csv"; empty for standard output.
std::string written(const Targets& targets);

/// The simulation of a problem, or why there is none. \param path  of the experiment, for messages
std::unique_ptr<models::Simulation> build_simulation(const Context& context, const std::string& path,
                                                     const models::Problem& problem);

/// Runs the replicas of an experiment behind a progress bar, until they are done or the user interrupts them.
/// \param path   of the experiment, for messages
/// \param where  for the bar, e.g. ", d = 100"
validation::Sample run_replicas(const Context& context, const std::string& path, const models::Simulation& simulation,
                                const models::Experiment& experiment, const std::string& where = "");

/// What is said after an interruption. \param kept  what became of the replicas that had finished
settings::Error interruption(const validation::Sample& sample, const models::Experiment& experiment,
                             const std::string& kept);
/// The same where they are in `targets`.
settings::Error interruption(const validation::Sample& sample, const models::Experiment& experiment,
                             const Targets& targets);

}  // namespace edgewise::cli
