#pragma once
/// \file
/// What a verdict compares: the observables and steps that theory and sample share, and what each sample can tell.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/monte_carlo/statistics.hpp"

namespace edgewise::validation {

/// frozen: the simulation does not fluctuate where theory says that it must. heavy, unmet: the mean is carried by
/// replicas, or by label noise, too rare to be in the sample. few: the replicas are.
enum class CellKind { fluctuating, few, heavy, unmet, deterministic, frozen };

/// One comparison: an observable at a step.
struct ComparedCell {
  std::size_t observable = 0;  ///< among the shared ones
  std::size_t time = 0;        ///< index into the compared steps
  std::span<const double> values;
  Moments moments;
  double theory = 0;
  double exact_std = 0;  ///< 0: not known
  double skewness = 0;   ///< of one replica, shrunk
  double unmet = 0;      ///< part of the theory that noise too rare for the sample carries
  double largest = 0;    ///< size of the largest recorded value up to here
  double rounding = 0;   ///< absolute, by the theory
  CellKind kind = CellKind::fluctuating;

  bool positive() const { return theory > 0 && std::ranges::min(values) >= 0; }
  double gap() const { return moments.mean - theory; }
  double std() const { return exact_std > 0 ? exact_std : moments.std; }
  /// Discrepancies are relative to this: what vanishes, as by a symmetry, has no size but that of its fluctuations.
  double scale() const { return std::abs(theory) <= rounding ? std() : std::abs(theory); }
};

/// The most and the least skewness, shrunk, that an observable has at any step.
struct SkewnessRange {
  double least = 0, most = 0;
  bool positive = true;  ///< the observable, in theory and in every sample
};

/// Everything that theory and sample share.
struct ComparedCells {
  const models::Axis* axis = nullptr;
  std::vector<std::uint64_t> steps;
  std::vector<std::string> observables;
  std::vector<ComparedCell> cells;
  std::vector<SkewnessRange> tails;  ///< by observable
  bool asked_beyond_sample = true;   ///< false: a sample cut at a divergence still has all the steps that are judged

  /// "risk at step 100".
  std::string place(const ComparedCell& cell) const;
};

/// Whether 0 is a given start, at which there is nothing to compare; without samples a predictor has an error like any other.
inline bool zero_is_given(const Sample& sample) {
  return sample.axis != &models::samples_axis();
}

/// All steps within the theory's validity that the sample has, but for a given start, observable by observable. \param sample  outlives them
ComparedCells compared_cells(const models::Trajectory& theory, const Sample& sample);

/// Whether two numbers that do not fluctuate are the same but for rounding and the relative error `allowed`.
bool deterministic_match(const ComparedCell& cell, double allowed);

}  // namespace edgewise::validation
