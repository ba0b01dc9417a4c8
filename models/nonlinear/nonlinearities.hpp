#pragma once
/// \file
/// Nonlinearities of the residual, each with its Gaussian averages (docs/theory/sign-and-clip.md, sections 1, 5.1).
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace edgewise::models::nonlinear {

/// What a residual nonlinearity chi does on average: mu = E chi'(r), q = E chi(r)^2, c2 = E (chi^2)''(r), derivatives
/// in the sense of distributions. Then E[chi x] = mu K v and E[chi^2 x x'] = q K + c2 Kv (Kv)', exactly.
struct ResidualCoefficients {
  double mu = 0, q = 0, c2 = 0;
};

/// The coefficients for r ~ N(mean, variance), variance > 0, of a chi that is smooth between `edges` (increasing), by Gauss's
/// rule of 20 or 30 points on pieces of two standard deviations, to twelve on either side.
/// \param half  mean 0 and an odd chi, of which one half says all
template <unsigned points>
ResidualCoefficients gaussian_average(const std::function<double(double)>& chi, std::span<const double> edges,
                                      double mean, double variance, bool half = false);

/// chi(r), symmetric or not.
class ResidualNonlinearity {
 public:
  virtual ~ResidualNonlinearity() = default;
  virtual double operator()(double r) const = 0;
  virtual bool identity() const { return false; }  ///< chi(r) = r
  /// Between its kinks and joints chi is a polynomial to rounding; across a joint it is smooth.
  virtual std::span<const double> kinks() const = 0;
  virtual std::span<const double> joints() const { return {}; }
  virtual double growth() const { return 0; }  ///< p of |chi| ~ |r|^p for large r
  /// The coefficients for r ~ N(mean, variance), variance > 0.
  virtual ResidualCoefficients gaussian(double mean, double variance) const = 0;
};

std::unique_ptr<ResidualNonlinearity> identity_nonlinearity();            ///< SGD
std::unique_ptr<ResidualNonlinearity> huber_nonlinearity(double h);       ///< clip(r, -h, h), h > 0 or infinite
std::unique_ptr<ResidualNonlinearity> sign_nonlinearity();                ///< least absolute deviations
std::unique_ptr<ResidualNonlinearity> quantile_nonlinearity(double tau);  ///< 1{r > 0} - tau
std::unique_ptr<ResidualNonlinearity> rejection_nonlinearity(double h);   ///< r 1{|r| < h}, likewise
/// Any chi that is smooth between `kinks` on the scale of the residual and grows like |r|^growth, by quadrature.
std::unique_ptr<ResidualNonlinearity> general_nonlinearity(std::function<double(double)> chi, std::vector<double> kinks,
                                                           double growth = 0);

}  // namespace edgewise::models::nonlinear
