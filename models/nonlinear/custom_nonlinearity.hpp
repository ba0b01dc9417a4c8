#pragma once
/// \file
/// A nonlinearity of the residual that the user wrote down, with averages by an adaptive quadrature.
#include <functional>
#include <string>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "models/nonlinear/nonlinearities.hpp"

namespace edgewise::models::nonlinear {

/// Relative error of averages that nobody needs to be told.
constexpr double well_averaged = 1e-6;

/// chi(r) as given, kinks and jumps anywhere. On construction the line is cut into pieces on which chi is a polynomial
/// to rounding, kinks found by bisection; Gaussian averages are then Gauss-Legendre sums over pieces no wider than two
/// standard deviations.
class CustomNonlinearity final : public ResidualNonlinearity {
 public:
  /// \throws std::invalid_argument where chi is no number at 0 or at a place that was looked at, is unbounded, vanishes
  /// everywhere, grows faster than any power, or is too rough to be cut into pieces.
  /// \param name  which says everything about chi, for tables of its laws to be shared; empty: none
  explicit CustomNonlinearity(std::function<double(double)> chi, std::string name = {});

  double operator()(double r) const override { return chi_(r); }
  ResidualCoefficients gaussian(double mean, double variance) const override { return average<20>(mean, variance); }

  const std::string& name() const { return name_; }
  bool odd() const { return odd_; }
  double growth() const override { return growth_; }  ///< 0 for bounded ones
  std::span<const double> kinks() const override { return kinks_; }
  std::span<const double> joints() const override { return edges_; }
  /// The largest relative deviation of mu, q, c2 from their values by a rule of half as many more points.
  double quadrature_error(const ingredients::Noise& noise, double P) const;
  /// \throws std::invalid_argument where E chi(r)^2 is infinite under the noise.
  void require_finite(const ingredients::Noise& noise) const;

 private:
  template <unsigned points>
  ResidualCoefficients average(double mean, double variance) const {
    return gaussian_average<points>(chi_, edges_, mean, variance, odd_ && mean == 0);
  }
  double value(double r) const;
  bool smooth(double a, double b, int further = 0) const { return smooth(a, b, further, a, b); }
  bool smooth(double a, double b, int further, double from, double to) const;
  bool breaks(double edge, double near) const;
  void cut(double a, double b, int depth);
  /// A kink of a piece that is not smooth: the leftmost, or from the right.
  double locate(double a, double b, bool from_right = false) const;
  void coarsen();

  std::function<double(double)> chi_;
  std::string name_;
  std::vector<double> edges_;  ///< of the pieces, increasing
  std::vector<double> kinks_;
  bool odd_ = false;
  double growth_ = 0;
};

/// chi from a formula in r, e.g. "r / (1 + abs(r))". \throws std::invalid_argument as the formula or the class.
std::shared_ptr<const CustomNonlinearity> custom_nonlinearity(const std::string& formula);

}  // namespace edgewise::models::nonlinear
