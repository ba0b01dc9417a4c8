#pragma once
/// \file
/// Exponents of power laws: a straight line through log y against log x in a window, how sure it is, and whether the
/// curve is straight at all.
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace edgewise::validation {

struct ExponentOptions {
  double from = 0;  ///< window of x; points outside are not used
  double to = std::numeric_limits<double>::infinity();
  /// A change of the local exponent over the window that is accepted as straight.
  double tolerance = 0.05;
  /// The change must also be significant at this level to count as curvature.
  double significance = 0.01;
};

/// y = prefactor * x^exponent in the window. NaN where there are too few points: 3 for the exponent, 4 for the error of
/// the curvature.
struct ExponentFit {
  double exponent = std::numeric_limits<double>::quiet_NaN();
  /// From the scatter of the residuals, with the effective number of points.
  double standard_error = std::numeric_limits<double>::quiet_NaN();
  double prefactor = std::numeric_limits<double>::quiet_NaN();
  /// Change of the local exponent d log y / d log x from one end of the window to the other, from a parabola.
  double curvature = std::numeric_limits<double>::quiet_NaN();
  double curvature_error = std::numeric_limits<double>::quiet_NaN();
  double curvature_p = std::numeric_limits<double>::quiet_NaN();  ///< Student's t, that there is none
  std::size_t points = 0;
  /// n (1 - r)/(1 + r) with the correlation r of neighbouring residuals, between 3 and n: residuals that follow a
  /// smooth deviation tell less than as many independent ones.
  double effective_points = 0;
  bool curved = false;  ///< |curvature| above the tolerance and significant
};

/// Least squares of log y on log x over the points in the window with positive, finite x and y.
/// \param relative_errors  standard errors of y relative to y, which weigh the points; empty: all weigh the same
ExponentFit fit_exponent(std::span<const double> x, std::span<const double> y, const ExponentOptions& options = {},
                         std::span<const double> relative_errors = {});

struct LocalExponent {
  double x;         ///< geometric middle of two neighbouring points
  double exponent;  ///< of the power law through both
};

/// Local exponents between neighbouring points with positive, finite x and y.
std::vector<LocalExponent> local_exponents(std::span<const double> x, std::span<const double> y);

}  // namespace edgewise::validation
