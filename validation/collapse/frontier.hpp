#pragma once
/// \file
/// The compute frontier of runs at several sizes: what it is, and the power law with a floor through it
/// (docs/theory/schedules-and-collapse.md, "What the papers themselves do").
#include <span>
#include <vector>

#include "validation/collapse/loss_curves.hpp"

namespace edgewise::validation {

/// L = floor + prefactor * c^-exponent.
struct FloorFit {
  double floor = 0, prefactor = 0, exponent = 0;
  double objective = 0;  ///< mean Huber loss of the log residuals
  double rms = 0;        ///< root mean square of the log residuals
};

/// The least mean Huber loss (quadratic within `delta`) of log L - log(floor + prefactor c^-exponent), by Levenberg and
/// Marquardt on the reweighted squares, from a grid of floors below the least loss. The same in every unit.
/// \param floor_given  kept at this value where it is not null
/// \throws std::invalid_argument for fewer points than parameters, or for values that are not positive.
FloorFit fit_floor(std::span<const double> c, std::span<const double> loss, const double* floor_given = nullptr,
                   double delta = 1e-3);

/// Least loss at a fixed compute over all sizes.
struct FrontierPoint {
  double compute, loss, size, step;  ///< size and step that reach it
};

/// Of the mean curve of each size: at computes that are logarithmically spaced the least loss, by a parabola in log size
/// through the best size and its neighbours; between recorded points the curves are straight in log loss and log compute. Computes at which the smallest or the largest size is best are left out:
/// beyond them the frontier is unknown.
/// \param mean_curves  one a size, in increasing sizes
std::vector<FrontierPoint> envelope(std::span<const LossCurve> mean_curves, std::size_t points = 60);

/// y = prefactor x^exponent, by least squares of the logarithms.
struct PowerFit {
  double exponent = 0, prefactor = 0;
  double error = 0;  ///< standard error of the exponent from the scatter; NaN for two points
};
/// \throws std::invalid_argument for fewer than two different x.
PowerFit fit_power(std::span<const double> x, std::span<const double> y);

/// y at `at` by a straight line between the neighbours of x, which does not fall; NaN outside of it.
double interpolated(std::span<const double> x, std::span<const double> y, double at);
/// The loss of a curve at a step by linear interpolation; NaN outside of it.
double loss_at(const LossCurve& curve, double step);
/// Its compute there.
double compute_at(const LossCurve& curve, double step);

}  // namespace edgewise::validation
