#pragma once
/// \file
/// Drift and noise of stochastic SignSVD (docs/theory/muon-phases.md, section 3): a deterministic equivalent for the
/// product of sample weights, outputs and inputs.
///
/// Of inputs with eigenvalues lambda_j, outputs with eigenvalues sig_k (m of them), batch B; every tau > 0 fixes nu and
/// rho, s falls with tau and vanishes at tau_max, and Phi is of the sample weights (WeightLaw):
///
///     F(tau) = sum_j tau lambda_j/(1 + tau lambda_j) = sum_k nu sig_k/(1 + nu sig_k) = B Phi(rho)
///     s      = F^2/(rho nu tau)
///     hhat_j = (2/(pi m)) int_0^tau_max sqrt(s) lambda_j/(1 + tau lambda_j)^2 dtau
///     Q_j    = lambda_j/(lambda_j + kappa),   kappa = 1/tau_max
///
/// Null eigenvalues, lambda_j = 0, have hhat_j = Q_j = 0 and count for no rank.
#include <span>
#include <vector>

#include "spectra/spectrum.hpp"

namespace edgewise::models::muon {

/// Law of the sample weights r_i under the null: bilinear, Gaussian weights, Phi(rho) = E[rho g^2/(1 + rho g^2)];
/// vector, none, Phi(rho) = rho/(1 + rho); unlimited, B -> infinity at fixed B/m, Phi(rho) = rho.
enum class WeightLaw { bilinear, vector, unlimited };

/// exp(y^2) erfc(y), y >= 0.
double scaled_erfc(double y);
/// Phi(rho) of a law, rho >= 0.
double weight_transform(WeightLaw law, double rho);
/// rho with Phi(rho) = phi, given phi in (0, 1) and its complement 1 - phi to full accuracy. \param guess a starting
/// point, or 0.
double inverse_weight_transform(WeightLaw law, double phi, double complement, double guess = 0);

/// Eigenvalues with how many coordinates each stands for.
struct WeightedEigenvalues {
  std::span<const double> value, count;
  WeightedEigenvalues(std::span<const double> values, std::span<const double> counts) : value(values), count(counts) {}
  WeightedEigenvalues(const spectra::Spectrum& s) : value(s.eigenvalue), count(s.multiplicity) {}  // NOLINT: it is some
};

/// The root of sum_j n_j lambda_j/(lambda_j + kappa) = rank; 0 when rank >= sum_j n_j over lambda_j > 0.
double effective_ridge(const WeightedEigenvalues& inputs, double rank);

/// hhat_j of SignSVD, isotropic outputs, one number per distinct eigenvalue (per coordinate, not summed over it).
/// \param outputs  m
/// \param batch    B
/// \param spacing  of the quadrature points in the logarithmic variable; at 0.25 the error is below 1e-11
std::vector<double> signsvd_drift(const WeightedEigenvalues& inputs, double outputs, double batch, WeightLaw law,
                                  double spacing = 0.25);

/// The same for outputs a ~ N(0, Sigma) (docs/theory/muon-phases.md (3.7)): hhat_kj, row-major over output eigenvalues
/// k, then inputs j.
std::vector<double> signsvd_drift_matrix(const WeightedEigenvalues& inputs, const WeightedEigenvalues& outputs,
                                         double batch, WeightLaw law, double spacing = 0.25);

/// Q_j = lambda_j/(lambda_j + kappa), per coordinate.
std::vector<double> signsvd_noise(const WeightedEigenvalues& inputs, double rank);

}  // namespace edgewise::models::muon
