#pragma once
/// \file
/// Where a comparison keeps what it has computed: one row of an SQLite database for every experiment, found again by the
/// experiment's own text, so that a changed file computes what has changed.
#include <memory>
#include <optional>
#include <string>

namespace edgewise::validation {

/// What one experiment of a comparison gave.
struct ComparedRun {
  double value = 0;      ///< of the observable at the last step; infinite where it diverged
  double error = 0;      ///< standard error of a simulation's mean
  double rate = 0;       ///< the best learning rate, of baselines
  bool trusted = true;   ///< the theory claims to hold up to the last step
  bool on_edge = false;  ///< the best learning rate is on the edge of what was searched
};

class ComparisonStore {
 public:
  /// Opens the store, or creates it. \throws settings::Error, one line, where the file is something else or unwritable.
  explicit ComparisonStore(const std::string& path, bool restart = false);
  ~ComparisonStore();
  ComparisonStore(const ComparisonStore&) = delete;
  ComparisonStore& operator=(const ComparisonStore&) = delete;

  std::optional<ComparedRun> find(const std::string& job) const;
  /// Keeps it at once. \throws settings::Error.
  void add(const std::string& job, const ComparedRun& run);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgewise::validation
