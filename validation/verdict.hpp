#pragma once
/// \file
/// The comparison of theory and simulation: agree, disagree or inconclusive, with the statistics behind it.
#include <string>
#include <vector>

#include "models/model.hpp"
#include "settings/settings.hpp"
#include "validation/monte_carlo.hpp"

namespace edgewise::validation {

enum class Outcome { agree, disagree, inconclusive };
std::string_view name(Outcome outcome);

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
  double false_alarm = 0.01;  ///< probability of `disagree` when the theory is right
  double resolution = 0.1;    ///< asked: relative discrepancies of this size must be detectable
  double power = 0.99;        ///< ... with this probability
  double allowed = 0;         ///< relative model error that is accepted (0 where the theory is exact)
};
const std::vector<settings::Parameter>& verdict_parameters();
VerdictOptions read_verdict_options(const settings::Table& experiment);

struct Verdict {
  Outcome outcome = Outcome::inconclusive;
  std::string reason;                ///< one sentence
  double max_z = 0, critical_z = 0;  ///< over all steps and observables together
  double p_value = 1;
  /// Smallest relative discrepancy of an observable, common to the first or to the second half of the recorded steps,
  /// that would be detected with the asked power (worst over observables and halves).
  double detectable = 0;
  double largest_gap = 0;            ///< largest |mean - theory| / theory
  double effective_comparisons = 0;  ///< number of independent comparisons with the same critical value
  std::uint64_t replicas = 0;
  bool heavy_tailed = false;
  bool exact_std = false;  ///< z-scores use the theory's exact standard deviation
  std::vector<Comparison> rows;
  std::vector<std::string> warnings;
};

/// Compares the columns that theory and sample share, at all recorded steps > 0 together.
Verdict judge(const models::Trajectory& theory, const Sample& sample, const VerdictOptions& options,
              std::uint64_t seed);

}  // namespace edgewise::validation
