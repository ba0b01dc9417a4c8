#pragma once
/// \file
/// Many methods on many workloads: how far each ends from the best tuned schedule, with its defaults, with one setting for
/// all workloads, and with the best for each (docs/theory/schedules-and-collapse.md, section 6.3).
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "models/framework/model.hpp"
#include "validation/comparisons/comparison_file.hpp"
#include "validation/comparisons/comparison_store.hpp"

namespace edgewise::validation {

struct MethodComparison {
  ComparisonPlan plan;
  std::vector<std::vector<ComparedRun>> baselines;          ///< [baseline][workload]
  std::vector<std::vector<std::vector<ComparedRun>>> runs;  ///< [method][setting][workload]

  /// Index of the baseline that is least on a workload.
  std::size_t best_baseline(std::size_t workload) const;
  double baseline(std::size_t workload) const;
  /// r = value / baseline, infinite where it diverged.
  double ratio(std::size_t method, std::size_t setting, std::size_t workload) const;
  /// The ratios of one setting.
  std::vector<double> ratios(std::size_t method, std::size_t setting) const;
  /// (6.3): mean over the workloads of clip((limit - max(1, r))/(limit - 1), 0, 1).
  double score(const std::vector<double>& ratios) const;
  /// The setting of the best score; of equal ones the last.
  std::size_t calibrated(std::size_t method) const;
  /// On every workload the ratio of the setting that is best there.
  std::vector<double> oracle(std::size_t method) const;
  /// Whether the theory of every workload claims to hold.
  bool trusted(std::size_t method, std::size_t setting) const;
};

/// The fraction of ratios that are <= u: a performance profile.
double profile(const std::vector<double>& ratios, double u);

/// Whether a solution stopped before the steps that were asked for: it diverged, or left the range of its theory.
bool stopped_early(const models::Trajectory& theory, std::uint64_t steps);

/// Prepares every experiment of the plan, without computing. \throws settings::Error naming method and workload.
void check_comparison(const ComparisonPlan& plan);

struct ComparisonOptions {
  unsigned threads = 0;                                         ///< 0: all cores
  std::function<void(std::size_t, std::size_t)> progress = {};  ///< done, of all
  const std::atomic<bool>* stop = nullptr;
  ComparisonStore* store = nullptr;  ///< where finished runs are kept and found; may be null
  std::string version = {};          ///< of the program: what another one has kept is not found
};

/// Checks the plan and computes what is not in the store. Nothing when stopped. The result does not depend on the number of threads.
/// \throws settings::Error naming method and workload, for an experiment that cannot be prepared or solved.
std::optional<MethodComparison> compare_methods(const ComparisonPlan& plan, const ComparisonOptions& options);

}  // namespace edgewise::validation
