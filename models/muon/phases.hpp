#pragma once
/// \file
/// Power-law asymptotics of SignSVD and SignSGD (docs/theory/muon-phases.md, section 7): predicted exponents with their
/// windows, and the phase lines of protocol A.
#include <optional>
#include <string>

#include "models/muon/problem.hpp"

namespace edgewise::models::muon {

/// lambda_j = j^(-2 alpha), D_j(0) = j^(-2 beta), j = 1..n.
struct PowerLaw {
  double alpha = 0, beta = 0, n = 0;
  /// g = 2 alpha + 2 beta - 1: P_0 converges with n where it is positive.
  double signal() const { return 2 * alpha + 2 * beta - 1; }
};

/// tr sqrt(K).
double root_trace(const spectra::Spectrum& spectrum);

/// P ~ t^(-exponent) for from << t << to, in steps.
struct PredictedExponent {
  double exponent = 0, from = 0, to = 0;
  std::string limited_by;  ///< signal, noise memory, noise floor
  bool conjectured = false;
};

/// Of the problem's map and protocol in the large-batch limit; nothing where no power law is known (alpha <= 1/2 but
/// for protocol C, g <= 0, other maps, a schedule).
std::optional<PredictedExponent> predicted_exponent(const MatrixLeastSquares& problem, const PowerLaw& law);

/// Label under protocol A as n -> infinity: T (trade-off), V (SignSVD uniformly ahead), S (SignSGD uniformly ahead), -
/// (equal up to constants). deep: to the end of convergence; else the power-law range only.
char predicted_phase(double alpha, double beta, bool deep);

}  // namespace edgewise::models::muon
