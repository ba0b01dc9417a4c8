#pragma once
/// \file
/// Dot-product kernels of unit vectors, K(rho) = sum b_k rho^k with b_k >= 0, and their eigenvalues on the sphere
/// S^(d-1) (docs/theory/networks-and-kernels.md, sections 4.1 and 4.2).
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::models::ingredients::learning_curves {

/// One kernel; with `bias` it is taken at (1 + rho)/2, as if every input had a constant coordinate more.
class DotKernel {
 public:
  explicit DotKernel(bool bias) : bias_(bias) {}
  virtual ~DotKernel() = default;

  double operator()(double rho) const { return at(bias_ ? 0.5 * (1 + rho) : rho); }
  /// Without the bias; |u| <= 1 up to rounding.
  virtual double at(double u) const = 0;
  /// b_0 .. b_{size-1}, with the bias.
  std::vector<double> taylor(std::size_t size) const;
  /// lambda_0, lambda_1 .., at most up to `max_degree` and as far as multiplicities are finite. By default by
  /// quadrature, where what is lost in rounding is 0.
  virtual std::vector<double> eigenvalues(double dimension, std::size_t max_degree) const;
  /// lambda_k for degrees of any size >= 100, where there is a formula.
  virtual std::optional<double> far_eigenvalue(double dimension, double degree) const;
  /// lambda_k for degrees of any size > 24 of the kernel at u = 1 - contraction (1 - rho)/2, 0 < contraction <= 1 (that
  /// with the bias has 1), where there is a formula.
  virtual std::optional<double> contracted_eigenvalue(double dimension, double degree, double contraction) const;
  /// The degree beyond which all eigenvalues are 0, or less than a double holds.
  virtual std::optional<std::size_t> last_degree(double dimension) const;
  /// Whether an eigenvalue that comes out as 0 is; else it is only too small to be told from 0.
  virtual bool exact_zeros() const { return false; }
  /// Whether it is taken at (1 + rho)/2.
  bool bias() const { return bias_; }

 private:
  /// Without the bias.
  virtual std::vector<double> plain_taylor(std::size_t size) const = 0;
  bool bias_;
};

/// Eigenspaces of a kernel; degrees that stand for many are nodes of a sum over degrees of one parity.
struct SphereSpectrum {
  std::vector<double> degree, eigenvalue, multiplicity;
  std::vector<double> degrees;  ///< how many a node stands for, mostly 1
  double tail = 0;              ///< trace of what is not listed
  bool finite_rank = false;     ///< nothing is beyond: not even eigenvalues that no double holds
};

/// Adds the degrees beyond `last` by `eigenvalue` of their degree (0 for a parity that is not there), as nodes until 1e18
/// harmonics and a tail from there on. \param trace  of them all, of which in many dimensions the tail is what is left
void add_far_degrees(SphereSpectrum& spectrum, const std::function<double(double)>& eigenvalue, double dimension,
                     std::size_t last, double trace);

/// Every degree up to `max_degree`; where none is given as far as the kernel's formula goes: at least to
/// `least_degree`, and by nodes until 1e18 harmonics.
SphereSpectrum sphere_spectrum(const DotKernel& kernel, double dimension, std::optional<std::size_t> max_degree,
                               std::size_t least_degree = 0);

/// Keys of section [kernel].
std::vector<settings::Parameter> kernel_parameters();
/// \throws settings::Error
std::unique_ptr<DotKernel> read_kernel(const settings::Values& values);
/// By name (arc0, arc1, ntk, ntk1, gauss, exp), for tables of known values. \param s2  of gauss and exp
/// \throws std::invalid_argument for other names.
std::unique_ptr<DotKernel> kernel_named(const std::string& name, bool bias, double s2 = 1);

// Each in its own file.
/// arc0, arc1, ntk or ntk1. \throws std::invalid_argument for other names.
std::unique_ptr<DotKernel> relu_kernel(const std::string& name, bool bias);
std::unique_ptr<DotKernel> deep_tangent_kernel(std::size_t layers, bool bias);
/// exp((rho - 1)/s2), times e^(1/s2) where it is not `normalised`.
std::unique_ptr<DotKernel> exponential_kernel(double s2, bool normalised, bool bias);
std::unique_ptr<DotKernel> taylor_kernel(std::vector<double> coefficients, bool bias);

}  // namespace edgewise::models::ingredients::learning_curves
