#pragma once
/// \file
/// The scaling collapse of users' own loss curves: horizon, floor, normalised curves, verdict
/// (docs/theory/schedules-and-collapse.md, "What the papers themselves do").
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "validation/collapse/frontier.hpp"
#include "validation/collapse/loss_curves.hpp"
#include "validation/collapse/spread.hpp"

namespace edgewise::validation {

struct CollapseOptions {
  enum class Horizon { ends, envelope, formula } horizon = Horizon::ends;
  std::function<double(double size)> formula;  ///< steps; of Horizon::formula
  std::optional<double> floor;                 ///< empty: fitted to the frontier
  std::string reference;                       ///< schedule whose runs give floor and horizon; empty: each its own
  std::size_t points = 100;                    ///< of the grid k/points in x
  std::uint64_t seed = 1;                      ///< of the resampling that gives the intervals
  CollapseRule rule;
};

/// How the verdict depends on the floor.
struct FloorSensitivity {
  double floor;
  std::string what;  ///< e.g. "low end of the interval"
  double spread;     ///< largest deterministic spread over x >= rule.from; NaN where it cannot be normalised
  double supercollapse;
  Collapse outcome;
};

/// One schedule's runs.
struct CollapseAnalysis {
  std::string schedule;
  std::vector<FrontierPoint> frontier;
  std::optional<FloorFit> fit;  ///< through the frontier; empty where it has too few points and the floor is given
  double floor = 0;
  double floor_low = 0, floor_high = 0;  ///< 95%; NaN where it is given, or nothing tells
  std::string floor_from;                ///< how the floor and its interval were found
  std::optional<PowerFit> horizon;       ///< t*(p) = prefactor p^exponent
  SampledCurves curves;
  CollapseSpread spread;
  CollapseVerdict verdict;
  double slope = 0;          ///< d log l / d log x at 1, which is -fit->exponent where the runs are compute-optimal
  double supercollapse = 0;  ///< share of x in [.2, .95]
  std::pair<double, double> supercollapse_bounds = {
      std::numeric_limits<double>::quiet_NaN(),
      std::numeric_limits<double>::quiet_NaN()};  ///< 95% over the seeds; NaN of fewer than three a size
  double supercollapse_late = 0;                  ///< share of x in [.5, .95]
  std::vector<FloorSensitivity> sensitivity;
  std::vector<std::string> notes;
};

/// Every schedule of `curves`. \throws settings::Error where the runs do not allow it, naming what they lack.
std::vector<CollapseAnalysis> analyse_collapse(const LossCurves& curves, const CollapseOptions& options);

}  // namespace edgewise::validation
