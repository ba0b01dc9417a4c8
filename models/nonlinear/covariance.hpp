#pragma once
/// \file
/// Data covariances with a basis: signs act on coordinates, so eigenvalues alone do not say enough
/// (docs/theory/sign-and-clip.md, sections 0.1 and 1).
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "models/nonlinear/mode_system.hpp"
#include "settings/settings.hpp"
#include "spectra/autoregressive.hpp"
#include "spectra/dataset.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::models::nonlinear {

/// K with the optimum theta* in the coordinates on which the optimizer acts. theta_0 = 0, so v_0 = -theta*.
struct Covariance {
  std::size_t d = 0;               ///< number of coordinates
  bool diagonal = true;            ///< the coordinates are the eigenbasis
  std::vector<double> eigenvalue;  ///< diagonal: K_ii in the order of the coordinates; else empty when not known
  std::vector<double>
      eigenvectors;            ///< column-major d x d in the order of `eigenvalue`; empty if diagonal or not known
  std::vector<double> target;  ///< theta*
  /// How many coordinates an entry stands for, any number, with `target` the root of their power: where only sums matter
  /// (a theory on a diagonal covariance). Empty: one each.
  std::vector<double> count{};
  std::string obstacle{};      ///< with `count`: why this cannot be simulated, the key first
  std::vector<double> matrix;  ///< dense K; empty if diagonal
  /// Variance of the label that no linear function of the data explains.
  double unexplained_variance = 0;

  double copies(std::size_t i) const { return count.empty() ? 1 : count[i]; }
  std::vector<double> diagonal_entries() const;  ///< K_ii
  double trace() const;
  double trace_of_square() const;
  double signal() const;  ///< theta*'K theta* = P(0)
};

/// K = diag(lambda), every eigenspace of the spectrum with its power spread evenly over its coordinates. Of a compressed
/// spectrum, or of multiplicities that are not whole, eigenspaces with their `count`, fit for a theory alone.
Covariance diagonal_covariance(const spectra::Spectrum& spectrum);

/// The spectrum's eigenvalues along the discrete cosine basis, K = Q diag(lambda) Q', with theta* = Q (s_j theta*_j):
/// coordinates as alike as they can be. s_j = +1 where frac(g j^2) < 1/2, g the golden ratio's fraction, else -1;
/// without these signs theta* would stand on one coordinate.
Covariance cosine_covariance(const spectra::Spectrum& spectrum);

/// \throws std::invalid_argument for values out of range.
Covariance autoregressive_covariance(const spectra::Autoregressive& model);

/// Measured covariance of a data set, in its own coordinates (pixels).
Covariance dataset_covariance(const spectra::DatasetOptions& options);

/// Keys of the section [data] that say in which coordinates the optimizer acts: `basis`.
const std::vector<settings::Parameter>& basis_parameters();

/// The covariance of an experiment, from its section [spectrum] and the key `basis` of [data]: "natural" (default: the
/// pixels of a data set, the coordinates of "autoregressive", the eigenbasis of every other kind), "eigen" or "cosine".
/// Other keys of [data] are left to the caller. \throws settings::Error.
Covariance read_covariance(const settings::Table& experiment);

/// Modes of class I: kappa = s = eigenvalues of K, M_i(0) = (u_i.theta*)^2.
/// One eigendecomposition unless it is known. \throws std::invalid_argument when K has a negative eigenvalue.
ModeSystem class_one_modes(const Covariance& covariance);

/// Correlation of the noise of two coordinates' steps as a function of the correlation of their data; 1 at 1.
using NoiseKernel = std::function<double(double)>;
/// (2/pi) arcsin c: of a sign.
double arcsine_kernel(double c);

/// Modes of class II: kappa, U from H = Dg^(-1/4) K Dg^(-1/4), Dg = diag(K); M_i(0) = (U'Dg^(1/4) theta*)_i^2;
/// s_i = (U'Dg^(1/4) N Dg^(1/4) U)_ii with N = kernel(C) element by element, C the correlation matrix; K_sigma for
/// signs. Coordinates with K_ii = 0 never move and are left out. One eigendecomposition; largest kappa first unless
/// diagonal. \throws std::invalid_argument when K has a negative eigenvalue or |C_ij| > 1 + 1e-10.
ModeSystem class_two_modes(const Covariance& covariance, const NoiseKernel& kernel = arcsine_kernel);

/// N = kernel(C), d x d, the covariance K_sigma of the signs for arcsine_kernel; rows and columns with K_ii = 0 are zero.
std::vector<double> noise_covariance(const Covariance& covariance, const NoiseKernel& kernel = arcsine_kernel);

}  // namespace edgewise::models::nonlinear
