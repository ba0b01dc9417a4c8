#pragma once
/// \file
/// Harmonic polynomials on the sphere S^(d-1), d >= 2 (docs/theory/networks-and-kernels.md, section 4.2).
#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace edgewise::models::ingredients::learning_curves {

/// m_0 .. m_max, dimensions of the spaces of harmonic polynomials of each degree. The list ends early, before the first
/// that exceeds 1e280.
std::vector<double> multiplicities(double dimension, std::size_t max_degree);

/// The same up to 1e18: noise of rounding times more of them would be seen.
std::vector<double> resolved_multiplicities(double dimension, std::size_t max_degree);

/// E g P_k below 1e-14 sqrt(E g^2/m_k) is rounding, and becomes 0.
void drop_rounding(std::span<double> coefficients, double mean_square, std::span<const double> multiplicities);

/// In the latitude phi, t = sin phi, the weight is cos^(d-2) phi; beyond this it is below e^-100.
double last_latitude(double dimension);

/// m_{k+1}/m_k for degrees k of any size, as two factors whose logarithms are exact too.
std::array<double, 2> multiplicity_ratio(double dimension, double degree);

/// m_k + m_{k-2} + ... = binom(k + d - 1, d - 1), for degrees of any size (inf where it overflows).
double multiplicity_up_to(double dimension, double degree);

/// P_0(t) .. of the Gegenbauer polynomials with P_k(1) = 1.
void gegenbauer(double dimension, double t, std::span<double> out);

/// E t^n P_k of degree k over a uniform point's first coordinate t, as a product over degrees and powers.
double power_moment(double dimension, double n, std::size_t degree);

/// Averages over the first coordinate t of a uniform point, by Gauss' rule in panels of the angle.
class ZonalQuadrature {
 public:
  ZonalQuadrature(double dimension, std::size_t max_degree);
  /// E g(t) P_k(t), k = 0 .. up to 1e18 harmonics; what is rounding, below 1e-14 sqrt(E g^2 / m_k), is 0.
  std::vector<double> coefficients(const std::function<double(double)>& g) const;
  double mean_square(const std::function<double(double)>& g) const;
  /// Calls visit(t, weight, (P_0(t), P_1(t), ..)) for every node; the weights add up to 1.
  void for_nodes(const std::function<void(double, double, std::span<const double>)>& visit) const;
  const std::vector<double>& multiplicity() const { return multiplicity_; }  ///< m_0, m_1, .. as far as coefficients go

 private:
  void add_panel(double centre, double half);
  /// The sum of the weights to 1.
  void normalise();

  double dimension_;
  std::vector<double> multiplicity_, t_, weight_;
};

}  // namespace edgewise::models::ingredients::learning_curves
