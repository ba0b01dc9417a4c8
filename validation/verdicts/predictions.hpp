#pragma once
/// \file
/// The judgement of what a theory says about whole runs: plateaus, edges, ends.
#include <cstdint>
#include <span>

#include "models/framework/model.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

/// Checks that every prediction asked for in [verdict] is made. \throws settings::Error naming those that are.
void check_predictions(const settings::Table& experiment, std::span<const models::Prediction> made,
                       const VerdictOptions& options);

/// Judges a prediction by the replicas of its kind, each to its own end.
///
/// What is tested is that the mean or the median lies in the closed interval; `false_alarm` bounds the probability of
/// `disagree` when it does, shared by the interval's two ends where both are finite. Means: Student's t at the least favourable skewness,
/// as the curves are (1% stated: of normal runs 0.2% false alarms at 8 and 0.7% at 30, of exponential ones 1.2% and 0.9%, of
/// squared normal ones 1.6% and 0.9%). Medians: the sign test, exact for any law, ties with an end counted as inside. Agreement needs that a distance
/// from the interval of `options.resolution`, relative to the nominal value, would have been detected with probability
/// `options.power`; for a median that distance is read off the sample's own quantiles, and is infinite where they do
/// not reach. A sample that does not fluctuate (every replica the same run) is compared as it is.
PredictionVerdict judge_prediction(const models::Prediction& prediction, const Sample& sample,
                                   const VerdictOptions& options, double false_alarm);

/// Curves and predictions together. The false-alarm probability is shared equally by the predictions and the joint test
/// of the curves. Disagree: one of them does. Agree: the curves, where there are any to compare, and every prediction
/// that is judged agree, and every one that is asked for is judged, and something is. A prediction that is not asked
/// for and whose runs are too few to detect anything is reported, not judged. With no predictions, `judge` of the
/// curves.
Verdict judge(const models::Trajectory& theory, const Sample& sample, std::span<const models::Prediction> predictions,
              const VerdictOptions& options, std::uint64_t seed);

/// "plateau: median of eta_lambda_max over the last quarter 1.976 +- 0.004 of 22 runs, predicted 2 (1.9 to 2.1):
/// agrees"
std::string summary(const PredictionVerdict& verdict);

}  // namespace edgewise::validation
