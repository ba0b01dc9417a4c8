#pragma once
/// \file
/// The noise model of loss curves across schedules in its relative form, on measured runs
/// (docs/theory/schedules-and-collapse.md, section 5 and "What the papers themselves do"):
///
///     L'(tau_k) = L_const(tau_k) + a d_eta S,   tau_k = sum_{l<k} eta_l,
///
/// eta_k the rate of the step after row k, d_eta the difference of the rates at equal tau, S the size of the run's gradient noise; one a for all.
#include <span>
#include <string>
#include <vector>

#include "validation/collapse/loss_curves.hpp"

namespace edgewise::validation {

/// The a of least squares of (loss - reference)/loss against rate_difference noise/loss; NaN where nothing differs.
double relative_noise_factor(std::span<const double> loss, std::span<const double> reference,
                             std::span<const double> rate_difference, std::span<const double> noise);

/// One schedule's mean curve at one size against the reference's.
struct RelativeRun {
  std::string schedule;
  double size = 0;
  /// At the recorded steps whose tau the reference reaches.
  std::vector<double> step, tau, loss, reference, rate_difference, noise;
  double factor = 0;             ///< its own a
  double rms = 0, rms_none = 0;  ///< of the relative residual, with the common a and with a = 0
};

struct RelativeNoise {
  double factor = 0;         ///< a
  double factor_halved = 0;  ///< from every other record of the reference: how far a hangs on them
  std::vector<RelativeRun> runs;
  std::vector<std::string> notes;
};

/// Losses of the reference at the runs' tau are a monotone cubic's in log(1 + tau/(first tau)) between its records.
/// \param reference  the schedule of constant rate. Notes say where halving its records shows an error of a over 5%, which seeds
/// share part of their records alone, and which runs it never meets. Where a column noise is missing the loss stands for it, as for least
/// squares up to a factor; a note says so. \throws settings::Error without rates, without the reference at a size,
/// where the seeds of a run share no step, or where no run has a tau in common with the reference.
RelativeNoise fit_relative_noise(const LossCurves& curves, const std::string& reference);

}  // namespace edgewise::validation
