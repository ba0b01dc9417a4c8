#pragma once
/// \file
/// The comparison of theory and simulation: agree, disagree or inconclusive, with the statistics behind it.
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"

namespace edgewise::validation {

enum class Outcome { agree, disagree, inconclusive };
std::string_view name(Outcome outcome);

/// Fewer replicas say too little of a mean that fluctuates: neither does the skewness of so few correct a score, nor do they
/// know their spread. (Measured: docs/guide.md, Calibration.)
inline constexpr std::size_t least_replicas = 8;

/// One row of the comparison: the mean of an observable at a step.
struct Comparison {
  std::uint64_t step = 0;
  std::string observable;
  double theory = 0, mc_mean = 0, mc_sem = 0;
  double std_used = 0;  ///< of one replica: exact where known, else from the sample
  double z = 0;         ///< corrected for skewness; 0 when the observable has no fluctuation and matches
};

/// Section [verdict].
struct VerdictOptions {
  double false_alarm = 0.01;             ///< probability of `disagree` when the theory is right
  double resolution = 0.1;               ///< asked: relative discrepancies of this size must be detectable
  double power = 0.99;                   ///< ... with this probability
  double allowed = 0;                    ///< relative model error that is accepted (0 where the theory is exact)
  std::vector<std::string> predictions;  ///< about whole runs, that must be judged
  std::vector<double> dimensions;        ///< of an extrapolation (extrapolation.hpp); empty: none
  std::optional<double> gap_exponent;    ///< of one, where it is known
};
const std::vector<settings::Parameter>& verdict_parameters();
VerdictOptions read_verdict_options(const settings::Table& experiment);

/// What became of a prediction about whole runs (predictions.hpp).
struct PredictionVerdict {
  models::Prediction prediction;
  bool required = false;  ///< asked for by the experiment
  bool judged = false;    ///< false: no run, or too few, of its kind, and it was not asked for
  Outcome outcome = Outcome::inconclusive;
  std::string reason;      ///< one sentence
  std::uint64_t runs = 0;  ///< of the kind that it is about
  double estimate = std::numeric_limits<double>::quiet_NaN();
  /// Standard error of a mean; of a median, half of its exact interval of (at least) 68%.
  double error = std::numeric_limits<double>::quiet_NaN();
  double z = 0;           ///< standard errors from the interval: 0 inside, negative below; corrected as those of curves
  double critical_z = 0;  ///< beyond it the outcome is `disagree`
  double p_value = 1;
  /// Smallest distance from the interval that would be detected with the asked power, relative to the nominal value;
  /// infinite where the runs are too few for any.
  double detectable = std::numeric_limits<double>::infinity();
  double step = 0;  ///< the last recorded one
};

/// Of the curves (single steps and stretches of them) and of the predictions about whole runs together. Without curves
/// to compare, the statistics below are those of the predictions.
struct Verdict {
  Outcome outcome = Outcome::inconclusive;
  std::string reason;                ///< one sentence
  double max_z = 0, critical_z = 0;  ///< over all steps and observables together
  double p_value = 1;
  /// Smallest relative discrepancy of an observable, common to the first or to the second half of the recorded steps,
  /// that would be detected with the asked power (worst over observables and halves); infinite where what fluctuates is
  /// not judged.
  double detectable = 0;
  double largest_gap = 0;            ///< largest |mean - theory| / theory
  double effective_comparisons = 0;  ///< number of independent comparisons with the same critical value
  std::uint64_t replicas = 0;
  bool heavy_tailed = false;
  bool exact_std = false;  ///< z-scores use the theory's exact standard deviation
  std::vector<Comparison> rows;
  std::vector<Comparison> shown;  ///< not judged: beyond the theory's validity, or without a theory; z is NaN
  std::vector<PredictionVerdict> predictions;
  std::vector<std::string> warnings;
};

/// Compares the columns that theory and sample share, at all recorded steps > 0 up to the theory's validity together.
Verdict judge(const models::Trajectory& theory, const Sample& sample, const VerdictOptions& options,
              std::uint64_t seed);

}  // namespace edgewise::validation
