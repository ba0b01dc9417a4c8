#pragma once
/// \file
/// The comparison of a theory that holds as d -> infinity: run at several dimensions, fit the decay of the gap, judge
/// what is left at infinite dimension.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

/// A key that follows the dimension: value(d) = value (d / d_0)^exponent, d_0 the experiment's own dimension.
struct Scaling {
  std::string section, key;
  double exponent = 0;
};

/// Keys `dimensions`, `gap_exponent` and table `scaling` of section [verdict].
struct ExtrapolationOptions {
  std::vector<double> dimensions;  ///< increasing, at least 3
  std::vector<Scaling> scaling;
  /// Exponents p of a gap that decays like d^(-p), of which one is taken to be (nearly) right.
  std::vector<double> exponents{0.5, 0.75, 1, 1.5, 2};
};

/// What section [verdict] says; empty when it has no `dimensions`. \throws settings::Error.
std::optional<ExtrapolationOptions> read_extrapolation(const settings::Table& experiment);

/// The experiment at each dimension, with scaled keys. The dimension, and the keys that go in proportion to it where they
/// are given and not scaled otherwise, are those that the model names (Model::dimension). Recorded steps correspond: the
/// base's, scaled as `time.steps`; those that would fall together at the smallest dimension are left out of all. Seeds
/// go up by one from level to level, so that levels are independent. \throws settings::Error.
std::vector<models::Experiment> at_dimensions(const models::Experiment& base, const ExtrapolationOptions& options);

/// Theory and simulation at one dimension.
struct Level {
  double dimension = 0;
  models::Trajectory theory;
  Sample sample;
};

/// The mean over all recorded steps and shared observables of (mean - theory)/theory at one dimension.
struct Gap {
  double dimension = 0, mean = 0, sem = 0;
};

struct Extrapolation {
  Verdict verdict;            ///< of the gaps at infinite dimension, as fractions of the theory at the largest one
  double exponent = 0;        ///< of those considered, the one that fits best
  double fit_p_value = 1;     ///< of the best fit
  std::vector<Gap> gaps;      ///< at each dimension
  Gap limit;                  ///< at infinite dimension, by the best fit; dimension = infinity
  models::Trajectory theory;  ///< at the largest dimension, cut to what all levels share
  Sample sample;              ///< at the largest dimension, likewise
};

/// Fits gap = g + c d^(-p) to every recorded step and observable, all of them judged together (`judge`).
///
/// The intercept is a fixed linear combination of the levels, so replicas combine one by one and the joint test is that
/// of one dimension: calibrated likewise. The path's spread is taken to fall like d^(-1/2) in choosing the weights; a
/// wrong choice costs power, not calibration. With one exponent the test has the whole false-alarm rate. With several,
/// one that the curvature in d contradicts at half the rate is dropped, and the verdict is `disagree` when every other
/// is rejected at the other half: at the stated rate in all, whichever is right. `agree` needs the asked resolution
/// under every exponent that is not rejected; when none fits, the verdict is inconclusive. \throws
/// std::invalid_argument for fewer than 3 levels, or levels whose records do not correspond.
Extrapolation extrapolate(std::span<const Level> levels, const VerdictOptions& options,
                          std::span<const double> exponents, std::uint64_t seed);

}  // namespace edgewise::validation
