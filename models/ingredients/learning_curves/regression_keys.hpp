#pragma once
/// \file
/// What experiments with kernel regressions have in common, whatever is learned.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/learning_curves/learning_curve.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients::learning_curves {

/// [noise] variance; [theory] errors; [monte_carlo] test_samples; [kernel] ridge.
const std::vector<settings::Parameter>& noise_parameters();
const std::vector<settings::Parameter>& error_parameters();
const std::vector<settings::Parameter>& test_parameters();
settings::Parameter ridge_parameter();

/// What those keys say, and [samples]; replicas share it.
struct RegressionSetting {
  double ridge = 0, noise = 0;
  Time time;
  std::string last_key;       ///< that says the largest training set: "samples.max", or "samples.at"
  std::vector<double> shown;  ///< sample counts of the curve: those recorded, 0 where `samples.at` lists it
  std::size_t tests = 0;
  std::vector<double> errors;
};
/// \param kernel  values of section [kernel]
RegressionSetting read_regression(const Experiment& experiment, const settings::Values& kernel);

/// Without samples there is no effective ridge, nor a training set to have an error on: they begin later.
void begin_later(Trajectory& trajectory, std::span<const std::string_view> columns);

/// \throws std::invalid_argument without samples, or, of a simulation, with more than `most_regression_samples`.
void check_samples(const RegressionSetting& setting, bool simulated);
/// \throws std::invalid_argument where the excess at n samples is infinite: n meets the rank without a ridge.
void check_excess(double n, double excess);

/// To be asked before every row: ends the claim, with a warning, before the first whose least excess is below 1% of the target's power, where theory
/// and simulation part by factors (docs/theory/networks-and-kernels.md, section 4.3).
void limit_validity(Trajectory& trajectory, double least_excess, double power);

/// The same before the first whose `truncation` (CurvePoint) is above `most_truncation`; `warn_of_truncation` says why.
void limit_truncation(Trajectory& trajectory, double truncation);
void warn_of_truncation(std::vector<std::string>& warnings, double n, double truncation);
/// The largest E0 on a sphere of R^d beside which an excess is claimed: 1 + (d - 1)/4, or where what is being learned is a share
/// s of the excess 1 + sqrt((d - 1)(d + 2)/(132 s)), if that is less.
double largest_overfitting(const CurvePoint& point, double dimension);
/// To be asked after all rows, with E0 and the largest that is claimed in each. Of what is left the claim is the last run of
/// rows, or where there is none the first.
void limit_overfitting(Trajectory& trajectory, std::span<const double> overfitting, std::span<const double> largest);
/// Relative change of the excess at n samples, in size, by what the theory takes for a random feature and is none: the
/// constant, the first level, is the same at every sample and takes up none of them
/// (docs/theory/networks-and-kernels.md, section 4.3): x = L^2 E0/n makes it 2 x times its share of the excess, and of
/// all that the samples see as noise x^2; 0 without samples.
double change_by_constant(const LearningCurve& curve, const CurvePoint& point, double n);
/// To be asked last, with that change in each row: of `columns` the claim begins after the last row in which it is above a tenth.
void limit_constant(Trajectory& trajectory, std::span<const double> change, std::span<const std::string_view> columns);
/// `when_known`, or why `samples_for` has no number.
std::string samples_text(double samples, const std::string& when_known);

}  // namespace edgewise::models::ingredients::learning_curves
