#pragma once
/// \file
/// What a theory says about runs as a whole (where they end, which edge they hold), beside or instead of a trajectory.
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace edgewise::models {

/// What was recorded of one replica, to its own end.
struct RecordedReplica {
  std::vector<double> steps;  ///< recorded steps up to the last at which every observable was finite, or absent
  std::span<const std::string> names;     ///< of the observables
  std::vector<std::vector<double>> rows;  ///< [observable][step]
  bool diverged = false;                  ///< it left the finite numbers after the last of `steps`

  /// The observable at every one of `steps`; empty when it was not observed.
  std::span<const double> values(std::string_view observable) const;
};

/// What the interval of a prediction is about.
enum class Centre { mean, median };
std::string_view name(Centre centre);

/// One statement about whole runs, checked against the replicas of a simulation.
///
/// Every replica gives a number, or none where the run is not of the kind that the statement is about; the mean or the
/// median of these numbers is claimed to lie in [low, high]. A criterion that picks runs by the very number that is
/// predicted makes the claim empty: pick by what happened before.
struct Prediction {
  std::string name;       ///< "plateau"; no observable's
  std::string statement;  ///< plain text, one line
  std::string source;     ///< the page of docs/theory and its section
  std::string quantity;   ///< what a replica's number is, e.g. "eta_lambda_max over the last quarter"
  std::string runs;       ///< which runs it is about, to stand behind "runs that", e.g. "crossed 2 and did not diverge"
  std::string observable;  ///< whose axis the number has, for figures; may be empty
  double nominal = 0;      ///< the value that the theory names
  /// Either end may be infinite: a claim of one side.
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  Centre centre = Centre::median;
  std::function<std::optional<double>(const RecordedReplica&)> statistic;
};

}  // namespace edgewise::models
