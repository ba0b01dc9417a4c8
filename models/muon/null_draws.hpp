#pragma once
/// \file
/// Coefficients measured instead of derived (docs/theory/muon-phases.md, section 2): from draws of the null law, for
/// any map, and by regression of E[S u_j] on Delta u_j at a real Delta.
#include <cstdint>
#include <vector>

#include "models/muon/gradient.hpp"
#include "models/muon/problem.hpp"

namespace edgewise::models::muon {

/// Means over draws with their standard errors, one number per eigenspace of K (per coordinate of it); for anisotropic
/// outputs one per pair, row-major over eigenspaces of Sigma.
struct MeasuredCoefficients {
  std::vector<double> drift, drift_error, noise, noise_error;
};

/// hhat_j = (1/m) E_null[(S(Ghat)'Ghat)_jj] and Q_j = E_null[(S'S)_jj]. A map with a scale sees G = sqrt(V)/B Ghat.
/// Anisotropic outputs: hhat_kj = E_null[S_kj Ghat_kj], q_kj = E_null[S_kj^2].
MeasuredCoefficients null_coefficients(const MatrixLeastSquares& problem, std::uint64_t draws, std::uint64_t seed,
                                       double V);

/// The same of a spectral map at several V from the same draws: out[v]. Isotropic outputs.
std::vector<MeasuredCoefficients> null_coefficients(const MatrixLeastSquares& problem, std::uint64_t draws,
                                                    std::uint64_t seed, const std::vector<double>& V);

/// sqrt(V) E<S u_j, Delta u_j>/|Delta u_j|^2 at the start, over draws of the gradient (Delta fixed), and
/// E|S u_j|^2. Isotropic outputs.
MeasuredCoefficients regressed_coefficients(const MatrixLeastSquares& problem, std::uint64_t draws, std::uint64_t seed);

}  // namespace edgewise::models::muon
