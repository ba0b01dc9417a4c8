#pragma once
/// \file
/// What the data looks like: eigenvalues of the covariance, multiplicities, target power per eigenspace.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace edgewise::spectra {

/// A spectrum of `modes()` distinct eigenspaces (or nodes of a compressed spectrum, each standing for many).
///
/// Mode a has eigenvalue lambda_a, stands for n_a coordinates (real in theory, whole in simulation) and holds
/// target power rho_a = sum of theta*_i^2 over its eigenspace (a block sum, NOT per coordinate).
/// Eigenvalues are sorted, largest first.
struct Spectrum {
  std::vector<double> eigenvalue;    ///< lambda_a >= 0
  std::vector<double> multiplicity;  ///< n_a > 0
  std::vector<double> target_power;  ///< rho_a >= 0
  /// Variance of the label that no linear function of the data explains (misfit of a regression, or the floor F0 of
  /// random features). It acts as label noise and is added to it.
  double unexplained_variance = 0;
  std::string provenance;   ///< one line: what it is and where it came from
  bool compressed = false;  ///< nodes do not stand for single eigenspaces; not fit for simulation

  std::size_t modes() const { return eigenvalue.size(); }
  double dimension() const;        ///< sum n_a
  double trace() const;            ///< tr K = sum n_a lambda_a
  double trace_of_square() const;  ///< tr K^2
  double largest() const;          ///< lambda_max
  double smallest_positive() const;
  double intrinsic_dimension() const { return trace() / largest(); }
  double signal() const;              ///< theta*' K theta* = sum lambda_a rho_a
  bool whole_multiplicities() const;  ///< every n_a is a whole number
};

/// Sorts by eigenvalue (largest first). \throws std::invalid_argument when a value is negative or not finite, the
/// lists differ in length, the spectrum is empty, or no eigenvalue is positive.
Spectrum checked(Spectrum spectrum);

/// Joins modes with equal eigenvalues into one with the summed multiplicity and power (exact by rotation invariance).
Spectrum merged(const Spectrum& spectrum);

}  // namespace edgewise::spectra
