#pragma once
/// A verdict whose every number is another one, so that none can stand for another.
#include "validation/verdicts/verdict.hpp"

namespace edgewise::cli::testing {

inline validation::PredictionVerdict sample_prediction() {
  validation::PredictionVerdict p;
  p.prediction.name = "plateau";
  p.prediction.statement = "it holds";
  p.prediction.nominal = 2;
  p.prediction.low = 1.9;
  p.judged = true;
  p.outcome = validation::Outcome::agree;
  p.reason = "inside";
  p.runs = 41;
  p.estimate = 2.01;
  p.error = 0.011;
  p.z = 0.7;
  p.p_value = 0.48;
  p.detectable = 0.021;
  return p;
}

/// Without rows and predictions.
inline validation::Verdict sample_verdict() {
  validation::Verdict v;
  v.outcome = validation::Outcome::disagree;
  v.reason = "because";
  v.max_z = 1.5;
  v.critical_z = 2.5;
  v.p_value = 0.125;
  v.detectable = 0.03;
  v.largest_gap = 0.04;
  v.effective_comparisons = 17.5;
  return v;
}

}  // namespace edgewise::cli::testing
