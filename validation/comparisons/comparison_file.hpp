#pragma once
/// \file
/// Reads the file of a comparison: many methods, each with its settings, on many workloads
/// (docs/theory/schedules-and-collapse.md, section 6.3).
///
///     title = "..."
///     [compare]
///     observable = "excess_mse"                        # at the last step; small is good
///     baseline = ["constant", "linear", "cosine"]      # schedules, each at its best learning rate
///     rates = [1e-4, 10.0]                             # range that is searched for it, widened where needed
///     limit = 4.0                                      # ratio at which a score has become 0
///     [experiment]                                     # what all have in common, as an experiment file
///     [[workload]]
///     name = "steep"
///     set = ["spectrum.alpha=1", "optimizer.batch=4"]
///     [[method]]
///     name = "DoG"
///     set = ["rate.kind=dog"]                          # with the defaults of everything else: its DEFAULT
///     key = "rate.r_eps"                               # optional: a grid of settings
///     values = [1e-6, 1e-3, 1e-2, 0.1]
///     on_top = ["constant", "cosine"]                  # schedules tried with each; the default has the first
///     default = true                                   # false: there is none
///     by = "theory"                                    # or "simulation": mean over [monte_carlo] replicas
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::validation {

struct ComparedSetting {
  std::string name;                          ///< "r_eps = 0.01", or "default"
  std::string schedule;                      ///< on top
  std::vector<settings::Table> experiments;  ///< one per workload
};

struct ComparedMethod {
  std::string name;
  bool has_default = true;  ///< the first setting is it
  bool simulated = false;
  std::vector<ComparedSetting> settings;
};

/// The experiments that a baseline tunes, by the key optimizer.learning_rate.
struct BaselineSchedule {
  std::string name;
  std::vector<settings::Table> experiments;  ///< one per workload
};

struct ComparisonPlan {
  std::string title, file, observable;
  double limit = 4, from = 1e-4, to = 10;
  std::vector<std::string> workloads;
  std::vector<BaselineSchedule> baselines;
  std::vector<ComparedMethod> methods;
};

/// Parameters of the sections [compare], [[workload]] and [[method]], for `edgewise describe`.
const std::vector<settings::Parameter>& compare_parameters();
const std::vector<settings::Parameter>& workload_parameters();
const std::vector<settings::Parameter>& method_parameters();

/// Whether the file is one of a comparison, not an experiment.
bool is_comparison(const settings::Table& file);

/// \param overrides  "title=...", "compare.key=..."; all others are of the experiment, and stand above what workloads and
///                   methods set
/// \param seed       overrides monte_carlo.seed
/// \throws settings::Error for anything that can be told without preparing an experiment.
ComparisonPlan read_comparison(const settings::Table& file, const std::vector<std::string>& overrides = {},
                               std::optional<std::uint64_t> seed = {});

}  // namespace edgewise::validation
