#pragma once
/// \file
/// The scaling collapse of an experiment: theory and simulation of several sizes, and what is predicted of the spread of
/// their normalised curves (docs/theory/schedules-and-collapse.md, sections 4.3 to 4.5).
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/expression.hpp"
#include "validation/collapse/spread.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

/// Section [collapse].
struct ScalingOptions {
  std::string key;  ///< of the experiment that the size is
  std::vector<double> sizes;
  std::shared_ptr<const settings::Expression> horizon;  ///< steps, of size and optimal
  std::optional<double> floor;                          ///< empty: the model's
  /// Keys that change with the size, and their formulas of it.
  std::vector<std::pair<std::string, std::shared_ptr<const settings::Expression>>> set;
  std::size_t points = 20;
  std::optional<bool> simulate;  ///< empty: where the model has runs to simulate
  CollapseRule rule;
};
const std::vector<settings::Parameter>& collapse_parameters();
/// \throws settings::Error; also where there is no such section.
ScalingOptions read_scaling(const settings::Table& experiment);

/// One size of the experiment.
struct ScaledProblem {
  double size = 0;
  models::Experiment experiment;
  std::unique_ptr<models::Problem> problem;
};
/// The experiment at every size, its steps the horizon and recorded around every x. Every size has random numbers of its
/// own. \throws settings::Error.
std::vector<ScaledProblem> at_sizes(const models::Experiment& base, const ScalingOptions& options);

/// A measured spread against the predicted one.
struct SpreadCheck {
  std::vector<double> predicted, measured, error;  ///< on the grid of x; error: standard error of the measured
  /// Everywhere in [.2, .95] within four errors or a tenth, where no more than .3 is predicted (beyond, rare runs decide).
  bool agrees = true;
  bool judged = true;  ///< false: the prediction is too rough to be held to it; what it misses by is shown
  double largest = 0;  ///< largest |measured/predicted - 1| there
};

struct ScalingCollapse {
  double floor = 0;
  SampledCurves theory;  ///< one curve a size
  CollapseSpread theory_spread;
  CollapseVerdict verdict;    ///< of the theory, which has no noise
  std::vector<double> limit;  ///< normalised curve of large sizes; empty: not known
  double limit_gap = 0;       ///< largest |l/limit - 1| of the largest size over x >= rule.from
  /// Predicted for infinitely many seeds; empty where the model knows no fluctuations, infinite where
  /// the fourth moments of runs grow without bound.
  std::vector<double> predicted_delta, predicted_floor;
  double predicted_supercollapse = 0;
  std::optional<SampledCurves> simulated;
  std::optional<CollapseSpread> simulated_spread;
  double simulated_supercollapse = 0;
  std::pair<double, double> simulated_supercollapse_bounds = {
      std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};  ///< as supercollapse_bounds
  std::vector<Verdict> of_size;  ///< mean curves against theory
  std::optional<SpreadCheck> delta_check, floor_check;
  /// Of what was simulated: disagree where anything does, agree where every size does or Delta and floor do.
  Outcome simulation() const;
};

/// \param simulate  runs the replicas of one size
ScalingCollapse collapse_of(const std::vector<ScaledProblem>& sizes, const ScalingOptions& options,
                            const std::function<Sample(const ScaledProblem&)>& simulate);

}  // namespace edgewise::validation
