#pragma once
/// \file
/// Least squares on linear features W'x of power-law data, reduced to an ordinary spectrum
/// (docs/theory/least-squares-sgd.md, section 10).
#include <cstddef>
#include <cstdint>
#include <vector>

#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// Data x = (j^(-alpha) z_j), j = 1..v, label <x, b> with b_j = j^(-beta), model <W'x, theta>.
///
/// \param weights W, column-major, `data_dimension` x `features`.
/// \return eigenvalues of Khat = W'HW (H = diag(j^(-2 alpha))), one mode per feature (zero ones joined); target power
///   of theta_opt = Khat^(-1) W'Hb along each eigenvector; `unexplained_variance` = F0 = b'Hb - theta_opt'Khat
///   theta_opt.
///
/// Khat is never formed: its eigenvalues are the squared singular values of H^(1/2) W, and F0 is the squared distance
/// of H^(1/2) b from the range of that matrix, so both stay accurate when Khat is ill-conditioned. Directions with
/// eigenvalues below 1e-28 of the largest hold no power. Cost O(v d^2).
/// \throws std::invalid_argument when the sizes do not fit or a weight is not finite.
Spectrum random_features(std::size_t data_dimension, std::size_t features, double alpha, double beta,
                         const std::vector<double>& weights);

/// W with independent N(0, 1/features) entries, column-major, by Philox with this seed.
std::vector<double> gaussian_features(std::size_t data_dimension, std::size_t features, std::uint64_t seed);

}  // namespace edgewise::spectra
